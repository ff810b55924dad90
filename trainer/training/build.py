"""Build a run from its Config: components, callbacks and the loop, ready to start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sharding import Dataset, StreamState

from ..checkpoint import CheckpointStore, checkpoints_of
from ..config import Config
from ..data import open_dataset
from ..distributed import Ranks
from ..labels import LabelTable, RowRange
from ..model import Model, encoder_config
from ..run.folder import RunFolder
from ..telemetry import EventLog, Telemetry
from .callbacks.factory import CallbackFactory, RecordLog
from .components import Components, build_loader
from .initialize import initialize
from .loop import Callback, Position, TrainingLoop
from .resume import check_same_labels, resume
from .step import TrainingStep


@dataclass(frozen=True)
class TrainingRun:
    """A loop that is ready to start.

    Attributes:
        loop: The training loop.
        position: Where it begins: at step 0, or where the newest checkpoint ends.
    """

    loop: TrainingLoop
    position: Position


def build_run(
    config: Config,
    ranks: Ranks,
    telemetry: Telemetry,
    events: EventLog,
    stop_requested: Callable[[], bool],
    extra_callbacks: Sequence[Callback] = (),
    *,
    moved: Callable[[], None] = lambda: None,
) -> TrainingRun:
    """Build all components and load the newest checkpoint of `run.folder`, if there is one. A collective.

    Args:
        config: Settings of the run.
        ranks: The ranks that train.
        telemetry: Metrics of this rank.
        events: The event log.
        stop_requested: Asked once a step whether training shall end.
        extra_callbacks: Called after the run's own callbacks.
        moved: Called with every evaluation batch, which callbacks do not see, and while label texts are encoded.
    """
    dataset, folder = open_dataset(config.data), RunFolder(config.run.folder)
    store = checkpoints_of(folder, config, ranks)
    newest = _newest(store, dataset, folder, events)

    def begin(model: Model, table: LabelTable) -> None:
        if newest is None:
            initialize(config, dataset, model, table, partial(_tell, events, moved))

    components = Components.build(config, dataset, ranks, begin)
    loader = build_loader(
        config, dataset, ranks, components.engine, components.tokens, partial(telemetry.set, "loader_ready_steps")
    )
    position = resume(newest, components.state, config, loader.stream) if newest else Position(0, StreamState())
    store.release()
    if ranks.is_first:
        folder.create(config, dataset, encoder_config(components.model.encoder), components.plan)
    logs = [RecordLog.open(folder.records, ranks, loader.stream)] if config.run.record_log else []
    factory = CallbackFactory(config, dataset, components, telemetry, events, moved)
    callbacks = [*logs, *factory.callbacks(store, loader.stream, position.step), *extra_callbacks]
    factory.tell(position)
    step = TrainingStep(config, components.engine, components.labels, components.updates, telemetry.phase)
    source = replace(loader, stream=logs[0]) if logs else loader
    return TrainingRun(TrainingLoop(step, source, callbacks, stop_requested), position)


def _newest(store: CheckpointStore, dataset: Dataset, folder: RunFolder, events: EventLog) -> Path | None:
    """Find where to go on, and that it is about the same labels."""
    rows = RowRange.of_rank(len(dataset.vocabulary), store.ranks.rank, store.ranks.world_size)
    newest = store.newest(rows, lambda step, why: events.write("checkpoint_passed_over", step=step, reason=why))
    if newest is not None:
        check_same_labels(folder, dataset)
    return newest


def _tell(events: EventLog, moved: Callable[[], None], done: int, total: int) -> None:
    moved()
    events.write("label_texts", done=done, total=total)
