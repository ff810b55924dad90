"""Turn Arrow columns into rows, and find what their numbers are called."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import DataError
from .fields import check_columns, has_field
from .label_values import LabelForm
from .source import SourceSettings
from .tabular import Row

_HF_METADATA = b"huggingface"
_INFO_FILES = ("dataset_info.json", "dataset_infos.json")
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)
_LARGEST_TEXT = 1 << 22


def chosen_columns(place: str, schema: pa.Schema, settings: SourceSettings) -> list[str]:
    """Name the columns that records are made of; DataError when the text or the labels are not among them.

    All columns where the one of labels is not there and nobody has named it: they may be columns of 0 and 1.
    """
    if may_be_marked(schema.names, settings):
        check_columns(place, schema.names, replace(settings, labelled=False))
        return schema.names
    check_columns(place, schema.names, settings)
    wanted = {
        settings.id_field,
        settings.split_field,
        *settings.text_fields,
        *settings.labels_fields,
        "given",
    }
    wanted |= {
        name.partition(".")[0] for name in wanted if not has_field(schema.names, name) or name not in schema.names
    }
    return [name for name in schema.names if name in wanted or name in settings.label_columns]


def may_be_marked(names: Sequence[str], settings: SourceSettings) -> bool:
    """Tell whether columns of 0 and 1 would be looked for: no column is called as labels are if nobody names them."""
    unnamed = settings.labels_field == SourceSettings.labels_field and not settings.label_columns
    return settings.labelled and unnamed and settings.labels_field not in names


def rows_of(first: int, columns: Mapping[str, Sequence[Any]]) -> Iterator[Row]:
    """Yield (row number, values by name) for Arrow columns of equal length, from row `first` on."""
    for row, values in enumerate(zip(*columns.values(), strict=True), start=first):
        yield row, dict(zip(columns, values, strict=True))


def with_classes(form: LabelForm, files: Sequence[Path], schema: pa.Schema, settings: SourceSettings) -> LabelForm:
    """Add the names of the classes that the numbers of labels count, if the schema or a file beside says them.

    Looked at, in this order: the schema's metadata, the info files of the folder, the front matter of the README.md of
    the folder or of one of the two above it.
    """
    if len(settings.labels_fields) != 1:
        return form
    column = settings.labels_fields[0]
    metadata = (schema.metadata or {}).get(_HF_METADATA)
    found = class_names(_object(metadata), column) if metadata else None
    for folder in (files[0].parent, *files[0].parents[1:3]):
        for name in _INFO_FILES:
            if found is None and folder == files[0].parent and (folder / name).is_file():
                found = class_names(_info(folder / name), column)
        if found is None and (folder / "README.md").is_file():
            found = class_names(_front_matter(folder / "README.md"), column)
    if found is None or not _holds_numbers(schema, column):
        return form
    return replace(form, classes=tuple(found))


def class_names(info: Any, column: str) -> list[str] | None:
    """Find the names of the classes that a column, or each of its lists, counts; None where it holds no classes.

    Args:
        info: What describes a data set, as the datasets library writes it, in JSON or in YAML; perhaps several by name.
        column: The column.
    """
    if not isinstance(info, Mapping):
        return None
    infos = [info, info.get("info"), *_several(info.get("dataset_info")), *info.values()]
    for each in infos:
        features = each.get("features") if isinstance(each, Mapping) else None
        if isinstance(features, Mapping) and (names := _names(features.get(column))):
            return names
        for feature in features if isinstance(features, list) else ():
            if isinstance(feature, Mapping) and feature.get("name") == column and (names := _names(feature)):
                return names
    return None


@contextmanager
def arrow_file(path: Path) -> Iterator[None]:
    """Turn what pyarrow says about a file, while the block reads it, into a DataError that names it."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _names(feature: Any) -> list[str] | None:
    """Follow a feature down to its classes: lists hold a feature, in JSON and in YAML each in a way of its own."""
    while isinstance(feature, Mapping | list):
        if isinstance(feature, list):
            feature = feature[0] if feature else None
            continue
        names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
        labelled = feature.get("class_label")
        names = labelled.get("names") if isinstance(labelled, Mapping) else names
        if isinstance(names, Mapping):  # YAML: '0': kitchen
            names = [names[key] for key in sorted(names, key=int)]
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return names
        feature = next((feature[key] for key in ("feature", "sequence", "list", "dtype") if key in feature), None)
    return None


def _holds_numbers(schema: pa.Schema, column: str) -> bool:
    kind = schema.field(column).type if column in schema.names else None
    while kind is not None and (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        kind = kind.value_type
    return kind is not None and pa.types.is_integer(kind)


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(_LARGEST_TEXT)


def _info(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if not isinstance(value, Mapping):
        raise DataError(f"{path}: must be a JSON object")
    return value


def _object(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _front_matter(path: Path) -> Any:
    match = _FRONT_MATTER.match(_text(path).replace("\r\n", "\n"))
    if match is None:
        return None
    import yaml  # noqa: PLC0415

    try:
        return yaml.safe_load(match[1])
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
