"""The checkpoint store of a run: collective saves in stages, retention, and the newest checkpoint that is whole."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from secrets import randbits
from threading import Thread

import torch

from ..distributed import ONE_RANK, Ranks
from ..errors import CheckpointError, UnreadableError
from ..labels import RowRange
from ..run.folder import step_name
from .meta import CheckpointMeta
from .storage import CheckpointStorage, Files

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


@dataclass(frozen=True)
class CheckpointStore:
    """The checkpoints in a storage, as all ranks of a run see them.

    What it has found to be damaged does not count, nor what is ahead of the step that is saved: both stay until a later
    step is saved.

    Attributes:
        place: The storage.
        ranks: Who saves and loads.
        keep: How many of the newest are kept.
        keep_every: Checkpoints of steps that are multiples of it are kept for ever; None: none.
        damaged: Steps that were found to be damaged.
    """

    place: CheckpointStorage
    ranks: Ranks = ONE_RANK
    keep: int = 2
    keep_every: int | None = None
    damaged: set[int] = field(default_factory=set, init=False)

    def save(self, meta: CheckpointMeta, files: Files) -> None:
        """Write the files {name: tensors} of every rank, then publish them together. A collective.

        If any rank fails, all raise CheckpointError and what was saved before still stands.
        """
        self.begin(meta, files).done(wait_for_it=True)

    def begin(self, meta: CheckpointMeta, files: Files) -> Save:
        """Begin to save as `save` does, and return at once: `files` must not change before it is done.

        A collective; one save at a time.
        """
        self.damaged.discard(meta.step)
        number = int(self.ranks.sum(torch.tensor([randbits(32) if self.ranks.is_first else 0])))
        self._under_way(("beginning", self._on_first(self.place.prepare))).done(wait_for_it=True)
        return self._under_way(
            ("writing", lambda: self.place.write(meta.step, number, self.ranks.rank, files)),
            ("publishing", self._on_first(lambda: self.place.publish(meta, number, partial(self._kept, meta.step)))),
        )

    def newest(
        self, rows: RowRange | None = None, passing: Callable[[int, str], object] = lambda *_: None
    ) -> Path | None:
        """Fetch the newest checkpoint that is whole, an older one if it is damaged. A collective.

        Args:
            rows: Labels whose rows this rank needs; None: all.
            passing: Called with each step that is passed over, and why.

        Returns:
            A folder with the files that this rank needs, until `release`; None where there is no checkpoint.

        Raises:
            CheckpointError: There are checkpoints but none is whole.
        """
        problems = []
        for step in self._newest_first():
            folder, error = self._fetched(step, rows)
            if not int(self.ranks.sum(torch.tensor([int(error is not None)]))):
                return folder
            problem = str(error or "is damaged, as another rank has found")
            problems.append(f"{step_name(step)}: {problem}")
            if not isinstance(error, UnreadableError):
                self.damaged.add(step)
            passing(step, problem)
        if problems:
            raise CheckpointError(f"{self.place}: no checkpoint there is whole: {'; '.join(problems)}")
        return None

    def at(self, step: int, rows: RowRange | None = None) -> Path:
        """Fetch the checkpoint of one step as `newest` does; CheckpointError when there is none, or it is damaged."""
        if step not in (steps := self.place.steps()):
            there = ", ".join(map(str, steps)) or "none"
            raise CheckpointError(f"{self.place}: no checkpoint of step {step}; there are: {there}")
        folder, error = self._fetched(step, rows)
        if folder is None:
            raise CheckpointError(f"{self.place}/{step_name(step)}: {error}")
        return folder

    def release(self) -> None:
        """Remove what was fetched: a folder that `newest` or `at` gave can be used no more."""
        self.place.release()

    def _newest_first(self) -> Iterator[int]:
        """Let rank 0 say which there are: a file system may show others another list."""
        steps = self.place.steps() if self.ranks.is_first else []
        count = int(self.ranks.sum(torch.tensor([len(steps)])))
        told = self.ranks.sum(torch.tensor(steps or [0] * count, dtype=torch.long))
        return reversed(told.tolist())

    def _fetched(self, step: int, rows: RowRange | None) -> tuple[Path | None, CheckpointError | None]:
        try:
            return self.place.fetch(step, self.ranks, rows), None
        except CheckpointError as error:
            return None, error

    def _kept(self, saved: int, steps: Sequence[int]) -> set[int]:
        ahead = {step for step in steps if step > saved}
        counted = [step for step in steps if step not in ahead | self.damaged]
        for_ever = (step for step in counted if self.keep_every and step % self.keep_every == 0)
        return {*counted[-self.keep :], *for_ever, *ahead}

    def _under_way(self, *stages: Stage) -> Save:
        return Save(self.ranks, str(self.place), stages)

    def _on_first(self, work: Callable[[], object]) -> Callable[[], object]:
        return work if self.ranks.is_first else lambda: None
