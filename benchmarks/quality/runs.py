"""One run of the product, as a user would make it: trained by launcher/run.py, judged as by `lmmtc evaluate`.

What has been judged is not done again; what was cut off goes on from its last checkpoint.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from launcher.cli.evaluate import evaluate
from sharding import COLUMNS, Dataset, RecordBatch, publish, sequential
from trainer.config import Config, load_config
from trainer.data import open_dataset
from trainer.distributed import ONE_RANK
from trainer.evaluation import DEPTHS, PartialAnnotation, Worth
from trainer.inference.loading import TrainedModel
from trainer.run.folder import RunFolder

from .corpus import encoder_folder

STARTER = Path(__file__).parents[2] / "launcher" / "run.py"
BATCH = 64


@dataclass(frozen=True)
class Run:
    """A recipe and what is set beside it; run.folder is where all of it is kept. labels: which are judged by."""

    recipe: Path
    settings: tuple[str, ...]
    labels: Literal["all", "seen"] = "all"

    @cached_property
    def config(self) -> Config:
        """What training is told."""
        return load_config(self.recipe, self.settings)

    @property
    def folder(self) -> Path:
        """Where the run is kept."""
        return self.config.run.folder

    def train(self) -> None:
        """Train, unless this very run is trained."""
        if not self._is_trained:
            self._train()

    def judged(self, split: str, records: int | None = None, prior_weight: float = 1) -> dict[str, Any]:
        """Return what `lmmtc evaluate` finds on a split, or its first records, once this very run is trained."""
        weighed = "" if prior_weight == 1 else f"-prior-weight-{prior_weight:g}"
        verdict = self.folder / f"judged-by-{self.labels}-labels-of-{split}{weighed}.json"
        self.train()
        if not verdict.exists():
            evaluate(
                self.folder,
                split=split,
                records=records,
                labels=self.labels,
                refine=0,
                prior_weight=prior_weight,
                batch=BATCH,
            )
            (self.folder / "evaluation.json").rename(verdict)
        return json.loads(verdict.read_text(encoding="utf-8"))

    def worth(self, most: int = 2, draws: int = 1) -> list[list[Worth]]:
        """Return what one and two given labels are worth on the test split, once this very run is trained.

        Args:
            most: Labels that are given at most.
            draws: As often other labels are drawn to be given.

        Returns:
            By draw and by number of labels given, from 0.
        """
        path = self.folder / f"judged-by-{most}-given-in-{draws}-draws.json"
        self.train()
        if not path.exists():
            found = [[asdict(each) for each in draw] for draw in self._judge_given(most, draws)]
            with publish(path) as temporary:
                temporary.write_text(json.dumps(found), encoding="utf-8")
        return [[Worth(**each) for each in draw] for draw in json.loads(path.read_text(encoding="utf-8"))]

    def _judge_given(self, most: int, draws: int) -> Iterator[list[Worth]]:
        model, dataset = TrainedModel.load(self.folder, depth=max(DEPTHS)), open_dataset(self.config.data)

        def records(split: str) -> Iterator[RecordBatch]:
            return sequential(dataset.split(split), batch=BATCH, columns=(*COLUMNS, "id"))

        for seed in range(draws):
            judge = PartialAnnotation(model.ranker, model.vocabulary.counts > 0, ONE_RANK, seed)
            yield judge.worth(records("test"), most, judge.threshold(records("dev")))

    @property
    def _is_trained(self) -> bool:
        folder = RunFolder(self.folder)
        if not folder.success.exists():
            return False
        trained = folder.config()
        wanted = self.config
        if wanted.train.precision == "auto":  # what it stood for is what the run keeps
            wanted = wanted.in_precision("bf16" if trained.train.precision == "bf16" else "fp32")
        return trained == wanted

    def _train(self) -> None:
        print(f"training {self.folder}: {self.config.train.steps} steps", flush=True)
        started = perf_counter()
        self.folder.mkdir(parents=True, exist_ok=True)
        for verdict in self.folder.glob("judged-by-*.json"):
            verdict.unlink()  # of what was trained here before
        command = [sys.executable, STARTER, "--config", self.recipe, *(f"--set={setting}" for setting in self.settings)]
        with (self.folder / "training.log").open("a", encoding="utf-8") as log:
            subprocess.run(command, check=True, stdout=log)  # noqa: S603  # this very project
        print(f"trained in {perf_counter() - started:.0f} s", flush=True)


def places(folder: Path, name: str, dataset: Dataset) -> tuple[str, ...]:
    """Set where a run of a name keeps its files, in a folder that others share, and what it reads."""
    return (
        f"run.folder={folder / 'runs' / name}",
        f"data.dataset={dataset.path}",
        f"model.encoder={encoder_folder()}",
        f"labels.text_cache={folder / 'label-texts'}",
    )
