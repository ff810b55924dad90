"""Members in a tar."""

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import CorruptShardError
from sharding.formats import encode_tar, walk_tar

MEMBERS = st.lists(st.binary(max_size=1200), max_size=5)


@given(MEMBERS)
def test_members_are_where_the_offsets_say(members: list[bytes]) -> None:
    content, places = encode_tar(members)
    found = [bytes(content[at : at + size]) for at, size in zip(places.offset, places.bytes, strict=True)]
    assert found == members


@given(MEMBERS)
def test_it_is_a_tar_of_read_only_files_without_an_owner_or_a_time(members: list[bytes]) -> None:
    content, places = encode_tar(members)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:", format=tarfile.USTAR_FORMAT) as tar:
        infos = tar.getmembers()
    assert [info.name for info in infos] == [f"{number:09}.bin" for number in range(len(members))]
    assert [info.offset_data for info in infos] == places.offset.tolist()
    facts = {(info.mode, info.mtime, info.uid, info.gid, info.uname, info.gname, info.isreg()) for info in infos}
    assert facts <= {(0o444, 0, 0, 0, "", "", True)}
    assert bytes(encode_tar(members)[0]) == bytes(content)


def test_walking_names_what_is_there_and_follows_nothing(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        link = tarfile.TarInfo("../link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("/absolute"))
    walked = [(info.name, info.issym()) for info in walk_tar(tmp_path / "evil.tar")]
    assert walked == [("../link", True), ("/absolute", False)]
    assert [path.name for path in tmp_path.iterdir()] == ["evil.tar"]


@pytest.mark.parametrize("content", [b"", b"something else", bytes(encode_tar([b"x" * 600])[0][:700])])
def test_what_is_no_whole_tar_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cut.tar").write_bytes(content)
    with pytest.raises(CorruptShardError, match=r"shard .*cut\.tar: cannot be read as a tar: "):
        list(walk_tar(tmp_path / "cut.tar"))
