"""What is made of rankings with and without a memory of training records."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks.neighbours import comparison, product
from benchmarks.neighbours.comparison import Comparison
from benchmarks.neighbours.figures import summary
from benchmarks.neighbours.product import IndexCost
from sharding import Dataset, convert
from trainer.evaluation import Answers

RECIPE = Path(comparison.__file__).with_name("tibkat_en.toml")
PEER = {"P@1": 45.3, "P@3": 28.7, "P@5": 21.2, "PSP@1": 22.0, "PSP@3": 26.0, "PSP@5": 30.6}
RECORDS = [
    {"id": "0", "split": "train", "text": "Soil\nOf soil.", "labels": ["a"]},
    {"id": "1", "split": "train", "text": "Rock\nOf rock.", "labels": ["b"]},
    {"id": "2", "split": "train", "text": "Air\nOf air.", "labels": ["c"]},
    {"id": "3", "split": "test", "text": "Soil\nAgain.", "labels": ["a"]},
    {"id": "4", "split": "test", "text": "Water\nOf water.", "labels": ["b"]},
]


@pytest.fixture
def compared(tmp_path: Path, tokenizer_folder: Path) -> Comparison:
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    convert(tmp_path / "corpus.jsonl", tmp_path / "shards", tokenizer_folder)
    return Comparison("tibkat_en", Dataset.open(tmp_path / "shards"), tmp_path, RECIPE, "control")


def test_gains_are_points_over_the_model_alone_and_over_peers() -> None:
    alone = {"P@1": 46.9, "P@3": 27.8, "P@5": 20.1, "PSP@5": 29.0}
    both = {"P@1": 55.9, "P@3": 33.6, "P@5": 24.2, "PSP@5": 31.5}
    cost = IndexCost(memory_bytes=1750.0, lookup_ms=1.5)
    assert summary({"alone": alone, "both": both}, PEER, PEER | {"P@1": 43.6}, cost) == pytest.approx(
        {
            "alone_P@1": 46.9,
            "alone_P@3": 27.8,
            "alone_P@5": 20.1,
            "memory_P@1": 55.9,
            "memory_P@3": 33.6,
            "memory_P@5": 24.2,
            "gain_P@1": 9.0,
            "gain_P@5": 4.1,
            "alone_PSP@5": 29.0,
            "memory_PSP@5": 31.5,
            "vs_bonsai_P@1": 10.6,
            "vs_xr_linear_P@1": 12.3,
            "lookup_ms_per_record": 1.5,
            "memory_bytes_per_record": 1750.0,
        }
    )


def test_fresh_records_have_rows_of_their_own_beside_peers(
    compared: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LMMTC_PECOS", raising=False)
    monkeypatch.delenv("LMMTC_OMIKUJI", raising=False)
    a, b, c = (compared.dataset.vocabulary.id_of(name) for name in "abc")

    def answers(*_: object) -> Mapping[str, Answers]:
        truth = (np.array([a, b]), np.array([0, 1, 2]))
        rankings = {"alone": [[a, b], [c, b]], "dense": [[b, a], [b, c]], "sparse": [[a, b], [a, c]]}
        rankings["both"] = [[a, c], [b, c]]
        return {name: Answers(np.array(ids), np.zeros((2, 2)), *truth) for name, ids in rankings.items()}

    monkeypatch.setattr(product, "build_index", lambda _run: IndexCost(1.0, 1.0))
    monkeypatch.setattr(product, "answers", answers)
    table, figures = compared.measure()
    first = {row.split(" | ")[0].strip("| "): row.split(" | ")[1] for row in table.splitlines()[2:]}
    assert first == {
        "XR-Linear, known figures": "43.6",
        "Bonsai, known figures": "45.3",
        "alone": "50.0",
        "dense": "50.0",
        "sparse": "50.0",
        "both": "100.0",
        "alone, fresh records": "0.0",
        "dense, fresh records": "100.0",
        "sparse, fresh records": "0.0",
        "both, fresh records": "100.0",
    }
    assert (figures["gain_P@1"], figures["vs_bonsai_P@1"]) == (50, 54.7)


def test_the_recipe_trains_one_epoch_of_the_first_layers(compared: Comparison) -> None:
    run = product.run_of(compared.dataset, compared.folder, RECIPE, "control")
    settings = (*run.settings, "train.precision=fp32")
    config = product.Run(run.recipe, settings).config
    assert (config.train.steps, config.train.global_batch, config.train.lr) == (539, 64, 2e-4)
    assert (config.model.layers, config.model.max_tokens, config.cloze.enabled) == (3, 128, False)
    assert (config.labels.optimizer, config.labels.lr, config.mlm.weight) == ("sgd", 10, 0)
