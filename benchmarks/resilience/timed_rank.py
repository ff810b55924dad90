"""A rank as launcher/run.py is one, whose hooks are timed: `torchrun ... timed_rank.py FOLDER --config run.toml`.

All hooks run but in every third step, where only evaluation and saving do: what the others cost shows in pairs, too.
Leaves the times in FOLDER/rank-N.json.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # started as a file, Python puts its folder there

from benchmarks.resilience.times import ALWAYS, WITHOUT_EVERY, Times
from trainer.training import build as assemble
from trainer.training.loop import Hook, Position, TrainingLoop
from trainer.training.step import StepReport


@dataclass(frozen=True)
class Timed:
    """A hook that times another one; the first of all also notes the step."""

    hook: Hook
    times: Times
    first: bool

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """Time the hook, or leave it out."""
        now, times = perf_counter(), self.times
        if self.first:
            times.began.append(now - seconds)
            times.steps.append(seconds)
            times.hooks.append({})
        name = type(self.hook).__name__
        if name in ALWAYS or report.step % WITHOUT_EVERY:
            self.hook.after_step(position, report, seconds)
            times.hooks[-1][name] = perf_counter() - now

    def at_end(self, position: Position) -> None:
        """End as the hook does, and note when."""
        self.hook.at_end(position)
        self.times.ended = perf_counter()


def timed_loop(times: Times) -> Callable[..., TrainingLoop]:
    """Make what stands in for the class of the loop."""

    def build(step: object, loader: object, hooks: Sequence[Hook], stop_requested: Callable[[], bool]) -> TrainingLoop:
        def asked() -> bool:
            began = perf_counter()
            answer = stop_requested()
            times.asking += perf_counter() - began
            return answer

        timed = [Timed(hook, times, first=number == 0) for number, hook in enumerate(hooks)]
        return TrainingLoop(step, loader, timed, asked)  # pyright: ignore[reportArgumentType]  # handed on as they came

    return build


def main() -> int:
    """Train, and leave the times."""
    from launcher.run import main as train  # noqa: PLC0415  # argparse reads what is left below

    folder, *arguments = sys.argv[1:]
    times = Times()
    assemble.TrainingLoop = timed_loop(times)  # pyright: ignore[reportAttributeAccessIssue]  # the only seam
    code = train(arguments)
    (Path(folder) / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(asdict(times)), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
