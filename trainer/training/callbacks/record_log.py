"""The record log: which records each step read, for audits; a folder a start, a file a rank, a JSON object a step.

RUN/records/start-00000/rank-00000.jsonl: {"step": 1, "epoch": 0, "applied": true, "ids": ["a", "b"]}
"""

import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import torch

from sharding import RecordBatch, StepStream, StreamState

from ...distributed import Ranks
from ..loop import Position
from ..step import StepReport


class RecordLog:
    """Wraps a stream, and is a callback: a step's line is written once that step is done.

    It must come before the callback that saves: no saved step then lacks its line, whatever is killed when. What was
    done and not saved is done again by a later start: of each step, the last start that has it counts. Batches need
    ids.
    """

    def __init__(self, stream: StepStream, file: TextIO) -> None:
        self.guards = stream.guards
        self._stream, self._file = stream, file
        self._read: deque[tuple[tuple[RecordBatch, ...], StreamState]] = deque()

    @classmethod
    def open(cls, folder: Path, ranks: Ranks, stream: StepStream) -> "RecordLog":
        """Begin this rank's file of a new start. A collective: the first rank's folder says how many there were."""
        earlier = [int(path.name.removeprefix("start-")) for path in folder.glob("start-*")] if ranks.is_first else []
        number = int(ranks.sum(torch.tensor([max(earlier, default=-1) + 1 if ranks.is_first else 0])))
        path = folder / f"start-{number:05d}" / f"rank-{ranks.rank:05d}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(stream, path.open("w", buffering=1, encoding="utf-8"))

    def steps(self, state: StreamState) -> Iterator[tuple[tuple[RecordBatch, ...], StreamState]]:
        """Yield the stream's steps, and keep their records until the steps are done."""
        for step in self._stream.steps(state):
            self._read.append(step)
            yield step

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """Write the ids of the step's records; padding is no record."""
        parts, after = self._read.popleft()
        assert after == position.stream, "steps are done in the order in which they were read"
        ids = [name for part in parts for name in _ids(part)]
        line = {"step": report.step, "epoch": parts[0].epoch, "applied": report.applied, "ids": ids}
        self._file.write(json.dumps(line) + "\n")

    def at_end(self, position: Position) -> None:
        """Close the file."""
        self._file.close()


def _ids(part: RecordBatch) -> list[str]:
    names = part.table["id"].to_pylist()
    return [name for name, weight in zip(names, part.weights, strict=True) if weight]
