"""A run in each form of LM-MTC, from training to answers: what is reported, and what known labels do."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sharding import Dataset, plan_chunks
from tests.launcher.conftest import Lmmtc
from tests.programs import ROOT, finish, write_config
from trainer.inference.loading import TrainedModel
from trainer.labels import AllSlots

pytestmark = pytest.mark.ranks

FORMS = [
    pytest.param({"attention": "joint"}, id="one sequence"),
    pytest.param({"attention": "joint", "label_tokens": 3}, id="three tokens a label", marks=pytest.mark.nightly),
    pytest.param({"chunk": 7}, id="chunks", marks=pytest.mark.nightly),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_run_without_a_scan_is_trained_judged_and_asked(
    lmmtc: Lmmtc, tmp_path: Path, sections: dict[str, dict[str, Any]], form: dict[str, Any]
) -> None:
    folder = tmp_path / "run"
    changes = {"run": {"folder": folder, "threads": 1}, "cloze": {"slots": "all", "shortlist": 12, **form}}
    config = write_config(tmp_path / "run.toml", **sections | changes)
    finish(sys.executable, ROOT / "launcher" / "run.py", "--config", config, timeout=200)
    assert lmmtc("evaluate", folder, "--split", "dev").code == 0
    judged = json.loads((folder / "evaluation.json").read_text())
    assert "scan" not in judged
    assert 0 < judged["cloze"]["recall@K"] <= 1
    assert slots_read_back(folder) == slots_of(sections["data"]["dataset"], form)
    question = ("predict", folder, "--text", "topic 1 and topic 2", "--top", 12)
    alone, given = lmmtc(*question).out, lmmtc(*question, "--given", "label 0=yes").out
    assert "label 0 " in alone
    assert "label 0 " not in given
    assert alone != given


def slots_read_back(folder: Path) -> list[int]:
    labels = TrainedModel.load(folder).ranker.labels
    assert isinstance(labels, AllSlots)
    return labels.plan.order.tolist()


def slots_of(folder: Path, form: dict[str, Any]) -> list[int]:
    dataset = Dataset.open(folder)
    chunk = form.get("chunk")
    return plan_chunks(dataset, "train", chunk).order.tolist() if chunk else list(range(len(dataset.vocabulary)))
