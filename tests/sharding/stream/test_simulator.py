"""What a cluster would read, against streams that read it."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from sharding import (
    Budget,
    BudgetStream,
    DataError,
    Dataset,
    RecordBatch,
    SimulatedCluster,
    Simulation,
    Simulator,
    TrainStream,
)
from sharding.stream.partition import StreamState, accumulation
from sharding.stream.prefetch_window import PrefetchWindow

MAX_TOKENS, SPECIAL_TOKENS = 20, 2
COLUMNS = ("id", "tokens")
NUM_RECORDS = 83  # of the fixture `texts`
REACH = PrefetchWindow(ahead=9, behind=7)
CLUSTERS = [(1, 1), (1, 4), (2, 2), (4, 1), (4, 3)]
BATCH, MICRO_BATCH, MICRO_TOKENS = 24, 2, 30

Ranks = list[list[tuple[RecordBatch, ...]]]


@pytest.fixture(autouse=True)
def short_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nodes keep shards for less than an epoch of so few records."""
    monkeypatch.setattr(PrefetchWindow, "of_batches", lambda *_: REACH)
    monkeypatch.setattr(PrefetchWindow, "of_pools", lambda *_: REACH)


def simulator(texts: Dataset, nodes: int, ranks_per_node: int) -> Simulator:
    return Simulator(
        dataset=texts,
        split="train",
        cluster=SimulatedCluster(nodes, ranks_per_node),
        global_batch=BATCH,
        micro_batch=MICRO_BATCH,
        max_tokens=MAX_TOKENS,
        lanes=4,
    )


def epoch(stream: TrainStream | BudgetStream) -> Iterator[tuple[RecordBatch, ...]]:
    for step, state in stream.steps(StreamState()):
        yield step
        if state.epoch:
            return


