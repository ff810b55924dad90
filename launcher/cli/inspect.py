"""`lmmtc inspect`: what is in a data set, and some records of a shard, as people read them."""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sharding import DataError, Dataset, TextTokenizer
from sharding.manifest import TOKENIZER_FOLDER

from ..terminal.plain import plain

_LONGEST = 160  # letters of a text that are shown
_MOST_FREQUENT = 5


def run(path: Path, split: str, shard: int | None, rows: int) -> None:
    """Print a data set's size, or the first `rows` records of a shard; DataError when there is no such shard."""
    dataset = Dataset.open(path)
    if shard is None:
        Console().print(_sizes(dataset), *_facts(dataset), sep="\n")
    else:
        Console().print(_records(dataset, split, shard, rows))


def _sizes(dataset: Dataset) -> Table:
    kinds = dataset.manifest.kinds
    table = Table(title=plain(str(dataset.path)))
    table.add_column("split")
    for heading in ("shards", "records", "tokens", *(f"{kind}, MB" for kind in kinds), "sidecars, MB"):
        table.add_column(heading, justify="right")
    for split, shards in dataset.manifest.splits.items():
        counts = (len(shards), sum(shard.rows for shard in shards), sum(shard.tokens for shard in shards))
        sizes = [sum(shard.files[kind].bytes for shard in shards) for kind in kinds]
        sizes.append(sum(shard.index.bytes for shard in shards))
        table.add_row(_shown(split), *(f"{count:,}" for count in counts), *(f"{size / 1e6:,.1f}" for size in sizes))
    return table


def _facts(dataset: Dataset) -> list[Text]:
    counts, manifest = dataset.vocabulary.counts, dataset.manifest
    frequent = np.argsort(-counts, kind="stable")[:_MOST_FREQUENT]
    named = zip(dataset.vocabulary.names_of(frequent), counts[frequent].tolist(), strict=True)
    return [
        _shown(f"labels: {len(counts):,}, {np.count_nonzero(counts):,} of them with training records"),
        _shown("most frequent: " + ", ".join(f"{name} ({count:,})" for name, count in named)),
        _shown(f"tokens of a text: at most {manifest.max_tokens:,}; skipped records: {manifest.skipped_records:,}"),
        _shown(manifest.dataset_id),
    ]


def _records(dataset: Dataset, split: str, shard: int, rows: int) -> Table:
    chosen = dataset.split(split)
    if shard >= len(chosen.shard_rows):
        raise DataError(f"shard {shard}: split {split!r} has {len(chosen.shard_rows)} shards, numbered from 0")
    start = sum(chosen.shard_rows[:shard])
    places = np.arange(start, start + min(rows, chosen.shard_rows[shard]))
    tokenizer = TextTokenizer.from_folder(dataset.path / TOKENIZER_FOLDER)
    table = Table(title=plain(dataset.manifest.splits[split][shard].files[dataset.kind].path), show_lines=True)
    for heading in ("id", "text", "labels"):
        table.add_column(heading)
    table.add_column("tokens", justify="right")
    table.add_column("tokens decoded")
    for record in chosen.take(places, ["id", "text", "labels", "tokens"]).to_pylist():
        labels = ", ".join(dataset.vocabulary.names_of(record["labels"]))
        cells = (record["id"], record["text"], labels, str(len(record["tokens"])), tokenizer.decode(record["tokens"]))
        table.add_row(*map(_shown, cells))
    return table


def _shown(text: str) -> Text:
    """Cut a text, which may be long."""
    return plain(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")
