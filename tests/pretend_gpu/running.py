"""The components of a run on the pretend GPU, or on the host to compare with; dense parameters without DeepSpeed."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sharding import Dataset, StreamState, sequential
from tests.pretend_gpu.autocast import end_of_autocast
from tests.pretend_gpu.device import DEVICE, PretendGpu, held, move
from tests.trainer.components import awake_model
from trainer.config import Config, accumulation_steps
from trainer.data import columns
from trainer.distributed import Ranks
from trainer.engine.zero import GradientWatch
from trainer.evaluation import Ranker
from trainer.labels import Candidates, RowUpdates, slot_plan
from trainer.model import text_tokens
from trainer.training.components import build_labels, build_loader, build_optimizer, plain_collator
from trainer.training.initialize import build_table, initialize
from trainer.training.step import TrainingStep


class PlainEngine:
    """The interface of `trainer.engine.Engine` for one rank, ZeRO 0."""

    def __init__(self, model: nn.Module, config: Config, world_size: int, device: torch.device) -> None:
        self.module, self.device = model, device
        self.accumulation = accumulation_steps(config, world_size)
        self.optimizer = build_optimizer(model, config)
        self._watch, self._casts, self._micro_steps = GradientWatch(model), config.train.precision == "bf16", 0

    def forward(self, *inputs: Any) -> Any:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._casts):
            out = self.module(*inputs)
        end_of_autocast()
        return out

    def query(self, batch: Any) -> Tensor:
        self.module.eval()
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self._casts):
            query_BE = self.module.read(batch).query_BE
        self.module.train()
        end_of_autocast()
        return query_BE

    def backward(self, loss: Tensor) -> None:
        with self._watch.watching():
            (loss / self.accumulation).backward()

    def end_micro_step(self) -> None:
        self._micro_steps += 1
        if self._micro_steps % self.accumulation == 0:
            self.optimizer.step()
            self.optimizer.zero_grad()

    def set_learning_rate(self, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("scale", 1.0)

    def gradient_magnitude(self) -> Tensor:
        return self._watch.take()

    def gradient_norm(self) -> None:
        return None

    def discard(self) -> None:
        self._watch.take()
        self.optimizer.zero_grad()


@dataclass(frozen=True)
class Running:
    """One rank's share of a run."""

    dataset: Dataset
    engine: Any
    labels: Candidates
    updates: RowUpdates
    loader: Any
    step: TrainingStep

    @classmethod
    def build(cls, config: Config, ranks: Ranks, *, on_gpu: bool) -> "Running":
        """Build as `Components.build` does."""
        dataset = Dataset.open(config.data.dataset)
        model = awake_model(config)
        table = build_table(config, dataset, ranks, model.encoder.width)
        initialize(config, dataset, model, table, lambda *_: None)
        with device(on_gpu=on_gpu):
            if on_gpu:
                move(model)
            where = DEVICE if on_gpu else torch.device("cpu")
            engine: Any = PlainEngine(model, config, ranks.world_size, where)
            labels, updates = build_labels(config, dataset, ranks, engine, table, slot_plan(config, dataset))
        tokens = text_tokens(model.encoder, config, len(dataset.vocabulary))
        loader = build_loader(config, dataset, ranks, engine, tokens)
        return cls(
            dataset,
            engine,
            labels,
            updates,
            loader,
            TrainingStep(config, engine, labels, updates, lambda _: nullcontext()),
        )

    def answers(self, config: Config) -> dict[str, np.ndarray]:
        """Rank the labels of dev records, with one label given and answers refined where labels are read: ids."""
        tokens = text_tokens(self.engine.module.encoder, config, len(self.dataset.vocabulary))
        collate = plain_collator(config, self.dataset, tokens)
        ranker = Ranker(self.engine.module, self.labels, collate, self.engine.device, threshold=0.3, max_context=4)
        ranker = replace(ranker, refine=int(ranker.reads_labels))
        records = next(sequential(self.dataset.split("dev"), batch=8, columns=columns(config.data)))
        given = [{number: True} for number in range(8)] if ranker.reads_labels else ()
        return {name: found.ids_BK for name, found in ranker.rank(records, given).items()}

    def numbers(self) -> dict[str, Tensor]:
        """Copy out all parameters and label rows."""
        dense = {name: held(each).detach().clone() for name, each in self.engine.module.named_parameters()}
        table = self.labels.table
        return dense | {"rows": held(table.vectors_RE).float().clone(), "biases": held(table.biases_R2).clone()}


@dataclass(frozen=True)
class Trained:
    """Losses of some steps, and the answers before them."""

    running: Running
    answers: dict[str, np.ndarray]
    losses: list[float]


def train(config: Config, ranks: Ranks, *, on_gpu: bool, steps: int = 2) -> Trained:
    """Answer, then train some steps; a mixture of devices raises."""
    running = Running.build(config, ranks, on_gpu=on_gpu)
    losses = []
    with device(on_gpu=on_gpu):
        answers = running.answers(config)
        source = running.loader.steps(StreamState())
        for number in range(1, steps + 1):
            micro_batches = next(source).micro_batches
            losses.append(running.step(number, micro_batches).losses["total"])
        source.close()
    return Trained(running, answers, losses)


@contextmanager
def device(*, on_gpu: bool) -> Iterator[None]:
    """Let the block use the pretend GPU, or not."""
    with PretendGpu() if on_gpu else nullcontext():
        yield


def config_of(dataset: Path, encoder: Path, sections: dict[str, dict[str, Any]]) -> Config:
    """Configure three steps of 16 records; sections replace keys."""
    tree: dict[str, dict[str, Any]] = {
        "run": {"folder": Path("unused"), "seed": 5},
        "data": {"dataset": dataset},
        "model": {"encoder": encoder, "max_tokens": 24},
        "labels": {"optimizer": "sgd", "lr": 0.5, "chunk": 10, "init": "random"},
        "cloze": {"slots": "shortlist", "context": "none", "shortlist": 8, "chunk": 3},
        "mlm": {"weight": 0.5, "probability": 0.3},
        "train": {"steps": 3, "global_batch": 16, "micro_batch": 16, "lr": 0.05, "clip": 0.0, "zero_stage": 0},
        "evaluation": {"batch": 8, "records": 40},
    }
    for name, values in sections.items():
        tree[name] = tree.get(name, {}) | values
    return Config.model_validate(tree)
