"""Open a source of records, and detect its kind from its files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import DataError
from ..records import SPLITS
from .delimited import find_delimited
from .hf_folder import find_hf_folder
from .jsonl import find_json_lines
from .lf_json import find_lf_json
from .parquet import find_parquet
from .pecos import find_pecos
from .raw_texts import find_raw_texts
from .source import Source, SourceSettings
from .sparse import find_sparse
from .split_sparse import find_split_sparse
from .tar import find_tar

KINDS: Mapping[str, Callable[[Sequence[Path], SourceSettings], Source | None]] = {
    "jsonl": find_json_lines,
    "parquet": find_parquet,
    "csv": find_delimited,
    "webdataset": find_tar,
    "hf": find_hf_folder,
    "sparse": find_sparse,
    "split-sparse": find_split_sparse,
    "lf-json": find_lf_json,
    "raw-texts": find_raw_texts,
    "pecos": find_pecos,
}


def open_source(paths: Sequence[Path], settings: SourceSettings) -> Source:
    """Open the records of files and folders, as the kind that the settings name or else the only one that fits.

    Raises:
        DataError: A path is missing, no kind fits, or several do.
    """
    _check(paths, settings)
    # Whoever reads, another process or machine, need not be in this folder.
    paths = [path.absolute() for path in paths]
    if settings.feature_names:
        settings = replace(settings, feature_names=settings.feature_names.absolute())
    kinds = [settings.kind] if settings.kind else list(KINDS)
    found = {kind: source for kind in kinds if (source := KINDS[kind](paths, settings))}
    named = ", ".join(map(str, paths))
    if not found:
        raise DataError(
            f"{named}: holds no records of the kind {' or '.join(kinds)}: see docs/sources.md, or name it with --kind"
        )
    if len(found) > 1:
        raise DataError(f"{named}: is of several kinds, {', '.join(found)}: choose one with --kind, or name the files")
    return found.popitem()[1]


def _check(paths: Sequence[Path], settings: SourceSettings) -> None:
    if not paths:
        raise DataError("source: no path is given: name files, or a folder")
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")
    if settings.kind is not None and settings.kind not in KINDS:
        raise DataError(f"--kind = {settings.kind}: must be one of {', '.join(KINDS)}")
    if settings.split is not None and settings.split not in SPLITS:
        raise DataError(f"--split = {settings.split}: must be one of {', '.join(SPLITS)}")
    if not settings.label_separator:
        raise DataError("--label-separator is empty: must be what stands between labels")
