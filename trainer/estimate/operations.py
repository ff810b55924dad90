"""Floating-point operations and bytes of a step, before any rate is known.

A product forward takes two operations for each weight that a token meets, and four for each pair of tokens and number
of their width; its backward is two such products.
"""

from dataclasses import dataclass

from .workload import Pass, Workload

_FULL = 4
_BACK = 2
_SCAN_BACK = 2  # gradients of queries and of rows
_LOGIT_BYTES = 36  # largest, softplus, its sum, sigmoid, error: reads and writes of each
ADAMW_BYTES = 96  # of a parameter: eight passes that read two numbers and write one
ZERO_BYTES = 24  # of a parameter: its gradient is copied into a bucket, divided, and made part of one tensor

# Of a number in a row: where the product itself adds its gradient, and where that is worked out first.
_ROW_BYTES = {"sgd": 8, "rowwise_adagrad": 36, "adam": 84}
_ROUNDING_BYTES = 100  # of integers that are mixed, to round stochastically


@dataclass(frozen=True)
class Operations:
    """The work of a micro-step.

    Attributes:
        text: Operations of the phase `text`.
        denying: Operations of the pass without gradients that finds which labels are denied; training counts it as
            scanning.
        cloze: Operations of the phase `cloze`.
        backward: Operations of the phase `backward`.
        text_passes: Passes of the encoder in the phase `text`.
        cloze_passes: Passes in the phase `cloze`.
        backward_passes: Passes in the phase `backward`.
        summed_bytes: Bytes of gradients that the fused driver sums.
    """

    text: float
    denying: float
    cloze: float
    backward: float
    text_passes: int
    cloze_passes: float
    backward_passes: float
    summed_bytes: float

    @classmethod
    def of(cls, work: Workload) -> "Operations":
        """Count as the code orders it: fused chunks are undone in the phase `cloze`, all else in `backward`."""
        read = (work.text_pass, work.context_pass, work.own_pass)
        texts = sum(_pass(work, one) for one in read) + _context(work)
        shown, chunks, mlm = _pass(work, work.revealed_pass), _chunks(work), _mlm(work)
        once = chunks * (1 + _BACK) if work.is_fused else chunks
        again = 0 if work.is_fused else chunks * (1 + _BACK)
        passes = work.chunks * (1 + _BACK) if work.is_fused else work.chunks
        both = sum(one.own > 0 for one in (*read, work.revealed_pass))
        return cls(
            text=mlm if work.is_joint else texts + mlm,
            denying=_pass(work, work.denying_pass),
            cloze=texts + once if work.is_joint else shown + once,
            backward=_BACK * (texts + shown + mlm) + again,
            text_passes=0 if work.is_joint else sum(one.own > 0 for one in read),
            cloze_passes=passes + (work.is_joint or work.revealed_pass.own > 0),
            backward_passes=both * _BACK + (0 if work.is_fused else work.chunks * (1 + _BACK)),
            summed_bytes=_FULL * work.slot_parameters * (3 * work.chunks + 1) if work.is_fused and work.chunks else 0,
        )

    @property
    def total(self) -> float:
        """Operations of all phases but the scan, to which training counts `denying`."""
        return self.text + self.cloze + self.backward


def scan_work(work: Workload) -> tuple[float, float]:
    """Count the operations of the scan's products, and the bytes of what is done to its logits."""
    pairs, denied = work.queries * work.rows, work.config.cloze.denied
    share = work.config.labels.negative_share
    return 2 * pairs * work.row_width * (1 + denied + _SCAN_BACK * share), pairs * (1 + denied) * _LOGIT_BYTES


def row_bytes(work: Workload) -> float:
    """Count the bytes that an update reads and writes for each number in a row."""
    labels = work.config.labels
    return _ROW_BYTES[labels.optimizer] + (_ROUNDING_BYTES if labels.precision == "bf16" else 0)


def _pass(work: Workload, one: Pass) -> float:
    each = 2 * work.shape.layer_matrices * one.own + 4 * work.shape.width * one.own * one.seen
    return one.records * work.shape.layers * each


def _context(work: Workload) -> float:
    """Count the projection of the revealed labels' rows, and the read-out of the query slot."""
    if not work.context_tokens:
        return 0.0
    width, label_width = work.shape.width, work.label_width
    return 2 * work.records * (work.revealed * label_width * work.shape.embedding_size + width * (width + label_width))


def _chunks(work: Workload) -> float:
    """Count all chunks, and the read-out of all slots."""
    width = work.shape.width
    readout = 2 * width * (width + work.label_width) * work.slots * work.records
    return work.chunks * _pass(work, work.chunk_pass) + readout


def _mlm(work: Workload) -> float:
    """Count the transform and the decoder of masked tokens."""
    return 2 * work.masked_tokens * work.shape.embedding_size * (work.shape.width + work.shape.vocab_size)
