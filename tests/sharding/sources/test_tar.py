"""Records of WebDataset tars."""

import json
import os
import tarfile
import tracemalloc
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import webdataset

from sharding import DataError, Record
from sharding.sources import SourceSettings, open_source
from tests.sharding.sources.reading import WHOLE, read_all, records


def write(path: Path, *samples: dict[str, Any]) -> Path:
    with webdataset.TarWriter(str(path)) as writer:
        for number, sample in enumerate(samples):
            writer.write({"__key__": f"{number:06}"} | sample)
    return path


def write_member(path: Path, **facts: Any) -> Path:
    member = tarfile.TarInfo("000000.txt")
    for fact, value in facts.items():
        setattr(member, fact, value)
    with tarfile.open(path, "w") as archive:
        archive.addfile(member, BytesIO(b"a" * member.size))
    return path


def test_a_json_member_is_a_record(tmp_path: Path) -> None:
    sample = {"id": "7", "text": "a", "labels": ["x"], "split": "dev"}
    assert records(write(tmp_path / "a.tar", {"json": sample})) == [Record("7", "a", ("x",), "dev")]


def test_text_and_labels_may_be_members_of_their_own(tmp_path: Path) -> None:
    path = write(
        tmp_path / "train-000.tar",
        {"txt": "a", "json": {"labels": ["x", "y"]}},
        {"txt": "b", "cls": 3, "jpg": b"no image"},
    )
    source = open_source([path], SourceSettings())
    assert read_all(source) == [
        (0, 0, Record("000000", "a", ("x", "y"), "train")),
        (0, 1, Record("000001", "b", ("3",), "train")),
    ]
    assert read_all(source, 1) == read_all(source)
    assert source.where(0, 1) == "train-000.tar: record 1, counted from 0"


def test_a_sample_that_is_no_record_leaves_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", {"json": ["a"]}, {"txt": "a"}, {"txt": "b", "cls": 0})
    assert records(path) == [
        'is ["a"]: must be a JSON object',
        "'labels' is missing: must be a list of strings, or a string with '|' between labels",
        Record("000002", "b", ("0",)),
    ]


def test_a_member_whose_name_is_not_utf_8_is_no_record_unless_it_says_its_id(tmp_path: Path) -> None:
    own_id = b'{"id": "7", "text": "c", "labels": ["x"]}'
    members = [
        (b"caf\xe9.txt", b"a"),
        (b"caf\xe9.cls", b"0"),
        (b"t\xe9.json", own_id),
        (b"b.txt", b"b"),
        (b"b.cls", b"1"),
    ]
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members:
            member = tarfile.TarInfo(os.fsdecode(name))
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    assert records(tmp_path / "a.tar") == [
        r'id "caf\udce9": must be UTF-8: rename the file, or the member of an archive, that it is made of',
        Record("7", "c", ("x",)),
        Record("b", "b", ("1",)),
    ]


def test_members_are_not_kept_while_an_archive_is_checked(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for number in range(5000):
            archive.addfile(tarfile.TarInfo(f"{number:06}.txt"))
            archive.addfile(tarfile.TarInfo(f"{number:06}.cls"))
    source = open_source([tmp_path / "a.tar"], SourceSettings())
    [piece] = source.pieces(WHOLE)
    tracemalloc.start()
    assert sum(1 for _ in source.read(piece)) == 5000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5000 * 200  # bytes; the description of a member takes 540


@pytest.mark.parametrize("suffix", ["pyd", "pickle", "pkl", "pt", "pth", "PKL", "pkl.gz"])
def test_a_member_that_others_would_unpickle_is_refused(tmp_path: Path, suffix: str) -> None:
    path = write_member(tmp_path / "a.tar", name=f"000000.{suffix}")
    with pytest.raises(
        DataError, match=rf"member '000000\.{suffix}' is of the kind \.{suffix[:3].lower()}.*can run code"
    ):
        records(path)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (
            {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
            "member '000000.txt' is a link or a device: members must",
        ),
        ({"type": tarfile.LNKTYPE, "linkname": "b"}, "is a link or a device: members must be files"),
        ({"type": tarfile.FIFOTYPE}, "is a link or a device: members must be files"),
        ({"name": "/000000.txt"}, r"file name '/000000.txt': must be relative to .*a\.tar and stay inside it"),
        ({"name": "b/../../000000.txt"}, r"file name 'b/\.\./\.\./000000.txt': must be relative to"),
        ({"size": (64 << 20) + 1}, "has 67108865 bytes: must have at most 67108864"),
    ],
)
def test_members_that_are_no_plain_files_of_modest_size_are_refused(
    tmp_path: Path, facts: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        records(write_member(tmp_path / "a.tar", **facts))


def test_an_archive_that_is_cut_short_is_a_data_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", {"txt": "a" * 9999, "cls": 0})
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"a\.tar: cannot be read"):
        records(path)


def test_two_members_of_one_name_are_a_data_error(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("000000.json"), BytesIO(json.dumps({}).encode()))
    with pytest.raises(DataError, match=r"a\.tar: cannot be read: .*000000\.json: duplicate"):
        records(tmp_path)


def test_a_tar_of_a_whole_folder_holds_that_folder_too(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "7.json").write_text('{"text": "a", "labels": ["x"]}')
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "samples", ".")
    assert records(tmp_path / "a.tar") == [Record("./7", "a", ("x",))]
