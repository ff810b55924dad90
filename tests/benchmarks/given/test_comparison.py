"""Model and counted baseline are judged on the same drawn labels."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.given import comparison, product
from benchmarks.quality.cooccurrence import RestQuality
from benchmarks.quality.runs import Run
from benchmarks.quality.texts import read_texts
from sharding import Dataset, convert

RECIPE = Path(comparison.__file__).with_name("debtags.toml")
TEXT = {"P@1": 80.0, "P@3": 60.0, "P@5": 40.0}


@pytest.fixture
def dataset(tmp_path: Path, tokenizer_folder: Path) -> Dataset:
    """Make 240 records of one to five of eight labels, which their texts name."""
    generator = np.random.default_rng(0)
    with (tmp_path / "corpus.jsonl").open("w") as file:
        for number in range(240):
            labels = [f"label{label}" for label in generator.permutation(8)[: generator.integers(1, 6)]]
            split = ("train", "train", "train", "train", "dev", "test")[number % 6]
            record = {"id": str(number), "split": split, "text": " ".join(labels), "labels": labels}
            file.write(json.dumps(record) + "\n")
    convert(tmp_path / "corpus.jsonl", tmp_path / "shards", tokenizer_folder)
    return Dataset.open(tmp_path / "shards")


def test_the_recipe_trains_two_epochs_of_the_first_layers(dataset: Dataset, tmp_path: Path) -> None:
    run = product.Task(dataset, tmp_path, RECIPE, ("train.precision=fp32",)).run("control", product.CONTROL)
    config = run.config
    assert (config.train.steps, config.train.global_batch) == (746, 64)
    assert config.train.lr * config.cloze.lr_scale == pytest.approx(1e-3)
    assert (config.labels.optimizer, config.labels.lr, config.mlm.weight) == ("sgd", 10, 0)
    assert (config.model.layers, config.model.max_tokens, config.cloze.enabled) == (3, 64, False)
    assert run.folder == tmp_path / "runs" / "given-control"


def test_drawn_labels_belong_to_the_record_whose_text_is_read(dataset: Dataset, tmp_path: Path) -> None:
    texts = read_texts(tmp_path, dataset, "test")
    found = product.draw(dataset, texts, 1)
    own = np.split(found.records.labels, found.records.offsets[1:-1])
    for text, labels, pair in zip(found.records.texts, own, found.labels_n2.tolist(), strict=True):
        assert set(text.split()) == set(dataset.vocabulary.names_of(labels))
        assert set(pair) < set(labels.tolist())


def test_the_control_is_given_nothing_and_the_model_one_and_two(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def rest_quality(run: Run, most: int) -> list[RestQuality]:
        asked.append((run.settings[0], most))
        return [RestQuality(number, 0.5, 0.25) for number in range(most + 1)]

    monkeypatch.setattr(product, "text_percents", lambda _run: TEXT)
    monkeypatch.setattr(product, "rest_quality", rest_quality)
    control, model, counted = comparison.compare(dataset, tmp_path, RECIPE)
    runs = tmp_path / "runs"
    assert asked == [(f"run.folder={runs / 'given-control'}", 0), (f"run.folder={runs / 'given-model'}", 2)]
    assert [len(each.rest) for each in (control, model, counted)] == [1, 3, 3]
    assert counted.text["P@1"] > 60, "texts name all labels, of which a guess finds 37 in a hundred"
