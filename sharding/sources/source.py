"""The interface of a source of records: it is cut into pieces, which are read in parallel."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from ..errors import BadRecordError
from ..records import FieldNames, Record, is_text
from .files import file_size, split_named, stem_of


@dataclass(frozen=True)
class SourceSettings:
    """How a source is read.

    Attributes:
        kind: None to tell it from the files.
        id_field: Name of the field, or column, of ids.
        text_field: Likewise of texts.
        labels_field: Likewise of labels.
        split_field: Likewise of splits.
        label_separator: Between labels in one field.
        split: Split of all records, whatever they and their files say; None: as these say.
        feature_names: A file whose line i names feature i, for sources that hold only features.
    """

    kind: str | None = None
    id_field: str = "id"
    text_field: str = "text"
    labels_field: str = "labels"
    split_field: str = "split"
    label_separator: str = "|"
    split: str | None = None
    feature_names: Path | None = None

    @property
    def names(self) -> FieldNames:
        """The four fields together."""
        return FieldNames(self.id_field, self.text_field, self.labels_field, self.split_field)


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
        """Tell the split of a file's records, as far as they leave it open: from the settings, or the file's name."""
        return self.settings.split or split_named(stem_of(PurePath(self.files[file].name)))


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
