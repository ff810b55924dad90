"""What people label: a queue of texts from a file, and the file of their answers, which `lmmtc data shard` reads."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from filelock import FileLock, Timeout

from sharding import BadRecordError, Record
from sharding.records import parse_object, string_of
from sharding.sources.fields import FieldReader
from sharding.sources.source import SourceSettings
from trainer.errors import ConfigError

from .problems import Problem


@dataclass(frozen=True)
class WorkAnswer:
    """What a person says of a text.

    Attributes:
        id: Id of the record.
        text: Its text.
        labels: Labels that are true.
        denied: Labels that are false; all others are neither.
        person: The name that the person gave.
        step: Step of the checkpoint that made suggestions.
        first: What was suggested before anything was known.
        searched: Those of `labels` that were found by a search of the vocabulary.
        clicks: Answers given, those taken back among them.
        seconds: Time from the first sight of the text.
        at: When it was saved: ISO 8601, UTC.
    """

    id: str
    text: str
    labels: tuple[str, ...]
    denied: tuple[str, ...]
    person: str
    step: int
    first: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    clicks: int = 0
    seconds: float = 0.0
    at: str = ""


@dataclass
class Tally:
    """What was done, by one person or by all.

    Attributes:
        records: Records answered.
        accepted: Labels said to be true.
        denied: Labels said to be false.
        in_first: Of those accepted, labels of the first suggestions: a fixed list would have had them, too.
        moved: Labels that only other answers brought up: with a fixed list, somebody would have had to search for them.
        searched: Labels found by search.
        clicks: Clicks.
        seconds: Time.
    """

    records: int = 0
    accepted: int = 0
    denied: int = 0
    in_first: int = 0
    moved: int = 0
    searched: int = 0
    clicks: int = 0
    seconds: float = 0.0

    def add(self, answer: WorkAnswer) -> None:
        """Count an answer."""
        first, searched = set(answer.labels) & set(answer.first), set(answer.labels) & set(answer.searched)
        self.records += 1
        self.accepted += len(answer.labels)
        self.denied += len(answer.denied)
        self.in_first += len(first)
        self.searched += len(searched - first)
        self.moved += len(set(answer.labels) - first - searched)
        self.clicks += answer.clicks
        self.seconds += answer.seconds


class Answers:
    """A file of answers, to which one server at a time appends whole lines."""

    def __init__(self, path: Path, recent: int = 100) -> None:
        """Read what is there, and keep others from it; ConfigError where that cannot be."""
        self._path, self._most_recent = path, recent
        self._lock = Lock()
        self._done: dict[str, set[str]] = {}
        self._tallies: dict[str, Tally] = {}
        self._recent: list[WorkAnswer] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._others = FileLock(f"{path}.lock")
            self._others.acquire(timeout=0)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        except Timeout:
            raise ConfigError(f"--answers {path}: another server writes there: name another file") from None
        except OSError as error:
            raise ConfigError(f"--answers {path}: {error.strerror}: must be a file that can be written") from None
        for answer in self._read():
            self._count(answer)

    def append(self, answer: WorkAnswer) -> None:
        """Write one line, on disk before this returns; Problem if this person has answered this record."""
        with self._lock:
            if answer.id in self._done.get(answer.person, ()):
                raise Problem("conflict", "this record was answered by the same person, perhaps in another window")
            line = json.dumps(asdict(answer), ensure_ascii=False).encode() + b"\n"
            os.write(self._file, line)  # one call: no other line comes between
            os.fsync(self._file)
            self._count(answer)

    def done_by(self, person: str) -> set[str]:
        """Name the records that a person has answered."""
        return self._done.get(person, set())

    def report(self) -> dict[str, Any]:
        """Count what was done, by person, and repeat the last answers."""
        with self._lock:
            people = [{"person": person} | asdict(tally) for person, tally in self._tallies.items()]
            recent = [asdict(answer) | {"text": answer.text[:200]} for answer in reversed(self._recent)]
        return {"people": people, "recent": recent}

    def close(self) -> None:
        """Let others have the file."""
        os.close(self._file)
        self._others.release()

    def _count(self, answer: WorkAnswer) -> None:
        self._done.setdefault(answer.person, set()).add(answer.id)
        self._tallies.setdefault(answer.person, Tally()).add(answer)
        self._recent = [*self._recent, answer][-self._most_recent :]

    def _read(self) -> Iterator[WorkAnswer]:
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    record = _record_of(line, labelled=True)
                except BadRecordError as error:
                    raise self._broken(number, str(error)) from None
                if not line.endswith(b"\n"):
                    raise self._broken(number, "the line does not end")
                yield _answer_of(record, json.loads(line))

    def _broken(self, number: int, why: str) -> ConfigError:
        return ConfigError(f"--answers {self._path}:{number}: {why}: mend or remove the line")


def _answer_of(record: Record, fields: Mapping[str, Any]) -> WorkAnswer:
    """Take from a line what is there; only the record must be."""
    lists = {name: tuple(map(str, fields.get(name) or ())) for name in ("denied", "first", "searched")}
    number = {name: fields.get(name) for name in ("step", "clicks", "seconds")}
    numbers = {name: value if isinstance(value, int | float) else 0 for name, value in number.items()}
    person, at = str(fields.get("person", "")), str(fields.get("at", ""))
    return WorkAnswer(record.id, record.text, record.labels, person=person, at=at, **lists, **numbers)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Queue:
    """Texts of a file, in its order; only their places are in memory.

    Attributes:
        path: JSON lines with id and text, and perhaps labels that are known to be true.
        offsets: Where each line begins, by id.
    """

    path: Path
    offsets: Mapping[str, int]
    ids: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> "Queue":
        """Look through a file; ConfigError names the line that is no record, or an id that comes twice."""
        offsets, place = dict[str, int](), 0
        try:
            file = path.open("rb")
        except OSError as error:
            raise ConfigError(
                f"--queue {path}: {error.strerror}: must be a file of JSON lines with id and text"
            ) from None
        with file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    id_ = _id_of(line, f"--queue {path}:{number}")
                    if id_ in offsets:
                        raise ConfigError(f"--queue {path}:{number}: id {id_!r} comes twice")
                    offsets[id_] = place
                place += len(line)
        if not offsets:
            raise ConfigError(f"--queue {path}: holds no record")
        return cls(path, offsets, list(offsets))

    def read(self, id_: str) -> Record:
        """Read one record."""
        with self.path.open("rb") as file:
            file.seek(self.offsets[id_])
            return _record_of(file.readline(), labelled=False)

    def next_for(self, done: set[str], after: str | None) -> str | None:
        """Name the first record that is not done, from behind `after` on, and then from the beginning."""
        start = self.ids.index(after) + 1 if after is not None and after in self.offsets else 0
        return next((id_ for id_ in self.ids[start:] + self.ids[:start] if id_ not in done and id_ != after), None)


def _record_of(line: bytes, *, labelled: bool) -> Record:
    """Read a record that has an id and, if it must be labelled, labels; BadRecordError otherwise."""
    fields = parse_object(line)
    reader = FieldReader(SourceSettings(labelled=labelled or "labels" in fields))
    return reader.record(fields, string_of(fields, "id"), None)


def _id_of(line: bytes, where: str) -> str:
    try:
        return _record_of(line, labelled=False).id
    except BadRecordError as error:
        raise ConfigError(f"{where}: {error}") from None
