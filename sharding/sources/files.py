"""Find the files of a source, and read format, compression and split from their names."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from ..errors import DataError

_COMPRESSED = (".gz", ".zst")
_ARCHIVED = (".bz2", ".xz", ".zip")  # read with --unpack
# The one table of words for splits: values of a field, names of files and folders, splits of a DatasetDict.
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid", "validation", "eval", "evaluation"), "dev"),
    **dict.fromkeys(("test", "testing", "tst", "heldout"), "test"),
}
# What lies beside records and holds none.
_BESIDE = frozenset(
    {
        *("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "index.json", "config.json"),
        *("package.json", "metadata.json", "label2id.json", "id2label.json"),
    }
)


def is_compressed(path: PurePath) -> bool:
    """Tell whether a file must be read from its beginning."""
    return path.suffix.lower() in (*_COMPRESSED, *_ARCHIVED)


def archive_of(path: PurePath) -> str | None:
    """Name what has packed a file that is read only with --unpack."""
    name = path.name.lower()
    if name.endswith((".tar.gz", ".tgz")):
        return "tar.gz"
    return path.suffix.lower()[1:] if path.suffix.lower() in _ARCHIVED else None


def suffix_of(path: PurePath) -> str:
    """Give the suffix that tells the format, in lower case, what compressed it set aside."""
    if path.suffix.lower() == ".tgz":
        return ".tar"
    return (path.with_suffix("").suffix if is_compressed(path) else path.suffix).lower()


def stem_of(path: PurePath) -> str:
    """Give a path without the suffixes of format and compression, with forward slashes."""
    bare = path.with_suffix("") if is_compressed(path) else path
    return (bare if bare.suffix[1:].lower() in SPLIT_WORDS else bare.with_suffix("")).as_posix()


def split_word(word: str) -> str | None:
    """Tell the split that a word as a whole means."""
    return SPLIT_WORDS.get(word.strip().lower().replace("-", "").replace("_", ""))


def split_named(words: str) -> str | None:
    """Tell the split that words begin or end with: `train-00000-of-00002`, `eurlex_test`; None for none, or for two."""
    parts = re.split(r"[^a-z0-9]+", words.lower())
    found = {SPLIT_WORDS[part] for part in (parts[0], parts[-1]) if part in SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None


def folder_split(folder: str) -> str | None:
    """Tell the split that a folder is called: `train`, `split=validation`."""
    return split_word(folder.rpartition("=")[2])


def file_size(path: Path) -> int:
    """Give the bytes of a file; DataError when there is none."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def files_with(suffixes: Sequence[str], paths: Sequence[Path], *, chosen: bool) -> tuple[Path, ...]:
    """Collect files of a format, sorted, from folders too; none when a file of another format is named.

    Folders inside a folder are looked into where it holds no such file itself.

    Args:
        suffixes: Suffixes of the format.
        paths: Files and folders.
        chosen: Whether the format is known, so that a file that is named itself need not have its suffix.

    Raises:
        DataError: Folders inside one look like several data sets.
    """
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found |= set(_inside(path, suffixes))
        elif chosen or suffix_of(path) in suffixes:
            found.add(path)
        else:
            return ()
    return tuple(sorted(found))


def files_named(paths: Sequence[Path], *choices: Sequence[str]) -> tuple[Path, ...]:
    """Collect, sorted, of each choice the first file that is there in the one path, a folder; none in other paths."""
    if len(paths) != 1 or not paths[0].is_dir():
        return ()
    there = ([paths[0] / name for name in names if (paths[0] / name).is_file()] for names in choices)
    return tuple(sorted(files[0] for files in there if files))


def _inside(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    found = _of_format(folder.iterdir(), suffixes)
    if found:
        return found
    deeper = _of_format(folder.rglob("*"), suffixes)
    deeper = [path for path in deeper if not any(_hidden(part) for part in path.relative_to(folder).parts)]
    sets = {_without_parts(path.parent.relative_to(folder)) for path in deeper}
    if len(sets) > 1:
        names = ", ".join(sorted(f"{name}/" for name in sets)[:4])
        raise DataError(f"{folder}: its folders look like several data sets, {names}: name the one that is meant")
    return deeper


def _of_format(paths: Iterable[Path], suffixes: Sequence[str]) -> list[Path]:
    there = [path for path in paths if suffix_of(path) in suffixes and path.is_file()]
    return [path for path in there if path.name not in _BESIDE and not _hidden(path.name)]


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _without_parts(folder: PurePath) -> str:
    """Leave out what only cuts one data set into parts: splits, hive partitions, numbers."""
    return "/".join(part for part in folder.parts if "=" not in part and not folder_split(part) and not part.isdigit())
