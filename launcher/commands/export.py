"""`lmmtc export`: a trained run as a folder that transformers opens."""

from pathlib import Path

from trainer.inference.export import export
from trainer.inference.loading import TrainedModel
from trainer.run.folder import RunFolder

from ..meeting import check_alone


def run(path: Path, out: Path, step: int | None) -> None:
    """Export a checkpoint, and say which it was."""
    check_alone("export")
    model = TrainedModel.load(path, step=step)
    export(model, RunFolder(path), out)
    print(f"{out}: step {model.step}, {len(model.vocabulary):,} labels; its README.md says how to use it")  # noqa: T201
