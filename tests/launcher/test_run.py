"""`launcher/run.py` as a program: a run that ends, and every way in which it cannot begin."""

import json
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from sharding import Dataset
from tests.programs import ROOT, finish, write_config

START = (sys.executable, ROOT / "launcher" / "run.py", "--config")

Sections = dict[str, dict[str, Any]]


@pytest.fixture
def config(tmp_path: Path, sections: Sections) -> Path:
    """Write the configuration of a new run."""
    return write_config(tmp_path / "run.toml", **sections | {"run": {"folder": tmp_path / "run", "threads": 1}})


def test_a_word_that_is_wrong_ends_with_the_code_that_no_scheduler_tries_again() -> None:
    said = finish(*START, "run.toml", "--sett", "train.steps=1", code=78)
    assert said.err.startswith("usage: launcher/run.py ")
    assert said.err.endswith("launcher/run.py: error: unrecognized arguments: --sett train.steps=1\n")


def test_a_configuration_that_is_not_there_is_named() -> None:
    said = finish(*START, "absent.toml", code=78)
    assert said.err == "ConfigError: absent.toml: no such configuration file\n"


def test_an_unknown_key_is_named_with_the_key_that_was_meant(tmp_path: Path, sections: Sections) -> None:
    path = write_config(tmp_path / "run.toml", **sections | {"run": {"folder": "run", "tread": 1}})
    assert (
        finish(*START, path, code=78).err
        == f"ConfigError: run.tread: unknown key; did you mean run.threads? ({path})\n"
    )


def test_all_mistakes_are_told_at_once(config: Path) -> None:
    said = finish(*START, config, "--set", "train.warmup=1.4", "--set", "cloze.lr=1", code=78)
    assert said.err == (
        f"ConfigError: cloze.lr: unknown key; did you mean labels.lr? ({config})\n"
        f"train.warmup = 1.4: must be less than or equal to 1 ({config})\n"
    )


def test_an_occupied_metrics_port_is_named_before_anything_else_is_done(config: Path, tmp_path: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        said = finish(*START, config, "--set", f"telemetry.port={port}", code=78)
    assert said.err == (
        f"TelemetryError: port {port} for metrics, telemetry.port + the local rank: Address already in use: "
        "choose another telemetry.port, or 0 for any free port\n"
    )
    assert not (tmp_path / "run").exists()


def test_a_metrics_port_above_the_last_one_is_refused_on_the_rank_that_would_need_it(config: Path) -> None:
    place = {"RANK": 1, "LOCAL_RANK": 1, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 1}
    said = finish(*START, config, "--set", "telemetry.port=65535", env=place, code=78)
    assert said.err.startswith("[rank 1] TelemetryError: port 65536 for metrics, telemetry.port + the local rank: ")


def test_a_rank_without_an_address_says_which_rank_it_is(config: Path) -> None:
    said = finish(*START, config, env={"RANK": 1, "WORLD_SIZE": 2}, code=78)
    assert said.err.startswith("[rank 1] ConfigError: environment: RANK, WORLD_SIZE given without LOCAL_RANK, MASTER_")


@pytest.mark.ranks
def test_a_second_run_at_the_same_rendezvous_port_is_not_started_again(config: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        place = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        said = finish(*START, config, env=place, code=78, timeout=200)
    assert last_line(said.err).startswith(
        f"[rank 0] ConfigError: MASTER_PORT = {port}: another process of this machine"
    )


@pytest.mark.ranks
def test_a_folder_without_an_encoder_is_named(config: Path, tmp_path: Path) -> None:
    said = finish(*START, config, "--set", f"model.encoder={tmp_path}", code=78, timeout=200)
    assert last_line(said.err) == (
        f"ConfigError: model.encoder = {tmp_path}: no config.json there; give the folder of a Hugging Face encoder"
    )


@pytest.mark.ranks
def test_a_truncated_shard_ends_the_start_of_training(config: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_dataset, tmp_path / "copy")
    shards = [shard.files["arrow"] for shard in Dataset.open(copy).manifest.splits["train"]]
    for info in shards:
        (copy / info.path).write_bytes((copy / info.path).read_bytes()[:1000])
    said = finish(*START, config, "--set", f"data.dataset={copy}", code=78, timeout=200)
    complaints = {
        f"CorruptShardError: shard {copy / info.path}: has 1000 bytes, its manifest says {info.bytes}: fetch it again"
        for info in shards
    }
    assert last_line(said.err) in complaints


@pytest.mark.ranks
def test_a_setting_that_changes_the_numbers_cannot_be_changed_on_resume(trained: Path) -> None:
    said = finish(*START, trained.with_name("run.toml"), "--set", "labels.lr=0.04", code=78, timeout=200)
    assert last_line(said.err) == (
        f"ConfigError: labels.lr = 0.04: {trained / 'checkpoints' / 'step-00000012'} was saved with 0.05; "
        "restore the old value, or choose a new run.folder"
    )


@pytest.mark.ranks
def test_a_run_that_is_done_is_done_when_it_is_started_again(trained: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(trained, tmp_path / "run")
    said = finish(*START, trained.with_name("run.toml"), "--set", f"run.folder={copy}", timeout=200)
    again = [json.loads(line) for line in said.out.splitlines() if line.startswith("{")]
    assert [(event["event"], event["step"]) for event in again] == [("start", 12), ("end", 12)]


@pytest.mark.ranks
def test_without_a_terminal_the_events_are_what_is_printed(trained: Path) -> None:
    events = [json.loads(line) for line in (trained / "events.jsonl").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds == ["start", *["step"] * 12, "evaluation", "end", "checkpoint"]
    assert {event["run_id"] for event in events} == {"run"}
    assert events[0]["precision"] == "fp32"


def last_line(text: str) -> str:
    return text.splitlines()[-1]
