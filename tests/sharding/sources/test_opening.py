"""Which kind of source paths are."""

import bz2
import lzma
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from sharding import DataError, Record
from sharding.sources import KINDS, SourceSettings, open_source
from tests.programs import ROOT
from tests.sharding.sources.reading import read_all, records


def zipped(files: dict[str, str]) -> bytes:
    with zipfile.ZipFile(packed := BytesIO(), "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(files: dict[str, str]) -> bytes:
    with tarfile.open(fileobj=(packed := BytesIO()), mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content.encode()))
    return packed.getvalue()


LINE = '{"id": "1", "text": "a", "labels": []}'


def test_an_unknown_kind_of_file_is_refused_with_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "corpus.abc").write_text("<a/>")
    with pytest.raises(DataError) as caught:
        open_source([tmp_path / "corpus.abc"], SourceSettings())
    assert all(kind in str(caught.value) for kind in KINDS)
    assert "name it with --kind" in str(caught.value)


def test_a_folder_with_two_kinds_asks_for_one(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINE)
    (tmp_path / "b.csv").write_text("text,labels\nb,\n")
    with pytest.raises(DataError, match=r"is of several kinds, jsonl, csv: choose one with --kind"):
        open_source([tmp_path], SourceSettings())
    assert records(tmp_path, SourceSettings(kind="csv")) == [Record("b:0", "b", ())]


def test_a_folder_with_two_kinds_of_which_one_is_told_from_its_lines_asks_for_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("__label__x a tap\n")
    (tmp_path / "b.csv").write_text("text,labels\nb,x\n")
    with pytest.raises(DataError, match=r"is of several kinds, fasttext, csv: choose one with --kind"):
        open_source([tmp_path], SourceSettings())


def test_a_kind_that_is_named_needs_no_suffix(tmp_path: Path) -> None:
    (tmp_path / "corpus.dat").write_text(LINE)
    assert records(tmp_path / "corpus.dat", SourceSettings(kind="jsonl")) == [Record("1", "a", ())]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_that_is_named_must_be_there(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError, match=f"holds no records of the kind {kind}"):
        open_source([tmp_path], SourceSettings(kind=kind))


def test_several_files_are_one_source_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.jsonl").write_text(LINE.replace("1", name))
    paths = [tmp_path / "b.jsonl", tmp_path / "a.jsonl"]
    assert [(file, record) for file, _, record in read_all(open_source(paths, SourceSettings()))] == [
        (0, Record("a", "a", ())),
        (1, Record("b", "a", ())),
    ]


def test_files_of_one_name_in_two_folders_give_different_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text("text,labels\nb,\n")
    monkeypatch.chdir(tmp_path)
    source = open_source([Path("x/a.csv"), tmp_path / "y"], SourceSettings())
    assert [record.id for _, _, record in read_all(source) if isinstance(record, Record)] == ["x/a:0", "y/a:0"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (SourceSettings(kind="xml"), r"--kind = xml: must be one of jsonl, "),
        (SourceSettings(split="val"), r"--split = val: must be one of train, dev, test"),
        (SourceSettings(label_separator=""), r"--label-separator is empty: must be what stands between labels"),
    ],
)
def test_settings_without_meaning_are_refused(tmp_path: Path, settings: SourceSettings, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source([tmp_path], settings)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.jsonl: no such file or folder"):
        open_source([tmp_path / "absent.jsonl"], SourceSettings())
    with pytest.raises(DataError, match="no path is given"):
        open_source([], SourceSettings())


def test_every_kind_has_a_section_in_the_documentation() -> None:
    headings = [line for line in (ROOT / "docs/sources.md").read_text("utf-8").splitlines() if line.startswith("## ")]
    assert sorted(heading.rpartition(": ")[2] for heading in headings) == sorted(f"`--kind {kind}`" for kind in KINDS)


@pytest.mark.parametrize(
    ("name", "advice"),
    [("a.xls", "save it as .xlsx"), ("a.pkl", "could run code"), ("a.xml", "write it as CSV"), ("a.7z", "unpack it")],
)
def test_what_cannot_be_read_comes_with_what_to_do(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(DataError, match=advice):
            open_source([path], SourceSettings())


PACKED = {
    "a.jsonl.bz2": bz2.compress(LINE.encode()),
    "a.jsonl.xz": lzma.compress(LINE.encode()),
    "a.jsonl.zip": zipped({"a.jsonl": LINE}),
    "a.tar.gz": tarred({"1.json": LINE}),
    "a.tgz": tarred({"1.json": LINE}),
}


@pytest.mark.parametrize("name", PACKED)
def test_what_is_packed_is_read_where_that_was_asked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PACKED[name])
    with pytest.raises(DataError, match="have it read as it is with --unpack, or unpack it"):
        open_source([tmp_path / name], SourceSettings())
    assert records(tmp_path / name, SourceSettings(unpack=True)) == [Record("1", "a", ())]


def test_an_archive_of_several_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.zip").write_bytes(zipped({"a.jsonl": LINE, "b.jsonl": LINE}))
    with pytest.raises(DataError, match="holds 2 files: unpack it, and name the folder"):
        open_source([tmp_path / "a.jsonl.zip"], SourceSettings(unpack=True))


def test_a_split_is_told_from_the_folders_inside_the_one_that_was_named(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "corpus"
    for name in ("split=validation", "testing"):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.jsonl").write_text(LINE)
    assert [record.split for record in records(folder) if isinstance(record, Record)] == ["dev", "test"]
    assert records(folder / "testing" / "a.jsonl") == [Record("1", "a", ())]
    assert records(folder / "testing") == [Record("1", "a", (), "test")]
