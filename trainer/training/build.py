"""From a Config to a run that is ready to start: where parts, hooks and the loop meet."""

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
from .attach import Attachment
from .callbacks.record_log import RecordLog
from .components import Parts, build_loader
from .initialize import start
from .loop import Hook, Position, TrainingLoop
from .resume import check_same_labels, resume
from .step import TrainingStep


@dataclass(frozen=True)
class TrainingRun:
    """A loop and where it begins: at step 0, or where the newest checkpoint ends."""

    loop: TrainingLoop
    position: Position


def assemble(
    config: Config,
    ranks: Ranks,
    telemetry: Telemetry,
    events: EventLog,
    stop_requested: Callable[[], bool],
    extra_hooks: Sequence[Hook] = (),
    *,
    moved: Callable[[], None] = lambda: None,
) -> TrainingRun:
    """Build all parts and load the newest checkpoint of `run.folder`, if there is one. A collective.

    moved: is told of every evaluation batch, which hooks do not see.
    """
    dataset, folder = open_dataset(config.data), RunFolder(config.run.folder)
    store = checkpoints_of(folder, config, ranks)
    newest = _newest(store, dataset, folder, events)

    def begin(model: Model, table: LabelTable) -> None:
        if newest is None:
            start(config, dataset, model, table, partial(_tell, events))

    parts = Parts.build(config, dataset, ranks, begin)
    loader = build_loader(
        config, dataset, ranks, parts.engine, parts.tokens, partial(telemetry.set, "loader_ready_steps")
    )
    position = resume(newest, parts.state, config, loader.stream) if newest else Position(0, StreamState())
    store.release()
    if ranks.is_first:
        folder.create(config, dataset, encoder_config(parts.model.encoder), parts.plan)
    logs = [RecordLog.open(folder.records, ranks, loader.stream)] if config.run.record_log else []
    attachment = Attachment(config, dataset, parts, telemetry, events, moved)
    hooks = [*logs, *attachment.hooks(store, loader.stream, position.step), *extra_hooks]
    attachment.tell(position)
    step = TrainingStep(config, parts.engine, parts.labels, parts.updates, telemetry.phase)
    source = replace(loader, stream=logs[0]) if logs else loader
    return TrainingRun(TrainingLoop(step, source, hooks, stop_requested), position)


def _newest(store: CheckpointStore, dataset: Dataset, folder: RunFolder, events: EventLog) -> Path | None:
    """Find where to go on, and that it is about the same labels."""
    rows = RowRange.of_rank(len(dataset.vocabulary), store.ranks.rank, store.ranks.world_size)
    newest = store.newest(rows, lambda step, why: events.write("checkpoint_passed_over", step=step, reason=why))
    if newest is not None:
        check_same_labels(folder, dataset)
    return newest


def _tell(events: EventLog, done: int, total: int) -> None:
    events.write("label_texts", done=done, total=total)
