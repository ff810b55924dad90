"""Which of a rank's times are overhead."""

import pytest

from benchmarks.resilience.overhead import WARM, judged
from benchmarks.resilience.times import ALWAYS, WITHOUT_EVERY, Times

STEPS = WARM + 12


def times(callback: float, saving: float = 0.0) -> Times:
    """Let steps of one second follow each other; those before WARM are slow in everything."""
    clock, found = 0.0, Times()
    for number in range(STEPS):
        warm = number >= WARM
        callbacks = {"EvaluationCallback": 5.0, "CheckpointCallback": saving}
        callbacks |= (
            {"MetricsCallback": callback if warm else 9.0, "Watchdog": 0.0} if (number + 1) % WITHOUT_EVERY else {}
        )
        found.began.append(clock)
        found.steps.append(1.0 if warm else 50.0)
        found.callbacks.append(callbacks)
        clock += found.steps[-1] + sum(callbacks.values())
    found.ended = clock
    return found


def test_hooks_count_against_the_steps_that_they_follow_and_work_does_not() -> None:
    found = judged(times(callback=0.01, saving=3.0))
    assert found.ratio == pytest.approx(0.01)
    assert found.paired == pytest.approx(0.01)
    assert (found.steps, found.step) == (8, 1.0)


def test_asking_for_a_stop_counts_as_well() -> None:
    asked = times(callback=0.0)
    asked.asking = 0.02 * STEPS
    assert judged(asked).ratio == pytest.approx(0.02)


def test_saving_is_a_share_of_all_time() -> None:
    whole = 12 * (1.0 + 5.0 + 2.0)
    assert judged(times(callback=0.0, saving=2.0)).blocked == pytest.approx(12 * 2.0 / whole)


def test_what_is_left_out_in_the_step_without_hooks_is_not_what_is_work() -> None:
    assert {"EvaluationCallback", "CheckpointCallback"} == set(ALWAYS)
