"""The shape of the learning rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.training.schedule import schedule


@given(st.integers(1, 500), st.floats(0, 1))
def test_the_rate_rises_once_then_falls_and_never_rests(steps: int, warmup: float) -> None:
    shares = [schedule(step, steps, warmup) for step in range(1, steps + 1)]
    assert all(0 < share <= 1 for share in shares)
    top = shares.index(max(shares))
    assert shares[: top + 1] == sorted(shares[: top + 1])
    assert shares[top:] == sorted(shares[top:], reverse=True)


def test_a_tenth_of_warm_up() -> None:
    assert [schedule(step, 20, 0.1) for step in (1, 2, 3, 11, 20)] == pytest.approx(
        [1 / 2, 1, 18 / 19, 10 / 19, 1 / 19]
    )


def test_no_warm_up_starts_near_the_peak() -> None:
    assert [schedule(step, 3, 0.0) for step in (1, 2, 3)] == pytest.approx([3 / 4, 2 / 4, 1 / 4])


def test_warm_up_may_take_all_steps() -> None:
    assert [schedule(step, 4, 1.0) for step in (1, 2, 3, 4)] == pytest.approx([1 / 4, 2 / 4, 3 / 4, 1])
