"""Which ranks a machine gets, from the environment of `lmmtc launch`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.environment import Placement, placement
from launcher.node import local_ranks, variables
from trainer.errors import ConfigError

NODE_1 = {"NNODES": "3", "NODE_RANK": "1", "MASTER_ADDR": "node-0.example", "MASTER_PORT": "29500"}


def test_a_node_alone_needs_no_variable_and_its_ranks_meet_at_a_port_of_its_own() -> None:
    assert local_ranks({}, 2, 4711) == [Placement(rank, rank, 2, "127.0.0.1", 4711, 2) for rank in range(2)]


def test_ranks_of_a_later_node_count_on_from_those_of_the_earlier_ones() -> None:
    places = local_ranks(NODE_1, 2, 4711)
    assert places == [Placement(2 + local, local, 6, "node-0.example", 29500, 2) for local in range(2)]


@given(nodes=st.integers(2, 9), nproc=st.integers(1, 9))
def test_all_nodes_together_have_each_rank_once(nodes: int, nproc: int) -> None:
    given_ = [NODE_1 | {"NNODES": str(nodes), "NODE_RANK": str(node)} for node in range(nodes)]
    places = [place for environment in given_ for place in local_ranks(environment, nproc, 0)]
    assert [place.rank for place in places] == list(range(nodes * nproc))
    assert {place.world_size for place in places} == {nodes * nproc}


@given(nproc=st.integers(1, 9), local_rank=st.integers(0, 8))
def test_a_rank_reads_from_its_environment_the_place_it_was_given(nproc: int, local_rank: int) -> None:
    place = local_ranks(NODE_1, nproc, 0)[local_rank % nproc]
    assert placement(variables(place)) == place


def test_a_node_of_several_without_an_address_says_what_is_missing() -> None:
    with pytest.raises(ConfigError) as caught:
        local_ranks({"NNODES": "2", "NODE_RANK": "0"}, 1, 0)
    assert str(caught.value) == (
        "environment: NNODES = 2 given without MASTER_ADDR, MASTER_PORT: give each node its own NODE_RANK, from 0 on, "
        "and all the MASTER_ADDR and MASTER_PORT of node 0; or unset NNODES to train on this node alone"
    )


def test_a_node_behind_the_last_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^environment: NODE_RANK = 3: must be at least 0 and below NNODES = 3$"):
        local_ranks(NODE_1 | {"NODE_RANK": "3"}, 1, 0)


def test_a_number_that_is_none_is_shown() -> None:
    with pytest.raises(ConfigError, match=r"^environment: NNODES = 'two': must be a whole number$"):
        local_ranks(NODE_1 | {"NNODES": "two"}, 1, 0)
