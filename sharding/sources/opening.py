"""Open a source of records, and detect its kind from its files."""

import codecs
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..errors import DataError
from ..records import SPLITS
from .annif import find_full_texts, has_full_texts
from .arrow_files import find_arrow, find_hf_folder
from .delimited import find_delimited
from .excel import find_excel
from .files import archive_of, suffix_of
from .json_documents import find_json_documents
from .jsonl import find_json_lines
from .labelled_lines import find_fasttext, find_libmultilabel, find_text2text
from .lf_json import find_lf_json
from .parquet import find_parquet
from .pecos import find_pecos
from .raw_texts import find_raw_texts
from .source import Source, SourceSettings
from .sparse import find_sparse, find_svmlight
from .split_sparse import find_split_sparse
from .tar import find_tar

_Finder = Callable[[Sequence[Path], SourceSettings], Source | None]

# Folders whose files have names of their own, and files that some program marks as its own: who fits need not ask on.
_LAYOUTS: Mapping[str, _Finder] = {
    "hf": find_hf_folder,
    "lf-json": find_lf_json,
    "raw-texts": find_raw_texts,
    "pecos": find_pecos,
    "text2text": find_text2text,
    "split-sparse": find_split_sparse,
}
_MARKED: Mapping[str, _Finder] = {
    "sparse": find_sparse,
    "svmlight": find_svmlight,
    "fasttext": find_fasttext,
    "libmultilabel": find_libmultilabel,
}
_FORMATS: Mapping[str, _Finder] = {
    "jsonl": find_json_lines,
    "parquet": find_parquet,
    "csv": find_delimited,
    "webdataset": find_tar,
    "arrow": find_arrow,
    "excel": find_excel,
}
# Only where nothing else fits: files of settings are .json, too, and a folder of texts could be read in two ways.
_LAST: Mapping[str, _Finder] = {"json": find_json_documents, "annif-fulltext": find_full_texts}
KINDS: Mapping[str, _Finder] = {**_FORMATS, **_LAST, **_LAYOUTS, **_MARKED}

# What cannot be read, and what to do about it.
_ADVICE = {
    (".xls", ".ods", ".numbers"): "save it as .xlsx or as CSV",
    (
        ".pkl",
        ".pickle",
        ".pt",
        ".pth",
        ".npy",
        ".joblib",
    ): "it could run code when it is read: save it as Parquet or JSON lines",
    (".doc", ".docx", ".pdf", ".html", ".rtf"): "take the texts out, into CSV or JSON lines with their labels",
    (
        ".xml",
        ".arff",
        ".sav",
        ".dta",
        ".rds",
        ".rdata",
        ".h5",
        ".hdf5",
        ".mat",
    ): "write it as CSV, JSON lines or Parquet",
    (".db", ".sqlite", ".sqlite3", ".sql", ".mdb"): "export the table as CSV or Parquet",
    (".avro", ".orc", ".tfrecord", ".tfrecords", ".mds"): "write it as Parquet",
    (".7z", ".rar", ".lz4", ".br"): "unpack it",
    (".ttl", ".rdf", ".nt", ".skos"): "it is a vocabulary, which goes with --label-texts; records are in other files",
}


def open_source(paths: Sequence[Path], settings: SourceSettings) -> Source:
    """Open the records of files and folders, as the kind that the settings name or else the only one that fits.

    A sample of them is looked at: how labels stand in their field, what separates them, which columns there are.

    Raises:
        DataError: A path is missing, no kind fits, several do, or records would come out wrong.
    """
    _check(paths, settings)
    # Whoever reads, another process or machine, need not be in this folder.
    paths = [path.absolute() for path in paths]
    settings = replace(settings, paths=tuple(paths))
    if settings.feature_names:
        settings = replace(settings, feature_names=settings.feature_names.absolute())
    return _find(paths, settings).sniffed()


def _find(paths: Sequence[Path], settings: SourceSettings) -> Source:
    named = ", ".join(map(str, paths))
    if settings.kind:
        if source := KINDS[settings.kind](paths, settings):
            return source
        raise _nothing(paths, named, [settings.kind])
    for group in (_LAYOUTS, _MARKED, _FORMATS, _LAST):
        found = {kind: source for kind, find in group.items() if (source := find(paths, settings))}
        if len(found) > 1 and group is _LAYOUTS:  # the first has the texts; what others would read lies beside them
            found = dict([next(iter(found.items()))])
        if found and group is _MARKED:
            read = {file for source in found.values() for file in source.files}
            found |= {kind: source for kind, source in _beside(paths, settings).items() if not read & {*source.files}}
        if len(found) > 1:
            raise DataError(
                f"{named}: is of several kinds, {', '.join(found)}: choose one with --kind, or name the files"
            )
        if found:
            kind, source = found.popitem()
            return replace(source, settings=replace(source.settings, kind=kind))
        if group is _MARKED and any(map(has_full_texts, paths)):
            raise DataError(
                f"{named}: holds .txt files with their subjects beside them, as Annif has full texts: say "
                "--kind annif-fulltext, whose records have the whole file as their text"
            )
    raise _nothing(paths, named, list(KINDS))


def _beside(paths: Sequence[Path], settings: SourceSettings) -> dict[str, Source]:
    """Find other formats in folders, as far as they can be read."""
    found: dict[str, Source] = {}
    for kind, find in _FORMATS.items():
        with suppress(DataError):
            if source := find(paths, settings):
                found[kind] = source
    return found


def _nothing(paths: Sequence[Path], named: str, kinds: Sequence[str]) -> DataError:
    for path in paths:
        suffixes = {suffix_of(file) for file in path.iterdir()} if path.is_dir() else {suffix_of(path)}
        for group, advice in _ADVICE.items():
            if suffix := next((each for each in group if each in suffixes), None):
                return DataError(f"{named}: {suffix} cannot be read, and it holds no records else: {advice}")
    return DataError(
        f"{named}: holds no records of the kind {' or '.join(kinds)}: see docs/sources.md, or name it with --kind"
    )


def _check(paths: Sequence[Path], settings: SourceSettings) -> None:
    if not paths:
        raise DataError("source: no path is given: name files, or a folder")
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: no such file or folder, and so it holds no records")
        _check_packed(path, settings)
    if settings.kind is not None and settings.kind not in KINDS:
        raise DataError(f"--kind = {settings.kind}: must be one of {', '.join(KINDS)}")
    if settings.split is not None and settings.split not in SPLITS:
        raise DataError(f"--split = {settings.split}: must be one of {', '.join(SPLITS)}")
    if settings.label_separator is not None and not settings.label_separator:
        raise DataError("--label-separator is empty: must be what stands between labels")
    try:
        codecs.lookup(settings.encoding)
    except LookupError:
        raise DataError(
            f"--encoding = {settings.encoding}: is none that there is: for example utf-8, cp1252, latin-1, utf-16"
        ) from None


def _check_packed(path: Path, settings: SourceSettings) -> None:
    """Refuse what is packed unless that was asked for: it may be far larger than it looks."""
    packed = {archive_of(file) for file in ([path] if path.is_file() else path.iterdir())} - {None}
    if packed and not settings.unpack:
        kind = min(filter(None, packed))
        raise DataError(f"{path}: holds what is packed with {kind}: have it read as it is with --unpack, or unpack it")
