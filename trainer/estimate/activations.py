"""Activation memory: bytes that the passes of an encoder keep for their backward.

Of each layer: the inputs of its products, what its norms, its activation and its attention save. Counted by tensors of
n x D, n x inner, m x key width and heads x n x m numbers, for n tokens that see m, and n x m where it keeps a mask.
"""

from dataclasses import dataclass

from .shape import EncoderShape
from .workload import Pass, Workload

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
