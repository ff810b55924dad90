"""`lmmtc train` with ranks of which one, UNSOUND_RANK, computes what is no number in the steps UNSOUND_STEPS.

No fault from outside does that on one rank alone. All else is the product's own: its launcher, its rank.
"""

import os
import sys
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2])


def spoil_steps(numbers: set[int]) -> None:
    """Let the queries of these steps be NaN."""
    from trainer.training.step import TrainingStep

    whole_step = TrainingStep.__call__

    def step(self: TrainingStep, number: int, *rest: Any, **more: Any) -> Any:
        def spoil(_module: Any, _inputs: Any, output: Any) -> Any:
            return output * float("nan")

        if number not in numbers:
            return whole_step(self, number, *rest, **more)
        handle = self.engine.module.query.register_forward_hook(spoil)
        try:
            return whole_step(self, number, *rest, **more)
        finally:
            handle.remove()

    TrainingStep.__call__ = step


def be_rank() -> int:
    """Train as launcher/run.py does."""
    from launcher.run import main

    if os.environ["RANK"] == os.environ["UNSOUND_RANK"]:
        os.environ["DS_ACCELERATOR"] = "cpu"  # the product sets it before it imports what is imported here
        first, last = map(int, os.environ["UNSOUND_STEPS"].split("-"))
        spoil_steps(set(range(first, last + 1)))
    return main()


def launch() -> None:
    """Start this file once per rank."""
    from launcher.cli import main
    from launcher.supervise import launch

    launch.RANK_PROGRAM = Path(__file__).resolve()
    main()


if __name__ == "__main__":
    if "RANK" in os.environ:
        sys.exit(be_rank())
    launch()
