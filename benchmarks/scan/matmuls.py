"""The floor of `ours`: its three matrix products of every chunk, in the same shapes, into memory that is kept."""

from time import perf_counter

import torch
from torch import Tensor

from .contenders import CHUNK


def seconds(queries_QE: Tensor, vectors_RE: Tensor, chunk: int = CHUNK) -> float:
    """Time logits, query gradient and row gradient, chunk by chunk; rows stay as they are."""
    queries, width = queries_QE.shape
    sum_QE, gradient_CE = torch.zeros_like(queries_QE), queries_QE.new_empty(chunk, width)
    started = perf_counter()
    for vectors_CE in vectors_RE.split(chunk):
        logits_QC = sum_QE.new_empty(queries, len(vectors_CE))
        torch.mm(queries_QE, vectors_CE.T, out=logits_QC)
        sum_QE.addmm_(logits_QC, vectors_CE)
        torch.mm(logits_QC.T, queries_QE, out=gradient_CE[: len(vectors_CE)])
    return perf_counter() - started
