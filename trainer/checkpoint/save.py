"""Asynchronous saves: a thread writes while its rank trains on, and the ranks agree on its progress between steps.

The thread never talks to other ranks: its collectives would mix with those of training.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from threading import Thread

import torch

from ..distributed import Ranks
from ..errors import CheckpointError

Stage = tuple[str, Callable[[], object]]


class Save:
    """A save under way: stages of work with names; one begins once the one before has ended well on all ranks."""

    def __init__(self, ranks: Ranks, where: str, stages: Iterable[Stage]) -> None:
        self._ranks, self._where, self._stages = ranks, where, deque(stages)
        self._begin()

    def done(self, *, wait_for_it: bool = False) -> bool:
        """Tell whether all is done, the same on every rank. A collective.

        Args:
            wait_for_it: Whether to return only when it is.

        Raises:
            CheckpointError: Any rank has failed; raised on every rank.
        """
        while self._stages:
            if wait_for_it:
                wait([self._work])
            if not self._is_through():
                return False
            self._stages.popleft()
            self._begin()
        return True

    def _begin(self) -> None:
        if self._stages:
            self._work = _in_a_thread(self._stages[0][1])

    def _is_through(self) -> bool:
        """Ask all ranks how far they are with the first stage; a failure counts once no rank works on it any more."""
        over = self._work.done()
        failure = self._work.exception() if over else None
        told = self._ranks.sum(torch.tensor([int(over), int(failure is not None)]))
        through, failed = told.tolist()
        if through < self._ranks.world_size:
            return False
        if failed:
            reason = f": {failure}" if failure else " on another rank"
            raise CheckpointError(
                f"{self._where}: {self._stages[0][0]} the checkpoint failed{reason}; earlier ones stand"
            ) from failure
        return True


def _in_a_thread(work: Callable[[], object]) -> Future[object]:
    """Work in a thread that sees the main one end: an executor's threads are waited for before it counts as ended."""
    answer: Future[object] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001  # whatever it is, the other ranks must be told
            answer.set_exception(error)

    Thread(target=run, name="checkpoint").start()
    return answer
