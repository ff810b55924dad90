"""Ranking metrics over some records."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.judging import ranking_metrics
from sharding import Dataset, convert
from trainer.evaluation import Answers

LABELS = [["a", "b"], ["a"], ["c"], ["a"]]


@pytest.fixture
def dataset(tmp_path: Path, tokenizer_folder: Path) -> Dataset:
    """Make three labels with training records, a, b and c, and one without."""
    records = [{"id": str(n), "split": "train", "text": "", "labels": labels} for n, labels in enumerate(LABELS)]
    records.append({"id": "4", "split": "test", "text": "", "labels": ["new"]})
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    convert(tmp_path / "corpus.jsonl", tmp_path / "shards", tokenizer_folder)
    return Dataset.open(tmp_path / "shards")


def test_records_that_are_not_chosen_do_not_count(dataset: Dataset) -> None:
    a, b, c, new = (dataset.vocabulary.id_of(name) for name in ("a", "b", "c", "new"))
    ids_NK = np.array([[a, new, b], [c, b, a], [new, c, -1], [b, a, c]])
    answers = Answers(ids_NK, np.zeros(ids_NK.shape), np.array([a, b, c, new, a]), np.array([0, 2, 3, 4, 5]))
    chosen_N = np.array([True, False, True, True])
    found = ranking_metrics(answers, dataset, chosen_N=chosen_N)
    # The third record has an unseen label alone; in the first one "new" is no candidate.
    assert found["P@1"] == pytest.approx((1 + 0) / 2)
    assert found["P@3"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    everything = ranking_metrics(answers, dataset, seen_only=False)
    assert everything["P@1"] == pytest.approx((1 + 1 + 1 + 0) / 4)
    assert everything["R@3"] == pytest.approx(1)
