"""The components of a run (model, engine, label side, optimizers, data loader), each built from a Config."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sharding import TRAIN, Budget, BudgetStream, ChunkPlan, Dataset, StepStream, TrainStream

from ..checkpoint import RunState
from ..config import Config, accumulation_steps, buffers_gradients, deepspeed_config
from ..data import Collator, Injection, Loader, columns, own_labels
from ..distributed import Ranks
from ..engine import Engine
from ..evaluation import inverse_propensity
from ..labels import Candidates, LabelTable, RowUpdates, build_candidates, row_optimizer, slot_plan
from ..model import Model, ModelFlops, build_form, load_encoder, text_tokens
from .initialize import build_table


@dataclass(frozen=True)
class Components:
    """What learns on this rank.

    Attributes:
        model: The dense part.
        flops: Operations of its products.
        engine: The dense part under DeepSpeed.
        labels: The label side.
        updates: Updates of label rows.
        plan: Order of the slots, see `slot_plan`; None: that of label ids.
        tokens: Tokens of a text, at most.
    """

    model: Model
    flops: ModelFlops
    engine: Engine
    labels: Candidates
    updates: RowUpdates
    plan: ChunkPlan | None
    tokens: int

    @classmethod
    def build(
        cls, config: Config, dataset: Dataset, ranks: Ranks, begin: Callable[[Model, LabelTable], object]
    ) -> "Components":
        """Build all components. A collective.

        Args:
            config: Settings of the run.
            dataset: The data set to learn from.
            ranks: The ranks that train.
            begin: Initializes a new model and table, before DeepSpeed takes the model.
        """
        model, num_labels = build_model(config), len(dataset.vocabulary)
        flops = ModelFlops.of(model, config, num_labels)
        table = build_table(config, dataset, ranks, model.encoder.width)
        begin(model, table)
        engine = Engine(model, build_optimizer(model, config), deepspeed_config(config, ranks.world_size))
        torch.manual_seed(config.run.seed + 1 + ranks.rank)  # dropout differs by rank
        plan = slot_plan(config, dataset)
        labels, updates = build_labels(config, dataset, ranks, engine, table, plan)
        return cls(model, flops, engine, labels, updates, plan, text_tokens(model.encoder, config, num_labels))

    @property
    def state(self) -> RunState:
        """What a checkpoint holds of them."""
        return RunState(self.engine, self.updates.optimizer, self.labels.table.range, self.labels.ranks)


def build_model(config: Config) -> Model:
    """Build the dense part; the same seed gives the same new parameters on every rank."""
    torch.manual_seed(config.run.seed)
    return build_form(load_encoder(config.model), config).train()  # transformers loads with the dropout off


def build_optimizer(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    """Build AdamW; biases and norms are not decayed, and what is not the encoder's may have learning rates of its own.

    Source: Loshchilov, Hutter, Decoupled Weight Decay Regularization, ICLR 2019 (arXiv:1711.05101); torch's AdamW.
    """
    groups = defaultdict(list)
    scales = {"context": config.cloze.lr_scale, "slots": config.cloze.lr_scale, "readout": config.cloze.lr_scale}
    scales |= {"query": config.train.head_lr_scale, "mlm": config.train.head_lr_scale}
    for name, parameter in model.named_parameters():
        scale = scales.get(name.partition(".")[0], 1.0)
        groups[scale, config.train.weight_decay if parameter.dim() > 1 else 0.0].append(parameter)
    return torch.optim.AdamW(
        [{"params": own, "weight_decay": decay, "scale": scale} for (scale, decay), own in groups.items()],
        lr=config.train.lr,
    )


def build_labels(
    config: Config, dataset: Dataset, ranks: Ranks, engine: Engine, table: LabelTable, plan: ChunkPlan | None
) -> tuple[Candidates, RowUpdates]:
    """Move this rank's label rows to their device; build what searches them and how they learn."""
    settings = config.labels
    table = table.to(engine.device) if settings.placement == "device" else table
    weights_L = _positive_weights(dataset).to(engine.device) if settings.propensity else None
    candidates = build_candidates(config, table, len(dataset.vocabulary), ranks, plan, weights_L)
    optimizer = row_optimizer(settings.optimizer, table, settings.weight_decay, settings.clip, config.run.seed)
    return candidates, RowUpdates(optimizer, fused=not buffers_gradients(config, ranks.world_size))


def _positive_weights(dataset: Dataset) -> torch.Tensor:
    records = dataset.split(TRAIN).num_records
    return torch.from_numpy(inverse_propensity(dataset.vocabulary.counts, records)).float()


def build_loader(
    config: Config,
    dataset: Dataset,
    ranks: Ranks,
    engine: Engine,
    tokens: int,
    ready: Callable[[int], None] = lambda _: None,
) -> Loader:
    """Build the data loader of this rank.

    Args:
        config: Settings of the run.
        dataset: The data set to learn from.
        ranks: The ranks that share it.
        engine: Whose device the batches go to.
        tokens: Tokens of a text, at most.
        ready: See `Loader`.
    """
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
    return Loader(_stream(config, dataset, ranks, tokens), collate, engine.device, ready, dataset.close)


def _stream(config: Config, dataset: Dataset, ranks: Ranks, tokens: int) -> StepStream:
    train = config.train
    shared: dict[str, Any] = {
        "seed": config.run.seed,
        "world_size": ranks.world_size,
        "rank": ranks.rank,
        "lanes": config.data.lanes,
        "columns": columns(config.data, ids=config.run.record_log),
    }
    if train.micro_tokens is None:
        accumulation = accumulation_steps(config, ranks.world_size)
        return TrainStream(dataset, TRAIN, global_batch=train.global_batch, accumulation=accumulation, **shared)
    budget = Budget.of_batch(
        train.micro_tokens, global_batch=train.global_batch, micro_batch=train.micro_batch, max_tokens=tokens
    )
    return BudgetStream(dataset, TRAIN, budget, **shared)


def plain_collator(config: Config, dataset: Dataset, tokens: int) -> Collator:
    """Collate as evaluation does: nothing masked, nothing revealed."""
    own = own_labels(config.data, dataset.vocabulary)
    return Collator(dataset.manifest.tokenizer, len(dataset.vocabulary), tokens, own_labels=own)
