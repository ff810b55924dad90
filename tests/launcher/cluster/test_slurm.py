"""Tasks of srun, from what Slurm really sets (recorded), and from lists of hosts as it shortens them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.cluster import Node, Placement
from launcher.cluster.slurm import first_host, slurm_node, slurm_place
from tests.launcher.cluster.recorded import SALLOC, SRUN
from trainer.errors import ConfigError

ONE_EACH = {"SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_TASKS_PER_NODE": "1(x3)", "SLURM_PROCID": "1"}


def test_srun_says_where_a_task_is() -> None:
    assert slurm_place(SRUN) == Placement(3, 1, 5, "gnode10", 28083, on_node=2)


def test_the_last_node_may_have_fewer_tasks() -> None:
    last = {"SLURM_PROCID": "4", "SLURM_LOCALID": "0", "SLURM_NODEID": "2"}
    assert slurm_place(SRUN | last) == Placement(4, 0, 5, "gnode10", 28083, on_node=1)


def test_a_shell_on_a_node_is_a_step_of_one_task_whatever_the_job_could_hold() -> None:
    place = slurm_place(SALLOC)
    assert (place.rank, place.world_size, place.on_node, place.master_addr) == (0, 1, 1, "GPU71E4")


def test_an_address_and_a_port_that_are_given_are_taken() -> None:
    place = slurm_place(SRUN | {"MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "4000"})
    assert (place.master_addr, place.master_port) == ("10.0.0.7", 4000)


@given(st.integers(1, 2**26), st.integers(0, 14))
def test_the_next_job_and_the_next_step_have_other_ports(job: int, step: int) -> None:
    ports = {
        slurm_place(SRUN | {"SLURM_JOB_ID": str(j), "SLURM_STEP_ID": str(s)}).master_port
        for j, s in [(job, step), (job + 1, step), (job, step + 1)]
    }
    assert len(ports) == 3
    assert all(20_000 <= port < 30_000 for port in ports)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_every_task_has_its_place_however_tasks_are_spread(tasks: list[int], data: st.DataObject) -> None:
    node = data.draw(st.integers(0, len(tasks) - 1))
    local_rank = data.draw(st.integers(0, tasks[node] - 1))
    changes = {
        "SLURM_STEP_TASKS_PER_NODE": shortened(tasks),
        "SLURM_STEP_NUM_TASKS": str(sum(tasks)),
        "SLURM_PROCID": str(sum(tasks[:node]) + local_rank),
        "SLURM_LOCALID": str(local_rank),
        "SLURM_NODEID": str(node),
    }
    place = slurm_place(SRUN | changes)
    assert (place.rank, place.world_size) == (sum(tasks[:node]) + local_rank, sum(tasks))
    assert (place.local_rank, place.on_node) == (local_rank, tasks[node])


def shortened(tasks: list[int]) -> str:
    """Write runs of equal counts as Slurm does."""
    runs: list[list[int]] = []
    for count in tasks:
        if runs and runs[-1][0] == count:
            runs[-1].append(count)
        else:
            runs.append([count])
    return ",".join(f"{run[0]}(x{len(run)})" if len(run) > 1 else str(run[0]) for run in runs)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("gnode10", "gnode10"),
        ("gnode[10,20,25,37]", "gnode10"),
        ("n[001-003,7],m2", "n001"),
        ("m2,n[001-003]", "m2"),
        ("rack[1-2]n[01-08,11]", "rack1n01"),
        ("c[1-4]-ib.cluster.example,d1", "c1-ib.cluster.example"),
    ],
)
def test_the_first_host_of_a_list_is_where_rank_0_is(nodes: str, first: str) -> None:
    assert first_host(nodes) == first


@pytest.mark.parametrize("nodes", ["", "n[1-", "n[]", ",n1", "n1;reboot"])
def test_what_is_no_list_of_hosts_is_refused(nodes: str) -> None:
    with pytest.raises(ConfigError) as caught:
        first_host(nodes)
    assert str(caught.value) == (
        f"environment: SLURM_STEP_NODELIST = {nodes!r}: must be hosts like n[001-003,7],m2: "
        "give rank 0's host as MASTER_ADDR"
    )


def test_a_step_of_which_something_is_missing_is_refused() -> None:
    without = {name: value for name, value in SRUN.items() if name != "SLURM_STEP_NODELIST"}
    with pytest.raises(ConfigError) as caught:
        slurm_place(without)
    assert str(caught.value) == (
        "environment: SLURM_STEP_ID = '3' given without SLURM_STEP_NODELIST: start with srun, which sets all, or unset "
        "it to work in one process"
    )


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("SLURM_PROCID", "5", "must be at least 0 and below SLURM_STEP_NUM_TASKS = 5"),
        ("SLURM_NODEID", "3", "must be at least 0 and below the nodes of SLURM_STEP_TASKS_PER_NODE = 3"),
        ("SLURM_LOCALID", "2", "must be at least 0 and below the node's tasks in SLURM_STEP_TASKS_PER_NODE = 2"),
        ("SLURM_STEP_NUM_TASKS", "'many'", "must be a whole number"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_rule(name: str, value: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        slurm_place(SRUN | {name: value.strip("'")})
    assert str(caught.value) == f"environment: {name} = {value}: {rule}"


@pytest.mark.parametrize("tasks", ["2(x2)", "2(x2),two", ""])
def test_tasks_that_do_not_add_up_are_refused(tasks: str) -> None:
    with pytest.raises(ConfigError) as caught:
        slurm_place(SRUN | {"SLURM_STEP_TASKS_PER_NODE": tasks})
    assert str(caught.value) == (
        f"environment: SLURM_STEP_TASKS_PER_NODE = {tasks!r}: must be counts like 2(x3),1 that add up to "
        "SLURM_STEP_NUM_TASKS = 5"
    )


def test_one_task_on_each_node_is_a_node() -> None:
    assert slurm_node(SRUN | ONE_EACH) == Node(1, 3, "gnode10", 28083)


def test_of_several_tasks_on_a_node_none_may_start_the_others() -> None:
    with pytest.raises(ConfigError) as caught:
        slurm_node(SRUN)
    assert str(caught.value) == (
        "environment: SLURM_STEP_TASKS_PER_NODE = '2(x2),1': must be one task on each node, which starts the node's "
        "ranks: srun --ntasks-per-node=1"
    )
