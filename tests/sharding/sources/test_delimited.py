"""Records of CSV and TSV files."""

import csv
import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import read_all, records

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t"), min_size=1)


@given(st.lists(TEXT.filter(str.strip), max_size=5), st.sampled_from([".csv", ".tsv"]))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, texts: list[str], suffix: str) -> None:
    path = tmp_path_factory.mktemp("text") / f"a{suffix}"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, dialect="excel" if suffix == ".csv" else "excel-tab")
        writer.writerows([("text", "labels"), *((text, "x|y") for text in texts)])
    expected = [(0, row, Record(f"a:{row}", text, ("x", "y"))) for row, text in enumerate(texts)]
    source = open_source([path], SourceSettings())
    assert read_all(source) == expected
    assert read_all(source, 1) == expected


def test_a_place_is_the_line_where_a_row_begins(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,labels\n"two\nlines",x\n\nb,y\n')
    source = open_source([tmp_path], SourceSettings())
    assert [position for _, position, _ in read_all(source)] == [0, 1]
    assert [source.where(0, position) for position in (0, 1)] == ["a.csv:2", "a.csv:5"]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext,labels\r\na,\r\n")
    assert records(tmp_path) == [Record("a:0", "a", ())]


def test_a_compressed_table_reads_like_a_plain_one(tmp_path: Path) -> None:
    (tmp_path / "test.tsv.gz").write_bytes(gzip.compress(b"id\ttext\tlabels\n7\ta\t[1, 2]\n"))
    assert records(tmp_path) == [Record("7", "a", ("1", "2"), "test")]


def test_a_text_may_be_longer_than_the_csv_module_expects(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"text,labels\n{'a' * 200_000},x\n")
    assert records(tmp_path) == [Record("a:0", "a" * 200_000, ("x",))]


def test_a_row_that_is_no_record_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,labels\na\n\xff,x\nb,x\n")
    found = records(tmp_path)
    assert found[0] == "has 1 fields: must have 2, as its header has"
    assert str(found[1]) == "'text' is \"\\udcff\": must be a string in UTF-8"
    assert found[2] == Record("a:2", "b", ("x",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"a\.csv:1: has no column 'text', only : name it with --text-field"),
        ("text,tags\na,b\n", r"a\.csv:1: has no column 'labels', only text, tags: name it with --labels-field"),
        ("text,labels,text\n", r"a\.csv:1: two columns are called 'text': names must differ"),
        ('text,labels\na,b\n"c,d\ne,f\n', r"a\.csv:3: unexpected end of data: close each quote"),
        ('text,labels\n"a"b,c\n', r"a\.csv:2: .*: close each quote, and double those inside a field"),
    ],
)
def test_a_table_that_cannot_be_read_names_the_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        records(tmp_path)


def test_ids_are_not_made_of_a_file_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    path.write_text("text,labels\na,x\n")
    assert records(path) == [
        r'id "caf\udce9:0": must be UTF-8: rename the file, or the member of an archive, that it is made of'
    ]
    path.write_text("id,text,labels\n7,a,x\n")
    assert records(path) == [Record("7", "a", ("x",))]
