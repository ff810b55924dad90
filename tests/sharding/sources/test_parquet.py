"""Records of Parquet files."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import read_all, records


def write(path: Path, num_rows: int, rows_per_group: int = 2) -> Path:
    numbers = range(num_rows)
    columns = {
        "text": [f"text {n}" for n in numbers],
        "labels": [[f"l{n}"] for n in numbers],
        "other": [None] * num_rows,
    }
    parquet.write_table(pa.table(columns), path, row_group_size=rows_per_group)
    return path


def test_rows_are_records_with_ids_of_file_and_row(tmp_path: Path) -> None:
    source = open_source([write(tmp_path / "train.parquet", 3)], SourceSettings())
    assert read_all(source) == [(0, n, Record(f"train:{n}", f"text {n}", (f"l{n}",), "train")) for n in range(3)]
    assert source.where(0, 2) == "train.parquet: record 2, counted from 0"


def test_columns_may_have_other_names_and_labels_a_separator(tmp_path: Path) -> None:
    table = pa.table({"pmid": [5], "abstract": ["a"], "mesh": ["x;y"], "part": ["dev"]})
    parquet.write_table(table, tmp_path / "a.parquet")
    settings = SourceSettings(None, "pmid", "abstract", "mesh", "part", ";")
    assert records(tmp_path, settings) == [Record("5", "a", ("x", "y"), "dev")]


@given(st.integers(0, 9), st.integers(1, 4), st.integers(1, 400))
def test_however_a_file_is_cut_its_records_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, num_rows: int, rows_per_group: int, target_bytes: int
) -> None:
    path = write(tmp_path_factory.mktemp("cut") / "a.parquet", num_rows, rows_per_group)
    source = open_source([path], SourceSettings())
    assert read_all(source, target_bytes) == read_all(source)
    assert len(read_all(source, target_bytes)) == num_rows
    assert len(source.pieces(1)) == -(-num_rows // rows_per_group)


def test_a_row_that_is_no_record_leaves_the_others(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"text": ["a", None], "labels": [["x"], ["y"]]}), tmp_path / "a.parquet")
    assert records(tmp_path) == [Record("a:0", "a", ("x",)), "'text' is null: must be a string"]


def test_a_missing_column_is_named_with_the_option(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"body": ["a"], "labels": [["x"]]}), tmp_path / "a.parquet")
    with pytest.raises(
        DataError, match=r"a\.parquet: has no column 'text', only body, labels: name it with --text-field"
    ):
        records(tmp_path)


def test_text_that_is_not_utf8_is_a_data_error(tmp_path: Path) -> None:
    text = pa.array([b"\xff\xfe"]).view(pa.string())
    parquet.write_table(pa.table({"text": text, "labels": [["x"]]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read: .*utf-8"):
        records(tmp_path)


def test_a_file_that_is_cut_short_is_a_data_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", 9)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read"):
        records(tmp_path)


NAMES = ["roof", "damp"]
README = """---
license: mit
dataset_info:
  features:
  - name: text
    dtype: string
  - name: labels
    sequence:
      class_label:
        names:
          '0': roof
          '1': damp
---
# A data set
"""


@pytest.mark.parametrize("told_by", ["schema", "README.md", "dataset_infos.json"])
def test_numbers_of_classes_get_their_names_from_what_the_hub_knows(tmp_path: Path, told_by: str) -> None:
    features = {"labels": {"feature": {"names": NAMES, "_type": "ClassLabel"}, "_type": "Sequence"}}
    table = pa.table({"text": ["a", "b"], "labels": [[0, 1], [1]]})
    if told_by == "schema":
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    (tmp_path / "data").mkdir()
    parquet.write_table(table, tmp_path / "data" / "train-00000-of-00001.parquet")
    if told_by == "README.md":
        (tmp_path / "README.md").write_text(README)
    if told_by == "dataset_infos.json":
        (tmp_path / "data" / told_by).write_text(json.dumps({"default": {"features": features}}))
    found = [record.labels for record in records(tmp_path) if isinstance(record, Record)]
    assert found == [("roof", "damp"), ("damp",)]


def test_columns_of_0_and_1_and_fields_of_objects_are_read(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"text": ["a", "b"], "roof": [1, 0], "damp": [1, 1]}), tmp_path / "a.parquet")
    assert [record.labels for record in records(tmp_path) if isinstance(record, Record)] == [
        ("roof", "damp"),
        ("damp",),
    ]
    rows = [{"topics": [{"name": "x", "score": 0.5}]}, {"topics": []}]
    parquet.write_table(pa.table({"text": ["a", "b"], "meta": rows}), tmp_path / "a.parquet")
    found = records(tmp_path, SourceSettings(labels_field="meta.topics"))
    assert [record.labels for record in found if isinstance(record, Record)] == [("x",), ()]
