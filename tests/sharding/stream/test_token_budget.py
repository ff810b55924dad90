"""How a pool becomes micro-batches of so many tokens, and steps of so many micro-batches."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharding import Budget, DataError, hash64
from sharding.stream.token_budget import PlannedStep, check_share, plan_pool

LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=150).map(np.array)
BUDGETS = st.builds(
    Budget,
    micro_tokens=st.integers(1, 200),
    micro_records=st.integers(1, 20),
    micro_batches=st.integers(1, 7),
    max_tokens=st.just(60),
)


def plan(lengths: np.ndarray, budget: Budget, key: int = 1) -> tuple[PlannedStep, ...]:
    return plan_pool(lengths, budget, hash64(key))


def padded_share(lengths: np.ndarray, micro_batches: list[np.ndarray]) -> float:
    padded = sum(len(places) * lengths[places].max() for places in micro_batches)
    return 1 - lengths.sum() / padded


@given(LENGTHS, BUDGETS)
def test_a_plan_has_every_place_once(lengths: np.ndarray, budget: Budget) -> None:
    places = np.concatenate([part for step in plan(lengths, budget) for part in step.micro_batches])
    assert sorted(places.tolist()) == list(range(len(lengths)))


@given(LENGTHS, BUDGETS)
def test_only_a_record_that_is_too_long_by_itself_exceeds_the_budget(lengths: np.ndarray, budget: Budget) -> None:
    for part in (part for step in plan(lengths, budget) for part in step.micro_batches if len(part)):
        assert len(part) <= budget.micro_records
        assert len(part) * lengths[part].max() <= budget.micro_tokens or len(part) == 1


@given(LENGTHS, BUDGETS)
def test_a_micro_batch_takes_as_many_records_as_fit(lengths: np.ndarray, budget: Budget) -> None:
    lengths = lengths.clip(min=1)
    parts = sorted(
        (part for step in plan(lengths, budget) for part in step.micro_batches if len(part)),
        key=lambda part: (lengths[part].max(), lengths[part].min(), len(part)),
    )
    for shorter, part in pairwise(parts):
        assert lengths[shorter].max() <= lengths[part].min()
        assert len(part) == budget.micro_records or (len(part) + 1) * lengths[part].max() > budget.micro_tokens


@given(LENGTHS, BUDGETS)
def test_every_step_has_its_micro_batches_and_only_the_last_lacks_records(lengths: np.ndarray, budget: Budget) -> None:
    *full, last = plan(lengths, budget)
    assert {len(step.micro_batches) for step in [*full, last]} == {budget.micro_batches}
    assert all(len(part) for step in full for part in step.micro_batches)
    assert last.num_records


@given(LENGTHS, BUDGETS, st.integers(1, 7))
def test_ranks_share_a_step_without_gap_or_overlap(lengths: np.ndarray, budget: Budget, world_size: int) -> None:
    for step in plan(lengths, budget):
        shares = [step.share(world_size, rank) for rank in range(world_size)]
        places = [place for share in shares for part in share for place in part.tolist()]
        assert sorted(places) == sorted(np.concatenate(step.micro_batches).tolist())
        assert max(map(len, shares)) - min(map(len, shares)) == bool(budget.micro_batches % world_size)


def test_ranks_run_micro_batches_of_like_length_at_the_same_time() -> None:
    lengths = np.arange(1, 97)
    [step] = plan(lengths, Budget(micro_tokens=10**6, micro_records=12, micro_batches=8, max_tokens=96))
    longest = np.array([[lengths[part].max() for part in step.share(2, rank)] for rank in range(2)])
    assert longest.tolist() == [[96, 72, 48, 24], [84, 60, 36, 12]]


def test_another_key_deals_other_steps() -> None:
    lengths = np.arange(1, 97)
    budget = Budget(micro_tokens=200, micro_records=8, micro_batches=2, max_tokens=96)
    dealt = {tuple(step.num_records for step in plan(lengths, budget, key)) for key in range(20)}
    assert len(dealt) > 15


def test_plans_never_change() -> None:
    lengths = 3 + np.arange(1000) * 7919 % 509
    steps = plan(lengths, Budget(micro_tokens=4096, micro_records=32, micro_batches=6, max_tokens=512))
    assert [step.num_records for step in steps[:4]] == [91, 85, 97, 119]
    places = np.concatenate([part for step in steps for part in step.micro_batches]).astype("<i8")
    assert (
        hashlib.sha256(places.tobytes()).hexdigest()
        == "564de9513d4ad82d9ba0c72a0318675c3781c3cf4c620ebf2c936560fdd6adba"
    )


def test_sorted_pools_pad_a_few_percent_where_shuffled_batches_pad_tens() -> None:
    # As texts are: log-normal lengths around 90 tokens, cut at 512.
    lengths = np.exp(np.random.default_rng(0).normal(4.5, 0.7, 16_384)).astype(np.int64).clip(3, 512)
    budget = Budget(micro_tokens=8192, micro_records=128, micro_batches=8, max_tokens=512)
    planned = [part for step in plan(lengths, budget) for part in step.micro_batches if len(part)]
    assert padded_share(lengths, planned) < 0.05
    assert padded_share(lengths, np.split(np.arange(len(lengths)), 256)) > 0.4


def test_a_budget_follows_from_batches_of_records() -> None:
    budget = Budget.of_batch(4096, global_batch=256, micro_batch=32, max_tokens=128)
    assert budget == Budget(micro_tokens=4096, micro_records=32, micro_batches=8, max_tokens=128, pool=16_384)
    assert Budget.of_batch(4096, global_batch=4096, micro_batch=32, max_tokens=128).pool == 65_536


def test_batches_that_are_no_whole_number_of_micro_batches_are_refused() -> None:
    with pytest.raises(DataError, match="global batch 100: must be a multiple of the micro-batch, 32 records, where"):
        Budget.of_batch(4096, global_batch=100, micro_batch=32, max_tokens=128)


def test_ranks_that_cannot_share_the_micro_batches_are_refused() -> None:
    budget = Budget(micro_tokens=1, micro_records=1, micro_batches=6, max_tokens=128)
    check_share(budget, 3)
    with pytest.raises(DataError, match=r"^6 micro-batches a step: must be a multiple of the world size 4, so that"):
        check_share(budget, 4)
