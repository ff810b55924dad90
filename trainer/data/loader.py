"""The data loader: whole optimizer steps as tensors, prefetched by one thread."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch

from sharding import CacheSettings, Dataset, RecordBatch, StepStream, StreamState

from ..config import DataSection
from .batch import TextBatch


def open_dataset(settings: DataSection) -> Dataset:
    """Open the data set; DataError, or a ManifestError, when that cannot be."""
    limit = None if settings.cache_gib is None else int(settings.cache_gib * 2**30)
    cache = CacheSettings(settings.cache, limit) if settings.cache else None
    return Dataset.open(settings.dataset, settings.format, cache)


@dataclass(frozen=True)
class StepData:
    """Everything one rank reads in one optimizer step.

    Attributes:
        micro_batches: On the device of the run.
        state: State of the stream, once that step is done.
    """

    micro_batches: tuple[TextBatch, ...]
    state: StreamState


@dataclass(frozen=True)
class Loader:
    """Makes tensors of what a stream yields, ahead of training.

    Attributes:
        stream: Yields the records of step after step.
        collate: Makes a micro-batch of records, for an optimizer step.
        device: Where batches go.
        ready: Called with the number of steps that stood ready when one was asked for.
        end: Called once no more steps are wanted; lets a stream that waits for its shards end soon.
    """

    stream: StepStream
    collate: Callable[[RecordBatch, int], TextBatch]
    device: torch.device
    ready: Callable[[int], None] = lambda _: None
    end: Callable[[], None] = lambda: None

    def steps(self, state: StreamState, done: int = 0) -> Generator[StepData, None, None]:
        """Yield steps without end; one is prepared while another trains.

        Whoever has enough closes the generator, which waits for the step that is being prepared.

        Args:
            state: Where the stream begins.
            done: Optimizer steps before it.
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
