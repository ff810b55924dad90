"""Publication of files, checksums, and names from data."""

import hashlib
import os
from pathlib import Path

import pytest
import xxhash

from sharding import DataError, inside, publish, sha256, xxh3_128


def test_a_published_file_appears_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with publish(path) as temporary:
        temporary.write_bytes(b"content")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_bytes() == b"content"
    assert list(path.parent.iterdir()) == [path]


def test_content_is_on_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    visible_at_sync = []
    monkeypatch.setattr(os, "fsync", lambda _: visible_at_sync.append(path.exists()))
    with publish(path) as temporary:
        temporary.touch()
    assert visible_at_sync == [False, True]


def publish_half(path: Path) -> None:
    with publish(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError


def test_a_failed_publication_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with pytest.raises(RuntimeError):
        publish_half(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_checksums_are_those_of_the_whole_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    path = tmp_path / "file"
    path.write_bytes(content)
    assert sha256(path) == hashlib.sha256(content).hexdigest()
    assert xxh3_128(path) == xxhash.xxh3_128_hexdigest(content)


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "", "."])
def test_a_name_from_data_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="must be relative to"):
        inside(tmp_path, name)


def test_a_name_from_data_is_found_in_its_folder(tmp_path: Path) -> None:
    assert inside(tmp_path, "train/00000.arrow") == tmp_path / "train" / "00000.arrow"
