"""The agent that starts the ranks of one machine, hands signals on and, where that takes too long, kills them."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from .exit_policy import RankExit
from .parent_pipe import ParentPipe

PEER_LOST_SECONDS = 10.0  # ranks that have lost one of them wait for it: they can save nothing
ESCALATION_SECONDS = 5.0  # between closing the parent pipe, SIGTERM and SIGKILL
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Command:
    """What a rank is started with."""

    rank: int
    words: tuple[str, ...]
    environment: Mapping[str, str]


class StopSignals:
    """Remembers the SIGTERMs and SIGINTs that reached this process until they are handed on."""

    def __init__(self) -> None:
        self.asked = False
        self._waiting: list[int] = []

    def listen(self) -> "StopSignals":
        """Catch them from now on; the kernel hands a container's first process only signals that it catches."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        return self

    def take(self) -> list[int]:
        """Return what has arrived since the last time."""
        taken, self._waiting = self._waiting, []
        return taken

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.asked = True
        self._waiting.append(number)


def supervise(
    commands: Iterable[Command], signals: StopSignals, grace: float, say: Callable[[str], None]
) -> tuple[RankExit, ...]:
    """Start ranks and wait until all have ended.

    Every child of this process is waited for, so that a container's first process leaves none behind that has ended.

    Args:
        commands: One for each rank of this machine.
        signals: The SIGTERMs and SIGINTs of this process, which are handed on to all ranks.
        grace: Seconds from a request to stop until the parent pipe is closed.
        say: Is told, in words, of signals that are handed on and of ranks that failed.

    Returns:
        How each rank ended, in the order in which they did.
    """
    with ParentPipe() as pipe:
        workers = _WorkerGroup(pipe, grace, say)
        for command in commands:
            workers.start(command)
        while workers.running:
            for number in signals.take():
                workers.stop(number)
            workers.reap()
            workers.escalate()
            time.sleep(POLL_SECONDS)
    return tuple(workers.ended)


class _WorkerGroup:
    """The ranks that run, and what will be done to them when."""

    def __init__(self, pipe: ParentPipe, grace: float, say: Callable[[str], None]) -> None:
        self.running: dict[int, int] = {}  # process id -> rank
        self.ended: list[RankExit] = []
        self._pipe, self._grace, self._say = pipe, grace, say
        self._sent: set[int] = set()
        self._measures = iter((pipe.close, self._terminate, self._kill))
        self._next_at = float("inf")

    def start(self, command: Command) -> None:
        """Start a rank as the leader of a process group: Ctrl-C reaches it once, through this process."""
        process = os.posix_spawn(
            command.words[0],
            command.words,
            {**command.environment, **self._pipe.variables},
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setpgroup=0,
        )
        self.running[process] = command.rank

    def stop(self, number: int) -> None:
        """Hand a signal on to all ranks."""
        self._say(f"{signal.Signals(number).name} is handed on to {len(self.running)} ranks")
        self._send(number, os.kill)
        self._act_in(self._grace)

    def reap(self) -> None:
        """Take note of all children that have ended; a container's first process inherits some that are no ranks."""
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                process, status = found
                if process in self.running:
                    self._note(self.running.pop(process), os.waitstatus_to_exitcode(status))

    def escalate(self) -> None:
        """Do what is due to ranks that take too long."""
        if time.monotonic() >= self._next_at:
            next(self._measures, lambda: None)()
            self._next_at = time.monotonic() + ESCALATION_SECONDS

    def _note(self, rank: int, code: int) -> None:
        self.ended.append(RankExit(rank, code, forced=-code in self._sent))
        if code:
            self._say(str(self.ended[-1]))
        self._act_in(PEER_LOST_SECONDS)

    def _act_in(self, seconds: float) -> None:
        self._next_at = min(self._next_at, time.monotonic() + seconds)

    def _terminate(self) -> None:
        self._send(signal.SIGTERM, os.kill)

    def _kill(self) -> None:
        self._send(signal.SIGKILL, os.killpg)

    def _send(self, number: int, how: Callable[[int, int], None]) -> None:
        self._sent.add(number)
        for process in self.running:
            with suppress(ProcessLookupError):
                how(process, number)
