"""Read Excel workbooks, with openpyxl."""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ..errors import DataError
from .fields import FieldReader, check_columns
from .files import files_with
from .label_values import LabelForm
from .source import Piece, SourceSettings
from .tabular import Row, Tabular


@dataclass(frozen=True)
class Excel(Tabular):
    """The one sheet of a workbook that holds anything; positions count rows below the header, and no file is cut."""

    def rows(self, piece: Piece) -> Iterator[Row]:
        header, rows = _table(self.files[piece.file], self.settings)
        for position, row in enumerate(rows):
            if any(value is not None for value in row):
                yield position, {name: _plain(value) for name, value in zip(header, row, strict=False) if name}

    def where(self, file: int, position: int) -> str:
        return f"{self.name(file)}: row {position + (1 if self.settings.columns else 2)}"

    def understood(self) -> dict[str, Any]:
        return {**super().understood(), "columns": [name for name in _table(self.files[0], self.settings)[0] if name]}


def find_excel(paths: Sequence[Path], settings: SourceSettings) -> Excel | None:
    """Find .xlsx and .xlsm files."""
    files = files_with((".xlsx", ".xlsm"), paths, chosen=settings.kind is not None)
    if not files:
        return None
    made = Excel(files, settings, FieldReader(settings, LabelForm(is_table=True)))
    for file, path in enumerate(files):
        header, _ = _table(path, settings)
        asked = settings if settings.labels_field != "labels" else replace(settings, labels_field=())
        check_columns(made.name(file), [name for name in header if name], asked)
    return made


def _table(path: Path, settings: SourceSettings) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    try:
        from openpyxl import load_workbook  # noqa: PLC0415  # an extra
    except ImportError:
        raise DataError(
            f"{path}: the package 'openpyxl' is not installed: pip install lmmtc[excel]; or save it as CSV"
        ) from None
    try:
        book = load_workbook(path, read_only=True, data_only=True)
        sheets = [sheet for sheet in book.worksheets if next(sheet.iter_rows(values_only=True), None)]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if len(sheets) != 1:
        names = ", ".join(sheet.title for sheet in sheets)
        raise DataError(
            f"{path}: has {len(sheets)} sheets that hold something, {names}: save the one that is meant alone"
        )
    rows = sheets[0].iter_rows(values_only=True)
    header = settings.columns or [str(name).strip() if name is not None else "" for name in next(rows)]
    return list(header), rows


def _plain(value: Any) -> Any:
    """Give what a cell shows: a whole number has no fraction."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value
