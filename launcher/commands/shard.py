"""`lmmtc shard`: conversion with a bar, and what came out of it."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from sharding import convert
from sharding.records import BadRecordPolicy


def run(
    source: Path,
    out: Path,
    tokenizer: Path,
    *,
    label_texts: Path | None,
    vocabulary: Path | None,
    max_tokens: int,
    seed: int,
    on_bad_record: BadRecordPolicy,
) -> None:
    """Convert and say what is there now."""
    console = Console(stderr=True)
    columns = Progress.get_default_columns()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict = {}

        def show(done: int, total: int | None, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        manifest = convert(
            source,
            out,
            tokenizer,
            label_texts=label_texts,
            vocabulary=vocabulary,
            max_tokens=max_tokens,
            seed=seed,
            on_bad_record=on_bad_record,
            progress=show,
        )
    for split, shards in manifest.splits.items():
        print(f"{split}: {sum(shard.rows for shard in shards):,} records in {len(shards)} shards")  # noqa: T201
    print(f"labels: {manifest.labels.count:,}; skipped records: {manifest.skipped_records}")  # noqa: T201
    print(f"{out}: {manifest.dataset_id}")  # noqa: T201
