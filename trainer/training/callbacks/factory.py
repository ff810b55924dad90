"""Build the callbacks of a run from its Config, and export what is known of it before its first step."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from sharding import TRAIN, Dataset, RecordBatch, StepStream, sequential
from sharding.remote import RemoteBackend

from ...checkpoint import CheckpointStore
from ...config import Config
from ...data import columns
from ...evaluation import Evaluator, Ranker, inverse_propensity
from ...telemetry import EventLog, Telemetry
from ...telemetry.gpu import device_name, known_peak, watch_gpu
from ..components import Components, plain_collator
from ..loop import Callback, Position
from .checkpointing import CheckpointCallback
from .reporting import EvaluationCallback, FetchMetricsCallback, MetricsCallback, WorkMetricsCallback


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
