"""The floor of `ours`: its three matrix products of every chunk, in the same shapes, into memory that is kept."""

import torch
from torch import Tensor

from .contenders import CHUNK


def multiply(queries_QE: Tensor, vectors_RE: Tensor, chunk: int = CHUNK) -> None:
    """Work out logits, query gradient and row gradient, chunk by chunk, of numbers without meaning; rows stay."""
    queries, width = queries_QE.shape
    sum_QE, gradient_CE = torch.zeros_like(queries_QE), queries_QE.new_empty(chunk, width)
    for vectors_CE in vectors_RE.split(chunk):
        logits_QC = sum_QE.new_empty(queries, len(vectors_CE))
        torch.mm(queries_QE, vectors_CE.T, out=logits_QC)
        sum_QE.addmm_(logits_QC, vectors_CE)
        torch.mm(logits_QC.T, queries_QE, out=gradient_CE[: len(vectors_CE)])
