"""The command line without a process of its own, and a run that was trained to be used."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launcher.cli import main
from tests.programs import ROOT, finish, write_config


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


Lmmtc = Callable[..., Said]


@pytest.fixture
def lmmtc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lmmtc:
    """Call `lmmtc` with these words."""

    def call(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["lmmtc", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    return call


@pytest.fixture(scope="session")
def sections(tiny_dataset: Path, tiny_encoder: Path) -> dict[str, dict[str, Any]]:
    """Configure a run of one process, run.folder left out."""
    return {
        "run": {"threads": 1},
        "data": {"dataset": tiny_dataset},
        "model": {"encoder": tiny_encoder, "max_tokens": 24},
        "labels": {"lr": 0.05},
        "cloze": {"slots": "shortlist", "context": "none", "shortlist": 12, "chunk": 5},
        "train": {"steps": 12, "global_batch": 32, "micro_batch": 32, "lr": 0.003},
        "evaluation": {"every_steps": 12, "records": 8},
    }


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, sections: dict[str, dict[str, Any]]) -> Path:
    """Train 12 steps and return the run's folder; beside it lies its configuration, `run.toml`."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    config = write_config(folder.with_name("run.toml"), **sections | {"run": {"folder": folder}})
    finish(sys.executable, ROOT / "launcher" / "run.py", "--config", config, timeout=200)
    return folder


@pytest.fixture
def without_cloze(trained: Path, tmp_path: Path) -> Path:
    """Copy the trained run and switch its cloze off: what is left is the scan."""
    return copy_with(trained, tmp_path / "scan alone", "cloze", "enabled", value=False)


def copy_with(trained: Path, folder: Path, section: str, key: str, *, value: object) -> Path:
    """Copy a trained run and change a setting of the copy."""
    shutil.copytree(trained, folder)
    config = json.loads((folder / "config.json").read_text())
    config[section][key] = value
    (folder / "config.json").write_text(json.dumps(config))
    return folder
