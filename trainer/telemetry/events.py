"""The event log of a run: one JSON object a line, for programs and for people who follow a run."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO


class EventLog:
    """Appends events to a file and repeats them on a stream, each as soon as it is written; either may be None."""

    def __init__(self, path: Path | None, stream: TextIO | None, *, run_id: str, rank: int) -> None:
        self._file = path.open("a", buffering=1, encoding="utf-8") if path else None
        self._stream = stream
        self._origin = {"run_id": run_id, "rank": rank}

    def write(self, event: str, **fields: Any) -> None:
        """Log an event with its time (ISO 8601, UTC), run and rank; fields must be what JSON can say.

        A number that is not finite becomes the string "NaN", "Infinity" or "-Infinity": every line is valid JSON.
        """
        record = {"time": datetime.now(UTC).isoformat(), **self._origin, "event": event, **fields}
        line = json.dumps(_finite(record), allow_nan=False) + "\n"
        if self._file:
            self._file.write(line)
        if self._stream:
            self._stream.write(line)
            self._stream.flush()

    def close(self) -> None:
        """Close the file; the stream belongs to the caller."""
        if self._file:
            self._file.close()


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return json.dumps(value)
        case dict():
            return {key: _finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_finite(inner) for inner in value]
        case _:
            return value
