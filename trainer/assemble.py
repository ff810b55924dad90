"""From a Config to a run that is ready to start: the only place where everything meets."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from sharding import (
    Budget,
    BudgetStream,
    ChunkPlan,
    Dataset,
    RecordBatch,
    StepStream,
    StreamState,
    TrainStream,
    sequential,
)
from sharding.remote import Elsewhere

from .checkpoint import RunState, checkpoints_of
from .config import Config, accumulation_steps, deepspeed_config
from .data import Collator, Injection, Loader, columns, open_dataset, own_labels
from .distributed import Ranks
from .engine import Engine
from .evaluation import Evaluator, Ranker, inverse_propensity
from .hooks import FetchReporting, PeriodicEvaluation, Reporting, WorkReporting
from .labels import Labels, LabelTable, RowRange, RowUpdates, buffers_gradients, label_side, row_optimizer, slot_plan
from .loop import Hook, Position, TrainingLoop
from .model import Model, ModelFlops, build_form, encoder_config, load_encoder, text_tokens
from .record_log import RecordLog
from .resume import check_same_labels, resume
from .run_folder import RunFolder
from .saving import PeriodicCheckpoint
from .start import build_table, start
from .step import TrainingStep
from .telemetry import EventLog, Telemetry
from .telemetry.gpu import device_name, known_peak, watch_gpu


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
    dataset = open_dataset(config.data)
    folder = RunFolder(config.run.folder)
    store = checkpoints_of(folder, config, ranks)
    rows = RowRange.of_rank(len(dataset.vocabulary), ranks.rank, ranks.world_size)
    newest = store.newest(rows, lambda step, why: events.write("checkpoint_passed_over", step=step, reason=why))
    if newest is not None:
        check_same_labels(folder, dataset)
    model = build_model(config)
    flops = ModelFlops.of(model, config, len(dataset.vocabulary))
    table = build_table(config, dataset, ranks, model.encoder.width)
    if newest is None:
        start(config, dataset, model, table, partial(_tell, events))
    engine = Engine(model, build_optimizer(model, config), deepspeed_config(config, ranks.world_size))
    torch.manual_seed(config.run.seed + 1 + ranks.rank)  # dropout differs by rank
    plan = slot_plan(config, dataset)
    labels, updates = build_labels(config, dataset, ranks, engine, table, plan)
    tokens = text_tokens(model.encoder, config, len(dataset.vocabulary))
    loader = build_loader(config, dataset, ranks, engine, tokens, partial(telemetry.set, "loader_ready_steps"))
    state = RunState(engine, updates.optimizer, labels.table.range, ranks)
    position = resume(newest, state, config, loader.stream) if newest else Position(0, StreamState())
    store.release()
    if ranks.is_first:
        folder.create(config, dataset, encoder_config(model.encoder), plan)
    logs = [RecordLog.open(folder.records, ranks, loader.stream)] if config.run.record_log else []
    hooks = [
        Reporting(telemetry, events, ranks.world_size),
        *logs,
        _work(config, telemetry, flops, labels, engine.device),
        _evaluation(
            config,
            dataset,
            Ranker(model, labels, plain_collator(config, dataset, tokens), engine.device),
            telemetry,
            events,
            moved,
        ),
        PeriodicCheckpoint(store, state, loader.stream.guards, config, telemetry, events, position.step),
        *([FetchReporting(telemetry, dataset.place.counts)] if isinstance(dataset.place, Elsewhere) else []),
        *extra_hooks,
    ]
    _tell_plan(config, dataset, telemetry, position)
    watch_gpu(telemetry, engine.device)
    step = TrainingStep(config, engine, labels, updates, telemetry.phase)
    source = replace(loader, stream=logs[0]) if logs else loader
    return TrainingRun(TrainingLoop(step, source, hooks, stop_requested), position)


def build_model(config: Config) -> Model:
    """Build the dense part; the same seed gives the same new parameters on every rank."""
    torch.manual_seed(config.run.seed)
    return build_form(load_encoder(config.model), config).train()  # transformers loads with the dropout off


def build_optimizer(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    """AdamW; biases and norms are not decayed, and what only the cloze has may learn at a rate of its own."""
    groups = defaultdict(list)
    for name, parameter in model.named_parameters():
        scale = config.cloze.lr_scale if name.startswith(("slots.", "readout.")) else 1.0
        groups[scale, config.train.weight_decay if parameter.dim() > 1 else 0.0].append(parameter)
    return torch.optim.AdamW(
        [{"params": own, "weight_decay": decay, "scale": scale} for (scale, decay), own in groups.items()],
        lr=config.train.lr,
    )


def build_labels(
    config: Config, dataset: Dataset, ranks: Ranks, engine: Engine, table: LabelTable, plan: ChunkPlan | None
) -> tuple[Labels, RowUpdates]:
    """Put this rank's label rows where they belong; build what searches them and how they learn.

    plan: of the slots, see `slot_plan`.
    """
    settings = config.labels
    table = table.to(engine.device) if settings.placement == "device" else table
    weights_L = _positive_weights(config, dataset).to(engine.device) if settings.propensity else None
    side = label_side(config, table, len(dataset.vocabulary), ranks, plan, weights_L)
    optimizer = row_optimizer(settings.optimizer, table, settings.weight_decay, settings.clip, config.run.seed)
    return side, RowUpdates(optimizer, fused=not buffers_gradients(config, ranks.world_size))


def _positive_weights(config: Config, dataset: Dataset) -> torch.Tensor:
    records = dataset.split(config.data.train_split).num_records
    return torch.from_numpy(inverse_propensity(dataset.vocabulary.counts, records)).float()


def _tell(events: EventLog, done: int, total: int) -> None:
    events.write("label_texts", done=done, total=total)


def _work(
    config: Config, telemetry: Telemetry, flops: ModelFlops, labels: Labels, device: torch.device
) -> WorkReporting:
    name, rows = device_name(device), len(labels.table.range) if labels.scans else 0
    peak = config.telemetry.peak_flops or known_peak(name, config.train.precision)
    return WorkReporting(telemetry, flops, labels.ranks.world_size, rows, name, peak)


def _tell_plan(config: Config, dataset: Dataset, telemetry: Telemetry, position: Position) -> None:
    """Export what alerts compare with."""
    telemetry.set("step", position.step)
    telemetry.set("planned_steps", config.train.steps)
    telemetry.set("stall_limit_seconds", config.run.stall_seconds)
    skipped = dataset.manifest.skipped_records
    used = sum(shard.rows for split in dataset.manifest.splits.values() for shard in split)
    telemetry.set("dataset_skipped_records_ratio", skipped / max(skipped + used, 1))


def build_loader(
    config: Config,
    dataset: Dataset,
    ranks: Ranks,
    engine: Engine,
    tokens: int,
    ready: Callable[[int], None] = lambda _: None,
) -> Loader:
    """Build this rank's stream of micro-batches, with so many tokens of a text; `ready`: see Loader."""
    collate = Collator(
        dataset.manifest.tokenizer,
        len(dataset.vocabulary),
        tokens,
        config.run.seed,
        config.mlm,
        config.cloze,
        masked_steps=int(config.mlm.until * config.train.steps),
        own_labels=own_labels(config.data, dataset.vocabulary),
        injection=Injection.of(config.cloze.inject, dataset.vocabulary.counts) if config.cloze.inject else None,
    )
    return Loader(_stream(config, dataset, ranks, tokens), collate, engine.device, ready)


