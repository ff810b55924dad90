"""The lock of a run folder: held, refused, waited for, and taken over where its holder is dead."""

import json
import os
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from trainer.errors import ConfigError
from trainer.run import lock
from trainer.run.lock import Holder, held

ELSEWHERE = Holder("node-3", "another boot", 4711, 1.0)


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(lock, "DEAD_SECONDS", 0.4)


def ended(holder: Holder | None) -> None:
    raise AssertionError(holder)


def holder_of(folder: Path) -> Holder:
    return Holder(**json.loads((folder / "lock.json").read_text()))


def leave_behind(folder: Path, holder: Holder) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "lock.json").write_text(json.dumps(asdict(holder)))


def a_living_process() -> Holder:
    parent = psutil.Process(os.getppid())
    return replace(Holder.this_process(), pid=parent.pid, started=parent.create_time())


def test_the_lock_names_its_holder_while_the_block_runs_and_is_gone_afterwards(tmp_path: Path) -> None:
    with held(tmp_path / "run", ended):
        assert holder_of(tmp_path / "run").pid == os.getpid()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_second_start_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    holder = a_living_process()
    leave_behind(tmp_path, holder)
    with pytest.raises(ConfigError) as caught, held(tmp_path, ended):
        pass
    assert str(caught.value) == (
        f"run.folder = {tmp_path}: process {holder.pid} on {holder.host} trains there: stop it first, or choose "
        "another run.folder (lock.json names it)"
    )
    assert holder_of(tmp_path) == holder


@pytest.mark.parametrize("change", [{"started": 1.0}, {"pid": 2**22 + 1}])
def test_the_lock_of_a_process_that_has_ended_is_taken_over_at_once(tmp_path: Path, change: dict[str, float]) -> None:
    leave_behind(tmp_path, replace(a_living_process(), **change))  # pyright: ignore[reportArgumentType]
    began = time.monotonic()
    with held(tmp_path, ended):
        assert holder_of(tmp_path).pid == os.getpid()
    assert time.monotonic() - began < 0.4


@pytest.mark.parametrize("text", [None, "", "{"])
def test_a_lock_from_elsewhere_is_broken_once_no_heartbeat_comes(tmp_path: Path, text: str | None) -> None:
    leave_behind(tmp_path, ELSEWHERE)
    if text is not None:
        (tmp_path / "lock.json").write_text(text)  # its holder was killed while it wrote
    began = time.monotonic()
    with held(tmp_path, ended):
        assert holder_of(tmp_path).pid == os.getpid()
    assert time.monotonic() - began > 0.4


def test_a_holder_elsewhere_that_lives_is_waited_for_and_then_refused(tmp_path: Path) -> None:
    over = threading.Event()

    def live() -> None:
        beats = 0
        while not over.wait(0.05):
            beats += 1
            leave_behind(tmp_path, replace(ELSEWHERE, beats=beats))

    leave_behind(tmp_path, ELSEWHERE)
    holder = threading.Thread(target=live)
    holder.start()
    try:
        with (
            pytest.raises(ConfigError, match="process 4711 on node-3 trains there: stop it"),
            held(tmp_path, ended, wait=1),
        ):
            pass
    finally:
        over.set()
        holder.join()


def test_who_has_lost_the_lock_is_told_and_leaves_it_alone(tmp_path: Path) -> None:
    lost = threading.Event()
    with held(tmp_path, lambda _: lost.set()):
        leave_behind(tmp_path, ELSEWHERE)
        assert lost.wait(10)
    assert holder_of(tmp_path) == ELSEWHERE


def test_the_heart_beats(tmp_path: Path) -> None:
    with held(tmp_path, ended):
        deadline = time.monotonic() + 10
        while holder_of(tmp_path).beats < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
