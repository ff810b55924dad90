"""Texts, labels, splits and folders with brackets in them, letter by letter on the screen, whoever shows them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from sharding import Manifest, Vocabulary
from tests.launcher.conftest import Lmmtc

LABEL = "Anogenital herpesviral [herpes simplex] infections"


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


@pytest.mark.ranks
def test_a_prediction_shows_text_label_and_meaning(lmmtc: Lmmtc, trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    counts = Vocabulary.load(run / "model" / "labels.arrow").counts
    names = [f"{LABEL} {label}" for label in range(len(counts))]
    meanings = ["a [/note] :smile: \x1b[2J"] * len(names)
    Vocabulary(pa.array(names), pa.array(meanings), counts).save(run / "model" / "labels.arrow")
    said = lmmtc("predict", run, "--text", "a [bold]text[/bold], see [/note]", "--top", 12)
    assert said.code == 0, said.err
    assert said.out.startswith("a [bold]text[/bold], see [/note] ")
    rows = [[cell.strip() for cell in line.split("│")[2:4]] for line in said.out.splitlines() if "│" in line]
    assert len(rows) == 12
    assert all(name in names and meaning == "a [/note] :smile:  [2J" for name, meaning in rows)


@pytest.mark.ranks
def test_a_verdict_shows_the_split(lmmtc: Lmmtc, trained: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    run, copy = shutil.copytree(trained, tmp_path / "run"), shutil.copytree(tiny_dataset, tmp_path / "copy")
    manifest = Manifest.load(copy)
    named = manifest.splits | {"dev [v2] [/note]": manifest.splits["dev"]}
    replace(manifest, splits=named).identified().save(copy)
    said = lmmtc("evaluate", run, "--dataset", copy, "--split", "dev [v2] [/note]")
    assert said.code == 0, said.err
    assert "40 records of dev [v2] [/note], step " in said.out


def test_a_simulation_shows_the_folder(
    lmmtc: Lmmtc, tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copy = shutil.copytree(tiny_dataset, Path("a [") / "note] [v2]")
    said = lmmtc("simulate", copy, "--nodes", 2, "--ranks-per-node", 2, "--batch", 16)
    assert said.code == 0, said.err
    assert "a [/note] [v2], train: 2 nodes of 2 ranks" in said.out
