"""Find the files of a source, and read format, compression and split from their names."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from ..errors import DataError

_COMPRESSED = (".gz", ".zst")
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("dev", "val", "valid", "validation"), "dev"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}


def is_compressed(path: PurePath) -> bool:
    """Tell whether a file must be read from its beginning."""
    return path.suffix in _COMPRESSED


def suffix_of(path: PurePath) -> str:
    """Give the suffix that tells the format, what compressed it set aside."""
    return path.with_suffix("").suffix if is_compressed(path) else path.suffix


def stem_of(path: PurePath) -> str:
    """Give a path without the suffixes of format and compression, with forward slashes."""
    return (path.with_suffix("") if is_compressed(path) else path).with_suffix("").as_posix()


def split_named(words: str) -> str | None:
    """Tell the split that words begin or end with: `train-00000-of-00002`, `eurlex_test`; None for none, or for two."""
    parts = re.split(r"[^a-z0-9]+", words.lower())
    found = {_SPLIT_WORDS[part] for part in (parts[0], parts[-1]) if part in _SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None


def file_size(path: Path) -> int:
    """Give the bytes of a file; DataError when there is none."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def files_with(suffixes: Sequence[str], paths: Sequence[Path], *, chosen: bool) -> tuple[Path, ...]:
    """Collect files of a format, sorted, from folders too; none when a file of another format is named.

    Args:
        suffixes: Suffixes of the format.
        paths: Files and folders.
        chosen: Whether the format is known, so that a file that is named itself need not have its suffix.
    """
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found |= {file for file in path.iterdir() if file.is_file() and suffix_of(file) in suffixes}
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
