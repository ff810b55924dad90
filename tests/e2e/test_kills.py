"""SIGKILL for a rank, for `lmmtc train`, for a whole machine: in a step, an evaluation, a save, a download."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from launcher.ports import free_port
from tests.e2e.launching import (
    Running,
    evaluates,
    events,
    folder,
    frozen_while,
    kinds,
    launched,
    ranks_of,
    saves,
    steps,
    wait_until,
    whole_checkpoint,
)
from tests.programs import PROGRAMS, end_of, finish, started, write_run
from tests.s3_server import BUCKET, environment, s3_server
from tests.sharding.remote.faulty_proxy import Answer, Handler, faulty_proxy, trickling, whole

pytestmark = [pytest.mark.ranks, pytest.mark.slow]

MOMENTS = (steps, evaluates, saves)


@contextmanager
def killing(happening: Callable[[], object], running: Running, *, launcher: bool, ranks: int) -> Iterator[None]:
    """Kill the launcher, some ranks or both in the middle of something; afterwards no rank may be left."""
    every = ranks_of(running)
    with frozen_while(happening, running):
        for process in [psutil.Process(running.pid)] * launcher + every[:ranks]:
            process.kill()
    yield
    _, alive = psutil.wait_procs(every, timeout=20)
    assert not [rank for rank in alive if rank.status() != psutil.STATUS_ZOMBIE]


def started_again_from(config: Path) -> list[int]:
    return [event["step"] for event in events(config) if event["event"] == "start"]


@pytest.mark.timeout(600)
def test_a_killed_rank_ends_the_others_and_the_next_start_goes_on_from_what_was_saved(config: Path) -> None:
    saved = [0]
    for moment in MOMENTS:
        with launched(config, "--set", f"train.steps={10**6}") as running:
            wait_until(lambda: kinds(config)[-1:] == ["checkpoint"] and started_again_from(config) == saved, running)
            with killing(lambda: moment(config), running, launcher=False, ranks=1):  # noqa: B023  # ends with the turn
                said = end_of(running, code=137, timeout=60)
        assert "[rank 1] PeerLostError: another rank has died, or cannot be reached; the last checkpoint" in said.err
        assert "lmmtc train: rank 1 ended with exit code 75\n" in said.err
        assert said.err.endswith(
            "lmmtc train: exit code 137: rank 0 was killed with SIGKILL; the last checkpoint stands\n"
        )
        saved.append(whole_checkpoint(config))
    assert saved == sorted(set(saved))
    assert not folder(config).success.exists()


@pytest.mark.nightly
@pytest.mark.parametrize("ranks", [0, 2], ids=["launcher", "machine"])
@pytest.mark.timeout(600)
def test_without_their_launcher_no_rank_is_left_and_the_next_start_goes_on(config: Path, ranks: int) -> None:
    saved = [0]
    for moment in MOMENTS:
        with launched(config, "--set", f"train.steps={10**6}") as running:
            wait_until(lambda: kinds(config)[-1:] == ["checkpoint"] and started_again_from(config) == saved, running)
            with killing(lambda: moment(config), running, launcher=True, ranks=ranks):  # noqa: B023  # ends with the turn
                said = end_of(running, code=-9, timeout=60)
        assert "lmmtc train: exit code" not in said.err
        saved.append(whole_checkpoint(config))
    assert saved == sorted(set(saved))


@pytest.mark.nightly
def test_a_machine_that_dies_ends_the_ranks_of_the_other_one(config: Path) -> None:
    meeting = {"NNODES": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    words = (PROGRAMS / "lmmtc", "train", "--", "--config", config, "--set", f"train.steps={10**6}")
    with (
        started(*words, env=meeting | {"NODE_RANK": 0}) as first,
        started(*words, env=meeting | {"NODE_RANK": 1}) as other,
    ):
        wait_until(lambda: kinds(config).count("checkpoint"), first)
        for process in (psutil.Process(other.pid), *ranks_of(other)):
            process.kill()
        said = end_of(first, code=75, timeout=60)
    assert "[rank 0] PeerLostError: " in said.err
    assert said.err.endswith(
        "lmmtc train: exit code 75: a rank was lost; the last checkpoint stands: start the run again\n"
    )
    assert whole_checkpoint(config)


def slow_shards(handler: Handler, answer: Answer) -> None:
    """Let shards come a byte at a time, and all else as it is."""
    (trickling if ".arrow" in handler.path and len(answer.body) > 2000 else whole)(handler, answer)


@pytest.mark.nightly
def test_a_kill_in_a_download_leaves_a_cache_with_which_the_next_start_trains(
    tmp_path: Path, tiny_dataset: Path, tiny_encoder: Path
) -> None:
    cache = tmp_path / "cache"
    with s3_server(tmp_path) as endpoint, faulty_proxy(endpoint) as proxy:
        address, env = f"s3://{BUCKET}/tiny", environment(endpoint)
        finish(PROGRAMS / "lmmtc", "upload", tiny_dataset, address, env=env)
        config = write_run(
            tmp_path,
            address,
            tiny_encoder,
            data={"cache": cache},
            train={"steps": 6, "global_batch": 8, "micro_batch": 4},
        )
        words = (PROGRAMS / "lmmtc", "train", "--nproc", 2, "--", "--config", config)
        proxy.faults.extend([slow_shards] * 1000)
        with started(*words, env=env | {"AWS_ENDPOINT_URL": proxy.endpoint}) as running:
            wait_until(lambda: list((cache / "shards").glob("*.partial")), running)
            time.sleep(0.5)
            ranks_of(running)[0].kill()
            said = end_of(running, code=137, timeout=60)
        assert "rank 0 was killed with SIGKILL; the last checkpoint stands\n" in said.err
        assert not folder(config).saved_step()
        said = finish(*words, env=env, timeout=200)
    assert said.err.endswith("lmmtc train: exit code 0: the run is done\n")
    assert whole_checkpoint(config) == 6
    assert list((cache / "shards").glob("*.shard"))
    assert not list((cache / "shards").glob("*.partial"))
