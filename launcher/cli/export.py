"""`lmmtc export`: a trained run as a folder that transformers opens."""

from pathlib import Path

from trainer.export import export
from trainer.run_folder import RunFolder
from trainer.trained import TrainedModel

from .process_group import check_alone


def run(path: Path, out: Path, step: int | None) -> None:
    """Export a checkpoint, and say which it was."""
    check_alone("export")
    model = TrainedModel.load(path, step=step)
    export(model, RunFolder(path), out)
    print(f"{out}: step {model.step}, {len(model.vocabulary):,} labels; its README.md says how to use it")  # noqa: T201
