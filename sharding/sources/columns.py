"""Turn Arrow columns into records."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from ..errors import BadRecordError, DataError
from ..records import Record
from .fields import check_columns, record_of
from .source import Source, attempt


def chosen_columns(source: Source, file: int, schema: pa.Schema) -> list[str]:
    """Name the columns that records are made of; DataError when the text or the labels are not among them."""
    check_columns(source.name(file), schema.names, source.settings)
    names = source.settings.names
    return [name for name in schema.names if name in {names.id, names.text, names.labels, names.split}]


def records_of(
    source: Source, file: int, first: int, columns: dict[str, list[object]], make: Callable[..., Record] = record_of
) -> Iterator[tuple[int, Record | BadRecordError]]:
    """Yield (row number, record) for Arrow columns of equal length.

    Args:
        source: The source that is read.
        file: Number of the file.
        first: Number of the first row.
        columns: Values by name.
        make: Makes a record; takes what `record_of` takes.
    """
    split = source.split_of(file)
    prefix = source.prefix(file)
    for row, values in enumerate(zip(*columns.values(), strict=True), start=first):
        fields = dict(zip(columns, values, strict=True))
        yield row, attempt(make, fields, source.settings, f"{prefix}:{row}", split)


@contextmanager
def arrow_file(path: Path) -> Iterator[None]:
    """Turn what pyarrow says about a file, while the block reads it, into a DataError that names it."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
