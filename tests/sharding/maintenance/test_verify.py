"""Finding damage."""

import re
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sharding import Dataset, FileInfo, Manifest, ShardInfo, sha256, verify, xxh3_128
from sharding.formats import encode_arrow, encode_tar, index_rows, pack
from sharding.formats.index import Members
from sharding.layout.manifest import KINDS
from sharding.layout.shards import in_folder, open_index, open_shard
from tests.rewriting import rewrite
from tests.sharding.formats.rows import with_buffer


@pytest.fixture(scope="module")
def both(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rewrite(dataset.path, tmp_path_factory.mktemp("both") / "both", *KINDS)


@pytest.fixture
def copy(dataset: Dataset, tmp_path: Path) -> Path:
    return shutil.copytree(dataset.path, tmp_path / "copy")


def change_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_an_undamaged_data_set_has_no_problems(dataset: Dataset) -> None:
    report = verify(dataset.path)
    assert report.problems == ()
    assert (report.num_shards, report.num_records) == (11, 102)


def test_all_damage_is_reported_at_once(copy: Path) -> None:
    missing, changed, cut = sorted((copy / "train").glob("?????-????????????????.arrow"))[:3]
    missing.unlink()
    change_last_byte(changed)
    cut.write_bytes(cut.read_bytes()[:100])
    change_last_byte(copy / "labels.arrow")
    change_last_byte(copy / "tokenizer" / "tokenizer.json")
    found = [problem.split(" = ")[0] for problem in verify(copy).problems]
    assert found == [
        "tokenizer/tokenizer.json: sha256",
        "labels.arrow: sha256",
        f"train/{missing.name}: is missing",
        f"train/{changed.name}: xxh3_128",
        f"train/{changed.name}: sha256",
        f"train/{cut.name}: bytes",
        f"train/{cut.name}: xxh3_128",
        f"train/{cut.name}: sha256",
    ]


def test_ids_and_numbers_that_the_manifest_does_not_allow_are_reported(copy: Path) -> None:
    manifest = Manifest.load(copy)
    [shard] = manifest.splits["test"]
    replace(
        manifest,
        splits={"test": (replace(shard, tokens=9),)},
        labels=replace(manifest.labels, count=7),
        tokenizer=replace(manifest.tokenizer, vocabulary_size=1),
    ).identified().save(copy)
    assert [problem.split(": ", 1)[1].split(", first")[0] for problem in verify(copy).problems] == [
        "labels = 10: the manifest says 7",
        "tokens = 10: the manifest says 9",
        "3 of its labels are too large",
        "10 of its tokens are too large",
    ]


def test_a_shard_of_fewer_rows_than_the_manifest_says_is_reported(copy: Path) -> None:
    [info] = Manifest.load(copy).splits["test"]
    [problem] = problems_with(copy, replace(info, rows=6))
    assert problem == f"sidecar {copy / info.index.path}: has 5 rows, its manifest says 6"


def test_a_file_that_is_no_shard_is_reported(copy: Path) -> None:
    [info] = Manifest.load(copy).splits["test"]
    file = info.files["arrow"]
    labels = replaced(copy, file, (copy / "labels.arrow").read_bytes())
    [problem] = problems_with(copy, replace(info, files={"arrow": labels}))
    assert problem.startswith(f"shard {copy / file.path}: has the columns name (string), text (string), count (int64):")


@pytest.mark.parametrize(
    ("column", "buffer", "content", "complaint"),
    [
        ("labels", 1, (100_000_000).to_bytes(4, "little"), "cannot be read as an Arrow file: .*[Oo]ffset"),
        ("id", 1, (100_000_000).to_bytes(4, "little"), "cannot be read as an Arrow file: .*[Oo]ffset"),
        ("id", 2, b"\xff\xff\xff\xff\xff", "cannot be read as records: .*UTF8"),
    ],
)
def test_a_shard_that_was_damaged_before_it_was_hashed_is_reported(
    copy: Path, column: str, buffer: int, content: bytes, complaint: str
) -> None:
    [info] = Manifest.load(copy).splits["test"]
    rows = open_shard(in_folder(copy), info, "arrow").rows
    damaged = replaced(copy, info.files["arrow"], with_buffer(rows, column, buffer, 4, content))
    [problem] = problems_with(copy, replace(info, files={"arrow": damaged}))
    assert re.match(f"shard {copy / damaged.path}: {complaint}", problem)


def test_both_formats_are_read_to_the_end(both: Path) -> None:
    report = verify(both)
    assert (report.problems, report.num_shards, report.num_records) == ((), 11, 102)


def test_damage_to_any_file_of_a_shard_is_reported(both: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(both, tmp_path / "copy")
    [info] = Manifest.load(copy).splits["test"]
    for file in (*info.files.values(), info.index):
        change_last_byte(copy / file.path)
    found = sorted(problem.split(" = ")[0] for problem in verify(copy).problems)
    names = [info.files["arrow"].path, info.files["webdataset"].path, info.index.path]
    assert found == sorted(f"{name}: {checksum}" for name in names for checksum in ("sha256", "xxh3_128"))


def replaced(folder: Path, file: FileInfo, content: bytes) -> FileInfo:
    """Give a file another content and name it for the manifest as if it belonged there."""
    path = folder / file.path
    path.unlink()  # it is mapped
    path.write_bytes(content)
    return FileInfo(file.path, len(content), xxh3_128(path), sha256(path))


def problems_with(folder: Path, info: ShardInfo) -> list[str]:
    """Publish the data set with another shard as its only one of the test split."""
    replace(Manifest.load(folder), splits={"test": (info,)}).identified().save(folder)
    return list(verify(folder).problems)


def test_formats_that_hold_other_records_are_reported(both: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(both, tmp_path / "copy")
    [info] = Manifest.load(copy).splits["test"]
    rows = open_shard(in_folder(copy), info, "arrow").rows.take([1, 0, 2, 3, 4])
    arrow, tar = info.files["arrow"], info.files["webdataset"]
    swapped = replaced(copy, arrow, encode_arrow(rows).to_pybytes())
    found = problems_with(copy, replace(info, files={"arrow": swapped, "webdataset": tar}))
    assert found[-1] == f"{tar.path}: does not hold the records of {arrow.path}"


def test_numbers_of_tokens_that_no_record_has_are_reported(both: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(both, tmp_path / "copy")
    [info] = Manifest.load(copy).splits["test"]
    index = open_index(in_folder(copy), info)
    sidecar = encode_arrow(index_rows(np.append(index.tokens[:-1], 9), index.members)).to_pybytes()
    found = problems_with(copy, replace(info, tokens=info.tokens + 1, index=replaced(copy, info.index, sidecar)))
    tar = copy / info.files["webdataset"].path
    assert found == [
        f"{info.files['arrow'].path}: tokens = {info.tokens}: the manifest says {info.tokens + 1}",
        f"{info.index.path}: its numbers of tokens are not those of the records in {info.files['arrow'].path}",
        f"shard {tar}: the header of a record is not what the sidecar says: see `lmmtc verify`, fetch both again",
    ]


def linked(tar: tarfile.TarFile, info: tarfile.TarInfo) -> None:
    info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0
    tar.addfile(info)


def climbing(tar: tarfile.TarFile, info: tarfile.TarInfo) -> None:
    info.name, info.size = "../../evil.pkl", 0
    tar.addfile(info)


@pytest.mark.parametrize(
    ("evil", "member"),
    [(linked, "'000000000.bin' (not a file, 0 bytes at 512)"), (climbing, "'../../evil.pkl' (a file, 0 bytes at 512)")],
)
def test_members_of_which_the_sidecar_does_not_tell_are_reported_and_not_followed(
    both: Path, tmp_path: Path, evil: Callable[[tarfile.TarFile, tarfile.TarInfo], None], member: str
) -> None:
    copy = shutil.copytree(both, tmp_path / "copy")
    [info] = Manifest.load(copy).splits["test"]
    file = info.files["webdataset"]
    with tarfile.open(tmp_path / "evil.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        evil(tar, tarfile.TarInfo("000000000.bin"))
        for number in range(20):
            tar.addfile(tarfile.TarInfo(f"{number}"))
    before = sorted(tmp_path.rglob("*"))
    bad = replaced(copy, file, (tmp_path / "evil.tar").read_bytes())
    first, *_ = problems_with(copy, replace(info, files={"webdataset": bad}))
    members = open_index(in_folder(copy), info).members
    assert members is not None
    assert first == (
        f"{file.path}: member 0 is {member}: its sidecar says '000000000.bin' (a file, {members.bytes[0]} bytes at 512)"
    )
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("kept", "complaint"),
    [
        ([0, 1, 2, 3, 4, 4], r"member 5 is '000000005\.bin' .*: its sidecar says none"),
        ([0, 1, 2, 3], r"member 4 is none: its sidecar says '000000004\.bin' "),
    ],
)
def test_a_member_more_or_less_than_the_sidecar_tells_of_is_reported(
    both: Path, tmp_path: Path, kept: list[int], complaint: str
) -> None:
    copy = shutil.copytree(both, tmp_path / "copy")
    [info] = Manifest.load(copy).splits["test"]
    tar, _ = encode_tar(pack(open_shard(in_folder(copy), info, "arrow").rows.take(kept)))
    other = replaced(copy, info.files["webdataset"], bytes(tar))
    first, *_ = problems_with(copy, replace(info, files={"webdataset": other}))
    assert re.fullmatch(f"{other.path}: {complaint}.*", first)


def test_a_sidecar_that_points_out_of_the_tar_is_reported(both: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(both, tmp_path / "copy")
    [info] = Manifest.load(copy).splits["test"]
    index = open_index(in_folder(copy), info)
    assert index.members is not None
    offset = index.members.offset.copy()
    offset[2] = 1 << 40
    sidecar = encode_arrow(index_rows(index.tokens, Members(offset, index.members.bytes))).to_pybytes()
    found = problems_with(copy, replace(info, index=replaced(copy, info.index, sidecar)))
    assert f"at {1 << 40})" in found[0]
    assert "tells of members outside, or not at a multiple of 512" in found[1]
