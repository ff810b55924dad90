"""A run under `lmmtc train`, seen from outside: its processes, how far it is, how it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from trainer.run.folder import RunFolder

RANKS = 2
Victim = Literal["rank 0", "rank 1", "launcher", "everything"]

_PROGRAM = Path(sys.executable).with_name("lmmtc")
# No step is compiled, and a start without the compiler's imports is seconds faster.
_ENVIRONMENT = {"TORCHDYNAMO_DISABLE": "1"}
_POLL_SECONDS = 0.002


class UnexpectedEndError(Exception):
    """A run ended by itself, otherwise than it should, or what was waited for did not come; shows the log's end."""


@dataclass(frozen=True)
class Launched:
    """One start of a run; `skip` is the length that its event log had before."""

    program: subprocess.Popen[bytes]
    run: RunFolder
    log: Path
    skip: int

    def ranks(self) -> list[psutil.Process]:
        """Wait until both ranks are there; rank 0 comes first."""
        children = psutil.Process(self.program.pid).children
        self.wait_until(lambda: len(children()) == RANKS, "ranks")
        return sorted(children(), key=psutil.Process.create_time)  # pids begin anew after the greatest

    def steps(self) -> int:
        """Count the steps that this start has done."""
        if not self.run.events.is_file():
            return 0
        with self.run.events.open("rb") as file:
            file.seek(self.skip)
            return file.read().count(b'"event": "step"')

    def saves(self) -> bool:
        """Tell whether a save is going on."""
        return any(self.run.checkpoints.glob(".step-*.tmp"))

    def wait_until(self, happened: Callable[[], object], what: str, timeout: float = 240) -> None:
        """Wait for something that must come while the run goes on."""
        deadline = time.monotonic() + timeout
        while not happened():
            if self.program.poll() is not None or time.monotonic() > deadline:
                raise UnexpectedEndError(f"no {what} (exit code {self.program.returncode}): {self._last_words()}")
            time.sleep(_POLL_SECONDS)

    def kill(self, victim: Victim) -> None:
        """Send SIGKILL, wait for the exit code that belongs to it, and until nothing of this start is left."""
        ranks = self.ranks()
        every = [psutil.Process(self.program.pid), *ranks]
        chosen = {"rank 0": ranks[:1], "rank 1": ranks[1:], "launcher": every[:1], "everything": every}[victim]
        for process in chosen:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.expect(-signal.SIGKILL if every[0] in chosen else 128 + signal.SIGKILL)
        _, alive = psutil.wait_procs(ranks, timeout=60)  # without a launcher they are nobody's children
        if alive:
            raise UnexpectedEndError(f"{alive} outlived {victim}: {self._last_words()}")

    def expect(self, code: int, timeout: float = 240) -> None:
        """Wait for the end with this exit code."""
        with suppress(subprocess.TimeoutExpired):
            self.program.wait(timeout)
        if self.program.returncode != code:
            raise UnexpectedEndError(f"exit code {self.program.returncode}, not {code}: {self._last_words()}")

    def _last_words(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]


@contextmanager
def launched(folder: Path, arguments: Sequence[str]) -> Iterator[Launched]:
    """Start the run whose folder this is; at the end of the block nothing that was started is left."""
    run, log = RunFolder(folder), folder.with_suffix(".log")
    skip = run.events.stat().st_size if run.events.is_file() else 0
    words = [str(_PROGRAM), "train", "--nproc", str(RANKS), "--", *arguments, "--set", f"run.folder={folder}"]
    environment = {**os.environ, **_ENVIRONMENT}
    with (
        log.open("ab") as said,
        subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=said) as program,  # noqa: S603
    ):
        try:
            yield Launched(program, run, log, skip)
        finally:
            if program.poll() is None:
                for process in (*psutil.Process(program.pid).children(recursive=True), program):
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
