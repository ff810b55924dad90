"""What ranks send, against the bytes that two ranks hand over when they train."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from sharding import Dataset
from tests.trainer.components import Components, tiny_config
from tests.trainer.estimate.cases import a_plan
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.estimate import Corpus, EncoderShape
from trainer.estimate.traffic import seconds, traffic
from trainer.estimate.workload import Workload


@dataclass(frozen=True)
class Counting(Ranks):
    """Ranks that add up the bytes of what they hand over, the part for themselves left out."""

    sent: list[int] = field(default_factory=list)

    def gather(self, part: Tensor) -> Tensor:
        self.sent.append(part.nbytes * (self.world_size - 1))
        return super().gather(part)

    def exchange(self, blocks: Tensor) -> Tensor:
        self.sent.append(blocks.nbytes * (self.world_size - 1) // self.world_size)
        return super().exchange(blocks)

    def exchange_ragged(
        self, items: Tensor, counts_W: list[int], received_W: list[int] | None = None
    ) -> tuple[Tensor, list[int]]:
        others = sum(counts_W) - counts_W[self.rank]
        self.sent.append(others * items[:1].nbytes)
        return super().exchange_ragged(items, counts_W, received_W)


def bytes_of_a_step(ranks: Ranks, config: Config) -> int:
    counting = Counting(ranks.rank, ranks.world_size)
    parts = Components.build(config, counting)
    [batch] = parts.batches(1)
    counting.sent.clear()
    parts.step(1, batch)
    return sum(counting.sent)


@pytest.mark.ranks
@pytest.mark.parametrize(
    "cloze", [{}, {"context": "joint", "all_masked": 0.05, "shortlist": 8}, {"slots": "none", "context": "prefix"}]
)
def test_two_ranks_send_what_is_counted(
    on_ranks: Callable[..., list[Any]], tiny_dataset: Path, tiny_encoder: Path, cloze: dict[str, Any]
) -> None:
    config = tiny_config(tiny_dataset, tiny_encoder, train={"global_batch": 32}, cloze={"shortlist": 40} | cloze)
    dataset = Dataset.open(tiny_dataset)
    counts = dataset.vocabulary.counts
    corpus = Corpus(len(counts), 160, float(counts.sum()) / 160, 24)
    work = Workload(config, EncoderShape.of(config.model), corpus, 2)
    ours = (
        "queries",
        "pairs of records and labels",
        "shortlists",
        "query gradients",
        "row ids",
        "rows",
        "row gradients",
    )
    predicted = sum(one.sent for one in traffic(work) if one.name in ours)
    sent = on_ranks(bytes_of_a_step, 2, config)
    # Of 48 labels, shortlists of 40 ask for all, as is predicted; ranks ask for equally many of each other.
    assert predicted == pytest.approx(sum(sent) / 2, rel=0.15)


def test_one_rank_sends_nothing() -> None:
    work = replace(a_plan().work, world_size=1)
    assert traffic(work) == ()


def sent_by(stage: int, name: str) -> float:
    return sum(one.sent for one in a_plan(train={"zero_stage": stage}).traffic if one.name == name)


def test_a_stage_decides_what_is_sent_of_the_dense_part() -> None:
    whole = 4 * a_plan().work.parameters * 3 / 4
    assert [sent_by(stage, "dense gradients") for stage in range(4)] == [2 * whole, 2 * whole, 2 * whole, whole]
    assert [sent_by(stage, "moved parameters") for stage in range(4)] == [0, whole, whole, 0]


def test_nothing_that_is_sent_grows_with_the_labels_where_there_is_a_scan() -> None:
    few, many = ({one.name: one.sent for one in a_plan(num_labels=labels).traffic} for labels in (300_000, 3_000_000))
    assert few == many


def test_a_slow_network_is_felt_between_machines_alone() -> None:
    one, two = a_plan(), a_plan(nodes={"count": 2})
    queries = next(each for each in two.traffic if each.name == "queries")
    inside = seconds(queries, one.cluster.nodes, one.cluster.network)
    assert seconds(queries, two.cluster.nodes, two.cluster.network) > 5 * (inside - 3e-5)
