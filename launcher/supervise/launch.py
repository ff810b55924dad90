"""Starts the ranks of one machine, sees to their end, and starts them again as long as that leads on."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sharding import LmmtcError
from sharding.remote import open_bucket
from trainer.config import Config
from trainer.run.folder import RunFolder
from trainer.run.latest import LatestIndex

from ..cluster import node
from ..exit_codes import ExitCode
from ..ports import free_port
from ..terminal.stderr import complain
from .agent import Command, StopSignals, supervise
from .exit_policy import ExitDecision, decide_exit

RANK_PROGRAM = Path(__file__).resolve().parent.parent / "run.py"


def launch(arguments: Sequence[str], config: Config, nproc: int, restarts: int, grace: float) -> int:
    """Train with the ranks of this machine, and start them again as long as they save steps.

    Args:
        arguments: What each rank gets, as `launcher/run.py` takes it.
        config: What these arguments say.
        nproc: Ranks on this machine.
        restarts: How often in a row ranks are started again without having saved a step.
        grace: Seconds from a request to stop until ranks are told to end without saving.

    Returns:
        The exit code, see `decide_exit`.
    """
    folder = RunFolder(config.run.folder)
    signals = StopSignals().listen()
    left = restarts
    while True:
        before = _saved(folder, config)
        ends = supervise(_commands(arguments, nproc), signals, grace, _say)
        outcome = decide_exit(ends, stop_asked=signals.asked, success=folder.success.is_file())
        if outcome.code in (ExitCode.DONE, ExitCode.CONFIGURATION) or signals.asked or not restarts:
            return _leave_with(outcome)
        now = _saved(folder, config)
        new = now - before  # none of these is a damaged one, which may lie ahead of where the run goes on
        step, _ = max(new or now, default=(0, ""))
        left = restarts if new else left
        if left == 0:
            return _leave_with(_no_progress(step, restarts, outcome))
        left -= 1
        _say(f"{outcome.reason}; starting again from step {step}")


def _leave_with(outcome: ExitDecision) -> int:
    _say(f"exit code {int(outcome.code)}: {outcome.reason}")
    return int(outcome.code)


def _commands(arguments: Sequence[str], nproc: int) -> Iterator[Command]:
    threads = {} if nproc == 1 else {"OMP_NUM_THREADS": "1"}  # as torchrun does: ranks share the cores
    here = node(os.environ)
    if here.count == 1:
        here = replace(here, master_port=free_port())
    for place in (here.place(local_rank, nproc) for local_rank in range(nproc)):
        words = (sys.executable, "-u", str(RANK_PROGRAM), *arguments)
        yield Command(place.rank, words, {**threads, **os.environ, **place.variables()})


def _saved(folder: RunFolder, config: Config) -> set[tuple[int, str]]:
    """Find the checkpoints, be they whole or not, as (step, when it was saved): a damaged step may be saved again."""
    if config.checkpoint.store is None:
        return set(folder.saves())
    try:
        return {(each.step, each.at) for each in LatestIndex.read(open_bucket(config.checkpoint.store)).checkpoints}
    except LmmtcError as error:
        _say(f"which steps are saved cannot be told: {error}")
        return set()


def _no_progress(saved: int, restarts: int, last: ExitDecision) -> ExitDecision:
    return ExitDecision(
        ExitCode.CONFIGURATION,
        f"--restarts {restarts}: so many in a row have saved no step after step {saved}: another one would not "
        f"help, find out why. The last time: {last.reason}",
    )


def _say(words: str) -> None:
    complain(f"lmmtc train: {words}")
