"""Read lines of text files, plain or compressed, with their positions."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from ..errors import BadRecordError, DataError
from .files import file_size, is_compressed
from .source import Piece

UTF_8 = "utf-8"
_BLOCK = 1 << 20
_SAMPLE = 1 << 16
_FOREIGN = re.compile(rb"[\x80-\xff]")
_LONE = re.compile(rb"[A-Za-z][\x80-\xff](?![\x80-\xff])")  # a letter with an accent in a Western word
_MANY_BROKEN = 20
_WESTERN = 0.15  # share of bytes that are no ASCII, at most, in a Western text


def read_lines(path: Path, encoding: str = UTF_8) -> Iterator[tuple[str, bytes]]:
    """Yield ("file:line", content) for each line that is not empty; a name in .gz or .zst is decompressed.

    DataError when the file is missing or cannot be read to its end.
    """
    for number, (_, line) in enumerate(lines_at(path, encoding=encoding), start=1):
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


def lines_at(path: Path, start: int = 0, stop: int | None = None, encoding: str = UTF_8) -> Iterator[tuple[int, bytes]]:
    """Yield (byte where it begins, content in UTF-8) for each line that begins in a stretch.

    A compressed file, or one in another encoding, has only one stretch; positions count what is read of it in UTF-8.
    """
    if is_compressed(path) or encoding != UTF_8:
        start, stop = 0, None
    with opened(path, encoding) as file:
        # The line that holds the byte before `start` belongs to the stretch before, also where it just ends there.
        position = file.seek(start - 1) + len(file.readline()) if start else 0
        for line in file:
            if stop is not None and position >= stop:
                return
            # What editors on Windows put before the first line is no part of it.
            content = line if position else line.removeprefix(BOM_UTF8)
            yield position, content.rstrip(b"\r\n")
            position += len(line)


def cut_by_bytes(file: int, path: Path, target_bytes: int, encoding: str = UTF_8) -> list[Piece]:
    """Cut a file of lines into equal stretches of about `target_bytes`, one that is not plain UTF-8 not at all."""
    size = file_size(path)
    count = 1 if is_compressed(path) or encoding != UTF_8 else -(-size // target_bytes)
    ends = [size * number // count for number in range(count + 1)] if size else []
    return [Piece(file, start, stop) for start, stop in pairwise(ends)]


def line_number(path: Path, position: int, encoding: str = UTF_8) -> int:
    """Count which line, from 1 on, begins at a byte of what the file holds."""
    number = 1
    with opened(path, encoding) as file:
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


def check_encoding(path: Path, encoding: str) -> None:
    """Raise a DataError that names --encoding where the first bytes of a text file show another than UTF-8.

    A byte here and there that is not UTF-8 is left to the record that holds it.
    """
    if encoding != UTF_8:
        return
    with opened(path) as file:
        sample = file.read(_SAMPLE)
    if guess := _other_encoding(sample):
        raise DataError(f"{path}: is not in UTF-8: say what it is in, perhaps --encoding {guess}")


def _other_encoding(sample: bytes) -> str | None:
    if sample.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or sample.count(0) > len(sample) / 4:
        return "utf-16"
    foreign = len(_FOREIGN.findall(sample))
    broken = sample.decode(errors="replace").removesuffix("\ufffd").count("\ufffd")
    if not (broken and len(_LONE.findall(sample)) > 1) and not (broken > _MANY_BROKEN and broken >= foreign / 2):
        return None
    if foreign < len(sample) * _WESTERN:
        return "cp1252"
    from charset_normalizer import from_bytes  # noqa: PLC0415

    best = from_bytes(sample).best()
    return (best.encoding if best else "cp1252").replace("_", "-")


@contextmanager
def opened(path: Path, encoding: str = UTF_8) -> Iterator[IO[bytes]]:
    """Open a file, decompressed where its name says so, and recoded to UTF-8 from another encoding.

    DataError when the file is missing, or turns out damaged while the block reads.
    """
    try:
        with _open(path) as file:
            yield file if encoding == UTF_8 else io.BufferedReader(_Recoded(file, encoding))
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except UnicodeDecodeError as error:
        if encoding == UTF_8:
            raise
        raise DataError(f"{path}: is not in {encoding}: {error}: say what it is in with --encoding") from None


class _Recoded(io.RawIOBase):
    """Bytes of a file, from its encoding to UTF-8."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._file, self._decoder, self._waiting = file, codecs.getincrementaldecoder(encoding)(), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            block = self._file.read(_BLOCK)
            self._waiting = self._decoder.decode(block, final=not block).encode()
            if not block:
                break
        count = min(len(buffer), len(self._waiting))
        buffer[:count], self._waiting = self._waiting[:count], self._waiting[count:]
        return count


def _open(path: Path) -> IO[bytes]:
    match path.suffix.lower():
        case ".gz":
            return cast("IO[bytes]", gzip.open(path, "rb"))
        case ".zst":
            return io.BufferedReader(cast("Any", pa.input_stream(path, compression="zstd")))
        case ".bz2":
            return cast("IO[bytes]", bz2.open(path, "rb"))
        case ".xz":
            return cast("IO[bytes]", lzma.open(path, "rb"))
        case ".zip":
            return _open_zip(path)
        case _:
            return path.open("rb")


def _open_zip(path: Path) -> IO[bytes]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(names) != 1:
            raise DataError(f"{path}: holds {len(names)} files: unpack it, and name the folder")
        return archive.open(names[0])  # which stays open, and the archive's file with it
