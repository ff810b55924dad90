"""What makes a step longer, and what does not."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.estimate.cases import CORPUS, SHAPE, TREE, a_plan, cluster, run_config
from trainer.estimate import Plan
from trainer.estimate.cluster import Cluster


def test_a_step_is_the_sum_of_its_phases() -> None:
    plan = a_plan(num_labels=3_000_000)
    assert set(plan.time.computing) == {"text", "scan", "cloze", "backward", "optimizer"}
    assert plan.time.total == sum(plan.time.computing.values()) + sum(plan.time.communicating.values())
    assert plan.records_per_second * plan.time.total == 1024
    hours = plan.steps_per_epoch * plan.time.total / 3600
    assert (plan.epoch_hours, plan.epoch_cost) == (hours, hours * 4 * 2)


@given(labels=st.integers(10_000, 10_000_000))
def test_more_labels_make_only_the_scan_longer(labels: int) -> None:
    fewer, more = (a_plan(num_labels=count).time.computing for count in (labels, 2 * labels))
    assert fewer["scan"] < more["scan"] or fewer["scan"] == more["scan"] < 0.01  # launches of a chunk or two
    assert {name: fewer[name] for name in fewer if name != "scan"} == {
        name: more[name] for name in more if name != "scan"
    }


def test_ranks_share_the_scan_of_a_batch() -> None:
    scans = [
        a_plan(nodes={"count": count}, num_labels=30_000_000, train={"global_batch": 4096, "micro_batch": 4096})
        for count in (1, 2, 4)
    ]
    for one, twice in pairwise(plan.time.computing["scan"] for plan in scans):
        assert twice < 0.55 * one


@pytest.mark.parametrize(("rate", "planned"), [(100, "bf16"), (10, "fp32"), (3, "fp32")])
def test_auto_is_planned_in_the_precision_that_is_faster_on_the_cluster(rate: float, planned: str) -> None:
    there = Cluster.model_validate(TREE | {"rates": TREE["rates"] | {"encoder_tflops_bf16": rate}})
    auto, named = (
        Plan.of(run_config(train={"precision": precision}), SHAPE, CORPUS, there) for precision in ("auto", planned)
    )
    assert auto.work.config == named.work.config
    assert auto.time == named.time


def test_chunks_that_run_twice_are_paid_for_in_backward() -> None:
    fused, checkpointed = (a_plan(cloze={"driver": driver}).time.computing for driver in ("fused", "checkpointed"))
    assert checkpointed["cloze"] < fused["cloze"]
    assert sum(checkpointed.values()) > sum(fused.values())


def test_a_kernel_is_never_shorter_than_its_launch() -> None:
    slow = Cluster.model_validate(TREE | {"rates": TREE["rates"] | {"launch_us": 10_000}})
    work = a_plan().work
    assert Plan(work, slow).time.computing["text"] == work.shape.layers * 25 * 0.01
    assert Plan(work, cluster()).time.computing["text"] < 1
