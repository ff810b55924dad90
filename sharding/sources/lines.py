"""Decides how a text file becomes lines that know where they stand."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError


def read_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield ("file:line", content) for each line that is not empty; a name that ends in .gz is decompressed.

    DataError when the file is missing or cannot be read to its end.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if content := line.rstrip(b"\r\n"):
                    yield f"{path.name}:{number}", content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


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
