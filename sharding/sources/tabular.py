"""The base of sources whose rows have named fields: JSON, tables, columns."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Self

from ..errors import BadRecordError, DataError
from ..records import Record
from .fields import FieldReader
from .files import file_size
from .label_values import LabelForm
from .sniffing import Sample, marked_columns, settle, with_marked_columns
from .source import Piece, Source, attempt

_SAMPLED_ROWS, _SAMPLED_FILES = 1000, 8
Row = tuple[int, Mapping[str, Any] | BadRecordError]


@dataclass(frozen=True)
class Tabular(Source):
    """Rows of named values, which one reader makes records of, whatever the source.

    reader: How; `sniffed` settles it.
    """

    reader: FieldReader

    @abstractmethod
    def rows(self, piece: Piece) -> Iterator[Row]:
        """Yield (position in the file, values by name, or why there are none)."""

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        split, prefix, make = self.split_of(piece.file), self.prefix(piece.file), self.reader.record
        for position, row in self.rows(piece):
            if isinstance(row, BadRecordError):
                yield position, row
            else:
                yield position, attempt(make, row, f"{prefix}:{position}", split)

    def sniffed(self) -> Self:
        """Read some rows of some files, and settle what the settings leave open."""
        rows = list(self._sample())
        sample = Sample(self.name(0) if len(self.files) == 1 else f"{self.name(0)} and others", rows)
        settings = with_marked_columns(sample, self.settings)
        replace(self, settings=settings).check_fields(sample)
        form = settle(sample, settings, self.known_form())
        return replace(self, settings=settings, reader=replace(self.reader, settings=settings, form=form))

    def known_form(self) -> LabelForm:
        """Tell what is known of labels without a look at rows."""
        return self.reader.form

    def understood(self) -> dict[str, Any]:
        settings, form = self.settings, self.reader.form
        said: dict[str, Any] = {**super().understood(), "text": list(settings.text_fields)}
        if settings.label_columns:
            return {**said, "labels": "columns of 0 and 1", "label_columns": list(settings.label_columns)}
        said["labels"] = list(settings.labels_fields)
        styles = {"angle": "<a><b>", "bracketed": "printed lists", "fasttext": "__label__"}
        said["separator"] = styles.get(form.style, form.separator)
        return said | ({"classes": len(form.classes)} if form.classes else {})

    def _sample(self) -> Iterator[Mapping[str, Any]]:
        step = max(len(self.files) // _SAMPLED_FILES, 1)
        numbers = range(0, len(self.files), step)
        for number in numbers:
            whole = Piece(number, 0, file_size(self.files[number]))
            reading: Any = self.rows(whole)
            with closing(reading) as rows:
                some = (row for _, row in islice(rows, _SAMPLED_ROWS // len(numbers) + 1))
                yield from (row for row in some if not isinstance(row, BadRecordError))

    def check_fields(self, sample: Sample) -> None:
        """Raise a DataError, with the fields that there are, where no row of the sample has one that was named."""
        settings = self.settings
        wanted = [("--text-field", key) for key in settings.text_fields]
        if settings.labelled:
            wanted += [("--labels-field", key) for key in settings.labels_fields if not settings.label_columns]
        if settings.id_field not in {"id", ""}:
            wanted.append(("--id-field", settings.id_field))
        names = list(dict.fromkeys(name for row in sample.rows for name in row if name != "__key__"))
        for option, key in wanted:
            if names and not sample.values(key) and not any(key in row for row in sample.rows):
                raise DataError(
                    f"{sample.name}: holds no usable record: '{key}' is missing in all of its first records, "
                    f"which have {', '.join(names)}: "
                    f"name it with {option}{_columns_advice(sample.rows, self) if option == '--labels-field' else ''}"
                )


def _columns_advice(rows: Sequence[Mapping[str, Any]], source: Tabular) -> str:
    marked, _ = marked_columns(rows, source.settings)
    return f", or columns of 0 and 1 with --label-columns {','.join(marked[:4])}" if len(marked) > 1 else ""
