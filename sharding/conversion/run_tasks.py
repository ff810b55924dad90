"""Run the tasks of a conversion on an executor; the result of each is a file, so that a restart skips it."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

from ..errors import DataError
from ..storage import publish

# Called with (done, total, what is being done); done is 0 when a round begins.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Part:
    """A task whose result is a JSON object.

    Attributes:
        result: The file that keeps the result; where it exists, the task is done.
        function: Does the task.
        arguments: Its arguments.
        size: How much the task adds to the progress.
    """

    result: Path
    function: Callable[..., dict[str, Any]]
    arguments: tuple[Any, ...]
    size: int


def run_tasks(parts: Sequence[Part], executor: Executor, progress: Progress, what: str) -> Iterator[dict[str, Any]]:
    """Yield the results of all tasks in their order; one that an earlier attempt has finished is not run again."""
    done, total = 0, sum(part.size for part in parts)
    progress(done, total, what)
    try:
        for part, result in zip(parts, executor.map(_result, parts), strict=True):
            done += part.size
            progress(done, total, what)
            yield result
    except BrokenExecutor:
        raise DataError(
            f"{what}: a worker was killed, perhaps for its memory: finished parts are kept: start again, maybe with "
            "fewer workers"
        ) from None


@contextmanager
def workers(count: int) -> Iterator[Executor]:
    """Provide an executor of processes on this machine; a single worker is a thread of this process."""
    if count == 1:
        with ThreadPoolExecutor(1, thread_name_prefix="convert") as executor:
            yield executor
        return
    # Started afresh: a fork would copy whatever threads and locks this process holds.
    with ProcessPoolExecutor(count, get_context("spawn"), _begin) as executor:
        yield executor


def _begin() -> None:
    """Restrict a worker to one core, and end it with the process that has started it."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _result(part: Part) -> dict[str, Any]:
    if not part.result.is_file():
        made = part.function(*part.arguments)
        with publish(part.result) as temporary:
            temporary.write_text(json.dumps(made), encoding="utf-8")
    return json.loads(part.result.read_text(encoding="utf-8"))
