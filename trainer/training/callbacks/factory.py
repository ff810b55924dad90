"""Build the callbacks of a run from its Config, and export what is known of it before its first step."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

import torch

from sharding import TRAIN, Dataset, RecordBatch, StepStream, StreamState, sequential
from sharding.remote import RemoteBackend

from ...checkpoint import CheckpointStore
from ...config import Config
from ...data import columns
from ...distributed import Ranks
from ...evaluation import Evaluator, Ranker, inverse_propensity
from ...telemetry import EventLog, Telemetry
from ...telemetry.gpu import device_name, known_peak, watch_gpu
from ..components import Components, plain_collator
from ..loop import Callback, Position
from ..step import StepReport
from .checkpointing import CheckpointCallback
from .reporting import EvaluationCallback, FetchMetricsCallback, MetricsCallback, WorkMetricsCallback


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


@dataclass(frozen=True)
class CallbackFactory:
    """Builds the callbacks of a run.

    Attributes:
        config: Settings of the run.
        dataset: Its data set.
        components: What learns.
        telemetry: Metrics of this rank.
        events: The event log.
        moved: Called with every evaluation batch, which callbacks do not see.
    """

    config: Config
    dataset: Dataset
    components: Components
    telemetry: Telemetry
    events: EventLog
    moved: Callable[[], None]

    def callbacks(self, store: CheckpointStore, stream: StepStream, begun_step: int) -> list[Callback]:
        """Build them, in their order: the same on every rank."""
        state, guards, place = self.components.state, stream.guards, self.dataset.place
        return [
            MetricsCallback(self.telemetry, self.events, store.ranks.world_size),
            self._work(),
            self._evaluation(),
            CheckpointCallback(store, state, guards, self.config, self.telemetry, self.events, begun_step),
            *([FetchMetricsCallback(self.telemetry, place.counts)] if isinstance(place, RemoteBackend) else []),
        ]

    def tell(self, position: Position) -> None:
        """Export constants of the run, which alerts compare with, and what the device reports of itself."""
        self.telemetry.set("step", position.step)
        self.telemetry.set("planned_steps", self.config.train.steps)
        self.telemetry.set("stall_limit_seconds", self.config.run.stall_seconds)
        manifest = self.dataset.manifest
        used = sum(shard.rows for split in manifest.splits.values() for shard in split)
        skipped = manifest.skipped_records
        self.telemetry.set("dataset_skipped_records_ratio", skipped / max(skipped + used, 1))
        watch_gpu(self.telemetry, self.components.engine.device)

    def _work(self) -> WorkMetricsCallback:
        labels, name = self.components.labels, device_name(self.components.engine.device)
        rows = len(labels.table.range) if labels.scans else 0
        peak = self.config.telemetry.peak_flops or known_peak(name, self.config.train.precision)
        return WorkMetricsCallback(self.telemetry, self.components.flops, labels.ranks.world_size, rows, name, peak)

    def _evaluation(self) -> EvaluationCallback:
        settings, data, labels = self.config.evaluation, self.config.data, self.components.labels
        collate = plain_collator(self.config, self.dataset, self.components.tokens)
        ranker = Ranker(self.components.model, labels, collate, self.components.engine.device)
        train_records = self.dataset.split(TRAIN).num_records
        propensity = inverse_propensity(self.dataset.vocabulary.counts, train_records)
        dev = partial(
            sequential,
            self.dataset.split(data.dev_split),
            batch=settings.batch,
            world_size=labels.ranks.world_size,
            rank=labels.ranks.rank,
            limit=settings.records,
            columns=columns(data),
        )
        return EvaluationCallback(
            Evaluator(ranker, propensity, labels.ranks),
            partial(_telling, self.moved, dev),
            settings.every_steps,
            self.config.train.steps,
            self.telemetry,
            self.events,
        )


def _telling(moved: Callable[[], None], batches: Callable[[], Iterable[RecordBatch]]) -> Iterator[RecordBatch]:
    for batch in batches():
        yield batch
        moved()
