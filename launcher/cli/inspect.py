"""`lmmtc data inspect`: what is in a data set, and some records of a shard, as people read them."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..terminal.plain import plain
from .options import DatasetArgument

if TYPE_CHECKING:
    from sharding import Dataset

_LONGEST = 160  # letters of a text that are shown
_MOST_FREQUENT = 5


def inspect(
    dataset: DatasetArgument,
    split: Annotated[str, typer.Option(help="Split of the shard that is shown.")] = "train",
    shard: Annotated[
        int | None, typer.Option(min=0, help="Show records of this shard of the split, numbered from 0.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Records that are shown of it.")] = 10,
) -> None:
    """Show what a data set holds, or records of one of its shards: texts, labels and tokens."""
    from sharding import Dataset

    opened = Dataset.open(dataset)
    if shard is None:
        Console().print(_sizes(opened), *_facts(opened), sep="\n")
    else:
        Console().print(_records(opened, split, shard, rows))


def _sizes(dataset: "Dataset") -> Table:
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


def _facts(dataset: "Dataset") -> list[Text]:
    import numpy as np

    counts, manifest = dataset.vocabulary.counts, dataset.manifest
    frequent = np.argsort(-counts, kind="stable")[:_MOST_FREQUENT]
    named = zip(dataset.vocabulary.names_of(frequent), counts[frequent].tolist(), strict=True)
    return [
        _shown(f"labels: {len(counts):,}, {np.count_nonzero(counts):,} of them with training records"),
        _shown("most frequent: " + ", ".join(f"{name} ({count:,})" for name, count in named)),
        _shown(f"tokens of a text: at most {manifest.max_tokens:,}; skipped records: {manifest.skipped_records:,}"),
        _shown(manifest.dataset_id),
    ]


def _records(dataset: "Dataset", split: str, shard: int, rows: int) -> Table:
    import numpy as np

    from sharding import DataError, TextTokenizer
    from sharding.layout.manifest import TOKENIZER_FOLDER

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
