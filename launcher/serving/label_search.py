"""Type-ahead over the names and texts of labels: an SQLite full-text index, built once and read by map."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Lock

from sharding import Vocabulary, publish, sha256
from trainer.run.folder import RunFolder

from ..terminal.stderr import complain

_VERSION = 1
_LETTERS = re.compile(r"\w")
_SCHEMA = """
CREATE TABLE about (version INTEGER, vocabulary TEXT, labels INTEGER);
CREATE TABLE names (folded TEXT, id INTEGER, PRIMARY KEY (folded, id)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (
    name, meaning, content='', columnsize=0, prefix='1 2 3', tokenize="unicode61 remove_diacritics 2"
);
"""


class LabelSearch:
    """Finds labels by the beginnings of words.

    First comes the label of exactly that name, then those with all words in the name, then those with all words in name
    or text; each from frequent to rare, which is the order of ids.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        self._lock = Lock()

    @classmethod
    def of_run(cls, run: RunFolder, vocabulary: Vocabulary) -> "LabelSearch":
        """Open the index beside the run, or in the user's cache where the run cannot be written; build it if needed."""
        sum_ = sha256(run.labels)
        beside, cached = run.path / "serving" / "labels.sqlite", _cache_folder() / f"labels-{sum_}.sqlite"
        for path in (beside, cached):
            if path.is_file() and _is_of(path, sum_):
                return cls(path.absolute())
        try:
            build(beside, vocabulary, sum_)
        except (OSError, sqlite3.OperationalError):
            complain(f"{beside.parent}: cannot be written; the index of labels goes to {cached}")
            build(cached, vocabulary, sum_)
            return cls(cached.absolute())
        return cls(beside.absolute())

    def find(self, words: str, limit: int) -> list[int]:
        """Return the ids of at most `limit` labels; the most frequent ones where no word is asked for."""
        parts = [part for part in words.split() if _LETTERS.search(part)][:16]
        if not parts:
            return self._ids("SELECT id FROM names WHERE folded = ?", words.strip().casefold()) or self._first(limit)
        query = " ".join('"' + part.replace('"', '""') + '"*' for part in parts)
        found = dict.fromkeys(self._ids("SELECT id FROM names WHERE folded = ?", words.strip().casefold()))
        for asked in (f"name : ({query})", query):
            if len(found) < limit:
                sql = f"SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid LIMIT {limit:d}"  # noqa: S608
                found |= dict.fromkeys(self._ids(sql, asked))
        return list(found)[:limit]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _first(self, limit: int) -> list[int]:
        [[labels]] = self._rows("SELECT labels FROM about")
        return list(range(min(limit, labels)))

    def _ids(self, sql: str, *values: str) -> list[int]:
        return [row[0] for row in self._rows(sql, *values)]

    def _rows(self, sql: str, *values: str) -> list[tuple[int, ...]]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()


def build(path: Path, vocabulary: Vocabulary, sum_: str) -> None:
    """Write an index, complete or not at all."""
    names, texts = vocabulary.names.to_pylist(), vocabulary.texts.to_pylist()
    with publish(path) as temporary, closing(sqlite3.connect(temporary)) as connection, connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.executescript(_SCHEMA)
        connection.executemany(
            "INSERT INTO names VALUES (?, ?)", sorted((n.casefold(), i) for i, n in enumerate(names))
        )
        rows = ((label, name, text or "") for label, (name, text) in enumerate(zip(names, texts, strict=True)))
        connection.executemany("INSERT INTO words (rowid, name, meaning) VALUES (?, ?, ?)", rows)
        connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        connection.execute("INSERT INTO about VALUES (?, ?, ?)", (_VERSION, sum_, len(names)))


def _is_of(path: Path, sum_: str) -> bool:
    """Tell whether a file is the index of this vocabulary; one that is damaged is not."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            return connection.execute("SELECT version, vocabulary FROM about").fetchall() == [(_VERSION, sum_)]
    except sqlite3.DatabaseError:
        return False


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lmmtc"