def ranks_of_records(texts: Dataset, world_size: int) -> Ranks:
    shape = {"seed": 0, "global_batch": BATCH, "world_size": world_size, "lanes": 4, "columns": COLUMNS}
    parts = accumulation(BATCH // world_size, MICRO_BATCH)
    return [
        list(epoch(TrainStream(texts, "train", **shape, rank=rank, accumulation=parts))) for rank in range(world_size)
    ]


def ranks_of_tokens(texts: Dataset, world_size: int) -> Ranks:
    budget = Budget.of_batch(MICRO_TOKENS, global_batch=BATCH, micro_batch=MICRO_BATCH, max_tokens=MAX_TOKENS)
    shape = {"seed": 0, "world_size": world_size, "lanes": 4, "columns": COLUMNS}
    return [list(epoch(BudgetStream(texts, "train", budget, **shape, rank=rank))) for rank in range(world_size)]


def shards_used(texts: Dataset, micro_batches: tuple[RecordBatch, ...]) -> set[int]:
    pieces = texts.split("train").shards(["id"])
    owner = {name: number for number, (_, piece) in enumerate(pieces) for name in piece["id"].to_pylist()}
    return {owner[name] for batch in micro_batches for name in batch.table["id"].to_pylist() if name is not None}


def most_kept(uses: list[set[int]], starts: list[int], sizes: list[int]) -> int:
    """Add up the sizes of what is kept, wherever that is most, of an epoch that is one of many like it."""
    spans: dict[int, list[int]] = {}
    for start, used in zip(starts, uses, strict=True):
        for shard in used:
            spans.setdefault(shard, [start - REACH.ahead, start])[1] = start + REACH.behind
    kept = (
        sum(
            sizes[shard] * sum(first <= now + epoch * NUM_RECORDS <= last for epoch in range(-4, 5))
            for shard, (first, last) in spans.items()
        )
        for now in range(NUM_RECORDS)
    )
    return min(max(kept), sum(sizes))


def padding_of(ranks: Ranks) -> float:
    real = padded = 0
    for batch in chain.from_iterable(chain.from_iterable(ranks)):
        if batch.weights.all():
            lengths = [min(len(tokens) + SPECIAL_TOKENS, MAX_TOKENS) for tokens in batch.table["tokens"].to_pylist()]
            real, padded = real + sum(lengths), padded + len(lengths) * max(lengths)
    return 1 - real / padded


def assert_as_read(found: Simulation, texts: Dataset, ranks: Ranks, ranks_per_node: int) -> None:
    sizes = [shard.bytes_read("arrow") for shard in texts.manifest.splits["train"]]
    starts = [
        int(min(batch.positions[batch.weights > 0].min(initial=NUM_RECORDS) for batch in chain(*step)))
        for step in zip(*ranks, strict=True)
    ]
    nodes = []
    for first in range(0, len(ranks), ranks_per_node):
        steps = zip(*ranks[first : first + ranks_per_node], strict=True)
        nodes.append([shards_used(texts, tuple(chain(*step))) for step in steps])
    assert found.steps == found.reading.num_steps == len(ranks[0])
    assert found.every == 1
    assert found.reading.open_shards == max(most_kept(uses, starts, [1] * len(sizes)) for uses in nodes)
    assert found.reading.cache_bytes == max(most_kept(uses, starts, sizes) for uses in nodes)
    assert found.reading.egress_bytes == tuple(sum(sizes[shard] for shard in set().union(*uses)) for uses in nodes)
    assert found.reading.padding == pytest.approx(padding_of(ranks))
    weights = sum(int(batch.weights.sum()) for step in chain.from_iterable(ranks) for batch in step)
    assert found.records * found.steps * len(ranks) == pytest.approx(weights)
    assert found.left_out == texts.split("train").num_records - weights


@pytest.mark.parametrize(("nodes", "ranks_per_node"), CLUSTERS)
def test_batches_of_records_are_foreseen_as_streams_read_them(texts: Dataset, nodes: int, ranks_per_node: int) -> None:
    found = simulator(texts, nodes, ranks_per_node).batches_of_records()
    assert_as_read(found, texts, ranks_of_records(texts, nodes * ranks_per_node), ranks_per_node)


@pytest.mark.parametrize(("nodes", "ranks_per_node"), CLUSTERS)
def test_budgets_of_tokens_are_foreseen_as_streams_read_them(texts: Dataset, nodes: int, ranks_per_node: int) -> None:
    found = simulator(texts, nodes, ranks_per_node).budgets_of_tokens(MICRO_TOKENS)
    assert_as_read(found, texts, ranks_of_tokens(texts, nodes * ranks_per_node), ranks_per_node)


def test_nodes_that_share_the_lanes_evenly_fetch_little_more_than_the_data_once(texts: Dataset) -> None:
    data = sum(shard.bytes_read("arrow") for shard in texts.manifest.splits["train"])
    apart = sum(simulator(texts, 4, 1).batches_of_records().reading.egress_bytes)
    mixed = sum(simulator(texts, 3, 1).batches_of_records().reading.egress_bytes)
    assert data <= apart < mixed <= 3 * data


def test_a_long_epoch_is_followed_in_every_nth_step(texts: Dataset) -> None:
    whole, sample = simulator(texts, 2, 2), replace(simulator(texts, 2, 2), most_records=40)
    found, wanted = sample.batches_of_records(), whole.batches_of_records()
    assert (found.every, found.reading.num_steps) == (2, 2)
    assert (found.steps, found.records, found.left_out) == (wanted.steps, wanted.records, wanted.left_out)
    assert found.reading.cache_bytes <= wanted.reading.cache_bytes
    assert np.less_equal(found.reading.egress_bytes, wanted.reading.egress_bytes).all()


def test_a_long_epoch_of_budgets_is_followed_in_every_nth_pool(texts: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sharding.stream.token_budget._POOL", 10)
    monkeypatch.setattr("sharding.stream.token_budget._LEAST_STEPS", 0)
    wanted = simulator(texts, 2, 2).budgets_of_tokens(MICRO_TOKENS)
    found = replace(simulator(texts, 2, 2), most_records=30).budgets_of_tokens(MICRO_TOKENS)
    assert (found.every, found.reading.num_steps) == (3, 3)  # of nine pools, each of one step
    assert (found.steps, wanted.steps) == (9, 9)


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        ((5, 1), r"^global batch 24: must be a multiple of the world size 5"),
        ((2, 48), r"^global batch 24: must be a multiple of the world size 96"),
    ],
)
def test_ranks_that_cannot_share_a_batch_are_refused(texts: Dataset, cluster: tuple[int, int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        simulator(texts, *cluster).batches_of_records()


def test_ranks_that_cannot_share_the_micro_batches_of_a_step_are_refused(texts: Dataset) -> None:
    with pytest.raises(DataError, match=r"^12 micro-batches a step: must be a multiple of the world size 8, so that"):
        simulator(texts, 8, 1).budgets_of_tokens(MICRO_TOKENS)


def test_a_split_smaller_than_a_batch_is_refused(texts: Dataset) -> None:
    with pytest.raises(DataError, match="global batch 96: must not exceed the split's 83 records"):
        replace(simulator(texts, 2, 2), global_batch=96).batches_of_records()
