"""Micro-batches from concurrent requests: a bounded queue, a bounded wait, and the one thread that asks the model."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import ceil
from threading import Condition, Thread
from typing import Generic, TypeVar

from .metrics import ServingMetrics
from .problems import Problem

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")
_LONGEST_RETRY = 60  # seconds


@dataclass(frozen=True)
class Batching:
    """How batches are made.

    Attributes:
        texts: Texts of a batch, at most.
        waiting: Texts that may wait; further ones are refused.
        wait_seconds: How long the first text of a batch waits for others, while the model has nothing else to do.
    """

    texts: int = 32
    waiting: int = 512
    wait_seconds: float = 0.003


@dataclass(frozen=True)
class _Waiting(Generic[Asked, Answered]):
    asked: Asked
    since: float = field(default_factory=time.monotonic)
    future: "Future[Answered]" = field(default_factory=Future)


class Batcher(Generic[Asked, Answered]):
    """Collects what is asked at once and answers it together.

    Args:
        answer: Called in the one thread, with at most `settings.texts` questions; answers in their order.
        settings: How batches are made.
        metrics: Told of the queue and of each batch.
    """

    def __init__(
        self, answer: Callable[[Sequence[Asked]], Sequence[Answered]], settings: Batching, metrics: ServingMetrics
    ) -> None:
        self._answer, self._settings, self._metrics = answer, settings, metrics
        self._queue: deque[_Waiting[Asked, Answered]] = deque()
        self._changed = Condition()
        self._is_closed = False
        self._seconds_per_text = 0.05
        self._thread = Thread(target=self._run, name="model", daemon=True)
        metrics.gauge("serve_waiting_limit_texts").set(settings.waiting)
        metrics.gauge("serve_waiting_texts").set_function(lambda: len(self._queue))

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Answer what waits, then end the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    async def ask(self, questions: Sequence[Asked]) -> list[Answered]:
        """Wait for the answers; a caller that is cancelled takes back what the model has not begun.

        Raises:
            Problem: Too much is waiting, or the server is about to end.
        """
        entries = [_Waiting[Asked, Answered](question) for question in questions]
        with self._changed:
            if self._is_closed:
                raise Problem("not-ready", "the server is about to end", {"Retry-After": "5"})
            if len(self._queue) + len(entries) > self._settings.waiting:
                raise self._busy()
            self._queue.extend(entries)
            self._changed.notify()
        return await asyncio.gather(*(asyncio.wrap_future(entry.future) for entry in entries))

    def _busy(self) -> Problem:
        seconds = min(max(ceil(len(self._queue) * self._seconds_per_text), 1), _LONGEST_RETRY)
        detail = f"{len(self._queue)} texts wait, of at most {self._settings.waiting}: try again in {seconds} seconds"
        return Problem("busy", detail, {"Retry-After": str(seconds)})

    def _run(self) -> None:
        while batch := self._next_batch():
            if wanted := [entry for entry in batch if entry.future.set_running_or_notify_cancel()]:
                self._answer_batch(wanted)

    def _next_batch(self) -> list[_Waiting[Asked, Answered]]:
        """Wait for a batch; empty when the batcher is closed and nothing waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_closed)
            if not self._queue:
                return []
            left = self._queue[0].since + self._settings.wait_seconds - time.monotonic()
            self._changed.wait_for(lambda: len(self._queue) >= self._settings.texts or self._is_closed, max(left, 0))
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._settings.texts))]

    def _answer_batch(self, entries: Sequence[_Waiting[Asked, Answered]]) -> None:
        started = time.perf_counter()
        try:
            answers = self._answer([entry.asked for entry in entries])
        except Exception as error:  # noqa: BLE001 - whoever asked is told; the thread lives
            for entry in entries:
                entry.future.set_exception(error)
            return
        for entry, answer in zip(entries, answers, strict=True):
            entry.future.set_result(answer)
        seconds = time.perf_counter() - started
        self._seconds_per_text += 0.2 * (seconds / len(entries) - self._seconds_per_text)
        self._metrics.batch_done(len(entries), seconds)
