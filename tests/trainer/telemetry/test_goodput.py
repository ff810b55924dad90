"""Where the time of a run goes."""

import time
from collections import Counter

import pytest

from trainer.telemetry import GOODPUT_KINDS, Goodput, RunHistory


def counted() -> tuple[Goodput, Counter[str]]:
    spent: Counter[str] = Counter()

    def add(kind: str, seconds: float) -> None:
        assert kind in GOODPUT_KINDS
        assert seconds >= 0
        spent[kind] += seconds

    return Goodput(add), spent


def test_a_step_is_productive_but_for_its_wait_for_data() -> None:
    goodput, spent = counted()
    for _ in range(2):
        goodput.phase_done("data_wait", 3.0)
        goodput.phase_done("scan", 4.0)
        assert goodput.step_done(10.0, applied=True) == 7.0
    assert spent == {"stalled": 6, "productive": 14}


def test_a_skipped_step_is_lost_and_the_next_one_is_not() -> None:
    goodput, spent = counted()
    goodput.step_done(2.0, applied=False)
    goodput.step_done(3.0, applied=True)
    assert spent == {"productive": 3, "lost": 2}


def test_evaluations_and_saves_are_kinds_of_their_own() -> None:
    goodput, spent = counted()
    goodput.phase_done("evaluation", 5.0)
    goodput.phase_done("checkpoint", 2.0)
    assert spent == {"evaluation": 5, "checkpoint": 2}


def test_what_lies_before_the_first_step_is_counted_when_it_begins() -> None:
    goodput, spent = counted()
    now = time.time()
    goodput.begin(RunHistory(restarts=1, lost_seconds=7.0, last_seen=now - 100), started=now - 60)
    assert spent["startup"] == pytest.approx(60, abs=5)
    assert spent["down"] == pytest.approx(40)
    assert spent["lost"] == 7


def test_a_first_life_was_never_down() -> None:
    goodput, spent = counted()
    goodput.begin(RunHistory(), started=time.time())
    assert not spent["down"]
    assert not spent["lost"]


def test_a_clock_that_was_set_back_takes_no_time_away() -> None:
    goodput, spent = counted()
    goodput.begin(RunHistory(last_seen=time.time() + 500), started=time.time() + 100)
    assert not spent.total()
