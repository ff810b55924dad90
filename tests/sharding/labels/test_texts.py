"""Texts of labels."""

import gzip
from pathlib import Path

import pytest

from sharding import DataError
from sharding.labels import match_texts, read_label_texts, read_new_labels


@pytest.mark.parametrize("name", ["labels.tsv", "labels.tsv.gz"])
def test_a_text_is_what_stands_in_the_second_column_if_anything_does(tmp_path: Path, name: str) -> None:
    content = b"A00\tCholera\nB\ta text\tand a notation\nC\t\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert read_label_texts(tmp_path / name) == {"A00": "Cholera", "B": "a text"}


@pytest.mark.parametrize("line", [b"no tab", b"bad\tutf-8 \xff"])
def test_a_line_that_is_no_label_text_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "labels.tsv").write_bytes(b"A\ta\n" + line + b"\n")
    with pytest.raises(DataError, match=r"labels\.tsv:2: .*must be a label, a TAB and its text"):
        read_label_texts(tmp_path / "labels.tsv")


def test_new_labels_are_read_with_or_without_a_text(tmp_path: Path) -> None:
    (tmp_path / "new.tsv").write_text("a\tthe first\nb\t\n\n", encoding="utf-8")
    assert read_new_labels(tmp_path / "new.tsv") == {"a": "the first", "b": None}


def test_a_new_label_stands_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "new.tsv").write_text("a\tthe first\nb\t\na\tthe last\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_new_labels(tmp_path / "new.tsv")
    assert str(caught.value) == "new.tsv:3: label 'a': stands on an earlier line already"


def test_a_file_of_no_new_label_is_refused(tmp_path: Path) -> None:
    (tmp_path / "new.tsv").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_new_labels(tmp_path / "new.tsv")
    assert str(caught.value) == f"{tmp_path / 'new.tsv'}: holds no label"


def test_a_label_with_two_texts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("A\ta\nB\tb\nA\ta\nA\tother\n")
    with pytest.raises(
        DataError, match=r"labels\.tsv:4: label 'A': stands twice, with another text on an earlier line"
    ):
        read_label_texts(tmp_path / "labels.tsv")


@pytest.mark.parametrize(
    ("content", "language"),
    [
        ("A,the first\nB,\n", None),
        ("label,text\nA,the first\nB,\n", None),
        ("uri,notation,label_fi,label_en\nA,1,yksi,the first\n", "en"),
    ],
)
def test_a_table_with_commas_has_texts_too(tmp_path: Path, content: str, language: str | None) -> None:
    (tmp_path / "labels.csv").write_text(content)
    assert read_label_texts(tmp_path / "labels.csv", language) == {"A": "the first"}


def test_a_vocabulary_has_texts_in_a_language(tmp_path: Path) -> None:
    pytest.importorskip("rdflib")
    (tmp_path / "v.ttl").write_text(
        "@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n"
        '<http://v/a> skos:prefLabel "first"@en, "eka"@fi ; skos:altLabel "number one"@en, "ykk"@fi .\n'
    )
    assert read_label_texts(tmp_path / "v.ttl", "en") == {"http://v/a": "first; number one"}
    with pytest.raises(DataError, match=r"is a SKOS vocabulary: say the language of the texts, .* --label-language en"):
        read_label_texts(tmp_path / "v.ttl")
    (tmp_path / "v.ttl").write_text("no turtle")
    with pytest.raises(DataError, match=r"v\.ttl: cannot be read as SKOS"):
        read_label_texts(tmp_path / "v.ttl", "en")


@pytest.mark.parametrize("spelt", ["http://v/A1.x", "<http://v/A1.x>", "<http://V/a1.X>", "http://v/A1x"])
def test_a_text_finds_its_label_however_the_name_is_spelt(spelt: str) -> None:
    found = match_texts(Path("t.tsv"), {spelt: "text", "nobody": "no text"}, ["http://v/A1.x", "other"])
    assert (found.texts, found.unmatched) == ({"http://v/A1.x": "text"}, ("nobody",))


def test_names_that_two_labels_would_share_find_none_and_no_match_at_all_is_an_error() -> None:
    with pytest.raises(
        DataError, match=r"t\.tsv: none of its 1 lines names a label: it has 'ab', and labels are like 'AB'"
    ):
        match_texts(Path("t.tsv"), {"ab": "text"}, ["AB", "Ab"])
