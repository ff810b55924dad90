"""`lmmtc data simulate`: what an epoch would ask of a cluster, as a table or as JSON."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..terminal.plain import plain
from .options import AsJson, DatasetArgument

if TYPE_CHECKING:
    from sharding import Dataset, SimulatedCluster, Simulation

_GB = 10**9

_ROWS: Mapping[str, Callable[["Simulation"], str]] = {
    "steps of an epoch": lambda each: f"{each.steps:,}",
    "records of a rank and step": lambda each: f"{each.records:,.1f}",
    "records of no step": lambda each: f"{each.left_out:,}",
    "shards that a node holds at once": lambda each: f"{each.reading.open_shards:,}",
    "cache that a node needs, GB": lambda each: _gigabytes(each.reading.cache_bytes),
    "fetched by the node that fetches most, GB": lambda each: _gigabytes(max(each.reading.egress_bytes)),
    "fetched by all nodes, GB": lambda each: _gigabytes(sum(each.reading.egress_bytes)),
    "padding": lambda each: f"{each.reading.padding:.1%}",
}


def simulate(
    dataset: DatasetArgument,
    nodes: Annotated[int, typer.Option(min=1, help="Machines that train together.")],
    ranks_per_node: Annotated[int, typer.Option(min=1, help="Ranks of each, which share its cache.")],
    batch: Annotated[int, typer.Option(min=1, help="Records of one step (train.global_batch).")],
    micro_batch: Annotated[
        int | None,
        typer.Option(
            min=1, help="Most records of a rank at a time (train.micro_batch); default: its share of the step."
        ),
    ] = None,
    micro_tokens: Annotated[
        int | None, typer.Option(min=1, help="Simulate a budget of tokens as well (train.micro_tokens).")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens read of a text (model.max_tokens); default: all that are stored.")
    ] = None,
    cache_gb: Annotated[float | None, typer.Option(min=0, help="Tell whether a cache of so many GB is enough.")] = None,
    lanes: Annotated[int, typer.Option(min=1, help="Lanes of the order (data.lanes).")] = 64,
    split: Annotated[str, typer.Option(help="Records that are read.")] = "train",
    as_json: AsJson = False,
) -> None:
    """Tell what an epoch would ask of a cluster: steps, shards held, cache, bytes fetched, padding."""
    from sharding import Dataset, SimulatedCluster, Simulator

    opened, cluster = Dataset.open(dataset), SimulatedCluster(nodes, ranks_per_node)
    simulator = Simulator(
        dataset=opened,
        split=split,
        cluster=cluster,
        global_batch=batch,
        micro_batch=micro_batch or max(batch // cluster.world_size, 1),
        max_tokens=max_tokens or _stored_tokens(opened),
        lanes=lanes,
    )
    simulations = {"batches of records": simulator.batches_of_records()}
    if micro_tokens is not None:
        simulations["budgets of tokens"] = simulator.budgets_of_tokens(micro_tokens)
    cache = None if cache_gb is None else round(cache_gb * _GB)
    if as_json:
        found = {name: asdict(each) | _enough(each, cache) for name, each in simulations.items()}
        typer.echo(json.dumps(found, indent=1))
    else:
        Console().print(_table(f"{dataset}, {split}: {_described(cluster)}", simulations, cache))


def _stored_tokens(dataset: "Dataset") -> int:
    tokenizer = dataset.manifest.tokenizer
    return dataset.manifest.max_tokens + len(tokenizer.prefix) + len(tokenizer.suffix)


def _enough(simulation: "Simulation", cache: int | None) -> dict[str, bool]:
    return {} if cache is None else {"cache_is_enough": simulation.reading.cache_bytes <= cache}


def _table(title: str, simulations: Mapping[str, "Simulation"], cache: int | None) -> Table:
    table = Table("", *simulations, title=plain(title))
    for name, shown in _ROWS.items():
        table.add_row(name, *map(shown, simulations.values()))
    if cache is not None:
        verdicts = ("yes" if _enough(each, cache)["cache_is_enough"] else "no" for each in simulations.values())
        table.add_row(f"is a cache of {_gigabytes(cache)} GB enough?", *verdicts)
    if any(each.every > 1 for each in simulations.values()):
        table.caption = "Estimated from every n-th step, or pool of a budget: bytes and shards are lower bounds."
        table.add_row("n", *(f"{each.every:,}" for each in simulations.values()))
    return table


def _described(cluster: "SimulatedCluster") -> str:
    return f"{cluster.nodes} nodes of {cluster.ranks_per_node} ranks"


def _gigabytes(size: int) -> str:
    return f"{size / _GB:,.3f}"
