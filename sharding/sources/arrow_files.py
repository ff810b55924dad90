"""Read Arrow and Feather files, as they stand or in folders that Hugging Face datasets wrote, without that library."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import DataError
from ..storage import inside
from .columns import arrow_file, chosen_columns, rows_of, with_classes
from .fields import FieldReader, check_columns
from .files import files_with, split_named, split_word
from .label_values import LabelForm
from .sniffing import Sample
from .source import Piece, SourceSettings
from .tabular import Row, Tabular

_DICT_FILE = "dataset_dict.json"
_STATE_FILE = "state.json"
_INFO_FILE = "dataset_info.json"
_FILE_MAGIC, _FEATHER_MAGIC = b"ARROW1", b"FEA1"


@dataclass(frozen=True)
class ArrowFiles(Tabular):
    """Record batches; positions are row numbers, and files are cut between batches.

    splits: of each file, where a saved data set says them.
    """

    splits: tuple[str | None, ...] = ()

    def pieces(self, target_bytes: int) -> list[Piece]:
        return [piece for file, path in enumerate(self.files) for piece in _cut(file, path, target_bytes)]

    def rows(self, piece: Piece) -> Iterator[Row]:
        path = self.files[piece.file]
        with arrow_file(path):
            for row, batch in _batches(path):
                if piece.start <= row < piece.stop:
                    chosen = batch.select(chosen_columns(self.name(piece.file), batch.schema, self.settings))
                    # Offsets in a damaged file may point anywhere.
                    chosen.validate(full=True)
                    yield from rows_of(row, chosen.to_pydict())

    def companions(self) -> tuple[Path, ...]:
        return (*super().companions(), *{path.with_name(_INFO_FILE): None for path in self.files})

    def split_of(self, file: int) -> str | None:
        if not self.splits:
            return super().split_of(file)
        return self.settings.split or self.splits[file]

    def check_fields(self, sample: Sample) -> None:
        with arrow_file(self.files[0]):
            for _, batch in _batches(self.files[0]):
                check_columns(self.name(0), batch.schema.names, self.settings)
        super().check_fields(sample)

    def known_form(self) -> LabelForm:
        with arrow_file(self.files[0]):
            for _, batch in _batches(self.files[0]):
                return with_classes(self.reader.form, self.files, batch.schema, self.settings)
        return self.reader.form

    def understood(self) -> dict[str, Any]:
        with arrow_file(self.files[0]):
            names = next((batch.schema.names for _, batch in _batches(self.files[0])), [])
        return {**super().understood(), "columns": names}


def find_hf_folder(paths: Sequence[Path], settings: SourceSettings) -> ArrowFiles | None:
    """Find folders that `save_to_disk` wrote, of one data set or of several by split."""
    if not paths or not all((path / _DICT_FILE).is_file() or (path / _STATE_FILE).is_file() for path in paths):
        return None
    splits = dict(pair for path in paths for pair in _files(path, any_split=settings.split is not None))
    files = tuple(sorted(splits))
    return ArrowFiles(files, settings, FieldReader(settings), tuple(splits[file] for file in files))


def find_arrow(paths: Sequence[Path], settings: SourceSettings) -> ArrowFiles | None:
    """Find .arrow and .feather files."""
    files = files_with((".arrow", ".feather", ".ipc"), paths, chosen=settings.kind is not None)
    return ArrowFiles(files, settings, FieldReader(settings)) if files else None


def _files(folder: Path, *, any_split: bool) -> Iterator[tuple[Path, str | None]]:
    if not (folder / _DICT_FILE).is_file():
        state = _read_object(folder / _STATE_FILE)
        yield from _data_files(folder, state, split_named(str(state.get("_split"))))
        return
    names = _strings(folder / _DICT_FILE, _read_object(folder / _DICT_FILE).get("splits"), "splits")
    for name in names:
        if split_word(name) is None and not any_split:
            raise DataError(
                f"{folder}: its split {name!r} is none of train, validation, test: "
                "name the folder of one that is meant, or say what they are with --split"
            )
    for name in names:
        part = inside(folder, name)
        yield from _data_files(part, _read_object(part / _STATE_FILE), split_word(name))


def _data_files(folder: Path, state: dict[str, Any], split: str | None) -> Iterator[tuple[Path, str | None]]:
    if state.get("_indices_data_files"):
        raise DataError(f"{folder}: its rows are chosen by a file of indices: save it again after flatten_indices()")
    entries = state.get("_data_files")
    names = [entry.get("filename") if isinstance(entry, dict) else None for entry in entries or ()]
    for name in _strings(folder / _STATE_FILE, names, "_data_files"):
        yield inside(folder, name), split


def _strings(path: Path, value: Any, key: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise DataError(f"{path}: '{key}' must name at least one: save the data set again")
    return value


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: must be a JSON object")
    return value


def _cut(file: int, path: Path, target_bytes: int) -> Iterator[Piece]:
    start = stop = size = 0
    with arrow_file(path):
        for row, batch in _batches(path):
            # `nbytes` would follow offsets that nobody has checked yet.
            stop, size = row + batch.num_rows, size + batch.get_total_buffer_size()
            if size >= target_bytes:
                yield Piece(file, start, stop)
                start, size = stop, 0
    if stop > start:
        yield Piece(file, start, stop)


def _batches(path: Path) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield (first row, batch), mapped: a batch that is passed over costs nothing."""
    row = 0
    for batch in _every_batch(path):
        if batch.num_rows:
            yield row, batch
            row += batch.num_rows


def _every_batch(path: Path) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        magic = file.read(len(_FILE_MAGIC))
    if magic.startswith(_FEATHER_MAGIC):  # the first version, which only this reads
        from pyarrow.feather import read_table  # noqa: PLC0415

        yield from read_table(path).to_batches()
        return
    with pa.memory_map(str(path)) as file:
        if magic == _FILE_MAGIC:
            with pa.ipc.open_file(file) as batches:
                yield from (batches.get_batch(number) for number in range(batches.num_record_batches))
        else:
            with pa.ipc.open_stream(file) as stream:
                yield from stream
