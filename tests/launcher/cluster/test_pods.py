"""Pods of an Indexed Job and of a JobSet."""

import pytest

from launcher.cluster import Node, Placement
from launcher.cluster.pods import pod_node, pod_place
from tests.launcher.cluster.recorded import JOB, JOB_SET
from trainer.errors import ConfigError

ADVICE = "set it in the pod's manifest, or unset JOB_COMPLETION_INDEX to work in one process"


def without(environment: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in names}


def test_a_pod_of_an_indexed_job_is_a_rank_that_meets_at_the_first_pod() -> None:
    assert pod_place(JOB) == Placement(2, 0, 4, "icd10-0.ranks", 29500, on_node=1)


def test_a_pod_of_a_job_set_is_a_rank_that_meets_at_the_first_pod_of_its_replicated_job() -> None:
    assert pod_place(JOB_SET) == Placement(2, 0, 4, "icd10-trainer-0-0.icd10", 29500, on_node=1)


def test_a_pod_may_have_several_ranks() -> None:
    environment = JOB | {"LMMTC_RANKS_PER_POD": "8", "LOCAL_RANK": "5"}
    assert pod_place(environment) == Placement(21, 5, 32, "icd10-0.ranks", 29500, on_node=8)


def test_whoever_starts_the_ranks_of_a_pod_learns_which_pod_it_is() -> None:
    assert pod_node(JOB | {"LMMTC_RANKS_PER_POD": "8"}) == Node(2, 4, "icd10-0.ranks", 29500)


def test_an_address_and_a_port_that_are_given_are_taken() -> None:
    environment = without(JOB, "LMMTC_JOB", "LMMTC_SERVICE") | {"MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "4000"}
    assert pod_node(environment) == Node(2, 4, "10.0.0.7", 4000)


def test_a_single_pod_needs_no_address() -> None:
    assert pod_node({"JOB_COMPLETION_INDEX": "0", "LMMTC_PODS": "1"}) == Node(0, 1, "127.0.0.1", 29500)


def test_a_pod_that_is_not_told_how_many_there_are_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        pod_place(without(JOB, "LMMTC_PODS"))
    assert str(caught.value) == f"environment: JOB_COMPLETION_INDEX = '2' given without LMMTC_PODS: {ADVICE}"


@pytest.mark.parametrize("environment", [without(JOB, "LMMTC_JOB", "LMMTC_SERVICE"), JOB | JOB_SET])
def test_a_pod_that_is_told_no_name_or_two_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        pod_place(environment)
    assert str(caught.value) == (
        "environment: JOB_COMPLETION_INDEX = 2: must come with either LMMTC_JOB and LMMTC_SERVICE, or LMMTC_JOBSET and "
        f"LMMTC_REPLICATED_JOB, or MASTER_ADDR, for the address of pod 0: {ADVICE}"
    )


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        (JOB, "LMMTC_JOB"),
        (JOB, "LMMTC_SERVICE"),
        (JOB_SET, "LMMTC_JOBSET"),
        (JOB_SET, "LMMTC_REPLICATED_JOB"),
    ],
)
def test_half_a_name_is_refused(environment: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pod_place(without(environment, name))
    assert str(caught.value) == f"environment: JOB_COMPLETION_INDEX = '2' given without {name}: {ADVICE}"


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("LMMTC_PODS", "0", "must be at least 1"),
        ("LMMTC_PODS", "'4Gi'", "must be a whole number"),
        ("JOB_COMPLETION_INDEX", "4", "must be at least 0 and below LMMTC_PODS = 4"),
        ("LMMTC_RANKS_PER_POD", "0", "must be at least 1"),
        ("LOCAL_RANK", "1", "must be at least 0 and below LMMTC_RANKS_PER_POD = 1"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_rule(name: str, value: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pod_place(JOB | {name: value.strip("'")})
    assert str(caught.value) == f"environment: {name} = {value}: {rule}"


def test_one_of_several_ranks_of_a_pod_must_be_told_which_it_is() -> None:
    with pytest.raises(ConfigError) as caught:
        pod_place(JOB | {"LMMTC_RANKS_PER_POD": "8"})
    assert str(caught.value) == (
        "environment: LMMTC_RANKS_PER_POD = '8' given without LOCAL_RANK: start the ranks of a pod with lmmtc train, "
        "which sets it"
    )


def test_a_second_replica_of_a_replicated_job_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        pod_place(JOB_SET | {"HOSTNAME": "icd10-trainer-1-2"})
    assert str(caught.value) == (
        "environment: HOSTNAME = 'icd10-trainer-1-2': must be a pod of the replicated job's first replica, "
        "icd10-trainer-0: give the replicated job one replica, and as many completions as there are pods"
    )


def test_on_the_network_of_its_node_a_pod_has_the_nodes_name() -> None:
    assert pod_place(JOB_SET | {"HOSTNAME": "icd10-worker-17"}) == pod_place(JOB_SET)
