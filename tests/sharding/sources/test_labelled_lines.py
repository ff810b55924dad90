"""Records of text files with labels and text on a line, and of Annif's folders."""

from pathlib import Path

import pytest

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import records

LABELS, TEXTS = [("x", "y"), ("x",), ("z", "y")], ["a tap that leaks", "tiles on the roof", "paint that peels"]


def found(path: Path, settings: SourceSettings | None = None) -> list[tuple[str, tuple[str, ...]]]:
    return [(record.text, record.labels) for record in records(path, settings) if isinstance(record, Record)]


EXPECTED = list(zip(TEXTS, LABELS, strict=True))


@pytest.mark.parametrize("name", ["cooking.train.txt", "cooking.train", "corpus"])
@pytest.mark.parametrize("comma", ["", ",", " ,"])
def test_fasttext_is_told_from_its_words_whatever_the_file_is_called(tmp_path: Path, name: str, comma: str) -> None:
    lines = (" ".join(f"__label__{label}" for label in labels) + f"{comma} {text}\n" for text, labels in EXPECTED)
    (tmp_path / name).write_text("".join(lines))
    assert found(tmp_path / name) == EXPECTED
    splits = {record.split for record in records(tmp_path / name) if isinstance(record, Record)}
    assert splits == ({None} if name == "corpus" else {"train"})


@pytest.mark.parametrize("has_ids", [False, True])
@pytest.mark.parametrize("name", ["train.txt", "train.tsv"])
def test_libmultilabel_has_labels_before_the_text(tmp_path: Path, has_ids: bool, name: str) -> None:  # noqa: FBT001
    rows = (f"{number}\t" * has_ids + f"{' '.join(labels)}\t{text}\n" for number, (text, labels) in enumerate(EXPECTED))
    (tmp_path / name).write_text("".join(rows))
    assert found(tmp_path / name) == EXPECTED
    ids = [record.id for record in records(tmp_path / name) if isinstance(record, Record)]
    assert (ids == ["0", "1", "2"]) == has_ids


def test_text2text_names_its_labels_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "output-labels.txt").write_text("x\ny\nz\n")
    (tmp_path / "training-data.txt").write_text(
        "0,1\ta tap that leaks\n0\ttiles on the roof\n2,1\tpaint that peels\n3\tb\nc\n"
    )
    assert found(tmp_path) == EXPECTED
    assert records(tmp_path)[3:] == [
        "label 3: must be below 3, the number of labels",
        "'c': must be numbers of labels with commas between, a TAB and a text",
    ]


def test_annif_has_a_text_and_its_subjects_without_a_header(tmp_path: Path) -> None:
    lines = (f"{text}\t{' '.join(f'<http://v/{label}>' for label in labels)}\n" for text, labels in EXPECTED)
    (tmp_path / "documents.tsv").write_text("".join(lines))
    assert found(tmp_path) == [(text, tuple(f"http://v/{label}" for label in labels)) for text, labels in EXPECTED]


def test_annif_has_full_texts_with_their_subjects_beside(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first line\nsecond line\n")
    (tmp_path / "a.tsv").write_text("<http://v/x>\tx\n<http://v/y>\ty\n")
    with pytest.raises(DataError, match=r"say --kind annif-fulltext, whose records have the whole file as their text"):
        open_source([tmp_path], SourceSettings())
    settings = SourceSettings(kind="annif-fulltext")
    assert records(tmp_path, settings) == [Record("a", "first line\nsecond line", ("http://v/x", "http://v/y"))]
