"""What mpirun says of its processes, what it leaves out, and that none of them trains alone."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from launcher.cluster import Node, node, placement
from launcher.ports import free_port
from tests.launcher.cluster.recorded import ELASTIC, HYDRA, OPEN_MPI
from tests.programs import ROOT, finish, write_config
from trainer.errors import ConfigError
from trainer.run.folder import RunFolder

ONE_A_POD = OPEN_MPI | {"OMPI_COMM_WORLD_LOCAL_RANK": "0", "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}


def test_processes_of_several_machines_are_told_where_the_first_is() -> None:
    with pytest.raises(ConfigError) as caught:
        placement(ONE_A_POD)
    assert str(caught.value) == (
        "environment: OMPI_COMM_WORLD_SIZE = 2 given without MASTER_ADDR, and only 1 of these processes are on this "
        "machine: give all the host of rank 0, as by mpirun -x MASTER_ADDR=HOST"
    )
    assert placement(ONE_A_POD | {"MASTER_ADDR": "first"}).master_addr == "first"


@pytest.mark.parametrize(
    ("environment", "lacking"),
    [
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_LOCAL_RANK, OMPI_COMM_WORLD_LOCAL_SIZE"),
        ({"PMI_RANK": "0", "PMI_SIZE": "2"}, "MPI_LOCALRANKID, MPI_LOCALNRANKS"),
        ({"PMIX_RANK": "0"}, "a world size"),
        ({"PET_NNODES": "2"}, "PET_NODE_RANK, PET_MASTER_ADDR"),
    ],
)
def test_a_part_of_a_place_is_refused(environment: dict[str, str], lacking: str) -> None:
    with pytest.raises(ConfigError, match=f"given without {lacking}: "):
        placement(environment)


def test_a_machine_of_several_processes_is_not_one_that_starts_ranks() -> None:
    assert node(ONE_A_POD | {"MASTER_ADDR": "first"}) == Node(1, 2, "first", 29500)
    with pytest.raises(ConfigError, match="MPI_LOCALNRANKS = 2: must be one process on each machine"):
        node(HYDRA | {"MASTER_ADDR": "first"})


def test_one_rank_where_several_are_meant_is_refused() -> None:
    with pytest.raises(ConfigError, match="PET_NPROC_PER_NODE = 'auto' and PET_NNODES = 2: this process would be one"):
        placement(ELASTIC | {"PET_NPROC_PER_NODE": "auto"})


@pytest.mark.nightly
@pytest.mark.ranks
@pytest.mark.skipif(shutil.which("mpirun") is None, reason="needs mpirun, of Debian's openmpi-bin for one")
def test_two_processes_of_mpirun_train_together(tmp_path: Path, sections: dict[str, dict[str, Any]]) -> None:
    config = write_config(tmp_path / "run.toml", **sections | {"run": {"folder": tmp_path / "run", "threads": 1}})
    mpirun = ("mpirun", "--allow-run-as-root", "--oversubscribe", "-n", 2)
    finish(
        *mpirun,
        "python",
        ROOT / "launcher" / "run.py",
        "--config",
        config,
        timeout=280,
        env={"MASTER_PORT": free_port()},
    )
    assert '"world_size": 2' in RunFolder(tmp_path / "run").events.read_text()
