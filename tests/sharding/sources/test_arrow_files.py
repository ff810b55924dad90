"""Records of folders that Hugging Face datasets saved; their layout is written out here."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import read_all, records

STRING = {"dtype": "string", "_type": "Value"}
CLASSES = {"names": ["sports", "news"], "_type": "ClassLabel"}
COLUMNS = {"text": ["a", "b", "c"], "labels": [["x"], [], ["x", "y"]]}


def save(folder: Path, columns: dict[str, list[Any]], feature: Any = STRING, *, files: int = 1, **state: Any) -> Path:
    folder.mkdir(parents=True)
    table = pa.table(columns)
    names = [f"data-{number:05}-of-{files:05}.arrow" for number in range(files)]
    size = -(-table.num_rows // files)
    for number, name in enumerate(names):
        with pa.ipc.new_stream(folder / name, table.schema) as writer:
            writer.write_table(table.slice(number * size, size), max_chunksize=2)
    saved = {"_data_files": [{"filename": name} for name in names], "_split": None, "_fingerprint": "0"}
    (folder / "state.json").write_text(json.dumps(saved | state))
    features = {"text": STRING, "labels": feature}
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


def save_splits(folder: Path, splits: Sequence[str]) -> Path:
    for split in splits:
        save(folder / split, COLUMNS)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": splits}))
    return folder


def test_rows_of_all_files_are_records(tmp_path: Path) -> None:
    source = open_source([save(tmp_path / "hf", COLUMNS, files=2, _split="validation")], SourceSettings())
    assert read_all(source) == [
        (0, 0, Record("data-00000-of-00002:0", "a", ("x",), "dev")),
        (0, 1, Record("data-00000-of-00002:1", "b", (), "dev")),
        (1, 0, Record("data-00001-of-00002:0", "c", ("x", "y"), "dev")),
    ]
    assert source.where(1, 0) == "data-00001-of-00002.arrow: record 0, counted from 0"


def test_a_dict_of_data_sets_has_its_splits(tmp_path: Path) -> None:
    found = records(save_splits(tmp_path, ["train", "validation", "test"]))
    splits = [(record.split, record.id) for record in found if isinstance(record, Record)]
    assert len(splits) == 9
    assert splits[0] == ("test", "test/data-00000-of-00001:0")
    assert {split for split, _ in splits} == {"train", "dev", "test"}


def test_a_split_that_is_none_of_ours_is_refused_unless_the_user_says_what_it_is(tmp_path: Path) -> None:
    folder = save_splits(tmp_path, ["train", "unsupervised"])
    with pytest.raises(
        DataError, match=r"its split 'unsupervised' is none of train, validation, test: name the folder"
    ):
        records(folder)
    assert len(records(folder, SourceSettings(split="train"))) == 6
    assert len(records(folder / "train")) == 3


@pytest.mark.parametrize(
    ("labels", "feature"),
    [
        ([1, 0], CLASSES),
        ([[1], [0]], {"feature": CLASSES, "length": -1, "_type": "Sequence"}),
        ([[1], [0]], {"feature": CLASSES, "length": -1, "_type": "List"}),
        ([[1], [0]], [CLASSES]),
    ],
)
def test_numbers_of_classes_become_their_names(tmp_path: Path, labels: list[Any], feature: Any) -> None:
    folder = save(tmp_path / "hf", {"text": ["a", "b"], "labels": labels}, feature)
    found = records(folder)
    assert [record.labels for record in found if isinstance(record, Record)] == [("news",), ("sports",)]


def test_a_number_that_is_no_class_makes_no_record(tmp_path: Path) -> None:
    folder = save(tmp_path / "hf", {"text": ["a", "b", "c"], "labels": [-1, 2, None]}, CLASSES)
    rule = "must be numbers of classes, from 0 to 1"
    assert records(folder) == [f"'labels' is {value}: {rule}" for value in ("-1", "2", "null")]


@given(st.integers(0, 9), st.integers(1, 200))
def test_however_a_file_is_cut_its_records_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, num_rows: int, target_bytes: int
) -> None:
    columns = {"text": ["a"] * num_rows, "labels": [["x"]] * num_rows}
    source = open_source([save(tmp_path_factory.mktemp("cut") / "hf", columns)], SourceSettings())
    assert read_all(source, target_bytes) == read_all(source)
    assert len(read_all(source)) == num_rows
    assert len(source.pieces(1)) == -(-num_rows // 2)


def test_rows_behind_an_index_file_are_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "hf", COLUMNS, _indices_data_files=[{"filename": "indices.arrow"}])
    with pytest.raises(
        DataError, match=r"its rows are chosen by a file of indices: save it again after flatten_indices"
    ):
        records(folder)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([{"filename": "../secret.arrow"}], r"file name '\.\./secret\.arrow': must be relative to .* stay inside"),
        ([{"filename": "/secret.arrow"}], r"file name '/secret\.arrow': must be relative to"),
        ([{"filename": "absent.arrow"}], r"absent\.arrow: cannot be read"),
        ([{"filename": 1}], r"state\.json: '_data_files' must name at least one"),
        ([], r"state\.json: '_data_files' must name at least one"),
        ("data", r"state\.json: '_data_files' must name at least one"),
    ],
)
def test_files_must_be_named_and_lie_in_the_folder(tmp_path: Path, files: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        records(save(tmp_path / "hf", COLUMNS, _data_files=files))


def test_a_split_must_lie_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["../train"]}')
    with pytest.raises(DataError, match=r"its split '\.\./train' is none of train"):
        records(tmp_path)
    with pytest.raises(DataError, match=r"file name '\.\./train': must be relative to .* and stay inside it"):
        records(tmp_path, SourceSettings(split="train"))


@pytest.mark.parametrize("damage", [b"", b"junk" * 99, None])
def test_a_damaged_file_is_a_data_error(tmp_path: Path, damage: bytes | None) -> None:
    path = save(tmp_path / "hf", COLUMNS) / "data-00000-of-00001.arrow"
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    with pytest.raises(DataError, match=r"data-00000-of-00001\.arrow: cannot be read"):
        records(path.parent)


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000])
def test_a_description_that_is_no_object_is_a_data_error(tmp_path: Path, content: str) -> None:
    folder = save(tmp_path / "hf", COLUMNS)
    (folder / "dataset_info.json").write_text(content)
    with pytest.raises(DataError, match=r"dataset_info\.json: "):
        records(folder)


@given(st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=3))
def test_no_byte_that_is_wrong_does_more_than_spoil_the_file(
    tmp_path_factory: pytest.TempPathFactory, wrong: list[tuple[int, int]]
) -> None:
    path = save(tmp_path_factory.mktemp("wrong") / "hf", COLUMNS) / "data-00000-of-00001.arrow"
    content = bytearray(path.read_bytes())
    for place, byte in wrong:
        content[place % len(content)] = byte
    path.write_bytes(content)
    with suppress(DataError):
        records(path.parent)
