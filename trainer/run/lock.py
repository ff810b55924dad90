"""The lock of a run folder: who trains there; a second start waits, or is refused, and says who holds it.

RUN/lock.json names a process and counts its heartbeats. A holder that was killed leaves it behind, and whether it lives
is told by rule: on the same machine by its process id and when that began, elsewhere by whether its heartbeats go on.
Clocks of machines are not compared.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event, Thread

import psutil

from sharding import publish

from ..errors import ConfigError

BEAT_SECONDS = 5.0
DEAD_SECONDS = 30.0  # without a heartbeat: six are missing
WAIT_SECONDS = 180.0  # for a holder elsewhere: one that was told to stop saves first, see `lmmtc train --grace`
NAME = "lock.json"


@dataclass(frozen=True)
class Holder:
    """A process that trains in a run folder.

    Attributes:
        host: Name of its machine, or pod.
        system: Which process ids it shares: the boot of its machine, and the namespace there.
        pid: Its process id.
        started: When the process began, Unix time.
        beats: Heartbeats so far.
    """

    host: str
    system: str
    pid: int
    started: float
    beats: int = 0

    @classmethod
    def this_process(cls) -> "Holder":
        """Describe the process that asks."""
        return cls(socket.gethostname(), _system(), os.getpid(), psutil.Process().create_time())

    def __str__(self) -> str:
        """Name the process for those who look for it."""
        return f"process {self.pid} on {self.host}"

    def is_same(self, other: "Holder | None") -> bool:
        """Tell whether it is the same process, however often its heart has beaten."""
        return other is not None and replace(self, beats=0) == replace(other, beats=0)

    def is_running(self) -> bool:
        """Tell whether a process of this system runs; one that has ended and that nobody waited for does not."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@contextmanager
def held(folder: Path, lost: Callable[[Holder | None], None], wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of a run folder while the block runs.

    Args:
        folder: The run folder.
        lost: Called, from a thread, once another process has the lock: this one took too long to give a heartbeat.
        wait: Seconds for which a holder on another machine is waited for.

    Raises:
        ConfigError: Another process trains there.
    """
    own, path, over = Holder.this_process(), folder / NAME, Event()
    folder.mkdir(parents=True, exist_ok=True)
    _acquire(path, own, wait)
    beating = Thread(target=_beat, args=(path, own, over, lost), name="run lock", daemon=True)
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join(BEAT_SECONDS)  # the folder may be what does not answer
        if own.is_same(_read(path)):
            path.unlink(missing_ok=True)


def _acquire(path: Path, own: Holder, wait: float) -> None:
    """Take the lock once nobody who lives holds it."""
    began = time.monotonic()
    seen, since = None, began
    while not _create(path, own):
        holder, now = _read(path), time.monotonic()
        if holder != seen:
            seen, since = holder, now
        if _is_dead(holder, own, now - since):
            _break(path, holder)
        elif holder is not None and (holder.system == own.system or now - began > wait):
            raise ConfigError(
                f"run.folder = {path.parent}: {holder} trains there: stop it first, or choose another run.folder "
                f"({path.name} names it)"
            )
        else:
            time.sleep(min(BEAT_SECONDS, wait) / 5)


def _is_dead(holder: Holder | None, own: Holder, silent: float) -> bool:
    if holder is not None and holder.system == own.system:
        return not holder.is_running()
    return silent > DEAD_SECONDS


def _create(path: Path, own: Holder) -> bool:
    """Make the lock, or find one there; one that says nothing yet is being made."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(asdict(own)))
    except FileExistsError:
        return False
    return True


def _break(path: Path, holder: Holder | None) -> None:
    """Remove a dead lock; of several that do so at once, one finds it."""
    aside = path.with_name(f".{path.name}.dead.{os.getpid()}.tmp")
    with suppress(FileNotFoundError):
        path.rename(aside)
        if _read(aside) != holder and not path.exists():  # somebody was faster, and holds it now
            aside.rename(path)
        aside.unlink(missing_ok=True)


def _read(path: Path) -> Holder | None:
    """Read who holds the lock; None: nobody, or what is there cannot be read."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _beat(path: Path, own: Holder, over: Event, lost: Callable[[Holder | None], None]) -> None:
    while not over.wait(BEAT_SECONDS):
        holder = _read(path)
        if holder is not None and not own.is_same(holder):
            lost(holder)
            return
        own = replace(own, beats=own.beats + 1)
        with suppress(OSError), publish(path) as temporary:  # a folder that does not answer now may do so again
            temporary.write_text(json.dumps(asdict(own)), encoding="utf-8")


def _system() -> str:
    """Name the boot of this machine and its namespace of process ids; elsewhere than on Linux, the host's name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()
