"""Read folders saved by Hugging Face datasets (`save_to_disk`), without that library."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import BadRecordError, DataError
from ..records import Record, fault
from ..storage import inside
from .columns import arrow_file, chosen_columns, records_of
from .fields import record_of
from .files import split_named
from .source import Piece, Source, SourceSettings

_DICT_FILE = "dataset_dict.json"
_STATE_FILE = "state.json"
_INFO_FILE = "dataset_info.json"


@dataclass(frozen=True)
class HfFolder(Source):
    """Arrow streams of one or more saved data sets; positions are row numbers, and files are cut between batches.

    splits: of each file.
    """

    splits: tuple[str | None, ...]

    def pieces(self, target_bytes: int) -> list[Piece]:
        return [piece for file, path in enumerate(self.files) for piece in _cut(file, path, target_bytes)]

    def read(self, piece: Piece) -> Iterator[tuple[int, Record | BadRecordError]]:
        path = self.files[piece.file]
        classes = _class_names(path.parent / _INFO_FILE, self.settings.labels_field)
        make = partial(_record_of_classes, classes) if classes else record_of
        with arrow_file(path):
            for row, batch in _batches(path):
                if piece.start <= row < piece.stop:
                    rows = batch.select(chosen_columns(self, piece.file, batch.schema))
                    # Offsets in a damaged file may point anywhere.
                    rows.validate(full=True)
                    yield from records_of(self, piece.file, row, rows.to_pydict(), make)

    def companions(self) -> tuple[Path, ...]:
        return (*super().companions(), *{path.with_name(_INFO_FILE): None for path in self.files})

    def split_of(self, file: int) -> str | None:
        return self.settings.split or self.splits[file]


def find_hf_folder(paths: Sequence[Path], settings: SourceSettings) -> HfFolder | None:
    """Find folders that `save_to_disk` wrote, of one data set or of several by split."""
    if not paths or not all((path / _DICT_FILE).is_file() or (path / _STATE_FILE).is_file() for path in paths):
        return None
    splits = dict(pair for path in paths for pair in _files(path, any_split=settings.split is not None))
    files = tuple(sorted(splits))
    return HfFolder(files, settings, tuple(splits[file] for file in files))


def _files(folder: Path, *, any_split: bool) -> Iterator[tuple[Path, str | None]]:
    if not (folder / _DICT_FILE).is_file():
        state = _read_object(folder / _STATE_FILE)
        yield from _data_files(folder, state, split_named(str(state.get("_split"))))
        return
    for name in _strings(folder / _DICT_FILE, _read_object(folder / _DICT_FILE).get("splits"), "splits"):
        split = split_named(name)
        if split is None and not any_split:
            raise DataError(
                f"{folder}: its split {name!r} is none of train, validation, test: "
                "name the folder of one that is meant, or say what they are with --split"
            )
        part = inside(folder, name)
        yield from _data_files(part, _read_object(part / _STATE_FILE), split)


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


def _class_names(path: Path, column: str) -> list[str] | None:
    """Find the names of the classes that a column, or each of its lists, counts; None where it holds no classes."""
    feature = (_read_object(path).get("features") or {}).get(column)
    while isinstance(feature, dict | list):
        feature = feature[0] if isinstance(feature, list) and feature else feature
        if not isinstance(feature, dict):
            return None
        if feature.get("_type") == "ClassLabel":
            return _strings(path, feature.get("names"), "names")
        feature = feature.get("feature")
    return None


def _record_of_classes(
    classes: list[str], fields: Mapping[str, Any], settings: SourceSettings, default_id: str, split: str | None
) -> Record:
    value = fields[settings.labels_field]
    numbers = value if isinstance(value, list) else [value]
    if not all(isinstance(number, int) and 0 <= number < len(classes) for number in numbers):
        raise fault(fields, settings.labels_field, f"numbers of classes, from 0 to {len(classes) - 1}")
    named = {**fields, settings.labels_field: [classes[number] for number in numbers]}
    return record_of(named, settings, default_id, split)


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
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            if batch.num_rows:
                yield row, batch
                row += batch.num_rows
