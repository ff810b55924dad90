"""The components of a tiny run, built as `Components.build` does, with rules whose result is easy to state."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from torch.optim import SGD, Optimizer

from sharding import Dataset, StreamState
from trainer.checkpoint import RunState
from trainer.config import Config, deepspeed_config
from trainer.data import Loader, TextBatch
from trainer.distributed import Ranks
from trainer.engine import Engine
from trainer.labels import Candidates, RowUpdates, slot_plan
from trainer.model import LabelMaskModel, Model, text_tokens
from trainer.telemetry import Telemetry
from trainer.training.components import build_labels, build_loader, build_model
from trainer.training.initialize import build_table, initialize
from trainer.training.step import StepReport, TrainingStep

MOMENTUM = 0.9


def tiny_config(dataset: Path, encoder: Path, folder: Path = Path("unused"), /, **sections: dict[str, Any]) -> Config:
    """Three steps of 16 records; keyword arguments replace keys of a section."""
    tree: dict[str, dict[str, Any]] = {
        "run": {"folder": folder, "seed": 5},
        "data": {"dataset": dataset},
        "model": {"encoder": encoder, "max_tokens": 24, "label_width": 20},
        "labels": {"optimizer": "sgd", "lr": 0.5, "chunk": 10, "buffer_gradients": True},
        "cloze": {"slots": "shortlist", "context": "none", "shortlist": 8, "chunk": 3},
        "mlm": {"weight": 0.5, "probability": 0.3},
        "train": {"steps": 3, "global_batch": 16, "micro_batch": 16, "lr": 0.05, "clip": 0.0, "zero_stage": 0},
    }
    for name, values in sections.items():
        tree[name] = tree.get(name, {}) | values
    return Config.model_validate(tree)


def awake_model(config: Config) -> Model:
    """Build a model whose cloze read-out is not zero, so that every gradient takes part from the first step on."""
    model = build_model(config)
    if model.readout is not None:
        nn.init.normal_(model.readout.output.weight, std=0.2)
    if isinstance(model, LabelMaskModel) and model.context is not None:
        nn.init.normal_(model.context.output.weight, std=0.2)
    return model


def momentum_sgd(model: nn.Module, config: Config) -> Optimizer:
    """Make a rule with a state, and without Adam's division, which makes large errors of tiny gradients."""
    return SGD(model.parameters(), lr=config.train.lr, momentum=MOMENTUM)


@dataclass(frozen=True)
class Components:
    """One rank's share of a run."""

    engine: Engine
    labels: Candidates
    updates: RowUpdates
    loader: Loader
    step: TrainingStep

    @classmethod
    def build(cls, config: Config, ranks: Ranks, rule: Callable[..., Optimizer] = momentum_sgd) -> "Components":
        """Put the parts together, at step 0; rule(model, config) moves the dense parameters."""
        dataset = Dataset.open(config.data.dataset)
        model = awake_model(config)
        table = build_table(config, dataset, ranks, model.encoder.width)
        initialize(config, dataset, model, table, lambda *_: None)
        engine = Engine(model, rule(model, config), deepspeed_config(config, ranks.world_size))
        labels, updates = build_labels(config, dataset, ranks, engine, table, slot_plan(config, dataset))
        tokens = text_tokens(model.encoder, config, len(dataset.vocabulary))
        loader = build_loader(config, dataset, ranks, engine, tokens)
        telemetry = Telemetry.serve(None, is_first_rank=ranks.is_first)
        return cls(engine, labels, updates, loader, TrainingStep(config, engine, labels, updates, telemetry.phase))

    @property
    def state(self) -> RunState:
        """What a checkpoint holds."""
        return RunState(self.engine, self.updates.optimizer, self.labels.table.range, self.labels.ranks)

    def batches(self, steps: int) -> list[tuple[TextBatch, ...]]:
        """Read the micro-batches of the first steps."""
        source = self.loader.steps(StreamState())
        return [next(source).micro_batches for _ in range(steps)]

    def train(self, steps: int, *, after: int = 0) -> list[StepReport]:
        """Run the first steps, up to number `steps`; those up to `after` are done already."""
        batches = self.batches(steps)
        return [self.step(number, batches[number - 1]) for number in range(after + 1, steps + 1)]

    def numbers(self) -> dict[str, np.ndarray]:
        """Copy out all dense parameters, whole, and all label rows."""
        dense = {name: tensor.numpy().copy() for name, tensor in self.engine.state() if "/" not in name}
        return dense | {"rows": self.labels.ranks.gather_ragged(self.labels.table.rows(slice(None))).numpy().copy()}
