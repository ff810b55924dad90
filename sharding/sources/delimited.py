"""Read CSV and TSV files."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import BadRecordError, DataError
from .fields import FieldReader, check_columns, has_field
from .files import files_with, suffix_of
from .label_values import LabelForm, angled
from .lines import check_encoding, opened
from .sniffing import marked_columns
from .source import Piece, SourceSettings
from .tabular import Row, Tabular

# The csv module's own limit, 128 KiB, is less than a long document; without any, a lost quote would fill the memory.
_LONGEST_FIELD = 1 << 26
_LONGEST_HEADER = 1 << 16
_DELIMITERS = (",", "\t", ";", "|")
_WELL_QUOTED = re.compile(rb'"(?:[^"]|"")*"')
_SAMPLED = 100
_EXCEL = re.compile(r'"?sep=(.)"?')


@dataclass(frozen=True)
class TableForm:
    """How a file is cut into rows and fields.

    Attributes:
        delimiter: Between fields.
        quoted: Whether fields may stand in double quotes.
        skip_blanks: Whether blanks behind a delimiter are no part of a field.
        columns: Names of the columns; empty ones hold nothing.
        header_rows: Rows before the first record: 1 where they say the names, 2 where Excel says the delimiter first.
    """

    delimiter: str
    quoted: bool
    skip_blanks: bool
    columns: tuple[str, ...]
    header_rows: int


@dataclass(frozen=True)
class Delimited(Tabular):
    """Tables; positions count rows, blank lines not among them, and no file is cut.

    A quoted field may hold line ends, so that nobody knows where a row begins without all the rows before it.

    forms: How each file is cut.
    """

    forms: tuple[TableForm, ...]

    def rows(self, piece: Piece) -> Iterator[Row]:
        form = self.forms[piece.file]
        for position, (_, row) in enumerate(self._rows(piece.file)):
            yield position, _fields(form.columns, row)

    def where(self, file: int, position: int) -> str:
        rows = enumerate(self._rows(file))
        return next(f"{self.name(file)}:{line}" for row, (line, _) in rows if row == position)

    def understood(self) -> dict[str, Any]:
        form = self.forms[0]
        said = {"delimiter": form.delimiter, "columns": [name for name in form.columns if name]}
        return {**super().understood(), **said, "header": form.header_rows > 0, "quotes": form.quoted}

    def _rows(self, file: int) -> Iterator[tuple[int, list[str]]]:
        form = self.forms[file]
        rows = _rows(self.files[file], self.name(file), form, self.settings.encoding)
        return islice(rows, form.header_rows, None)


def find_delimited(paths: Sequence[Path], settings: SourceSettings) -> Delimited | None:
    """Find .csv and .tsv files, compressed or not."""
    files = files_with((".csv", ".tsv", ".tab"), paths, chosen=settings.kind is not None)
    if not files:
        return None
    for path in files:
        check_encoding(path, settings.encoding)
    empty = Delimited(files, settings, FieldReader(settings, LabelForm(is_table=True)), ())
    forms = tuple(_form_of(path, empty.name(file), settings) for file, path in enumerate(files))
    made = replace(empty, forms=forms)
    if settings.labelled and not settings.label_columns and _is_one_hot(made):
        return made
    for file, form in enumerate(forms):
        check_columns(f"{made.name(file)}:1", [name for name in form.columns if name], settings, _advice(made, file))
    return made


def _is_one_hot(table: Delimited) -> bool:
    """Tell whether labels may be columns of 0 and 1: the first file has no column that is called as labels are."""
    found = table.forms[0].columns
    settings = table.settings
    if settings.labels_field != SourceSettings.labels_field or settings.labels_field in found:
        return False
    if not all(has_field(found, key) for key in settings.text_fields):
        return False
    rows = [row for _, row in zip(range(_SAMPLED), table.rows(Piece(0, 0, 0)), strict=False)]
    marked, others = marked_columns([row for _, row in rows if not isinstance(row, BadRecordError)], settings)
    if len(marked) < 2 or others:
        return False
    for file, form in enumerate(table.forms):
        check_columns(f"{table.name(file)}:1", form.columns, replace(settings, label_columns=tuple(marked)))
    return True


def _advice(table: Delimited, file: int) -> str:
    rows = [row for _, row in zip(range(_SAMPLED), table.rows(Piece(file, 0, 0)), strict=False)]
    marked, _ = marked_columns([row for _, row in rows if not isinstance(row, BadRecordError)], table.settings)
    if len(marked) > 1:
        return f"; or, as {marked[0]!r} and others hold 0 and 1, name those with --label-columns"
    return "; if this is no header but a record, name the columns with --columns"


def _form_of(path: Path, name: str, settings: SourceSettings) -> TableForm:
    with opened(path, settings.encoding) as file:
        head = file.read(_LONGEST_HEADER).removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
    lines = [line for line in head.splitlines() if line.strip()]
    usual = "\t" if suffix_of(path) in {".tsv", ".tab"} else ","
    choices, told = (usual, *_DELIMITERS), _EXCEL.fullmatch(lines[0]) if lines else None
    if told:
        choices, lines = (told[1],), lines[1:]
    first = lines[0] if lines else ""
    if settings.columns:
        delimiter = max(choices, key=lambda each: len(_split(first, each)) == len(settings.columns))
        is_named = [_folded(column) for column in _split(first, delimiter)] == [*map(_folded, settings.columns)]
        rows = bool(told) + is_named
        form = TableForm(delimiter, quoted=True, skip_blanks=False, columns=settings.columns, header_rows=rows)
        return _quoting(path, form, settings)
    if (columns := _annif_columns(lines)) is not None:
        return TableForm("\t", quoted=False, skip_blanks=False, columns=columns, header_rows=0)
    header, delimiter = _header(first, choices, settings)
    columns = tuple(_known_as(column.strip(), settings) for column in header)
    for column in filter(None, columns):
        if columns.count(column) > 1:
            raise DataError(f"{name}:1: two columns are called {column!r}: names must differ")
    blanks, rows = f"{delimiter} " in first, 1 + bool(told)
    form = TableForm(delimiter, quoted=True, skip_blanks=blanks, columns=columns, header_rows=rows)
    return _quoting(path, form, settings)


def _header(first: str, choices: Sequence[str], settings: SourceSettings) -> tuple[list[str], str]:
    """Give the names in the first line, and what stands between them: what gives most of the names that are wanted."""
    wanted = {*settings.text_fields, *settings.labels_fields, settings.id_field}
    delimiter = max(choices, key=lambda each: len(wanted.intersection(_stripped(_split(first, each)))))
    if not wanted.intersection(_stripped(_split(first, delimiter))):
        delimiter = max(choices, key=lambda each: len(_split(first, each)))
    return _split(first, delimiter), delimiter


def _folded(name: str) -> str:
    return name.strip().casefold()


def _known_as(column: str, settings: SourceSettings) -> str:
    """Give a column the name that was asked for where it differs only in case; a name that nobody gave is exact."""
    asked = {settings.id_field, settings.split_field, *settings.text_fields, *settings.labels_fields}
    given = asked - {"id", "text", "labels", "split"}
    return next((name for name in given if name.casefold() == column.casefold() and name != column), column)


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return line.split(delimiter)


def _stripped(columns: Sequence[str]) -> set[str]:
    return {column.strip() for column in columns}


def _annif_columns(lines: Sequence[str]) -> tuple[str, str] | None:
    """Tell whether lines are a text, a TAB and <uri> <uri>, as Annif has them, without a header."""
    pairs = [line.split("\t") for line in lines[:_SAMPLED]]
    if pairs and all(len(pair) == 2 and angled(pair[1]) is not None for pair in pairs[:-1] or pairs):
        return ("text", "labels")
    return None


def _quoting(path: Path, form: TableForm, settings: SourceSettings) -> TableForm:
    """Tell whether quotes in a file with TABs enclose fields, or are part of texts.

    They are part of texts where every line has all fields, and somewhere a field begins with a quote and does not end
    with one, so that a quote would swallow what stands between.
    """
    if form.delimiter != "\t":
        return form
    plain = True
    with opened(path, settings.encoding) as file:
        for line in file:
            bare = line.rstrip(b"\r\n")
            if not bare:
                continue
            fields = bare.split(b"\t")
            if len(fields) != len(form.columns):
                return form
            if plain and b'"' in bare:
                plain = all(_WELL_QUOTED.fullmatch(field) for field in fields if field.startswith(b'"'))
    return form if plain else replace(form, quoted=False)


def _rows(path: Path, name: str, form: TableForm, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line where it begins, fields) of each row, the header first."""
    csv.field_size_limit(_LONGEST_FIELD)
    with opened(path, encoding) as file:
        # A byte that is not UTF-8 becomes half a surrogate, and so one bad record rather than an unreadable file.
        text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(
            text,
            delimiter=form.delimiter,
            strict=True,
            skipinitialspace=form.skip_blanks,
            quoting=csv.QUOTE_MINIMAL if form.quoted else csv.QUOTE_NONE,
        )
        line = 1
        try:
            for row in reader:
                if row and not (len(row) > 1 and not any(row)):  # a row of nothing, as spreadsheets leave them
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{name}:{line}: {error}: close each quote, and double those inside a field") from error


def _fields(columns: Sequence[str], row: Sequence[str]) -> dict[str, str] | BadRecordError:
    if len(row) != len(columns) and not (len(row) > len(columns) and not any(row[len(columns) :])):
        return BadRecordError(f"has {len(row)} fields: must have {len(columns)}, as its header has")
    named = {name: value for name, value in zip(columns, row, strict=False) if name}
    if (
        any(value.strip() for name, value in zip(columns, row, strict=False) if not name)
        and columns
        and columns[-1] == ""
    ):
        return BadRecordError("has a value in a column without a name: name it in the header, or quote the text")
    return named
