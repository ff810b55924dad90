"""What makes a run fit, and what is the largest that does."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.trainer.estimate.cases import a_plan
from trainer.errors import ConfigError
from trainer.estimate import advise, changed, largest_chunk, largest_micro_batch

GIB = st.integers(3, 60)


@given(device_gib=GIB, labels=st.sampled_from([300_000, 3_000_000, 20_000_000]))
def test_the_largest_chunk_fits_and_one_more_does_not(device_gib: int, labels: int) -> None:
    plan = a_plan(nodes={"device_gib": device_gib}, num_labels=labels)
    largest = largest_chunk(plan)
    assume(largest is not None)
    assert largest is not None
    assert changed(plan, {"labels.chunk": largest}).fits
    assert largest == plan.work.rows or not changed(plan, {"labels.chunk": largest + 1}).fits


@given(device_gib=GIB)
def test_the_largest_micro_batch_fits_and_the_next_does_not(device_gib: int) -> None:
    plan = a_plan(nodes={"device_gib": device_gib}, train={"global_batch": 8192, "micro_batch": 1})
    largest = largest_micro_batch(plan)
    assume(largest is not None)
    assert largest is not None
    assert changed(plan, {"train.micro_batch": largest}).fits
    assert largest == 2048 or not changed(plan, {"train.micro_batch": 2 * largest}).fits


@given(device_gib=GIB, labels=st.sampled_from([3_000_000, 60_000_000]), optimizer=st.sampled_from(["adam", "sgd"]))
def test_what_is_advised_fits(device_gib: int, labels: int, optimizer: str) -> None:
    plan = a_plan(
        nodes={"device_gib": device_gib}, num_labels=labels, labels={"optimizer": optimizer}, train={"micro_batch": 128}
    )
    assume(not plan.fits)
    for advice in advise(plan):
        assert advice.plan.fits
        assert changed(plan, advice.settings).fits


def test_a_table_that_is_too_large_has_several_remedies() -> None:
    plan = a_plan(num_labels=40_000_000, nodes={"host_gib": 4000})
    assert [(lack.place, lack.needed > lack.allowed) for lack in plan.lacks] == [("GPU", True)]
    advised = [dict(advice.settings) for advice in advise(plan)]
    for remedy in ({"labels.optimizer": "rowwise_adagrad"}, {"labels.placement": "host"}, {"nodes.count": 2}):
        assert remedy in advised


def test_where_no_single_change_is_enough_those_are_made_that_it_takes() -> None:
    plan = a_plan(num_labels=400_000_000, nodes={"host_gib": 500}, model={"label_width": 768})
    [advice] = advise(plan)
    assert len(advice.settings) > 1
    assert advice.plan.fits
    for key in advice.settings:
        fewer = {name: value for name, value in advice.settings.items() if name != key}
        assert not changed(plan, fewer).fits


def test_what_nothing_helps_gets_no_advice() -> None:
    assert advise(a_plan(nodes={"device_gib": 0.5})) == ()


def test_settings_that_do_not_go_together_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"cloze\.driver = 'fused': ZeRO-3 would give it parts"):
        changed(a_plan(cloze={"driver": "fused"}), {"train.zero_stage": 3})


def test_a_run_without_a_scan_has_no_chunk_to_choose() -> None:
    sections: dict[str, Any] = {"cloze": {"slots": "all"}}
    assert largest_chunk(a_plan(num_labels=1000, **sections)) is None
