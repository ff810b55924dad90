"""`lmmtc extend`: a trained run with further labels, without training."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from sharding import DataError, read_label_texts
from trainer.extend import extend
from trainer.run_folder import RunFolder

from ..meeting import check_alone


def run(path: Path, labels: Path, out: Path, encoder: Path | None) -> None:
    """Extend, and say what the run has now."""
    check_alone("extend")
    texts = read_label_texts(labels)
    if not texts:
        raise DataError(f"{labels}: holds no label to add")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("encoding texts of labels", total=len(texts))

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        found = extend(RunFolder(path), texts, out, encoder, show)
    rows = "from their texts" if found.from_texts else "random, as the run's own labels began"
    print(f"{out}: {found.after - found.before:,} labels added to {found.before:,}; their rows are {rows}")  # noqa: T201
