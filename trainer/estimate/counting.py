"""Memory of each part of a rank in bytes, between steps and at each moment of one.

Formulas follow the code that they are about. P parameters, W ranks, other shape letters as everywhere.
"""

from dataclasses import dataclass

from ..config import BUCKET
from .shape import EncoderShape
from .workload import Pass, Workload

Components = dict[str, int]
_FULL = 4
_NEW_ROWS = 65_536  # rows that are made at a time, see `labels/table.py`
_NEW_ROW_BYTES = 24  # for each of their numbers: two arrays of float64, and the ones before
_LIVE = 1_000_000_000  # numbers that ZeRO-3 leaves gathered: DeepSpeed's default
_BEST = 32  # bytes for each place of a shortlist: what is best, what waits, in fp32 and int64
_GPU_BEST = 17 * 12 + _BEST  # on a GPU the best of 16 chunks wait, see `labels/top_k.py`
_GPU_BLOCK = 65_536  # rows that are moved at a time on a GPU, see `labels/updates.py`


@dataclass(frozen=True)
class Counting:
    """Counts bytes of a rank, see the methods."""

    work: Workload
    on_gpu: bool

    def dense(self) -> Components:
        """Count parameters and the optimizer's state, fp32: AdamW keeps two numbers, ZeRO a copy of what is its own."""
        stage, whole = self.work.config.train.zero_stage, _FULL * self.work.parameters
        share = -(-whole // self.work.world_size)
        if stage == 0:
            return {"parameters": whole, "optimizer state": 2 * whole}
        if stage == 3:
            parameters = share + min(whole, _FULL * _LIVE)
            return {"parameters": parameters, "optimizer state": 3 * share, "gradient shares": share}
        kept = share if stage == 2 and self.work.accumulation > 1 else 0
        return {"parameters": whole, "optimizer state": 3 * share, "gradient shares": kept}

    def label_table(self) -> Components:
        """Count rows, two biases and a mark each; the optimiser's state; the buffer of gradients, which is fp32."""
        labels, rows, width = self.work.config.labels, self.work.rows, self.work.row_width
        number = 2 if labels.precision == "bf16" else _FULL
        state = {"adam": 2 * (width + 2), "rowwise_adagrad": 3, "sgd": 0}[labels.optimizer]
        return {
            "label rows": rows * (width * number + 2 * _FULL + 1),
            "row optimizer state": rows * state * _FULL,
            "row gradients": rows * (width + 2) * _FULL if self.work.buffers_gradients else 0,
        }

    def making_rows(self) -> Components:
        """Count the start, when rows are drawn in float64, block by block, and the model is not yet under ZeRO."""
        block = min(_NEW_ROWS, self.work.rows)
        rows = self.label_table()["label rows"] * (self.work.rows - block) // self.work.rows
        new = block * self.work.row_width * _NEW_ROW_BYTES
        return {"parameters": _FULL * self.work.parameters, "label rows": rows, "new rows": new}

    def saved(self) -> Components:
        """Count the copies on the host that the first rank makes to save them: whole parameters, and what AdamW keeps.

        Rows and their state are copied where training goes on while they are written, and where they are on a GPU.
        """
        in_background, kept = self.work.config.checkpoint.background, self.label_table()
        copied = in_background or (self.on_gpu and self.work.config.labels.placement == "device")
        rows = kept["label rows"] - self.work.rows + kept["row optimizer state"]  # the marks are not saved
        return {"saved dense state": 3 * _FULL * self.work.parameters, "saved label rows": rows if copied else 0}

    def count_bytes(self) -> int:
        """Count the arrays on the host that have a number for each label of all."""
        settings = self.work.config
        each = 8 + (4 if settings.labels.propensity else 0) + (16 if settings.cloze.inject else 0)
        return each * self.work.corpus.labels

    def loader(self) -> int:
        """Count two steps of this rank: one is prepared while another trains."""
        step = self.work.records * self.work.accumulation
        return round(2 * step * (18 * self.work.tokens + 8 * self.work.corpus.positives))

    def moments(self) -> dict[str, Components]:
        """Count what comes and goes, at each moment of a micro-step."""
        whole, text = self._accumulated(), self._text()
        sums, reads = self._sums(), self.work.config.cloze.reads_context
        return {
            "scan": whole | text | {"scan": self.scan()} | self._lent(self.work.revealed if reads else 0),
            "cloze": whole | self._cloze(sums),
            "MLM": whole | text | {"gradients": sums, "MLM logits": self._mlm()} | self._borrowed(),
            "backward": whole | self._backward(sums),
            "optimizer": self._optimizer(),
        }

    def scan(self) -> int:
        """Count a chunk of the scan: logits and what is made of them, row gradients and what moves rows by them.

        fp32 rows are read where they lie; others are copied, and the last chunk's copy lives until the next is there.
        On a GPU the rows of several chunks are moved at once.
        """
        if not self.work.scans:
            return 0
        labels, width, queries = self.work.config.labels, self.work.row_width, self.work.queries
        chunk = min(labels.chunk, self.work.rows)
        logits, rows = queries * chunk, chunk * width
        is_copied = labels.precision == "bf16" or (self.on_gpu and labels.placement == "host")
        moving = {"sgd": 0, "rowwise_adagrad": 1, "adam": 2}[labels.optimizer]
        moving = 6 if labels.precision == "bf16" else moving + (2 if is_copied else 0)
        reading = 2.35 * logits + (2 * rows if is_copied else 0)  # softplus, and a mark for what is among the best
        moved = rows
        if self.on_gpu and not self.work.buffers_gradients and (labels.optimizer != "sgd" or is_copied or labels.clip):
            moved = min(max(_GPU_BLOCK, chunk), self.work.rows) * width
        merged = self.work.world_size * self.work.records * self.work.shortlist
        places = queries * self.work.shortlist
        best = _BEST * (places + merged) + ((_GPU_BEST - _BEST) * places if self.on_gpu else 0)
        return round(_FULL * (max(reading, logits + moving * moved) + 3 * queries * width)) + best

    def _accumulated(self) -> dict[str, int]:
        """Count gradients of earlier micro-steps, which ZeRO 0 and 1 keep whole."""
        keeps = self.work.accumulation > 1 and self.work.config.train.zero_stage < 2
        return {"accumulated gradients": _FULL * self.work.parameters if keeps else 0}

    def _text(self) -> dict[str, int]:
        work = self.work
        passes = (work.text_pass, work.context_pass, work.own_pass, work.revealed_pass)
        kept = sum(pass_bytes(work, one, on_gpu=self.on_gpu) for one in passes)
        return {"activations": kept + cast_bytes(work)}

    def _sums(self) -> int:
        """Count what the fused driver keeps until backward: gradients of what chunks share."""
        if not self.work.is_fused or not self.work.chunks:
            return 0
        return _FULL * self.work.slot_parameters + prefix_gradient_bytes(self.work)

    def _cloze(self, sums: int) -> dict[str, int]:
        """Count one chunk at a time; while it is undone its activations go and its gradients come."""
        chunk = pass_bytes(self.work, self.work.chunk_pass, on_gpu=self.on_gpu)
        if not self.work.is_fused:
            chunk //= self.work.shape.layers
        held = sums if self.work.chunks > 1 else 0
        return self._text() | {"slots": max(chunk, sums), "gradients": held} | self._borrowed()

    def _borrowed(self) -> dict[str, int]:
        """Count the rows of slots and of revealed labels."""
        return self._lent(self.work.slots + self.work.revealed)

    def _lent(self, shown: int) -> dict[str, int]:
        """Count rows of other ranks for so many labels of each record, their gradient, and what stands beside each."""
        records, width = self.work.records, self.work.row_width + 2
        rows = shown * (records if self.work.scans else 1)
        return {"borrowed rows": 3 * _FULL * rows * width + 25 * records * shown}

    def _mlm(self) -> int:
        """Count logits and their logarithms, or, in backward, these and a gradient."""
        return 2 * _FULL * self.work.masked_tokens * self.work.shape.vocab_size

    def _backward(self, sums: int) -> dict[str, int]:
        """Count what is greatest: the way back from MLM, then from chunks, and all gradients at the end.

        What the chunks have summed is scaled into a copy. On a CPU a bucket is memory once gradients are written to it.
        """
        words = _FULL * self.work.shape.word_parameters if self.work.config.mlm.weight else 0
        chunk = 0 if self.work.is_fused else pass_bytes(self.work, self.work.chunk_pass, on_gpu=self.on_gpu)
        bucket, early = self._bucket(), {"bucket": self._bucket() if self.on_gpu else 0}
        stages = (
            self._text() | {"gradients": sums + words, "MLM logits": self._mlm()} | early,
            self._text() | {"gradients": 2 * sums + words, "slots": chunk} | self._borrowed() | early,
            {"gradients": _FULL * self.work.parameters, "bucket": bucket},
        )
        return max(stages, key=lambda parts: sum(parts.values()))

    def _bucket(self) -> int:
        """Count the bucket and its doubles; on a CPU only one becomes memory, the one that is written."""
        bucket, stage = _FULL * min(self.work.parameters, BUCKET), self.work.config.train.zero_stage
        if stage == 0:
            return bucket if self.work.world_size > 1 else 0
        types = 2 if self.work.config.train.precision == "bf16" else 1
        return bucket * types * (2 if stage == 3 else 1) if self.on_gpu else bucket

    def _optimizer(self) -> dict[str, int]:
        """Count gradients, the share of them that is made one tensor, and two of its size for AdamW's square roots."""
        whole, stage = _FULL * self.work.parameters, self.work.config.train.zero_stage
        share = -(-whole // self.work.world_size)
        if stage == 0:
            return {"gradients": whole, "AdamW": 2 * _FULL * self.work.shape.word_parameters}
        bucket = self._bucket() if self.on_gpu else 0
        return {"gradients": (whole if stage == 1 else share) + share, "AdamW": 2 * share, "bucket": bucket}


_FULL, _HALF = 4, 2


@dataclass(frozen=True)
class _Kept:
    """Bytes that a layer keeps for each number of these tensors."""

    own: float
    seen: float
    inner: float
    scores: float
    masks: float


def pass_bytes(work: Workload, one: Pass, *, layers: int | None = None, on_gpu: bool) -> int:
    """Count what a pass keeps, of all layers or of so many."""
    if not one.own:
        return 0
    shape = work.shape
    kept = _kept(shape, bf16=work.config.train.precision == "bf16", on_gpu=on_gpu)
    layer = (
        kept.own * one.own * shape.width
        + kept.seen * one.seen * shape.key_width
        + kept.inner * one.own * shape.intermediate_size
        + (kept.scores * shape.heads + kept.masks * one.masked) * one.own * one.seen
    )
    embeddings = 3 * _FULL * one.own * shape.width  # the sum, its norm, and dropout's
    return round(one.records * (layer * (layers or shape.layers) + embeddings))


def cast_bytes(work: Workload) -> int:
    """Count the copies of weights in bf16 that autocast keeps as long as a forward lasts."""
    return _HALF * work.shape.layer_matrices * work.shape.layers if work.config.train.precision == "bf16" else 0


def prefix_gradient_bytes(work: Workload) -> int:
    """Count the sums of gradients, in fp32, of the keys and values that chunks look at."""
    prefix = work.chunk_pass.seen - work.chunk_pass.own
    return 2 * _FULL * work.shape.layers * work.records * prefix * work.shape.key_width if work.chunks else 0


def _kept(shape: EncoderShape, *, bf16: bool, on_gpu: bool) -> _Kept:
    """Say what is kept: inputs of query, key and value, of the output, of both inner products, of both norms.

    A norm's input stays fp32 under autocast. Dropout keeps masks: of one byte on a GPU, of the type of what it drops on
    a CPU. There attention computes in fp32, and keeps copies; where it drops it is not fused: it keeps its weights
    before and after, and scaled copies. Fused, it keeps its mask, which it makes numbers of its own type.
    """
    number = _HALF if bf16 else _FULL
    inner = (4 if shape.gated else 2) * number
    own = 2 * _FULL + (5 if bf16 else 4) * number  # autocast copies the layer's input
    if shape.dropout:
        own += 2 * (1 if on_gpu else number)
    if on_gpu:
        return _Kept(own, 2 * number, inner, 0, number)
    if not shape.attention_dropout:  # under bf16, keys and values are kept for later passes too, as they were
        copied = _HALF if bf16 else 0
        return _Kept(own + (_FULL if bf16 else 0) + copied, 2 * (_FULL + copied), inner, 0, _FULL)
    return _Kept(own + _FULL, 2 * number + _FULL, inner, 3 * _FULL, 0)
