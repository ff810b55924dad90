"""The torch face of the record stream: whole optimizer steps, prepared ahead by one thread."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch

from sharding import RecordBatch, StepStream, StreamState

from .batch import TextBatch


@dataclass(frozen=True)
class StepData:
    """Everything one rank reads in one optimizer step, and the stream's state once that step is done."""

    micro_batches: tuple[TextBatch, ...]
    state: StreamState


@dataclass(frozen=True)
class Loader:
    """Makes tensors of what a stream yields.

    ready: is told how many steps stood ready when one was asked for. end: is called once no more steps are wanted, and
    lets a stream that waits for its shards end soon.
    """

    stream: StepStream
    collate: Callable[[RecordBatch, int], TextBatch]
    device: torch.device
    ready: Callable[[int], None] = lambda _: None
    end: Callable[[], None] = lambda: None

    def steps(self, state: StreamState, done: int = 0) -> Generator[StepData, None, None]:
        """Yield steps from `state` on, `done` being behind it, without end; one is prepared while another trains.

        Whoever has enough closes it, and waits for the step that is being prepared.
        """
        source = self._prepare(state, done)
        with ThreadPoolExecutor(1, thread_name_prefix="loader") as thread:
            try:
                ahead = thread.submit(next, source)
                while True:
                    self.ready(int(ahead.done()))
                    ready = ahead.result()
                    ahead = thread.submit(next, source)
                    yield StepData(tuple(batch.to(self.device) for batch in ready.micro_batches), ready.state)
            finally:
                self.end()  # before the thread is waited for, which may itself be waiting for many shards

    def _prepare(self, state: StreamState, done: int) -> Iterator[StepData]:
        for step, (parts, after) in enumerate(self.stream.steps(state), start=done + 1):
            yield StepData(tuple(self.collate(part, step) for part in parts), after)
