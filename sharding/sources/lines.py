"""Read lines of text files, plain or compressed, with their positions."""

import gzip
import io
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from ..errors import BadRecordError, DataError
from .files import file_size, is_compressed
from .source import Piece

_BLOCK = 1 << 20


def read_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield ("file:line", content) for each line that is not empty; a name in .gz or .zst is decompressed.

    DataError when the file is missing or cannot be read to its end.
    """
    for number, (_, line) in enumerate(lines_at(path), start=1):
        if line:
            yield f"{path.name}:{number}", line


def read_pairs(path: Path, first: str, second: str) -> Iterator[tuple[str, str, str]]:
    """Yield ("file:line", left, right) for each line that is two fields with a TAB between.

    DataError names the line that is none, and what the fields should be.
    """
    for where, line in read_lines(path):
        try:
            left, right = line.decode().split("\t", maxsplit=1)
        except ValueError:
            raise DataError(f"{where}: {line[:60]!r}: must be {first}, a TAB and {second}, in UTF-8") from None
        yield where, left, right


def lines_at(path: Path, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield (byte where it begins, content) for each line that begins in a stretch; a compressed file has only one."""
    if is_compressed(path):
        start, stop = 0, None
    with opened(path) as file:
        # The line that holds the byte before `start` belongs to the stretch before, also where it just ends there.
        position = file.seek(start - 1) + len(file.readline()) if start else 0
        for line in file:
            if stop is not None and position >= stop:
                return
            # What editors on Windows put before the first line is no part of it.
            content = line if position else line.removeprefix(BOM_UTF8)
            yield position, content.rstrip(b"\r\n")
            position += len(line)


def cut_by_bytes(file: int, path: Path, target_bytes: int) -> list[Piece]:
    """Cut a file of lines into equal stretches of about `target_bytes`, a compressed one not at all."""
    size = file_size(path)
    count = 1 if is_compressed(path) else -(-size // target_bytes)
    ends = [size * number // count for number in range(count + 1)] if size else []
    return [Piece(file, start, stop) for start, stop in pairwise(ends)]


def line_number(path: Path, position: int) -> int:
    """Count which line, from 1 on, begins at a byte of what the file holds."""
    number = 1
    with opened(path) as file:
        while position and (block := file.read(min(position, _BLOCK))):
            number += block.count(b"\n")
            position -= len(block)
    return number


def decoded(line: bytes) -> str:
    """Read a line as UTF-8; BadRecordError when it is not."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise BadRecordError(f"{line[:60]!r}: must be in UTF-8: {error}") from None


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, decompressed where its name ends in .gz or .zst.

    DataError when the file is missing, or turns out damaged while the block reads.
    """
    try:
        with _open(path) as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _open(path: Path) -> IO[bytes]:
    match path.suffix:
        case ".gz":
            return cast("IO[bytes]", gzip.open(path, "rb"))
        case ".zst":
            return io.BufferedReader(cast("Any", pa.input_stream(path, compression="zstd")))
        case _:
            return path.open("rb")