def _stream(config: Config, dataset: Dataset, ranks: Ranks, tokens: int) -> StepStream:
    train, split = config.train, config.data.train_split
    shared: dict[str, Any] = {
        "seed": config.run.seed,
        "world_size": ranks.world_size,
        "rank": ranks.rank,
        "lanes": config.data.lanes,
        "columns": columns(config.data, ids=config.run.record_log),
    }
    if train.micro_tokens is None:
        accumulation = accumulation_steps(config, ranks.world_size)
        return TrainStream(dataset, split, global_batch=train.global_batch, accumulation=accumulation, **shared)
    budget = Budget.of_batch(
        train.micro_tokens, global_batch=train.global_batch, micro_batch=train.micro_batch, max_tokens=tokens
    )
    return BudgetStream(dataset, split, budget, **shared)


def plain_collator(config: Config, dataset: Dataset, tokens: int) -> Collator:
    """Collate as evaluation does: nothing masked, nothing revealed."""
    own = own_labels(config.data, dataset.vocabulary)
    return Collator(dataset.manifest.tokenizer, len(dataset.vocabulary), tokens, own_labels=own)


def _evaluation(
    config: Config,
    dataset: Dataset,
    ranker: Ranker,
    telemetry: Telemetry,
    events: EventLog,
    moved: Callable[[], None],
) -> PeriodicEvaluation:
    ranks, settings = ranker.labels.ranks, config.evaluation
    train_records = dataset.split(config.data.train_split).num_records
    dev = partial(
        sequential,
        dataset.split(config.data.dev_split),
        batch=settings.batch,
        world_size=ranks.world_size,
        rank=ranks.rank,
        limit=settings.records,
        columns=columns(config.data),
    )
    evaluator = Evaluator(ranker, inverse_propensity(dataset.vocabulary.counts, train_records), ranks)
    return PeriodicEvaluation(
        evaluator, partial(_telling, moved, dev), settings.every_steps, config.train.steps, telemetry, events
    )


def _telling(moved: Callable[[], None], batches: Callable[[], Iterable[RecordBatch]]) -> Iterator[RecordBatch]:
    for batch in batches():
        yield batch
        moved()
