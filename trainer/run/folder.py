"""The run folder: names, reads and writes its files, enough to evaluate and predict without data set or encoder.

RUN/config.json  RUN/events.jsonl  RUN/model/{encoder.json,labels.arrow,plan.arrow,data.json,tokenizer/}
RUN/checkpoints/  RUN/success.json  RUN/stacks-*.txt  RUN/records/  RUN/neighbours/  RUN/lock.json (lock.py)
"""

import filecmp
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sharding import TRAIN, ChunkPlan, Dataset, TextTokenizer, Vocabulary, publish, sha256

from ..config import Config, check_config
from ..errors import ConfigError

_STEP = re.compile(r"step-([0-9]{8}|[1-9][0-9]{8,})")


@dataclass(frozen=True)
class RunFolder:
    """Names every file of a run."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Where the states are."""
        return self.path / "checkpoints"

    @property
    def events(self) -> Path:
        """What happened, one JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def records(self) -> Path:
        """Which records were read, where `run.record_log` asks for that."""
        return self.path / "records"

    @property
    def neighbours(self) -> Path:
        """The memory of training records, where `lmmtc index` has built one."""
        return self.path / "neighbours"

    @property
    def success(self) -> Path:
        """Is there when, and only when, the run is done: exit codes alone do not say so under every starter."""
        return self.path / "success.json"

    def stacks(self, rank: int) -> Path:
        """Where a rank that is stuck says where it is."""
        return self.path / f"stacks-{rank:05d}.txt"

    @property
    def labels(self) -> Path:
        """The vocabulary, in the order of the label table."""
        return self.path / "model" / "labels.arrow"

    @property
    def plan_file(self) -> Path:
        """Which slots share a chunk, where that was planned."""
        return self.path / "model" / "plan.arrow"

    @property
    def tokenizer_folder(self) -> Path:
        """The tokenizer's files, as the data set had them."""
        return self.path / "model" / "tokenizer"

    @property
    def tuned(self) -> Path:
        """What `lmmtc tune` has chosen on dev."""
        return self.path / "tuned.json"

    @property
    def has_begun(self) -> bool:
        """Whether this is the folder of a run: its configuration is written before its first step."""
        return (self.path / "config.json").is_file()

    def config(self) -> Config:
        """Read back the configuration that the run was started with."""
        path = self.path / "config.json"
        if not self.has_begun:
            raise ConfigError(f"{self.path}: is not the folder of a run: it has no config.json")
        tree = json.loads(path.read_text(encoding="utf-8"))
        tree["cloze"] = {"context": "none"} | tree.get("cloze", {})  # runs of earlier versions read none
        return check_config(tree, str(path))

    def encoder_config(self) -> str:
        """Read the shape of the encoder."""
        return (self.path / "model" / "encoder.json").read_text(encoding="utf-8")

    def vocabulary(self) -> Vocabulary:
        """Read the labels."""
        return Vocabulary.load(self.labels)

    def has_labels_of(self, dataset: Dataset) -> bool:
        """Tell whether a label id means the same label here and there; how often it was counted does not matter."""
        same_file = sha256(self.labels) == dataset.manifest.labels.sha256
        return same_file or self.vocabulary().names.equals(dataset.vocabulary.names)

    def plan(self) -> ChunkPlan | None:
        """Read which slots share a chunk; None where they stand in id order."""
        return ChunkPlan.load(self.plan_file) if self.plan_file.is_file() else None

    def tokenizer(self) -> TextTokenizer:
        """Read the tokenizer that the data set was made with."""
        return TextTokenizer.from_folder(self.tokenizer_folder)

    def train_records(self) -> int:
        """Count the records that label counts refer to."""
        return self._data()["train_records"]

    def labels_at_start(self) -> int:
        """Count the labels that training began with: `lmmtc extend` adds others behind them."""
        return self._data().get("labels_at_start", len(self.vocabulary()))

    def copy_to(self, other: "RunFolder", vocabulary: Vocabulary, plan: ChunkPlan | None) -> None:
        """Write into the folder of another run what `create` wrote here, but for labels that were added.

        The other run's checkpoints are in its folder. A neighbour index comes along: labels keep their ids.
        """
        shutil.copytree(self.path / "model", other.path / "model")
        if self.neighbours.is_dir():
            shutil.copytree(self.neighbours, other.neighbours)
        config = self.config()
        here = config.checkpoint.model_copy(update={"store": None})
        self._write(
            other.path / "config.json", config.model_copy(update={"checkpoint": here}).model_dump_json(indent=1)
        )
        data = self._data() | {"labels_at_start": self.labels_at_start()}
        self._write(other.path / "model" / "data.json", json.dumps(data))
        vocabulary.save(other.labels)
        if plan is not None:
            plan.save(other.plan_file)

    def create(self, config: Config, dataset: Dataset, encoder_config: str, plan: ChunkPlan | None) -> None:
        """Write everything that training does not change; a resumed run leaves what is the same already.

        Each file is replaced whole: whoever has the old one mapped, an evaluation beside the run say, keeps it.
        """
        model = self.path / "model"
        model.mkdir(parents=True, exist_ok=True)
        train = dataset.split(TRAIN)
        self._write(self.path / "config.json", config.model_dump_json(indent=1))
        self._write(model / "encoder.json", encoder_config)
        self._write(model / "data.json", json.dumps({"train_records": train.num_records}))
        _copy(dataset.path / dataset.manifest.labels.path, self.labels)
        shutil.copytree(dataset.path / "tokenizer", self.tokenizer_folder, copy_function=_copy, dirs_exist_ok=True)

        if plan is None:
            self.plan_file.unlink(missing_ok=True)  # that of a run which never came to a checkpoint
        else:
            plan.save(self.plan_file)

    def saved_step(self) -> int:
        """Find the step of the newest checkpoint, without a look at what is in it; 0 if there is none."""
        return max(steps_in(self.checkpoints), default=0)

    def saves(self) -> Iterator[tuple[int, str]]:
        """Name each checkpoint by its step and the time of its save, which another save of that step changes."""
        for step in steps_in(self.checkpoints):
            with suppress(FileNotFoundError):  # just rotated away
                yield step, str((self.checkpoints / step_name(step)).stat().st_mtime_ns)

    def finish(self, step: int, run_id: str) -> None:
        """Say that the run is done: its last step is trained and saved."""
        self._write(self.success, json.dumps({"step": step, "run_id": run_id}))

    def _data(self) -> dict[str, int]:
        return json.loads((self.path / "model" / "data.json").read_text())

    def _write(self, path: Path, text: str) -> None:
        with publish(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def step_name(step: int) -> str:
    """Name a checkpoint: names sort as steps do."""
    return f"step-{step:08d}"


def steps_in(checkpoints: Path) -> list[int]:
    """List the steps that have a folder, oldest first; one with any other name is no checkpoint's."""
    names = (_STEP.fullmatch(folder.name) for folder in checkpoints.glob("step-*") if folder.is_dir())
    return sorted(int(name[1]) for name in names if name)


def _copy(source: str | Path, target: str | Path) -> None:
    """Copy a file, unless the same is there."""
    if not Path(target).is_file() or not filecmp.cmp(source, target, shallow=False):
        with publish(Path(target)) as temporary:
            shutil.copyfile(source, temporary)
