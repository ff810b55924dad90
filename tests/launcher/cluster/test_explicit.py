"""What deepspeed and torchrun really set (recorded), what people set by hand, and what neither would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.cluster import Node, Placement
from launcher.cluster.explicit import by_hand_node, rank_place
from launcher.cluster.world import PLACE
from tests.launcher.cluster.recorded import DEEPSPEED, DEEPSPEED_SECOND_NODE, TORCHRUN
from trainer.errors import ConfigError


def test_deepspeed_says_where_a_rank_is() -> None:
    assert rank_place(DEEPSPEED) == Placement(1, 1, 2, "127.0.0.1", 29612, on_node=2)


def test_deepspeed_says_where_a_rank_is_on_the_second_node_of_a_hostfile() -> None:
    assert rank_place(DEEPSPEED_SECOND_NODE) == Placement(1, 0, 2, "127.0.0.1", 29613, on_node=1)


def test_torchrun_says_where_a_rank_is_on_the_second_node() -> None:
    assert rank_place(TORCHRUN) == Placement(3, 1, 4, "node-0.example", 29611, on_node=2)


@pytest.mark.parametrize("environment", [DEEPSPEED, DEEPSPEED_SECOND_NODE, TORCHRUN])
def test_what_is_told_to_torch_is_what_the_starter_set(environment: dict[str, str]) -> None:
    place = rank_place(environment)
    said = place.variables()
    assert {name: said[name] for name in PLACE} == {name: environment[name] for name in PLACE}
    assert rank_place(said) == place


def test_an_environment_without_addresses_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        rank_place({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"})
    assert str(caught.value) == (
        "environment: RANK, LOCAL_RANK, WORLD_SIZE given without MASTER_ADDR, MASTER_PORT: start with deepspeed or "
        "torchrun, which set all, or unset them to work in one process"
    )


@given(st.sets(st.sampled_from(PLACE), min_size=1, max_size=len(PLACE) - 1))
def test_no_part_of_a_place_is_taken_for_a_place(names: set[str]) -> None:
    with pytest.raises(ConfigError, match="given without"):
        rank_place({name: TORCHRUN[name] for name in names})


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("WORLD_SIZE", "'two'", "must be a whole number"),
        ("WORLD_SIZE", "0", "must be at least 1"),
        ("RANK", "-1", "must be at least 0 and below WORLD_SIZE = 4"),
        ("RANK", "4", "must be at least 0 and below WORLD_SIZE = 4"),
        ("LOCAL_RANK", "2", "must be at least 0 and below LOCAL_WORLD_SIZE = 2"),
        ("MASTER_PORT", "65536", "must be at least 0 and at most 65535"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_rule(name: str, value: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rank_place(TORCHRUN | {name: value.strip("'")})
    assert str(caught.value) == f"environment: {name} = {value}: {rule}"


def test_a_node_can_be_named_by_hand() -> None:
    by_hand = {"NNODES": "3", "NODE_RANK": "2", "MASTER_ADDR": "first"}
    assert by_hand_node(by_hand) == Node(2, 3, "first", 29500)
    assert by_hand_node(by_hand | {"MASTER_PORT": "4000"}).master_port == 4000


def test_ranks_count_through_the_nodes() -> None:
    places = [Node(node, 3, "first", 29500).place(local_rank, 2) for node in range(3) for local_rank in range(2)]
    assert [place.rank for place in places] == list(range(6))
    assert [place.local_rank for place in places] == [0, 1] * 3
    assert {(place.world_size, place.on_node) for place in places} == {(6, 2)}


def test_a_machine_of_which_nothing_is_said_is_the_only_one() -> None:
    assert by_hand_node({"PATH": "/bin", "MASTER_ADDR": "first"}) == Node(0, 1, "127.0.0.1", 0)


def test_a_node_without_an_address_for_the_first_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        by_hand_node({"NNODES": "2", "NODE_RANK": "1"})
    assert str(caught.value) == (
        "environment: NNODES = '2' given without MASTER_ADDR: set all on every node, or none where there is one node"
    )


def test_a_node_beyond_the_last_is_refused() -> None:
    with pytest.raises(ConfigError, match="environment: NODE_RANK = 2: must be at least 0 and below NNODES = 2"):
        by_hand_node({"NNODES": "2", "NODE_RANK": "2", "MASTER_ADDR": "first"})
