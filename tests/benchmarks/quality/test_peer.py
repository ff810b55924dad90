"""The peer's answers are judged as ours are."""

import json
from pathlib import Path

import pytest

from benchmarks.quality.peer import judged, live_metrics
from sharding import Dataset, convert


@pytest.fixture
def dataset(tmp_path: Path, tokenizer_folder: Path) -> Dataset:
    """Make four labels, of which "new" has no training record."""
    records = [
        {"id": "1", "split": "train", "text": "", "labels": ["a", "b"]},
        {"id": "2", "split": "train", "text": "", "labels": ["a"]},
        {"id": "3", "split": "train", "text": "", "labels": ["c"]},
        {"id": "4", "split": "test", "text": "", "labels": ["a", "new"]},
        {"id": "5", "split": "test", "text": "", "labels": ["b", "c"]},
        {"id": "6", "split": "test", "text": "", "labels": ["new"]},
    ]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    convert(tmp_path / "corpus.jsonl", tmp_path / "shards", tokenizer_folder)
    return Dataset.open(tmp_path / "shards")


def test_records_and_labels_that_training_did_not_see_do_not_count(dataset: Dataset) -> None:
    metrics = judged({"4": ["a", "b"], "5": ["a", "c", "b"], "6": ["a"]}, dataset, 3)
    assert metrics["P@1"] == pytest.approx(1 / 2)
    assert metrics["P@3"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert metrics["recall@K"] == pytest.approx(1)


def test_without_a_python_that_has_it_there_is_no_peer(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LMMTC_PECOS", raising=False)
    assert live_metrics(dataset, tmp_path, 3) is None
