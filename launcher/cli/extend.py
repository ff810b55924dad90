"""`lmmtc extend`: a trained run with further labels, without training."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from sharding import read_new_labels
from trainer.extend import extend
from trainer.run_folder import RunFolder

from .process_group import check_alone


def run(path: Path, labels: Path, out: Path, encoder: Path | None) -> None:
    """Extend, and say what the run has now."""
    check_alone("extend")
    texts = read_new_labels(labels)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("encoding texts of labels", total=len(texts))

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        found = extend(RunFolder(path), texts, out, encoder, show)
    rows = f"rows from texts: {found.from_texts:,}, random: {len(texts) - found.from_texts:,}"
    print(f"{out}: {len(texts):,} labels added to {found.before:,}; {rows}")  # noqa: T201
