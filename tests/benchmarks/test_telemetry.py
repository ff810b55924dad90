"""What the stopwatch at telemetry counts."""

import time

import pytest

from benchmarks.telemetry import WARM, Watch


class Callback:
    """Works a while, as the processor counts it."""

    def after_step(self, seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass


def test_the_time_of_a_method_counts_in_every_call_also_in_one_that_fails() -> None:
    class Timed(Callback):
        pass

    watch = Watch()
    watch.hang_at(Timed, "after_step")
    Timed().after_step(0.02)
    with pytest.raises(TypeError):
        Timed().after_step("long")  # pyright: ignore[reportArgumentType]
    Timed().after_step(0.03)
    assert watch.spent == pytest.approx(0.05, abs=0.01)


def test_steps_before_the_third_do_not_count() -> None:
    watch = Watch(ends=[(9.0, 9.0), (20.0, 10.0), (30.0, 11.0), (32.0, 11.5), (36.0, 12.5)])
    assert len(watch.ends) - WARM == 2
    assert watch.per_step() == (3.0, 0.75)
