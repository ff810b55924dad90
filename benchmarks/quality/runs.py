"""One run of the product, as a user would make it: trained by launcher/run.py, judged as by `lmmtc evaluate`.

What has been judged is not done again; what was cut off goes on from its last checkpoint.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from launcher.commands import evaluate
from sharding import Dataset
from trainer.config import Config, load_config
from trainer.run_folder import RunFolder

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

    def judged(self, split: str, records: int | None = None, prior_weight: float = 1) -> dict[str, Any]:
        """Return what `lmmtc evaluate` finds on a split, or its first records, once this very run is trained."""
        weighed = "" if prior_weight == 1 else f"-prior-weight-{prior_weight:g}"
        verdict = self.folder / f"judged-by-{self.labels}-labels-of-{split}{weighed}.json"
        if not self._is_trained:
            self._train()
        if not verdict.exists():
            evaluate.run(
                self.folder, None, split, records, refine=0, batch=BATCH, prior_weight=prior_weight, labels=self.labels
            )
            (self.folder / "evaluation.json").rename(verdict)
        return json.loads(verdict.read_text(encoding="utf-8"))

    @property
    def _is_trained(self) -> bool:
        folder = RunFolder(self.folder)
        return folder.success.exists() and folder.config() == self.config

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
