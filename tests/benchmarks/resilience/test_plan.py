"""Kills are random, and keyed by their seed."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.resilience.launched import Victim
from benchmarks.resilience.plan import MOST_STEPS, Kill, Moment, plan


@given(st.integers(0, 2**32))
def test_a_seed_always_means_the_same_kills_however_many_there_are(seed: int) -> None:
    assert plan(seed, 30)[:3] == plan(seed, 3)


@given(st.integers(0, 2**32))
def test_no_start_does_many_steps_before_its_kill(seed: int) -> None:
    assert all(0 <= kill.steps <= MOST_STEPS for kill in plan(seed, 30))


def test_many_kills_meet_every_process_in_every_moment() -> None:
    met = {(kill.victim, kill.moment) for kill in plan(1, 300)}
    assert met == {(victim, moment) for victim in get_args(Victim) for moment in get_args(Moment)}


def test_a_kill_says_what_it_is() -> None:
    assert str(Kill("rank 1", "save", 7, 0.0129)) == "rank 1, 0.013 s into a save after 7 steps"
