"""Records of JSON-lines files."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import BadRecordError, DataError, Record, read_records
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import WHOLE, read_all, records

LINES = b'{"id": "1", "text": "a", "labels": ["x"]}\n{"id": "2"}\n{"id": "3", "text": "b", "labels": []}\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "icd10.jsonl"
    path.write_bytes(LINES)
    return path


def test_a_bad_record_is_named_by_file_and_line(source: Path) -> None:
    with pytest.raises(BadRecordError, match=r"^icd10.jsonl:2: 'text' is missing: must be a string$"):
        list(read_records(source))


def test_a_position_is_the_byte_where_a_line_begins(source: Path) -> None:
    found = read_all(open_source([source], SourceSettings()))
    assert found == [
        (0, 0, Record("1", "a", ("x",))),
        (0, 42, "'text' is missing: must be a string"),
        (0, 54, Record("3", "b", ())),
    ]


def test_a_place_is_worked_out_from_a_position(source: Path) -> None:
    assert open_source([source], SourceSettings()).where(0, 42) == "icd10.jsonl:2"


@given(
    st.lists(st.sampled_from([b"", b"{}", b'{"id": "1", "text": "a\\n", "labels": []}', b"\r", b"\xff"]), max_size=9),
    st.integers(1, 99),
    st.booleans(),
)
def test_however_a_file_is_cut_its_records_are_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[bytes],
    target_bytes: int,
    ended: bool,  # noqa: FBT001 (drawn)
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n" * ended)
    source = open_source([path], SourceSettings())
    assert read_all(source, target_bytes) == read_all(source, WHOLE)
    assert len(read_all(source, target_bytes)) == sum(bool(line.strip(b"\r")) for line in lines)


def test_a_large_file_becomes_pieces_of_about_the_size_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES * 100)
    sizes = [piece.stop - piece.start for piece in open_source([tmp_path], SourceSettings()).pieces(1000)]
    assert sum(sizes) == len(LINES) * 100
    assert all(900 < size <= 1000 for size in sizes)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_file_is_one_piece_with_the_positions_of_a_plain_one(
    source: Path, tmp_path: Path, suffix: str
) -> None:
    packed = tmp_path / f"packed.jsonl{suffix}"
    packed.write_bytes(gzip.compress(LINES) if suffix == ".gz" else pa.compress(LINES, "zstd", asbytes=True))
    compressed = open_source([packed], SourceSettings())
    assert len(compressed.pieces(1)) == 1
    assert read_all(compressed, 1) == read_all(open_source([source], SourceSettings()))
    assert compressed.where(0, 54) == f"packed.jsonl{suffix}:3"


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_file_that_is_cut_short_is_a_data_error(tmp_path: Path, suffix: str) -> None:
    packed = gzip.compress(LINES * 99) if suffix == ".gz" else pa.compress(LINES * 99, "zstd", asbytes=True)
    (tmp_path / f"a.jsonl{suffix}").write_bytes(packed[:-9])
    with pytest.raises(DataError, match=rf"a\.jsonl{suffix}: cannot be read"):
        records(tmp_path)


def test_records_without_a_split_have_that_of_their_file(tmp_path: Path) -> None:
    line = {"id": "1", "text": "a", "labels": []}
    (tmp_path / "val.jsonl").write_text(json.dumps(line) + "\n" + json.dumps(line | {"split": "test"}))
    (tmp_path / "train-00000-of-00001.jsonl").write_text(json.dumps(line))
    (tmp_path / "rest.jsonl").write_text(json.dumps(line))
    splits = [record.split for record in records(tmp_path) if isinstance(record, Record)]
    assert splits == [None, "train", "dev", "test"]


def test_a_split_that_is_asked_for_is_that_of_all_records(tmp_path: Path) -> None:
    (tmp_path / "val.jsonl").write_text('{"id": "1", "text": "a", "labels": [], "split": "test"}')
    assert records(tmp_path, SourceSettings(split="train")) == [Record("1", "a", (), "train")]


def test_fields_may_have_other_names(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"pmid": "1", "abstract": "a", "mesh": ["x"], "part": "dev"}\n{"pmid": "2"}')
    settings = SourceSettings(id_field="pmid", text_field="abstract", labels_field="mesh", split_field="part")
    assert records(tmp_path, settings) == [Record("1", "a", ("x",), "dev"), "'abstract' is missing: must be a string"]
