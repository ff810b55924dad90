"""The exit policy: how the ends of all ranks of a machine together become the exit code of `lmmtc train`, purely."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from ..exit_codes import ExitCode


@dataclass(frozen=True)
class RankExit:
    """A rank and its exit code, or minus the signal that killed it; `forced`: that signal was sent by lmmtc train."""

    rank: int
    code: int
    forced: bool = False

    def __str__(self) -> str:
        """Say it in words."""
        if self.code >= 0:
            return f"rank {self.rank} ended with exit code {self.code}"
        number = -self.code
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return f"rank {self.rank} was killed {'by lmmtc train ' if self.forced else ''}with {name}"


@dataclass(frozen=True)
class ExitDecision:
    """An exit code and the reason for it."""

    code: int
    reason: str


def decide_exit(ends: Sequence[RankExit], *, stop_asked: bool, success: bool) -> ExitDecision:
    """Decide with which code a machine's supervisor exits.

    A rank that has lost another one ends with 75, often before that one: what it says decides nothing by itself.

    Args:
        ends: Those of all ranks, in the order in which they came.
        stop_asked: Whether somebody asked this machine to stop, as a scheduler does that preempts a job.
        success: Whether the run says that it is done.

    Returns:
        0 done, 75 start again, or the code of the first rank that failed: 128 + its number for a signal.
    """
    wrong = next(
        (end for end in ends if not end.forced and end.code not in (ExitCode.DONE, ExitCode.START_AGAIN)), None
    )
    if wrong is not None:
        return ExitDecision(wrong.code if wrong.code > 0 else 128 - wrong.code, f"{wrong}; the last checkpoint stands")
    if any(end.code != ExitCode.DONE for end in ends):
        return ExitDecision(ExitCode.START_AGAIN, _why_again(ends, stop_asked=stop_asked))
    if not success:
        return ExitDecision(
            ExitCode.FAULT, "all ranks ended with exit code 0, but the run does not say that it is done"
        )
    return ExitDecision(ExitCode.DONE, "the run is done")


def _why_again(ends: Sequence[RankExit], *, stop_asked: bool) -> str:
    forced = ", ".join(str(end) for end in ends if end.forced)
    if not stop_asked:
        return f"{forced or 'a rank was lost'}; the last checkpoint stands: start the run again"
    if forced:
        return f"a stop was asked for, and {forced} before all was saved; the last checkpoint stands"
    return "a stop was asked for, and the state was saved"
