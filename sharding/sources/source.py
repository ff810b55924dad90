"""The interface of a source of records: it is cut into pieces, which are read in parallel."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Self

from ..errors import BadRecordError
from ..records import Record, is_text
from .files import file_size, folder_split, split_named, stem_of


@dataclass(frozen=True)
class SourceSettings:
    """How a source is read.

    Attributes:
        kind: None to tell it from the files.
        id_field: Name of the field, or column, of ids; `a.b` is field b of the object a; empty: records are numbered.
        text_field: Likewise of texts; several names, whose texts are put behind each other.
        labels_field: Likewise of labels; several names, whose labels are put together.
        split_field: Likewise of splits.
        label_separator: Between labels in one field; None to tell it from a sample.
        split: Split of all records, whatever they and their files say; None: as these say.
        feature_names: A file whose line i names feature i, for sources that hold only features.
        label_columns: Columns that each are a label, and say with 0 or 1 whether a record has it.
        label_key: The key that names a label, where labels are objects.
        columns: Names of the columns of a table that has no header.
        encoding: Of text files.
        unpack: Whether .zip, .bz2, .xz and .tar.gz are read as they are.
        feature_base: Number of the first feature, 0 or 1; None to tell it from the files.
        labelled: Whether a record must have labels; only where it need not, "given" is read.
        paths: The files and folders that were named; `open_source` fills it in.
    """

    kind: str | None = None
    id_field: str = "id"
    text_field: str | tuple[str, ...] = "text"
    labels_field: str | tuple[str, ...] = "labels"
    split_field: str = "split"
    label_separator: str | None = None
    split: str | None = None
    feature_names: Path | None = None
    label_columns: tuple[str, ...] = ()
    label_key: str | None = None
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    unpack: bool = False
    feature_base: int | None = None
    labelled: bool = True
    paths: tuple[Path, ...] = ()

    @property
    def text_fields(self) -> tuple[str, ...]:
        """The fields of texts."""
        return (self.text_field,) if isinstance(self.text_field, str) else self.text_field

    @property
    def labels_fields(self) -> tuple[str, ...]:
        """The fields of labels."""
        return (self.labels_field,) if isinstance(self.labels_field, str) else self.labels_field


@dataclass(frozen=True)
class Piece:
    """What one process reads at a time: a stretch of a file.

    Attributes:
        file: Its place in `Source.files`.
        start: Start of the stretch: bytes of a plain text file, rows of a columnar one, 0 for a file that cannot be
            cut.
        stop: Its end, likewise; a file that cannot be cut counts its bytes on disk.
    """

    file: int
    start: int
    stop: int


@dataclass(frozen=True)
class Source(ABC):
    """Files that hold records, in the order in which `Piece.file` counts them; paths and settings, nothing open."""

    files: tuple[Path, ...]
    settings: SourceSettings

    def pieces(self, target_bytes: int) -> list[Piece]:
        """Cut all files into stretches of about `target_bytes`; a file whose format allows no cut is one piece."""
        return [Piece(file, 0, file_size(path)) for file, path in enumerate(self.files)]

    @abstractmethod
    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        """Yield (position in the file, record, or why it is none); a DataError ends a file that cannot be read.

        Positions rise and do not depend on how the file was cut: the byte where a line begins, or the number of a row.
        """

    def sniffed(self) -> Self:
        """Look at a sample of the records and settle how they are read; DataError where it cannot be read rightly."""
        return self

    def understood(self) -> dict[str, Any]:
        """Tell how records are read, for people: words by what they are about."""
        return {"encoding": self.settings.encoding}

    def where(self, file: int, position: int) -> str:
        """Say where a record stands, for messages; may read the file up to it."""
        return f"{self.name(file)}: record {position}, counted from 0"

    def companions(self) -> tuple[Path, ...]:
        """Name the other files that are read; not each need be there."""
        return (self.settings.feature_names,) if self.settings.feature_names else ()

    def label_texts(self) -> Mapping[str, str]:
        """Give the texts of labels that come with the records, by name."""
        return {}

    def filter_pairs(self) -> Iterator[tuple[str, str]]:
        """Yield (record id, label name) of what the source itself excludes from judgement."""
        return iter(())

    def name(self, file: int) -> str:
        """Name a file from the folder on that holds all of them."""
        root = os.path.commonpath([path.parent for path in self.files])
        return self.files[file].relative_to(root).as_posix()

    def prefix(self, file: int) -> str:
        """Give what the ids of a file's records begin with where records have none: its name without suffixes."""
        return stem_of(PurePath(self.name(file)))

    def split_of(self, file: int) -> str | None:
        """Tell the split of a file's records, as far as they leave it open.

        That is: from the settings, the file's name, or the folders down to it, from one that was named on.
        """
        path = self.files[file]
        if split := self.settings.split or split_named(stem_of(PurePath(path.name))):
            return split
        named = [
            folder for folder in path.parents if any(root in (folder, *folder.parents) for root in self.settings.paths)
        ]
        return next((split for folder in named if (split := folder_split(folder.name))), None)


def attempt(make: Callable[..., Record], *args: object) -> Record | BadRecordError:
    """Make a record, or give back why there is none."""
    try:
        record = make(*args)
    except BadRecordError as error:
        return error
    return record if is_text(record.id) else _unnamed(record.id)


def _unnamed(record_id: str) -> BadRecordError:
    """Say why an id cannot be stored: makers check ids that records have, not those that are made of file names."""
    return BadRecordError(
        f"id {json.dumps(record_id)}: must be UTF-8: rename the file, or the member of an archive, that it is made of"
    )
