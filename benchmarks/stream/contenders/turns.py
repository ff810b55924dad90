"""Decides what a contender delivers, and how it takes turns with the others: one pass over all records a line.

Its first line tells the digest of a pass that warms up; then it answers each line that it is sent with the speed of a
further pass: by the clock, and by the CPU time of all its threads, which tells more where others use the cores too.
Nothing else reaches its standard output.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch
from torch import Tensor

from ..records import Ragged, Records

BATCH = 256


@dataclass(frozen=True, eq=False)
class Batch:
    """Tensors that own their memory: tokens uint16 and labels uint32 behind each other, offsets int64 [BATCH + 1]."""

    tokens: Tensor
    token_offsets: Tensor
    labels: Tensor
    label_offsets: Tensor

    @classmethod
    def of_packed(cls, items: Sequence[bytes]) -> "Batch":
        """Join records as `Records.packed` makes them."""
        starts = [1 + 4 * item[0] for item in items]
        tokens = [item[start:] for item, start in zip(items, starts, strict=True)]
        labels = [item[1:start] for item, start in zip(items, starts, strict=True)]
        return cls(*_joined(tokens, torch.uint16), *_joined(labels, torch.uint32))

    @classmethod
    def of_arrays(cls, tokens: Ragged, labels: Ragged) -> "Batch":
        """Copy arrays."""
        return cls(*(torch.from_numpy(part.copy()) for lists in (tokens, labels) for part in _parts(lists)))

    def records(self) -> Records:
        """Give the same as arrays; what is not as promised is an error."""
        assert (self.tokens.dtype, self.labels.dtype) == (torch.uint16, torch.uint32)
        assert len(self.token_offsets) == len(self.label_offsets) == BATCH + 1
        tokens, token_offsets, labels, label_offsets = (
            part.numpy() for part in (self.tokens, self.token_offsets, self.labels, self.label_offsets)
        )
        return Records(Ragged(tokens, token_offsets), Ragged(labels, label_offsets))


def batches_of(items: Iterable[bytes]) -> Iterator[Batch]:
    """Collect records as `Records.packed` makes them."""
    source = (item for item in items)  # for what begins anew whenever it is iterated
    while group := list(islice(source, BATCH)):
        yield Batch.of_packed(group)


# Makes the batches of one pass, of a number that is another each time.
Passes = Callable[[int], Iterator[Batch]]


def run(prepare: Callable[[Records, Path], None], read: Callable[[Path], Passes]) -> None:
    """Do what the command line says: `prepare CORPUS FOLDER`, or `read FOLDER`."""
    torch.set_num_threads(1)
    command, *folders = sys.argv[1:]
    answers = sys.stdout
    with redirect_stdout(sys.stderr):
        if command == "prepare":
            corpus, folder = map(Path, folders)
            prepare(Records.load(corpus), folder)
        else:
            for answer in turns(read(Path(folders[0]))):
                print(json.dumps(answer), file=answers, flush=True)


def turns(passes: Passes) -> Iterator[dict[str, float]]:
    """Warm up, and yield the digest of what was read; then time a pass for each line of the standard input."""
    yield {"digest": sum(batch.records().digest() for batch in passes(0))}
    for number, _ in enumerate(sys.stdin, start=1):
        started, started_cpu = perf_counter(), process_time()
        count = sum(len(batch.label_offsets) - 1 for batch in passes(number))
        clock, cpu = perf_counter() - started, process_time() - started_cpu
        yield {"records_per_s": count / clock, "records_per_cpu_s": count / cpu}


def _joined(parts: Sequence[bytes], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    ends = np.cumsum([0, *map(len, parts)]) // dtype.itemsize
    return torch.frombuffer(bytearray().join(parts), dtype=dtype), torch.from_numpy(ends)


def _parts(lists: Ragged) -> tuple[np.ndarray, np.ndarray]:
    return lists.values, lists.offsets
