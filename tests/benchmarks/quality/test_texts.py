"""Texts and labels of a prepared corpus, record by record."""

import json
from pathlib import Path

import numpy as np

from benchmarks.quality.texts import LabelledTexts, read_texts
from sharding import Dataset, convert

RECORDS = [
    {"id": str(number), "split": "test" if number % 3 else "train", "text": f"text {number}", "labels": labels}
    for number, labels in enumerate([["a"], ["b", "a"], [], ["b"], ["a", "new"], ["b"], ["a"]])
]


def test_texts_stand_in_the_order_of_the_data_set_beside_their_labels(tmp_path: Path, tokenizer_folder: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(record) + "\n" for record in RECORDS), encoding="utf-8")
    convert(tmp_path / "corpus.jsonl", tmp_path / "shards", tokenizer_folder, shard_rows=2)
    dataset = Dataset.open(tmp_path / "shards")
    found = read_texts(tmp_path, dataset, "test")
    assert [f"text {record}" for record in found.ids] == found.texts
    own = [dataset.vocabulary.names_of(labels) for labels in np.split(found.labels, found.offsets[1:-1])]
    assert {text: sorted(labels) for text, labels in zip(found.texts, own, strict=True)} == {
        "text 1": ["a", "b"],
        "text 2": [],
        "text 4": ["a", "new"],
        "text 5": ["b"],
    }


def test_records_are_chosen_in_the_order_asked_for() -> None:
    records = LabelledTexts(["i", "j", "k"], ["x", "y", "z"], np.array([5, 1, 2]), np.array([0, 2, 2, 3]))
    taken = records.take(np.array([2, 0]))
    assert (taken.ids, taken.texts, taken.labels.tolist(), taken.offsets.tolist()) == (
        ["k", "i"],
        ["z", "x"],
        [2, 5, 1],
        [0, 1, 3],
    )
    assert taken.truth_NL(6).toarray().tolist() == [[0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 1]]
    assert len(records.take(np.array([], dtype=np.int64)).labels) == 0
