"""Two ranks under the real launcher with a real bucket: data sets that are read from it, checkpoints that are saved."""

import json
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from launcher.ports import free_port
from tests.programs import PROGRAMS, end_of, finish, started, write_run
from tests.s3_server import BUCKET, environment, s3_server

pytestmark = [pytest.mark.ranks, pytest.mark.slow, pytest.mark.timeout(900)]


def losses(place: Path, encoder: Path, data: dict[str, object], env: dict[str, str]) -> list[dict[str, float]]:
    """Train for eight steps."""
    config = write_run(
        place,
        data["dataset"],
        encoder,
        data=data,
        train={"steps": 8, "global_batch": 32, "micro_batch": 16},
        evaluation={"every_steps": 4},
    )
    command = (PROGRAMS / "deepspeed", "--num_accelerators", 2, "--master_port", free_port())
    finish(*command, "launcher/run.py", "--config", config, env=env, timeout=250)
    events = [json.loads(line) for line in (place / "run" / "events.jsonl").read_text().splitlines()]
    return [event["loss"] for event in events if event["event"] == "step"]


def test_ranks_learn_the_same_from_a_bucket_of_tars_as_from_a_folder_of_arrow(
    tmp_path: Path, tiny_dataset: Path, tiny_encoder: Path, tokenizer_folder: Path
) -> None:
    corpus, both = tiny_dataset.with_name("tiny.jsonl"), tmp_path / "both"
    finish(PROGRAMS / "lmmtc", "shard", corpus, both, "--tokenizer", tokenizer_folder, "--format", "both")
    wanted = losses(tmp_path / "folder", tiny_encoder, {"dataset": both}, {})
    with s3_server(tmp_path) as endpoint:
        address, env = f"s3://{BUCKET}/tiny", environment(endpoint)
        finish(PROGRAMS / "lmmtc", "upload", both, address, env=env)
        data = {"dataset": address, "format": "webdataset", "cache": tmp_path / "cache", "cache_gib": 0.1}
        assert losses(tmp_path / "bucket", tiny_encoder, data, env) == wanted
    assert len(wanted) == 8
    assert list((tmp_path / "cache" / "shards").glob("*.shard"))


@pytest.mark.nightly
def test_two_machines_that_share_nothing_but_the_bucket_meet_again_after_one_has_lost_its_rank(
    tmp_path: Path, tiny_dataset: Path, tiny_encoder: Path
) -> None:
    places = [tmp_path / name for name in ("one", "other")]
    with s3_server(tmp_path) as endpoint, ExitStack() as machines:
        store, steps = f"s3://{BUCKET}/run", 12
        meeting = {"NNODES": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()} | environment(endpoint)
        running = []
        for number, place in enumerate(places):
            config = write_run(
                place,
                tiny_dataset,
                tiny_encoder,
                train={"steps": steps, "global_batch": 8, "micro_batch": 4},
                checkpoint={"every_steps": 2, "store": store},
                evaluation={"every_steps": 100},
            )
            words = (PROGRAMS / "lmmtc", "train", "--restarts", 3, "--", "--config", config)
            running.append(machines.enter_context(started(*words, env=meeting | {"NODE_RANK": number})))
        events = places[0] / "run" / "events.jsonl"
        deadline = time.monotonic() + 250
        while not (events.is_file() and '"event": "checkpoint"' in events.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        (lost,) = psutil.Process(running[1].pid).children()
        lost.kill()
        said = [end_of(machine, timeout=280).err for machine in running]
        assert "starting again from step " in said[1]
        assert "starting again from step 0" not in said[1]
        for place in places:
            assert json.loads((place / "run" / "success.json").read_text())["step"] == steps
            assert not (place / "run" / "checkpoints").exists()
        listed = finish(PROGRAMS / "lmmtc", "checkpoint", "list", places[0] / "run", env=environment(endpoint)).out
        assert [line.split()[1] for line in listed.splitlines() if "UTC" in line] == ["10", "12"]
        words = ("evaluate", places[0] / "run", "--split", "dev")
        finish(PROGRAMS / "lmmtc", *words, env=environment(endpoint), timeout=120)
