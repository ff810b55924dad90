"""How many operations and bytes a step is made of, before any rate is known.

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
    """Of a micro-step: operations of the encoder and its heads by phase; how many passes; bytes of summed gradients."""

    text: float
    cloze: float
    backward: float
    cloze_passes: float
    backward_passes: float
    summed_bytes: float

    @classmethod
    def of(cls, work: Workload) -> "Operations":
        """Count as the code orders it: fused chunks are undone in the phase `cloze`, all else in `backward`."""
        texts = _pass(work, work.text_pass) + _pass(work, work.own_pass)
        shown, chunks, mlm = _pass(work, work.revealed_pass), _chunks(work), _mlm(work)
        once = chunks * (1 + _BACK) if work.is_fused else chunks
        again = 0 if work.is_fused else chunks * (1 + _BACK)
        passes = work.chunks * (1 + _BACK) if work.is_fused else work.chunks
        return cls(
            text=mlm if work.is_joint else texts + mlm,
            cloze=texts + once if work.is_joint else shown + once,
            backward=_BACK * (texts + shown + mlm) + again,
            cloze_passes=passes + 1,
            backward_passes=2 * _BACK + (0 if work.is_fused else work.chunks * (1 + _BACK)),
            summed_bytes=_FULL * work.slot_parameters * (3 * work.chunks + 1) if work.is_fused and work.chunks else 0,
        )

    @property
    def total(self) -> float:
        """Operations of all phases."""
        return self.text + self.cloze + self.backward


def scan_work(work: Workload) -> tuple[float, float]:
    """Count the operations of the scan's products, and the bytes of what is done to its logits."""
    pairs = work.queries * work.rows
    share = work.config.labels.negative_share
    return 2 * pairs * work.row_width * (1 + _SCAN_BACK * share), pairs * _LOGIT_BYTES


def row_bytes(work: Workload) -> float:
    """Count the bytes that an update reads and writes for each number in a row."""
    labels = work.config.labels
    return _ROW_BYTES[labels.optimizer] + (_ROUNDING_BYTES if labels.precision == "bf16" else 0)


def _pass(work: Workload, one: Pass) -> float:
    each = 2 * work.shape.layer_matrices * one.own + 4 * work.shape.width * one.own * one.seen
    return one.records * work.shape.layers * each


def _chunks(work: Workload) -> float:
    """Count all chunks, and the read-out of all slots."""
    width = work.shape.width
    readout = 2 * width * (width + work.label_width) * work.slots * work.records
    return work.chunks * _pass(work, work.chunk_pass) + readout


def _mlm(work: Workload) -> float:
    """Count the transform and the decoder of masked tokens."""
    return 2 * work.masked_tokens * work.shape.word_width * (work.shape.width + work.shape.words)
