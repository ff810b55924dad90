"""What is said when ranks cannot talk."""

import socket
from collections.abc import Callable
from datetime import timedelta

import pytest
import torch.distributed as dist

from launcher.ports import free_port
from trainer.distributed import check_gpu, naming_lost_peers
from trainer.errors import ConfigError, PeerLostError


def wait_for_a_rank_that_never_comes() -> None:
    dist.TCPStore("127.0.0.1", free_port(), 2, is_master=True, timeout=timedelta(seconds=0.3))


def break_a_connection() -> None:
    raise RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer [10.0.0.7]:23749")  # as seen


@pytest.mark.parametrize("happening", [wait_for_a_rank_that_never_comes, break_a_connection])
def test_a_rank_that_is_gone_is_one_kind_of_error(happening: Callable[[], None]) -> None:
    with pytest.raises(PeerLostError) as caught, naming_lost_peers():
        happening()
    cause = str(caught.value.__cause__)
    assert str(caught.value) == (
        f"another rank has died, or cannot be reached; the last checkpoint stands: start the run again ({cause})"
    )


def test_an_error_of_a_rank_itself_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match=r"^shapes do not fit$"), naming_lost_peers():
        raise RuntimeError("shapes do not fit")


def test_a_rendezvous_port_that_is_taken_is_named_with_the_option_that_chooses_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("MASTER_PORT", str(port))
        with pytest.raises(ConfigError) as caught, naming_lost_peers():
            dist.TCPStore("127.0.0.1", port, 2, is_master=True, timeout=timedelta(seconds=3))
    assert str(caught.value) == (
        f"MASTER_PORT = {port}: another process of this machine listens there, another run perhaps: choose another "
        "port, by --master_port of deepspeed and torchrun, or MASTER_PORT"
    )


def test_a_rank_without_a_gpu_of_its_own_is_told_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    check_gpu(1, 2)
    with pytest.raises(ConfigError) as caught:
        check_gpu(2, 2)
    assert str(caught.value) == (
        "LOCAL_RANK = 2: must be below 2, the GPUs that this process sees (CUDA_VISIBLE_DEVICES = 0,1): start at most "
        "2 ranks here, as with lmmtc train --nproc, or let each see all GPUs of the machine"
    )
