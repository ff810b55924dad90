"""What the ends of ranks mean together."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.supervise.exit_policy import RankExit, decide_exit

CODES = st.sampled_from([0, 1, 75, 78, -signal.SIGKILL, -signal.SIGSEGV])
ENDS = st.lists(st.builds(RankExit, st.integers(0, 9), CODES), min_size=1)


def code(*codes: int, stop_asked: bool = False, success: bool = False) -> int:
    ends = [RankExit(rank, code) for rank, code in enumerate(codes)]
    return decide_exit(ends, stop_asked=stop_asked, success=success).code


@given(ends=ENDS, stop_asked=st.booleans(), success=st.booleans())
def test_it_is_done_only_if_all_ranks_ended_well_and_the_run_says_so(
    ends: list[RankExit], *, stop_asked: bool, success: bool
) -> None:
    done = success and all(end.code == 0 for end in ends)
    assert (decide_exit(ends, stop_asked=stop_asked, success=success).code == 0) is done


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((75, 75), 75),
        ((0, 75), 75),
        ((75, 1), 1),  # rank 0 lost rank 1, which took longer to end
        ((75, 78), 78),
        ((1, 78), 1),
        ((78, 1), 78),
        ((75, -signal.SIGKILL), 137),
        ((-signal.SIGSEGV, 75), 139),
    ],
)
def test_the_first_that_failed_by_itself_decides(codes: tuple[int, ...], expected: int) -> None:
    assert code(*codes) == expected
    assert code(*codes, stop_asked=True) == expected


def test_success_is_not_believed_to_exit_codes_alone() -> None:
    outcome = decide_exit([RankExit(0, 0)], stop_asked=False, success=False)
    assert (outcome.code, outcome.reason) == (
        1,
        "all ranks ended with exit code 0, but the run does not say that it is done",
    )


def test_a_rank_that_had_to_be_killed_after_a_stop_is_named() -> None:
    ends = [RankExit(0, 75), RankExit(1, -signal.SIGKILL, forced=True)]
    outcome = decide_exit(ends, stop_asked=True, success=False)
    assert outcome.code == 75
    assert outcome.reason == (
        "a stop was asked for, and rank 1 was killed by lmmtc train with SIGKILL before all was saved; "
        "the last checkpoint stands"
    )


def test_a_rank_that_was_killed_because_it_hung_decides_nothing() -> None:
    ends = [RankExit(1, -signal.SIGKILL, forced=True), RankExit(0, 1)]
    assert decide_exit(ends, stop_asked=False, success=False).reason == (
        "rank 0 ended with exit code 1; the last checkpoint stands"
    )


def test_a_signal_without_a_name_has_its_number() -> None:
    assert str(RankExit(3, -40)) == "rank 3 was killed with signal 40"
