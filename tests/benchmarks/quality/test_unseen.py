"""Labels with a text and no training record, on a part of debian_depends, against chance and the frozen encoder."""

import gzip
import json
from pathlib import Path

import pytest

from benchmarks import quality
from benchmarks.quality import corpus, unseen
from benchmarks.quality.runs import Run
from sharding import Dataset, convert
from trainer.inference.loading import TrainedModel

SOURCE = corpus.DATA / "debian_depends"
TRAIN, TEST = 1500, 300


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Convert a part of the real records, with the texts of labels."""
    source = next(SOURCE.glob("*.jsonl.gz"))
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        records = corpus.usable([json.loads(line) for line in lines])
    parts = [[record for record in records if record["split"] == split] for split in ("train", "dev", "test")]
    chosen = [*parts[0][:TRAIN], *parts[1][:50], *parts[2][:TEST]]
    (tmp_path / "part.jsonl").write_text("".join(json.dumps(record) + "\n" for record in chosen), encoding="utf-8")
    texts = SOURCE / "labels.tsv.gz"
    convert(tmp_path / "part.jsonl", tmp_path / "shards", corpus.encoder_folder(), label_texts=texts)
    return Dataset.open(tmp_path / "shards")


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.ranks
@pytest.mark.skipif(not SOURCE.is_dir(), reason=f"{SOURCE} is not there: set LMMTC_DATA")
def test_training_on_other_labels_does_not_lose_what_texts_say_of_unseen_ones(dataset: Dataset, tmp_path: Path) -> None:
    settings = (
        f"run.folder={tmp_path / 'run'}",
        f"data.dataset={dataset.path}",
        f"model.encoder={corpus.encoder_folder()}",
        "model.max_tokens=48",
        "cloze.enabled=false",
        "cloze.shortlist=64",
        "mlm.weight=0",
        *("train.steps=20", "train.global_batch=32", "train.micro_batch=32", "train.lr=3e-4"),
        "evaluation.records=32",
    )
    run = Run(Path(quality.__file__).with_name("cpu_extreme.toml"), settings)
    run.judged("test", 32)
    rows = unseen.rows(TrainedModel.load(run.folder).ranker, run.config, dataset)
    chance, before, after = (float(cells[-1]) for cells in rows)  # recall@5, in percent
    assert before > 20 * chance
    assert after > 0.9 * before
