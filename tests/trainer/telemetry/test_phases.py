"""The phase clock, with a wall clock and a device that the test moves by hand: there is no GPU where tests run."""

from collections import Counter
from dataclasses import dataclass, field

import pytest

from trainer.telemetry import PhaseClock


@dataclass
class Device:
    """Stands for a GPU: it passes marks when the test lets it, each at the time that the test sets."""

    queue: list[float] = field(default_factory=list)
    time: float = 0.0
    passed: int = 0

    def mark(self) -> int:
        self.queue.append(self.time)
        return len(self.queue) - 1

    def seconds(self, earlier: int, later: int) -> float | None:
        return self.queue[later] - self.queue[earlier] if later < self.passed else None


@dataclass
class Timed:
    """A phase clock and all that it has handed on."""

    device: Device = field(default_factory=Device)
    now: float = 0.0
    wall_seconds: Counter[str] = field(default_factory=Counter)
    device_seconds: Counter[str] = field(default_factory=Counter)

    def clock(self) -> PhaseClock:
        return PhaseClock(self._add_wall, self._add_device, lambda: self.now)

    def work(self, wall: float, device: float = 0.0) -> None:
        self.now += wall
        self.device.time += device

    def fail(self, wall: float) -> None:
        self.work(wall)
        raise KeyError("disk")

    def _add_wall(self, phase: str, seconds: float) -> None:
        self.wall_seconds[phase] += seconds

    def _add_device(self, phase: str, seconds: float) -> None:
        self.device_seconds[phase] += seconds


def test_an_inner_phase_pauses_the_outer_one() -> None:
    timed = Timed()
    clock = timed.clock()
    with clock.phase("scan"):
        timed.work(1)
        with clock.phase("checkpoint"):
            timed.work(4)
        timed.work(2)
    timed.work(8)
    assert timed.wall_seconds == {"scan": 3, "checkpoint": 4}


def test_a_phase_that_fails_is_timed_and_left() -> None:
    timed = Timed()
    clock = timed.clock()
    with pytest.raises(KeyError, match="disk"), clock.phase("checkpoint"):
        timed.fail(2)
    with clock.phase("text"):
        timed.work(1)
    assert timed.wall_seconds == {"checkpoint": 2, "text": 1}


def test_device_time_is_read_when_the_device_has_come_so_far_and_never_waited_for() -> None:
    timed = Timed()
    clock = timed.clock()
    clock.follow(timed.device)
    with clock.phase("text"):
        timed.work(1, device=10)
    with clock.phase("scan"):
        timed.work(1, device=30)
    clock.read()
    assert not timed.device_seconds
    timed.device.passed = 3  # text is over, and scan has begun
    clock.read()
    assert timed.device_seconds == {"text": 10}
    timed.device.passed = 4
    clock.read()
    clock.read()
    assert timed.device_seconds == {"text": 10, "scan": 30}


def test_an_inner_phase_pauses_the_outer_one_on_the_device_too() -> None:
    timed = Timed()
    clock = timed.clock()
    clock.follow(timed.device)
    with clock.phase("scan"):
        timed.work(0, device=1)
        with clock.phase("cloze"):
            timed.work(0, device=4)
        timed.work(0, device=2)
    timed.device.passed = 100
    clock.read()
    assert timed.device_seconds == {"scan": 3, "cloze": 4}


def test_a_phase_that_had_begun_before_a_device_was_followed_is_timed_on_the_wall_alone() -> None:
    timed = Timed()
    clock = timed.clock()
    with clock.phase("data_wait"):
        clock.follow(timed.device)
        timed.work(1, device=1)
    timed.device.passed = 100
    clock.read()
    assert (timed.wall_seconds, timed.device_seconds) == ({"data_wait": 1}, {})
