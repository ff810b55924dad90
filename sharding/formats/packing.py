"""The binary encoding of a record as a member of a WebDataset tar: a header, then labels, tokens, id and text.

A header of six little-endian uint32 numbers: the letters LMR1, the bytes of a token (2 or 4), how many labels and how
many tokens there are, and how many bytes the id and the text have. Behind it, without gaps: the labels as uint32, the
tokens as uint16 or uint32, the id and the text in UTF-8.
"""

import tarfile
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

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


HEADER_WORDS = 6
HEADER_BYTES = 4 * HEADER_WORDS
# In the order in which their bytes follow the header.
PACKED_COLUMNS = ("labels", "tokens", "id", "text")
TOKEN_TYPES = {2: pa.uint16(), 4: pa.uint32()}

_MAGIC = int.from_bytes(b"LMR1", "little")


def pack(rows: pa.RecordBatch) -> Iterator[bytes]:
    """Make one member of each row, columns as in `shard_schema`."""
    token_bytes = rows["tokens"].type.value_type.bit_width // 8
    columns = _lists(rows["labels"], "<u4"), _lists(rows["tokens"], f"<u{token_bytes}")
    for labels, tokens, name, text in zip(*columns, _texts(rows["id"]), _texts(rows["text"]), strict=True):
        counts = (_MAGIC, token_bytes, len(labels), len(tokens), len(name), len(text))
        yield b"".join([np.array(counts, "<u4").tobytes(), labels.tobytes(), tokens.tobytes(), name, text])


def unpack(member: bytes) -> dict[str, Any]:
    """Read one member of a tar.

    For whoever reads shards with the webdataset library: `WebDataset(urls).map(lambda sample: unpack(sample["bin"]))`.

    Args:
        member: The bytes of a whole member.

    Returns:
        id and text as str, labels as uint32 [labels], tokens as uint16 or uint32 [tokens].

    Raises:
        CorruptShardError: The bytes are not one whole member.
    """
    if len(member) < HEADER_BYTES:
        raise CorruptShardError(
            f"packed record: has {len(member)} bytes: must have {HEADER_BYTES} for its header alone"
        )
    headers = np.frombuffer(member, "<u4", HEADER_WORDS)[None]
    token_bytes = int(headers[0, 1])
    if not are_headers(headers, token_bytes):
        raise CorruptShardError(f"packed record: begins with {member[:8]!r}: must begin with b'LMR1', then 2 or 4")
    ends = section_ends(headers, token_bytes)[0].tolist()
    if ends[-1] != len(member):
        raise CorruptShardError(f"packed record: has {len(member)} bytes: its header says {ends[-1]}")
    labels, tokens, name, text = (member[start:end] for start, end in pairwise(ends))
    try:
        return {
            "id": name.decode(),
            "text": text.decode(),
            "labels": np.frombuffer(labels, "<u4"),
            "tokens": np.frombuffer(tokens, f"<u{token_bytes}"),
        }
    except UnicodeDecodeError as error:
        raise CorruptShardError(f"packed record: its id or text is not UTF-8: {error}") from error


def are_headers(headers: NDArray[np.uint32], token_bytes: int) -> bool:
    """Tell whether all rows of [N, 6] can be headers, of records whose tokens have so many bytes."""
    start = np.array([_MAGIC, token_bytes], dtype=np.uint32)
    return token_bytes in TOKEN_TYPES and bool((headers[:, :2] == start).all())


def section_ends(headers: NDArray[np.uint32], token_bytes: int) -> NDArray[np.int64]:
    """Say where in each of N members the header and the four columns end: bytes, [N, 5]."""
    # The first of these five numbers is that of the bytes of a token, and turned into those of the header.
    item_bytes = np.array([HEADER_BYTES // token_bytes, 4, token_bytes, 1, 1])
    return (headers[:, 1:] * item_bytes).cumsum(axis=1)


def _lists(column: pa.ListArray, dtype: str) -> list[NDArray[np.integer]]:
    ends = column.value_lengths().to_numpy().cumsum()
    return np.split(column.flatten().to_numpy().astype(dtype), ends[:-1])


def _texts(column: pa.StringArray) -> Iterator[bytes]:
    return (text.as_py().encode() for text in column)
