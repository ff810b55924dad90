"""Which records are used, and in which split."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality import corpus
from sharding import DataError


def record(number: int, split: str, *labels: str) -> dict[str, Any]:
    return {"id": number, "split": split, "text": f"text {number}", "labels": list(labels), "labels_all": ["else"]}


TRAIN = [record(number, "train", *["grain"] * (number % 2)) for number in range(60)]
TEST = [record(60, "test", "corn"), record(61, "test")]


def splits(records: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {split: [r["id"] for r in records if r["split"] == split] for split in ("train", "dev", "test")}


def test_the_last_tenth_of_the_labelled_training_records_is_for_dev() -> None:
    assert splits(corpus.usable([*TRAIN, *TEST])) == {
        "train": [str(number) for number in range(1, 55, 2)],
        "dev": ["55", "57", "59"],
        "test": ["60"],
    }


def test_a_dev_split_that_is_there_stays_as_it_is() -> None:
    found = splits(corpus.usable([*TRAIN, record(70, "dev", "corn"), *TEST]))
    assert (len(found["train"]), found["dev"]) == (30, ["70"])


def test_a_data_set_is_cut_into_shards_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "DATA", tmp_path)
    (tmp_path / "news").mkdir()
    with gzip.open(tmp_path / "news" / "news_2.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in [*TRAIN, *TEST])
    dataset = corpus.prepare("news", tmp_path / "work")
    assert {name: dataset.split(name).num_records for name in ("train", "dev", "test")} == {
        "train": 27,
        "dev": 3,
        "test": 1,
    }
    assert len(dataset.vocabulary) == 2
    assert corpus.prepare("news", tmp_path / "work").manifest == dataset.manifest


def test_a_data_set_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "DATA", tmp_path)
    with pytest.raises(DataError) as refused:
        corpus.prepare("news", tmp_path / "work")
    assert (
        str(refused.value)
        == f"{tmp_path / 'news'}: has no .jsonl.gz file: set LMMTC_DATA to the folder of the data sets"
    )
