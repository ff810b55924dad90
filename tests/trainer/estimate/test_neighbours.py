"""What a neighbour index is planned to take, against one that is built."""

from dataclasses import replace
from pathlib import Path

import pytest

from sharding import Dataset
from tests.trainer.estimate.cases import a_plan
from tests.trainer.neighbours.models import tiny_model
from trainer.estimate.neighbours import IndexPlan
from trainer.neighbours import NeighbourIndex, build_index, fingerprint


def planned(**neighbours: object) -> IndexPlan:
    plan = a_plan(neighbours={"records": 500_000} | neighbours).neighbours
    assert plan is not None
    return plan


def test_without_the_setting_there_is_no_index() -> None:
    assert a_plan().neighbours is None


def test_there_are_no_more_records_than_the_setting_says_and_the_corpus_has() -> None:
    assert planned().records == 500_000
    assert planned(records=10**9).records == 1_000_000


def test_both_kinds_of_keys_add_up() -> None:
    dense, sparse, both = planned(keys=("dense",)), planned(keys=("sparse",)), planned()
    assert both.lookup_seconds == pytest.approx(dense.lookup_seconds + sparse.lookup_seconds)
    # 4 ranks: 125,000 records each, 384 numbers of bf16; 128 terms of 8 bytes, and 8 bytes for each hashed word.
    assert both.rank_bytes - sparse.rank_bytes == 125_000 * 768
    assert both.rank_bytes - dense.rank_bytes == 125_000 * 1024 + 8 * 2**20


def test_twice_the_ranks_take_half_of_the_keys_each_and_less_time() -> None:
    four, eight = planned(), a_plan(nodes={"count": 2}, neighbours={"records": 500_000}).neighbours
    assert eight is not None
    assert 0.4 * four.rank_bytes < eight.rank_bytes < 0.7 * four.rank_bytes
    assert eight.lookup_seconds < four.lookup_seconds


def test_keys_and_labels_that_are_built_take_what_is_planned(
    tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    model = tiny_model(tiny_dataset, tiny_encoder)
    settings = model.config.neighbours.model_copy(update={"keys": ("dense",), "chunk": 1})
    build_index(model, Dataset.open(tiny_dataset), settings, tmp_path / "index")
    index = NeighbourIndex.load(tmp_path / "index", fingerprint(model), model.vocabulary)
    kept = [index.keys["dense"].keys_RE, index.labels.values, index.labels.offsets]  # pyright: ignore[reportAttributeAccessIssue]
    labels = len(index.labels.values)
    plan = a_plan(
        neighbours={"records": 160, "keys": ("dense",), "chunk": 1}, model={"label_width": 20}, nodes={"ranks": 1}
    )
    own = replace(plan, work=replace(plan.work, corpus=replace(plan.work.corpus, positives=labels / 160))).neighbours
    assert own is not None
    names, chunk = 48 * 160, 12 * plan.work.config.evaluation.batch
    assert (
        own.rank_bytes - names - chunk == sum(each.nbytes for each in kept) + 8 * 159
    )  # a plan rounds up where lists begin
