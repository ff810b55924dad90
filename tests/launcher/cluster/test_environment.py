"""Which starter is believed, and what the libraries are told of the machine."""

import pytest
import torch

from launcher.cluster import ALONE, Node, Placement, choose_accelerator, node, placement
from launcher.cluster.world import ON_NODE
from tests.launcher.cluster.recorded import (
    DEEPSPEED,
    ELASTIC,
    HYDRA,
    JOB,
    JOB_SET,
    OPEN_MPI,
    SALLOC,
    SBATCH,
    SRUN,
    TORCHRUN,
)
from trainer.errors import ConfigError

RANKS = {
    "deepspeed": (DEEPSPEED, Placement(1, 1, 2, "127.0.0.1", 29612, on_node=2)),
    "torchrun": (TORCHRUN, Placement(3, 1, 4, "node-0.example", 29611, on_node=2)),
    "srun": (SRUN, Placement(3, 1, 5, "gnode10", 28083, on_node=2)),
    "Indexed Job": (JOB, Placement(2, 0, 4, "icd10-0.ranks", 29500, on_node=1)),
    "JobSet": (JOB_SET, Placement(2, 0, 4, "icd10-trainer-0-0.icd10", 29500, on_node=1)),
    "Open MPI": (OPEN_MPI, Placement(1, 1, 2, "127.0.0.1", 29500, on_node=2)),
    "Open MPI by srun": (SRUN | OPEN_MPI, Placement(1, 1, 2, "127.0.0.1", 29500, on_node=2)),
    "Open MPI in a pod": (JOB | OPEN_MPI, Placement(1, 1, 2, "127.0.0.1", 29500, on_node=2)),
    "hydra": (HYDRA | {"MASTER_ADDR": "first"}, Placement(3, 1, 4, "first", 29500, on_node=2)),
    "srun --mpi=pmi2": (SRUN | {"PMI_RANK": "3", "PMI_SIZE": "5"}, Placement(3, 1, 5, "gnode10", 28083, on_node=2)),
    "PET": (ELASTIC, Placement(1, 0, 2, "icd10-node-0-0.icd10", 29400, on_node=1)),
    "PET alone": ({"PET_NNODES": "1", "PET_NPROC_PER_NODE": "auto"}, ALONE),
    "batch script": (SBATCH, ALONE),
    "nobody": ({"PATH": "/bin"}, ALONE),
}


@pytest.mark.parametrize("starter", RANKS)
def test_every_starter_is_understood(starter: str) -> None:
    environment, place = RANKS[starter]
    assert placement(environment) == place


@pytest.mark.parametrize("starter", RANKS)
def test_a_place_that_was_told_to_the_libraries_stays_the_place(starter: str) -> None:
    environment, place = RANKS[starter]
    assert placement(environment | place.variables()) == place


@pytest.mark.parametrize("scheduler", [SRUN, SALLOC, SBATCH, JOB, JOB_SET, OPEN_MPI, HYDRA, ELASTIC])
@pytest.mark.parametrize("starter", [DEEPSPEED, TORCHRUN])
def test_what_starts_ranks_under_a_scheduler_is_believed(starter: dict[str, str], scheduler: dict[str, str]) -> None:
    assert placement(scheduler | starter) == placement(starter)


def test_variables_that_a_batch_script_exports_for_its_tasks_are_believed_if_they_agree() -> None:
    exported = {"MASTER_ADDR": "gnode10", "MASTER_PORT": "6000", "WORLD_SIZE": "5"}
    assert placement(SRUN | exported) == Placement(3, 1, 5, "gnode10", 6000, on_node=2)


@pytest.mark.parametrize(
    ("scheduler", "environment", "name", "right"),
    [
        ("srun", SRUN, "RANK", 3),
        ("srun", SRUN, "LOCAL_RANK", 1),
        ("srun", SRUN, "WORLD_SIZE", 5),
        ("srun", SRUN, "PMIX_RANK", 3),
        ("mpirun", OPEN_MPI, "RANK", 1),
        ("PET_NNODES", ELASTIC, "WORLD_SIZE", 2),
        ("the Indexed Job", JOB, "RANK", 2),
        ("the Indexed Job", JOB_SET, "WORLD_SIZE", 4),
    ],
)
def test_a_variable_that_says_something_else_than_the_scheduler_is_refused(
    scheduler: str, environment: dict[str, str], name: str, right: int
) -> None:
    with pytest.raises(ConfigError) as caught:
        placement(environment | {name: "0"})
    assert str(caught.value) == (
        f"environment: {name} = '0': must be {right}, which is what {scheduler} says: unset {name}, or start ranks "
        "with torchrun, deepspeed or lmmtc train, which set all"
    )


def test_a_whole_place_that_every_task_has_inherited_is_refused() -> None:
    # As from a batch script that was itself sent off by a rank: all tasks would be one and the same.
    inherited = {name: value for name, value in TORCHRUN.items() if name not in ON_NODE}
    with pytest.raises(ConfigError, match="environment: WORLD_SIZE = '4': must be 5, which is what srun says"):
        placement(SRUN | inherited)


def test_two_schedulers_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        placement(SRUN | JOB)
    assert str(caught.value) == (
        "environment: SLURM_STEP_ID = '3' and JOB_COMPLETION_INDEX = '2': must not both be given, because either srun "
        "or a Job's pod has started this process: unset the variable of the other"
    )


def test_half_a_place_is_refused() -> None:
    with pytest.raises(ConfigError, match="environment: RANK given without LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MAST"):
        placement({"RANK": "0"})


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        (JOB, Node(2, 4, "icd10-0.ranks", 29500)),
        (JOB_SET, Node(2, 4, "icd10-trainer-0-0.icd10", 29500)),
        ({"NNODES": "3", "NODE_RANK": "2", "MASTER_ADDR": "first"}, Node(2, 3, "first", 29500)),
        (ELASTIC, Node(1, 2, "icd10-node-0-0.icd10", 29400)),
        (SBATCH, Node(0, 1, "127.0.0.1", 0)),
        ({"PATH": "/bin"}, Node(0, 1, "127.0.0.1", 0)),
    ],
)
def test_whoever_starts_the_ranks_of_a_machine_learns_which_machine_it_is(
    environment: dict[str, str], wanted: Node
) -> None:
    assert node(environment) == wanted


def test_in_a_shell_of_salloc_a_machine_is_the_only_one() -> None:
    assert (node(SALLOC).index, node(SALLOC).count) == (0, 1)


def test_without_a_gpu_deepspeed_is_told_to_use_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    environment: dict[str, str] = {}
    choose_accelerator(environment)
    assert environment == {"TORCHDYNAMO_DISABLE": "1", "DS_ACCELERATOR": "cpu"}


def test_with_a_gpu_deepspeed_finds_it_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    environment: dict[str, str] = {}
    choose_accelerator(environment)
    assert environment == {
        "TORCHDYNAMO_DISABLE": "1",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
    }


@pytest.mark.parametrize("name", ["PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"])
def test_what_the_user_says_of_the_memory_of_gpus_stays(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    environment = {name: "max_split_size_mb:128"}
    choose_accelerator(environment)
    assert environment == {"TORCHDYNAMO_DISABLE": "1", name: "max_split_size_mb:128"}


def test_what_the_user_has_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    chosen = {"DS_ACCELERATOR": "xpu", "TORCHDYNAMO_DISABLE": "0"}
    environment = dict(chosen)
    choose_accelerator(environment)
    assert environment == chosen
