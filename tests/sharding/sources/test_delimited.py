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


FOUND = [Record("7", "a", ("x", "y")), Record("8", "b", ("x",))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_delimiter_is_told_from_the_header(tmp_path: Path, delimiter: str, suffix: str) -> None:
    separator = ";" if delimiter == "|" else "|"
    rows = (("id", "text", "labels"), ("7", "a", f"x{separator}y"), ("8", "b", "x"))
    (tmp_path / f"a{suffix}").write_text("".join(delimiter.join(row) + "\n" for row in rows))
    assert records(tmp_path) == FOUND


@pytest.mark.parametrize(
    "content",
    [
        "id, text, labels\n7, a, x|y\n8, b, x\n",
        "id,text,labels,,\n7,a,x|y,,\n8,b,x,,\n,,,,\n",
        ",id,text,labels\n0,7,a,x|y\n1,8,b,x\n",
        "sep=;\nid;text;labels\n7;a;x|y\n8;b;x\n",
    ],
)
def test_blanks_and_columns_without_a_name_are_no_part_of_a_table(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    assert records(tmp_path) == FOUND


def test_a_table_without_a_header_has_its_columns_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("7;a;x|y\n8;b;x\n")
    with pytest.raises(DataError, match=r"if this is no header but a record, name the columns with --columns"):
        records(tmp_path)
    settings = SourceSettings(columns=("id", "text", "labels"))
    assert records(tmp_path, settings) == FOUND
    (tmp_path / "a.csv").write_text("ID;Text;Labels\n7;a;x|y\n8;b;x\n")
    assert records(tmp_path, settings) == FOUND


def test_a_column_is_found_in_any_case_where_it_was_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ID,Body,TAGS\n7,a,x|y\n8,b,x\n")
    with pytest.raises(DataError, match=r"has no column 'text', only ID, Body, TAGS: name it with --text-field"):
        records(tmp_path)
    settings = SourceSettings(text_field="body", labels_field="tags", id_field="Id")
    assert records(tmp_path, settings) == FOUND


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ('"Help!" she wrote\tx\nA 5" pipe\tx\n', ['"Help!" she wrote', 'A 5" pipe']),
        ('"Help, a leak\tx\nloose\tx\nso they said"\tx\n', ['"Help, a leak', "loose", 'so they said"']),
        ('"in quotes"\tx\n"a ""b"""\tx\n', ["in quotes", 'a "b"']),
        ('"two\nlines"\tx\n', ["two\nlines"]),
    ],
)
def test_quotes_in_a_file_with_tabs_enclose_fields_only_where_they_all_do(
    tmp_path: Path, content: str, texts: list[str]
) -> None:
    (tmp_path / "a.tsv").write_text("text\tlabels\n" + content)
    assert [record.text for record in records(tmp_path) if isinstance(record, Record)] == texts


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "latin-1"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
def test_another_encoding_is_refused_by_name_and_read_where_it_is_said(
    tmp_path: Path, encoding: str, name: str
) -> None:
    content = {
        "a.csv": "text,labels\nWasser l\u00e4uft \u00fcber,T\u00fcr\nB\u00e4r,T\u00fcr\n",
        "a.jsonl": '{"text": "Wasser l\u00e4uft \u00fcber", "labels": ["x"]}\n{"text": "B\u00e4r", "labels": ["x"]}',
        "a.txt": "__label__T\u00fcr Wasser l\u00e4uft \u00fcber\n__label__T\u00fcr B\u00e4r\n",
    }
    (tmp_path / name).write_bytes(content[name].encode(encoding))
    kind = {"a.txt": "fasttext"}.get(name)
    with pytest.raises(DataError, match=rf"{name}: is not in UTF-8: .* --encoding {encoding[:3]}|--encoding cp1252"):
        records(tmp_path, SourceSettings(kind=kind))
    found = records(tmp_path, SourceSettings(encoding=encoding, kind=kind))
    assert [record.text for record in found if isinstance(record, Record)] == [
        "Wasser l\u00e4uft \u00fcber",
        "B\u00e4r",
    ]
    if encoding == "utf-16":
        (tmp_path / name).write_bytes(content[name].encode("utf-16-le"))
        with pytest.raises(DataError, match="--encoding utf-16"):
            records(tmp_path, SourceSettings(kind=kind))
    with pytest.raises(DataError, match=r"--encoding = klingon: is none that there is"):
        records(tmp_path, SourceSettings(encoding="klingon"))


def test_words_for_splits_are_those_of_one_table(tmp_path: Path) -> None:
    words = ["Train", " validation ", "eval", "TESTING", "dev", ""]
    (tmp_path / "a.csv").write_text("text,labels,split\n" + "".join(f"{n},x,{word}\n" for n, word in enumerate(words)))
    splits = [record.split for record in records(tmp_path) if isinstance(record, Record)]
    assert splits == ["train", "dev", "dev", "test", "dev", None]
