"""Each pod finds its place in the variables that its manifest and its controller give it."""

import pytest

from launcher.cluster import Node, Placement, node, placement
from tests.deploy.k8s.rendering import TRAINING, command_line, environment, render, works

NODES = {"overlays/cpu-smoke": 1, "overlays/one-node": 1, "overlays/multi-node": 2}
FIRST = {
    "overlays/cpu-smoke": "127.0.0.1",
    "overlays/one-node": "127.0.0.1",
    "overlays/multi-node": "train-workers-0-0.train",
}


@pytest.mark.parametrize("folder", TRAINING)
def test_the_starter_of_each_pod_learns_which_it_is_and_where_the_first_one_is(folder: str) -> None:
    (work,) = works(render(folder))
    assert work.worker
    for index in range(NODES[folder]):
        here = node(environment(work, work.worker, index))
        assert here == Node(index, NODES[folder], FIRST[folder], 29500)
        assert here.count == 1 or here.master_addr == work.first_pod


@pytest.mark.parametrize("folder", TRAINING)
def test_each_rank_that_is_started_has_a_place_of_its_own(folder: str) -> None:
    (work,) = works(render(folder))
    assert work.worker
    words = command_line(work, work.worker)
    ranks = int(words[words.index("--nproc") + 1])
    found = []
    for index in range(NODES[folder]):
        variables = environment(work, work.worker, index)
        here = node(variables)
        found += [placement(variables | here.place(local, ranks).variables()) for local in range(ranks)]
    world = NODES[folder] * ranks
    expected = [Placement(r, r % ranks, world, FIRST[folder], 29500, on_node=ranks) for r in range(world)]
    assert found == expected


def test_pods_of_a_job_on_several_nodes_would_find_the_first_by_its_service() -> None:
    (work,) = works(render("base"))
    assert work.worker
    here = node(environment(work, work.worker, 1) | {"LMMTC_PODS": "2"})
    assert here == Node(1, 2, "train-0.ranks", 29500)
    assert here.master_addr == work.first_pod
