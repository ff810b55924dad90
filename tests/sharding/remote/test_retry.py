"""How often and how long a request is made again."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding.remote.retry import RetriesExhaustedError, RetryPolicy, TransientError, insist


@dataclass
class Request:
    """Fails so many times before it answers; takes `seconds` a time, on a clock that only it and pauses move."""

    failures: int
    seconds: float = 0.0
    now: float = 0.0
    pauses: list[float] = field(default_factory=list)
    retries: int = 0

    def __call__(self) -> str:
        self.now += self.seconds
        if self.failures:
            self.failures -= 1
            raise TransientError("503 Slow Down")
        return "answer"

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    def retry(self) -> None:
        self.retries += 1

    def insist(self, patience: RetryPolicy) -> str:
        return insist(self, patience, on_retry=self.retry, sleep=self.pause, clock=lambda: self.now)


@given(st.integers(0, 7))
def test_an_answer_among_the_tries_is_given_and_each_pause_keeps_its_bound(failures: int) -> None:
    request = Request(failures)
    patience = RetryPolicy(cap=3.0)
    assert request.insist(patience) == "answer"
    assert request.retries == len(request.pauses) == failures
    assert all(0 <= pause <= min(3.0, 0.2 * 2**n) for n, pause in enumerate(request.pauses))


def test_after_the_last_try_the_last_reason_is_told() -> None:
    request = Request(100)
    with pytest.raises(RetriesExhaustedError, match=r"failed 8 times in \d+ s, at last: 503 Slow Down"):
        request.insist(RetryPolicy())
    assert request.retries == 7


@given(st.floats(0.5, 60))
def test_no_pause_begins_that_would_end_after_the_deadline(seconds: float) -> None:
    request = Request(1000, seconds=seconds)
    with pytest.raises(RetriesExhaustedError, match="failed"):
        request.insist(RetryPolicy(tries=1000, deadline=60))
    assert request.now <= 60 + seconds


def test_two_callers_do_not_pause_equally_long() -> None:
    first, second = Request(7), Request(7)
    first.insist(RetryPolicy())
    second.insist(RetryPolicy())
    assert first.pauses != second.pauses


def test_an_error_that_does_not_pass_is_not_tried_again() -> None:
    request = Request(0)

    def broken() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        insist(broken, RetryPolicy(), on_retry=request.retry)
    assert request.retries == 0
