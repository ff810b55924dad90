"""Publication of files, checksums, and names from data."""

import hashlib
import os
from pathlib import Path

import pytest
import xxhash

from sharding import DataError, inside, publish, publish_folder, sha256, xxh3_128


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


@pytest.mark.parametrize("there", ["", "new", "new/folder"])
def test_a_published_folder_appears_whole_and_alone_in_a_new_or_an_empty_place(tmp_path: Path, there: str) -> None:
    path = tmp_path / "new" / "folder"
    (tmp_path / there).mkdir(parents=True, exist_ok=True)
    with publish_folder(path) as temporary:
        (temporary / "part").mkdir()
        (temporary / "part" / "file").write_bytes(b"content")
        assert not path.exists() or not any(path.iterdir())
        assert temporary.parent == path.parent
    assert (path / "part" / "file").read_bytes() == b"content"
    assert list(path.parent.iterdir()) == [path]


def test_all_of_a_folder_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder"
    synced_before = []
    monkeypatch.setattr(os, "fsync", lambda _: synced_before.append(not path.exists()))
    with publish_folder(path) as temporary:
        (temporary / "file").touch()
    assert synced_before == [True, True, False]  # the file, the folder; then the name in the folder above


def publish_half_a_folder(path: Path) -> None:
    with publish_folder(path) as temporary:
        (temporary / "file").write_bytes(b"half")
        raise RuntimeError


def test_of_a_folder_that_could_not_be_completed_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        publish_half_a_folder(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inhabitant", ["folder", "folder/file"])
def test_a_place_that_is_taken_is_refused_and_stays_as_it_was(tmp_path: Path, inhabitant: str) -> None:
    taken = tmp_path / inhabitant
    taken.parent.mkdir(exist_ok=True)
    taken.write_bytes(b"old")
    with pytest.raises(DataError, match="is there already: name a folder that is new, or empty"):
        publish_half_a_folder(tmp_path / "folder")
    assert taken.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


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
