"""`lmmtc evaluate --given`: what known labels are worth, written and shown; and what is refused."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.launcher.conftest import Lmmtc, copy_with

pytestmark = pytest.mark.ranks


@pytest.fixture
def context(context_run: Path, tmp_path: Path) -> Path:
    """Copy the run that reads known labels: evaluation writes into it."""
    return shutil.copytree(context_run, tmp_path / "context")


def test_what_given_and_denied_labels_are_worth_is_written_and_shown(
    lmmtc: Lmmtc, context: Path, tiny_dataset: Path
) -> None:
    said = lmmtc("evaluate", context, "--split", "dev", "--given", 2)
    assert said.code == 0, said.err
    written = json.loads((context / "evaluation.json").read_text())
    seen = {f"label {label}" for label in range(44)}
    records = map(json.loads, tiny_dataset.with_name("tiny.jsonl").read_text().splitlines())
    dev = [seen & set(record["labels"]) for record in records if record["split"] == "dev"]
    more = [labels for labels in dev if len(labels) > 2]
    assert [each["given"] for each in written["given"]] == [0, 1, 2]
    rows = []
    for each in written["given"]:
        assert set(each) == {"given", "records", "precision", "recalls", "micro_f1"}
        assert each["records"] == len(more) > 0
        shares = [each["precision"], *each["recalls"], each["micro_f1"]]
        assert all(0 <= share <= 1 for share in shares)
        rows.append([str(each["given"]), *(f"{100 * share:.1f}" for share in shares)])
    assert [re.findall(r"[\d.]+", line) for line in said.out.splitlines() if re.match(r"│ +\d │", line)] == rows
    assert f"{len(more)} records with more than two labels: the others, with two drawn, in percent" in flat(said.out)
    denied = written["denied"]
    assert denied["records"] == sum(map(bool, dev)) < len(dev)
    assert flat(
        f"P@1 behind the best false label: {100 * denied['denied']:.1f} once it is given as NO, "
        f"{100 * denied['removed']:.1f} once it is left out ({denied['records']} records)"
    ) in flat(said.out)


def flat(words: str) -> str:
    """Join lines that the width of the screen has broken."""
    return " ".join(words.split())


def test_without_the_question_nothing_is_said_of_given_labels(lmmtc: Lmmtc, context: Path) -> None:
    said = lmmtc("evaluate", context, "--split", "dev", "--records", 5)
    assert said.code == 0, said.err
    assert (
        not {"given", "denied", "in the neighbour index"} & json.loads((context / "evaluation.json").read_text()).keys()
    )
    assert "given" not in said.out


def test_what_cannot_be_given_is_refused_before_anything_is_judged(
    lmmtc: Lmmtc, without_cloze: Path, context_run: Path, tmp_path: Path
) -> None:
    said = lmmtc("evaluate", without_cloze, "--split", "dev", "--given", 1)
    assert (said.code, said.err) == (
        78,
        "ConfigError: --given 1: cloze.enabled = false: without context and slots, no label can be given\n",
    )
    one = copy_with(context_run, tmp_path / "one", "cloze", "max_context", value=1)
    said = lmmtc("evaluate", one, "--split", "dev", "--given", 2)
    assert said.code == 78
    assert said.err.startswith("ConfigError: 2 labels are given with one text: at most 1 (cloze.max_context); ")
    assert not (one / "evaluation.json").exists()
