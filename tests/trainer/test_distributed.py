"""What is said when ranks cannot talk."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import torch.distributed as dist

from launcher.ports import free_port
from trainer.distributed import naming_lost_peers
from trainer.errors import PeerLostError


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
