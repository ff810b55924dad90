"""A run that begins with the parameters and rows of another, though its labels are not the same."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sharding import DataError, Dataset, StreamState, Vocabulary, convert
from tests.trainer.components import Components, tiny_config
from trainer.checkpoint import CheckpointFolder, CheckpointMeta, CheckpointStore, load_parameters, load_rows
from trainer.config import Config
from trainer.distributed import ONE_RANK, Ranks
from trainer.errors import CheckpointError, ConfigError
from trainer.labels import LabelTable, RowRange
from trainer.model import encoder_config
from trainer.run.folder import RunFolder
from trainer.training.components import build_model
from trainer.training.initialize import build_table, initialize

SPLITS = ("train", "dev")


def train_and_save(ranks: Ranks, config: Config) -> None:
    parts = Components.build(config, ranks)
    parts.train(2)
    folder = RunFolder(config.run.folder)
    if ranks.is_first:
        folder.create(config, Dataset.open(config.data.dataset), encoder_config(build_model(config).encoder), plan=None)
    meta = CheckpointMeta(
        2, ranks.world_size, StreamState(), parts.loader.stream.guards, config.model_dump(mode="json")
    )
    CheckpointStore(CheckpointFolder(folder.checkpoints), ranks).save(meta, parts.state.files())


@pytest.fixture(scope="module")
def trained(
    on_ranks: Callable[..., list[Any]], tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path, tiny_encoder: Path
) -> Path:
    """Train two steps on two ranks."""
    folder = tmp_path_factory.mktemp("trained")
    on_ranks(train_and_save, 2, tiny_config(tiny_dataset, tiny_encoder, folder))
    return folder


@pytest.fixture(scope="module")
def other_labels(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Path:
    """Write a data set with some of the trained labels, in another order, and with new ones."""
    folder = tmp_path_factory.mktemp("other")
    names = ["new 1", "label 9", "label 3", "new 2", "label 40"]
    records = [
        {"id": f"{name} {split}", "split": split, "text": name, "labels": [name]}
        for name in names
        for split in ("train", "dev")
    ]
    (folder / "other.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    convert(folder / "other.jsonl", folder / "shards", tokenizer_folder)
    return folder / "shards"


def begin(config: Config) -> tuple[LabelTable, dict[str, Tensor]]:
    dataset, model = Dataset.open(config.data.dataset), build_model(config)
    table = build_table(config, dataset, ONE_RANK, model.encoder.width)
    initialize(config, dataset, model, table, lambda *_: None)
    return table, dict(model.named_parameters())


@pytest.mark.ranks
def test_labels_of_the_same_name_bring_their_rows_and_new_ones_are_new(
    trained: Path, other_labels: Path, tiny_encoder: Path
) -> None:
    config = tiny_config(other_labels, tiny_encoder, run={"init_from": trained}, cloze={"shortlist": 3})
    table, parameters = begin(config)
    checkpoint = trained / "checkpoints" / "step-00000002"
    theirs, ours = RunFolder(trained).vocabulary(), Dataset.open(other_labels).vocabulary
    new_rows = begin(tiny_config(other_labels, tiny_encoder, cloze={"shortlist": 3}))[0].rows(slice(None))
    whole = RowRange(0, len(theirs))
    trained_rows = torch.cat([load_rows(checkpoint, name, whole) for name in ("vectors", "biases")], dim=1)
    for label, name in enumerate(ours.names.to_pylist()):
        wanted = new_rows[label] if name.startswith("new") else trained_rows[theirs.id_of(name)]
        assert torch.equal(table.rows(slice(None))[label], wanted)
    for name, saved in load_parameters(checkpoint).items():
        assert torch.equal(parameters[name], saved)


def test_a_folder_without_a_checkpoint_is_no_start(tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        begin(tiny_config(tiny_dataset, tiny_encoder, run={"init_from": tmp_path}))
    assert str(caught.value) == f"run.init_from = {tmp_path}: there is no checkpoint"


@pytest.mark.ranks
def test_a_model_of_another_shape_is_no_start(trained: Path, tiny_dataset: Path, tiny_encoder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        begin(tiny_config(tiny_dataset, tiny_encoder, run={"init_from": trained}, model={"label_width": 24}))
    assert str(caught.value) == (
        f"run.init_from = {trained}: query.project.weight is of shape [20, 32] there and of shape [24, 32] here: "
        "use the encoder, label_width and heads of that run"
    )


def test_a_data_set_without_a_label_is_no_start(tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_dataset, tmp_path / "copy")
    Vocabulary.build({}, {}).save(copy / "labels.arrow")
    with pytest.raises(DataError) as caught:
        begin(tiny_config(copy, tiny_encoder))
    assert str(caught.value) == (
        f"label vocabulary {copy / 'labels.arrow'}: holds no label: convert records that have labels"
    )


def test_labels_without_any_training_record_are_no_start_for_a_scan(
    tiny_encoder: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    records = [{"id": split, "text": split, "labels": ["a"] * (split == "dev"), "split": split} for split in SPLITS]
    (tmp_path / "bare.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    convert(tmp_path / "bare.jsonl", tmp_path / "shards", tokenizer_folder)
    with pytest.raises(DataError) as caught:
        begin(tiny_config(tmp_path / "shards", tiny_encoder))
    assert str(caught.value) == (
        f"{tmp_path / 'shards'}: none of its 1 labels has a training record, so the scan has nothing to learn: convert "
        "a corpus whose records of the split 'train' have labels"
    )
    begin(tiny_config(tmp_path / "shards", tiny_encoder, cloze={"slots": "all"}))  # learns from what a split has


@pytest.mark.ranks
def test_texts_of_new_labels_are_not_turned_by_another_seed(
    trained: Path, tiny_encoder: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "new.jsonl").write_text(json.dumps({"id": "1", "text": "a", "labels": ["a"], "split": "train"}))
    (tmp_path / "new.tsv").write_text("a\tthe first letter\n")
    convert(tmp_path / "new.jsonl", tmp_path / "shards", tokenizer_folder, label_texts=tmp_path / "new.tsv")
    begin(tiny_config(tmp_path / "shards", tiny_encoder, run={"init_from": trained}))
    with pytest.raises(ConfigError) as caught:
        begin(tiny_config(tmp_path / "shards", tiny_encoder, run={"init_from": trained, "seed": 6}))
    assert str(caught.value) == (
        f"run.seed = 6: {trained} began with 5, which turned texts of 32 numbers into rows of model.label_width = 20; "
        "new labels must be turned alike: set run.seed = 5"
    )


def test_names_stand_in_for_texts_that_are_missing(tiny_encoder: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    records = [{"id": str(i), "text": "a", "labels": ["role::new_a", "b"], "split": "train"} for i in range(2)]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "b.tsv").write_text("b\tthe text of b\n")
    (tmp_path / "both.tsv").write_text("b\tthe text of b\nrole::new_a\trole new a\n")
    rows = []
    for texts, init in (("both.tsv", "text"), ("b.tsv", "name"), ("b.tsv", "text")):
        convert(tmp_path / "c.jsonl", tmp_path / f"{texts}-{init}", tokenizer_folder, label_texts=tmp_path / texts)
        table, _ = begin(tiny_config(tmp_path / f"{texts}-{init}", tiny_encoder, labels={"init": init}))
        rows.append(table.vectors_RE)
    torch.testing.assert_close(rows[0], rows[1])  # "role::new_a" is read as "role new a"
    assert not torch.allclose(rows[0], rows[2])
