"""Write and walk the tar files of the WebDataset format: plain ustar, numbered members, reproducible bytes.

Written by the standard library, because the webdataset library's writer imports torch, which a conversion must not
wait for in each of its processes.
"""

import tarfile
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np

from ..errors import CorruptShardError
from .index import Members

BLOCK = tarfile.BLOCKSIZE


def member_name(number: int) -> str:
    """Name the member of a row; what stands before the dot is the key by which the webdataset library groups."""
    return f"{number:09}.bin"


def encode_tar(members: Iterable[bytes]) -> tuple[memoryview, Members]:
    """Make the bytes of a tar, and tell where in it the members are."""
    sink = BytesIO()
    places = []
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, member in enumerate(members):
            info = tarfile.TarInfo(member_name(number))
            info.size, info.mode = len(member), 0o444
            # The header of a plain name is one block.
            places.append((sink.tell() + BLOCK, len(member)))
            tar.addfile(info, BytesIO(member))
    offset, sizes = np.array(places, dtype=np.int64).reshape(-1, 2).T
    return sink.getbuffer(), Members(offset, sizes.astype(np.uint32))


def walk_tar(path: Path) -> Iterator[tarfile.TarInfo]:
    """Yield what is written before each member, whatever it may be; nothing is extracted and no link is followed.

    CorruptShardError where it is no tar any more.
    """
    try:
        with tarfile.open(path, mode="r:") as tar:
            yield from tar
    except (OSError, ValueError, tarfile.TarError) as error:
        raise CorruptShardError(f"shard {path}: cannot be read as a tar: {error}") from error
