"""An index that is damaged, or that another model or vocabulary has made, is refused with words that help."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file

from sharding import DataError, Dataset, Vocabulary
from tests.trainer.neighbours.models import settings, tiny_model
from trainer.config import NeighboursSection
from trainer.errors import ConfigError
from trainer.inference.loading import TrainedModel
from trainer.neighbours import IndexMeta, NeighbourIndex, build_index, fingerprint
from trainer.neighbours.meta import names_hash


@pytest.fixture(scope="module")
def model(tiny_dataset: Path, tiny_encoder: Path) -> TrainedModel:
    return tiny_model(tiny_dataset, tiny_encoder)


@pytest.fixture
def folder(model: TrainedModel, tiny_dataset: Path, tmp_path: Path) -> Path:
    build_index(model, Dataset.open(tiny_dataset), settings(records=40), tmp_path / "run" / "neighbours")
    return tmp_path / "run" / "neighbours"


def refused(kind: type[Exception], folder: Path, model: TrainedModel, vocabulary: Vocabulary | None = None) -> str:
    with pytest.raises(kind) as said:
        NeighbourIndex.load(folder, fingerprint(model), vocabulary or model.vocabulary)
    assert f"`lmmtc index {folder.parent}`" in str(said.value)
    return str(said.value)


def test_no_index_is_said_with_the_command_that_builds_one(model: TrainedModel, tmp_path: Path) -> None:
    words = refused(ConfigError, tmp_path / "neighbours", model)
    assert words == (f"{tmp_path / 'neighbours'}: there is no neighbour index: build it with `lmmtc index {tmp_path}`")


@pytest.mark.parametrize("part", ["encoder.", "query."])
def test_keys_of_another_encoder_are_refused(tiny_dataset: Path, tiny_encoder: Path, folder: Path, part: str) -> None:
    other = tiny_model(tiny_dataset, tiny_encoder)
    before = fingerprint(other)
    with torch.no_grad():
        next(p for name, p in other.ranker.model.named_parameters() if name.startswith(part)).flatten()[0] += 1e-3
    words = refused(ConfigError, folder, other)
    assert f"its keys were made by another encoder: of step 3, fingerprint {before}, and this model's is " in words
    assert fingerprint(other) in words


def test_what_makes_no_query_changes_no_fingerprint(tiny_dataset: Path, tiny_encoder: Path, folder: Path) -> None:
    other = tiny_model(tiny_dataset, tiny_encoder)
    with torch.no_grad():
        for name, parameter in other.ranker.model.named_parameters():
            if not name.startswith(("encoder.", "query.")):
                parameter.add_(1)
    assert NeighbourIndex.load(folder, fingerprint(other), other.vocabulary).meta.records == 40


@pytest.mark.parametrize("changed", [{"max_tokens": 23}, {"pooling": "first"}])
def test_how_a_text_is_read_is_part_of_the_fingerprint(model: TrainedModel, changed: dict[str, Any]) -> None:
    config = model.config.model_copy(update={"model": model.config.model.model_copy(update=changed)})
    assert fingerprint(replace(model, config=config)) != fingerprint(model)


def test_labels_of_another_vocabulary_are_refused_and_added_ones_are_not(model: TrainedModel, folder: Path) -> None:
    known = model.vocabulary
    swapped = Vocabulary(known.names.take(pa.array([1, 0, *range(2, 48)])), known.texts, known.counts)
    words = refused(ConfigError, folder, model, swapped)
    assert "its labels are of another vocabulary: 48 labels that are not those of the run (48)" in words
    fewer = Vocabulary(known.names.slice(0, 40), known.texts.slice(0, 40), known.counts[:40])
    refused(ConfigError, folder, model, fewer)
    longer = known.extended({"label new": None})
    assert NeighbourIndex.load(folder, fingerprint(model), longer).num_labels == 49


def meta_with(**changes: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        tree = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(tree | changes))

    return change


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "meta.json").write_text("{"), "is no neighbour index of this version: Expecting"),
        (meta_with(format="lmmtc-neighbours/9"), "is no neighbour index of this version: 1 validation error"),
        (meta_with(more=1), "is no neighbour index of this version: 1 validation error"),
        (meta_with(blocks=[{"start": 0, "stop": 5, "generation": 1}] * 2), "its blocks do not follow each other"),
    ],
)
def test_a_damaged_description_is_refused(
    model: TrainedModel, folder: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(folder)
    assert said in refused(DataError, folder, model)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("part", ["records", "dense", "sparse", "statistics"])
@pytest.mark.parametrize("damage", [truncated, Path.unlink])
def test_a_file_that_is_torn_or_gone_is_named(
    model: TrainedModel, folder: Path, part: str, damage: Callable[[Path], object]
) -> None:
    [path] = folder.glob(f"{part}-*")
    damage(path)
    assert refused(DataError, folder, model).startswith(f"{path}: cannot be read: ")


@pytest.mark.parametrize(
    ("part", "name", "change", "said"),
    [
        ("dense", "keys", lambda keys: keys[:-1], "its keys are not those of its records"),
        ("dense", "keys", lambda keys: keys.float(), "its keys are not those of its records"),
        ("sparse", "terms", lambda terms: terms + 4096, "has terms beyond its 4096"),
        ("sparse", "terms", lambda terms: terms - 5000, "has terms beyond its 4096"),
        ("sparse", "offsets", lambda offsets: offsets.flip(0), "its keys are not those of its records"),
        ("sparse", "offsets", lambda offsets: offsets * 2, "its keys are not those of its records"),
        ("sparse", "values", lambda values: values[:-2], "its keys are not those of its records"),
        ("statistics", "mean", lambda mean: mean[:-1], "its shapes are not those that meta.json says"),
    ],
)
def test_keys_that_do_not_fit_are_refused_before_anything_is_searched(
    model: TrainedModel, folder: Path, part: str, name: str, change: Callable[..., Any], said: str
) -> None:
    [path] = folder.glob(f"{part}-*")
    tensors = load_file(path)
    save_file(tensors | {name: change(tensors[name]).contiguous()}, path)
    assert f"{path}: cannot be read: {said}" in refused(DataError, folder, model)


def test_a_label_that_nothing_has_is_refused(model: TrainedModel, folder: Path) -> None:
    tree = json.loads((folder / "meta.json").read_text())
    fewer = model.vocabulary.names.slice(0, 3)
    short = Vocabulary(fewer, model.vocabulary.texts.slice(0, 3), model.vocabulary.counts[:3])
    (folder / "meta.json").write_text(json.dumps(tree | {"labels": 3, "vocabulary": names_hash(short, 3)}))
    assert re.search(r"a record has label \d+: must be below 3", refused(DataError, folder, model))


def test_settings_of_keys_are_checked() -> None:
    for keys in ((), ("dense", "dense")):
        with pytest.raises(ValueError, match=r"must be 'dense', 'sparse', or both, each once"):
            NeighboursSection(keys=keys)
    assert IndexMeta.model_fields.keys() > {"settings", "blocks"}


def test_a_data_set_of_other_labels_is_refused(model: TrainedModel, tiny_dataset: Path, tmp_path: Path) -> None:
    longer = replace(model, vocabulary=model.vocabulary.extended({"label new": None}))
    labels = tmp_path / "model" / "labels.arrow"
    with pytest.raises(DataError, match=f"was trained on; shard it again with --vocabulary {labels}$"):
        build_index(longer, Dataset.open(tiny_dataset), settings(), tmp_path / "neighbours")
