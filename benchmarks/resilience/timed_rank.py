"""A rank as launcher/run.py is one, whose callbacks are timed: `torchrun ... timed_rank.py FOLDER --config run.toml`.

All callbacks run but in every third step, where only evaluation and saving do: pairs show what the others cost.
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
from trainer.training import build
from trainer.training.loop import Callback, Position, TrainingLoop
from trainer.training.step import StepReport


@dataclass(frozen=True)
class Timed:
    """A callback that times another one; the first of all also notes the step."""

    callback: Callback
    times: Times
    first: bool

    def after_step(self, position: Position, report: StepReport, seconds: float) -> None:
        """Time the callback, or leave it out."""
        now, times = perf_counter(), self.times
        if self.first:
            times.began.append(now - seconds)
            times.steps.append(seconds)
            times.callbacks.append({})
        name = type(self.callback).__name__
        if name in ALWAYS or report.step % WITHOUT_EVERY:
            self.callback.after_step(position, report, seconds)
            times.callbacks[-1][name] = perf_counter() - now

    def at_end(self, position: Position) -> None:
        """End as the callback does, and note when."""
        self.callback.at_end(position)
        self.times.ended = perf_counter()


def timed_loop(times: Times) -> Callable[..., TrainingLoop]:
    """Make what stands in for the class of the loop."""

    def build(
        step: object, loader: object, callbacks: Sequence[Callback], stop_requested: Callable[[], bool]
    ) -> TrainingLoop:
        def asked() -> bool:
            began = perf_counter()
            answer = stop_requested()
            times.asking += perf_counter() - began
            return answer

        timed = [Timed(callback, times, first=number == 0) for number, callback in enumerate(callbacks)]
        return TrainingLoop(step, loader, timed, asked)  # pyright: ignore[reportArgumentType]  # handed on as they came

    return build


def main() -> int:
    """Train, and leave the times."""
    from launcher.run import main as train  # noqa: PLC0415  # argparse reads what is left below

    folder, *arguments = sys.argv[1:]
    times = Times()
    build.TrainingLoop = timed_loop(times)  # pyright: ignore[reportAttributeAccessIssue]  # the only seam
    code = train(arguments)
    (Path(folder) / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(asdict(times)), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
