"""A training that is killed again and again, beside one that is not: what is lost, what is done twice, what differs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from trainer.checkpoint import damage
from trainer.run.folder import RunFolder

from .launched import Launched, UnexpectedEndError, launched
from .lineage import lineage, lost_and_twice
from .plan import Kill, plan


@dataclass(frozen=True)
class Soaked:
    """What came of it; records are counted by epoch, over the lineage of the final parameters."""

    kills: int
    records_lost: int
    records_twice: int
    same_parameters: bool


def soak(place: Path, arguments: Sequence[str], *, kills: int, seed: int) -> Soaked:
    """Train two runs of the same steps in `place`, one without and one with kills; prints the seed and each kill.

    arguments: what a rank is told, with a configuration whose steps are cheap; its dropout does not matter, since all
    starts have two ranks. Raises UnexpectedEndError when a start ends otherwise than by its kill.
    """
    print(f"soak: {kills} kills, seed {seed}", flush=True)
    settings = {
        "run.record_log": "true",
        "train.steps": 8 * kills + 40,  # a start does six steps before its kill on average, and loses two of them
        "checkpoint.every_steps": 4,
        "evaluation.every_steps": 10,
    }
    told = [*arguments, *(f"--set={key}={value}" for key, value in settings.items())]
    whole, killed = place / "whole", place / "killed"
    _to_the_end(whole, told)
    for number, kill in enumerate(plan(seed, kills), start=1):
        with launched(killed, told) as start:
            _strike(start, kill)
        _check_whole(RunFolder(killed))
        print(f"{number:3} {kill}: saved step {RunFolder(killed).saved_step()}", flush=True)
    _to_the_end(killed, told)
    lost, twice = lost_and_twice(lineage(killed / "records"), lineage(whole / "records"))
    return Soaked(kills, lost, twice, same_parameters=_parameters(killed) == _parameters(whole))


def _strike(start: Launched, kill: Kill) -> None:
    start.ranks()
    start.wait_until(lambda: start.steps() >= kill.steps, f"{kill.steps} steps")
    if kill.moment == "save":
        start.wait_until(start.saves, "save")
    sleep(kill.seconds)
    start.kill(kill.victim)


def _to_the_end(folder: Path, told: Sequence[str]) -> None:
    with launched(folder, told) as start:
        start.expect(0, timeout=1200)


def _check_whole(run: RunFolder) -> None:
    for checkpoint in run.checkpoints.glob("step-*"):
        if problem := damage(checkpoint):
            raise UnexpectedEndError(f"{checkpoint} is torn: {problem}")


def _parameters(folder: Path) -> dict[str, bytes]:
    newest = max(RunFolder(folder).checkpoints.glob("step-*"))
    return {path.name: path.read_bytes() for path in newest.glob("*.safetensors")}
