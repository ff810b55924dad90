"""Type-ahead: what is found, in which order; where the index lies, and when it is made again."""

import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from launcher.serving.label_search import LabelSearch, build
from sharding import Vocabulary
from trainer.run.folder import RunFolder

LABELS = {
    "Q1": "Café au lait",
    "cafe": None,
    "role::program": "Program",
    "role::shared-lib": "Shared Library, a part of programs",
    "Löwe": "lion 獅子",
    'quote " and * star': "NEAR OR NOT (",
    "50%": "half",
}


def vocabulary() -> Vocabulary:
    return Vocabulary(
        pa.array(LABELS, pa.string()), pa.array(LABELS.values(), pa.string()), np.arange(len(LABELS))[::-1]
    )


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run ?#")
    vocabulary().save(folder.labels)
    return folder


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("cafe", ["cafe", "Q1"]),  # the very name, then what has it in its text
        ("CAFÉ la", ["Q1"]),
        ("role::pr", ["role::program"]),
        ("prog", ["role::program", "role::shared-lib"]),
        ("ro li", ["role::shared-lib"]),
        ("lib shar", ["role::shared-lib"]),
        ("lowe", ["Löwe"]),
        ("獅", ["Löwe"]),
        ('star "', ['quote " and * star']),
        ("near or not", ['quote " and * star']),  # words, and no operators
        ("name : x", []),
        ("50%", ["50%"]),
        ("", list(LABELS)),
        ("*", list(LABELS)),
        ("\x00", list(LABELS)),
        ("zzz", []),
    ],
)
def test_labels_are_found_by_words(run: RunFolder, words: str, found: list[str]) -> None:
    search = LabelSearch.of_run(run, vocabulary())
    assert vocabulary().names_of(search.find(words, 20)) == found
    assert vocabulary().names_of(search.find(words, 1)) == found[:1]


def test_the_index_is_made_once_and_again_for_other_labels(run: RunFolder) -> None:
    LabelSearch.of_run(run, vocabulary())
    path = run.path / "serving" / "labels.sqlite"
    made = path.stat().st_ino
    LabelSearch.of_run(run, vocabulary())
    assert path.stat().st_ino == made
    other = vocabulary().extended({"new": None})
    other.save(run.labels)
    assert other.names_of(LabelSearch.of_run(run, other).find("new", 5)) == ["new"]
    assert path.stat().st_ino != made
    path.write_bytes(b"not a database")
    assert LabelSearch.of_run(run, other).find("new", 5) == [len(LABELS)]


def test_a_run_that_cannot_be_written_has_its_index_in_the_cache(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.path / "serving").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert LabelSearch.of_run(run, vocabulary()).find("lowe", 5) == [4]
    [cached] = (tmp_path / "cache" / "lmmtc").iterdir()
    assert capsys.readouterr().err == f"{run.path}/serving: cannot be written; the index of labels goes to {cached}\n"
    LabelSearch.of_run(run, vocabulary())
    assert capsys.readouterr().err == ""


def test_an_index_that_is_not_complete_gets_no_name(run: RunFolder) -> None:
    broken = Vocabulary(pa.array(["a", "a"]), pa.array(["", ""]), np.zeros(2, np.int64))
    path = run.path / "serving" / "labels.sqlite"
    with pytest.raises(sqlite3.ProgrammingError):
        build(path, broken, 3.5j)  # pyright: ignore[reportArgumentType]
    assert list(path.parent.iterdir()) == []
