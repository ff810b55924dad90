"""Which process this is, from what starters really set (recorded), and from what none would."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from launcher.environment import PLACE, Placement, choose_accelerator, placement
from trainer.errors import ConfigError

DEEPSPEED = {
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    "CUDA_VISIBLE_DEVICES": "0,1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29612",
    "WORLD_SIZE": "2",
    "CROSS_RANK": "0",
    "CROSS_SIZE": "1",
    "LOCAL_SIZE": "2",
    "RANK": "1",
    "LOCAL_RANK": "1",
}
TORCHRUN = {
    "OMP_NUM_THREADS": "1",
    "RANK": "3",
    "GROUP_RANK": "1",
    "ROLE_RANK": "3",
    "ROLE_NAME": "default",
    "LOCAL_WORLD_SIZE": "2",
    "WORLD_SIZE": "4",
    "GROUP_WORLD_SIZE": "2",
    "ROLE_WORLD_SIZE": "4",
    "MASTER_ADDR": "node-0.example",
    "MASTER_PORT": "29611",
    "TORCHELASTIC_RESTART_COUNT": "0",
    "TORCHELASTIC_RUN_ID": "none",
    "LOCAL_RANK": "1",
}


def test_deepspeed_says_where_a_rank_is() -> None:
    assert placement(DEEPSPEED) == Placement(1, 1, 2, "127.0.0.1", 29612, on_node=2)


def test_torchrun_says_where_a_rank_is_on_the_second_node() -> None:
    assert placement(TORCHRUN) == Placement(3, 1, 4, "node-0.example", 29611, on_node=2)


def test_without_a_starter_this_process_is_the_whole_world() -> None:
    assert placement({"PATH": "/bin"}) == Placement(0, 0, 1, "127.0.0.1", 0)


@pytest.mark.parametrize("environment", [DEEPSPEED, TORCHRUN])
def test_what_is_told_to_torch_is_what_the_starter_set(environment: dict[str, str]) -> None:
    assert placement(environment).variables() == {name: environment[name] for name in PLACE}


def test_an_environment_without_addresses_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        placement({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"})
    assert str(caught.value) == (
        "environment: RANK, LOCAL_RANK, WORLD_SIZE given without MASTER_ADDR, MASTER_PORT: start with deepspeed or "
        "torchrun, which set all, or unset them to work in one process"
    )


@given(st.sets(st.sampled_from(PLACE), min_size=1, max_size=len(PLACE) - 1))
def test_no_part_of_a_place_is_taken_for_a_place(names: set[str]) -> None:
    with pytest.raises(ConfigError, match="given without"):
        placement({name: TORCHRUN[name] for name in names})


def test_a_world_size_that_is_no_number_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        placement(TORCHRUN | {"WORLD_SIZE": "two"})
    assert str(caught.value) == "environment: WORLD_SIZE = 'two': must be a whole number"


@pytest.mark.parametrize("rank", ["-1", "4"])
def test_a_rank_outside_of_the_world_is_refused(rank: str) -> None:
    with pytest.raises(ConfigError) as caught:
        placement(TORCHRUN | {"RANK": rank})
    assert str(caught.value) == f"environment: RANK = {rank}: must be at least 0 and below WORLD_SIZE = 4"


def test_without_a_gpu_deepspeed_is_told_to_use_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    environment: dict[str, str] = {}
    choose_accelerator(environment)
    assert environment == {"TORCHDYNAMO_DISABLE": "1", "DS_ACCELERATOR": "cpu"}


def test_with_a_gpu_deepspeed_finds_it_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    environment: dict[str, str] = {}
    choose_accelerator(environment)
    assert environment == {"TORCHDYNAMO_DISABLE": "1"}


def test_what_the_user_has_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    chosen = {"DS_ACCELERATOR": "xpu", "TORCHDYNAMO_DISABLE": "0"}
    environment = dict(chosen)
    choose_accelerator(environment)
    assert environment == chosen
