"""`lmmtc inspect`: a data set and its records as people read them."""

import json
from pathlib import Path

import numpy as np
import pytest

from sharding import Dataset, Kind, convert
from tests.launcher.conftest import Lmmtc
from tests.rewriting import rewrite


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")


def cells(out: str) -> list[list[str]]:
    """Read a printed table, headings and rows."""
    lines = [line for line in out.replace("┃", "│").splitlines() if "│" in line]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_a_data_set_is_shown_in_numbers(lmmtc: Lmmtc, tiny_dataset: Path, tmp_path: Path) -> None:
    both = rewrite(tiny_dataset, tmp_path / "both", "arrow", "webdataset")
    manifest = Dataset.open(both).manifest
    said = lmmtc("inspect", both)
    assert said.code == 0
    headings, *rows = cells(said.out)
    assert headings == ["split", "shards", "records", "tokens", "arrow, MB", "webdataset, MB", "sidecars, MB"]
    sizes = {
        split: sum(shard.files["webdataset"].bytes for shard in shards) for split, shards in manifest.splits.items()
    }
    assert [[*row[:3], row[5]] for row in rows] == [
        ["dev", "2", "40", f"{sizes['dev'] / 1e6:.1f}"],
        ["train", "5", "160", f"{sizes['train'] / 1e6:.1f}"],
    ]
    assert rows[1][3] == f"{sum(shard.tokens for shard in manifest.splits['train']):,}"
    assert "labels: 48, 44 of them with training records\n" in said.out
    counts = Dataset.open(both).vocabulary.counts
    assert f"most frequent: label 0 ({counts[0]}), " in said.out
    assert manifest.dataset_id in said.out


def test_records_of_a_shard_are_shown_with_their_labels_and_tokens(lmmtc: Lmmtc, tiny_dataset: Path) -> None:
    split = Dataset.open(tiny_dataset).split("dev")
    names = Dataset.open(tiny_dataset).vocabulary.names_of
    said = lmmtc("inspect", tiny_dataset, "--split", "dev", "--shard", "1", "--rows", "3")
    headings, *rows = cells(said.out)
    assert headings == ["id", "text", "labels", "tokens", "tokens decoded"]
    expected = split.take(np.arange(32, 35), ["id", "text", "labels", "tokens"]).to_pylist()
    assert rows == [
        [record["id"], record["text"], ", ".join(names(record["labels"])), str(len(record["tokens"])), record["text"]]
        for record in expected
    ]


@pytest.mark.parametrize("kind", ["arrow", "webdataset"])
def test_a_text_is_cut_and_can_neither_draw_nor_command(
    lmmtc: Lmmtc, tmp_path: Path, tokenizer_folder: Path, kind: Kind
) -> None:
    record = {"id": "1", "split": "train", "text": "[bold]x[/bold]\x1b[2J\n" + "y" * 200, "labels": ["[red]"]}
    (tmp_path / "evil.jsonl").write_text(json.dumps(record))
    convert(tmp_path / "evil.jsonl", tmp_path / "evil", tokenizer_folder)
    said = lmmtc("inspect", rewrite(tmp_path / "evil", tmp_path / kind, kind), "--shard", "0")
    [_, [_, text, labels, _, _]] = cells(said.out)
    assert text == "[bold]x[/bold] [2J " + "y" * (160 - 3 - 19) + "..."
    assert labels == "[red]"
    assert "\x1b" not in said.out


def test_a_shard_that_is_not_there_is_refused_with_how_many_there_are(lmmtc: Lmmtc, tiny_dataset: Path) -> None:
    said = lmmtc("inspect", tiny_dataset, "--shard", "5")
    assert (said.code, said.err) == (78, "DataError: shard 5: split 'train' has 5 shards, numbered from 0\n")


def test_a_shard_without_so_many_records_is_shown_whole(lmmtc: Lmmtc, tiny_dataset: Path) -> None:
    said = lmmtc("inspect", tiny_dataset, "--split", "dev", "--shard", "1", "--rows", "1000")
    assert len(cells(said.out)) == 1 + 8
