"""What a configuration names, and cannot be had."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launcher.doctor import Finding, check_configuration
from launcher.ports import free_port
from tests.programs import write_config
from tests.s3_server import BUCKET, environment, s3_server

ADVICE = "correct it, or override it with --set"

Sections = dict[str, dict[str, Any]]
Look = Callable[..., dict[str, Finding]]


@pytest.fixture
def look(tmp_path: Path, sections: Sections) -> Look:
    """Check a configuration of a new run with some settings changed."""

    def check(*overrides: str) -> dict[str, Finding]:
        config = write_config(tmp_path / "run.toml", **sections | {"run": {"folder": tmp_path / "run"}})
        return {each.check: each for each in check_configuration(config, overrides)}

    return check


def test_a_configuration_that_can_work_has_all_it_names(look: Look, sections: Sections, tmp_path: Path) -> None:
    found = look(f"labels.text_cache={tmp_path / 'texts'}", f"telemetry.port={free_port()}")
    assert found.keys() == {
        *("configuration", "model.encoder", "data.dataset", "run.folder", "run.folder, clock"),
        *("labels.text_cache", "labels.text_cache, clock", "telemetry.port"),
    }
    assert {each.state for each in found.values()} == {"ok"}
    encoder, dataset = sections["model"]["encoder"], sections["data"]["dataset"]
    assert found["model.encoder"].found == f"{encoder}: 32 wide, texts of up to 256 tokens"
    assert found["data.dataset"].found == f"{dataset}: 160 records to learn from, 40 to look at, 48 labels"


@pytest.mark.parametrize("name", ["LOCAL_WORLD_SIZE", "LMMTC_RANKS_PER_POD"])
def test_the_metrics_of_every_rank_need_a_port(look: Look, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "3")
    first = free_port(3)
    found = look(f"telemetry.port={first}")["telemetry.port"]
    assert (found.state, found.found) == ("ok", f"ports {first} to {first + 2} can be listened on, for 3 ranks")
    with socket.create_server(("", first + 2)):
        assert look(f"telemetry.port={first}")["telemetry.port"] == Finding(
            "telemetry.port", "wrong", f"port {first + 2}: Address already in use", "choose another port"
        )
    found = look("telemetry.port=65534")["telemetry.port"]
    assert (found.state, found.found) == ("wrong", "port 65536: the last one is 65535")


def test_a_number_of_ranks_that_cannot_be_is_named(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "two")
    found = look(f"telemetry.port={free_port()}")["telemetry.port"]
    assert found.state == "wrong"
    assert "LOCAL_WORLD_SIZE = 'two': must be a whole number" in found.found


def test_a_configuration_that_cannot_be_read_is_the_only_finding(look: Look, tmp_path: Path) -> None:
    assert list(look("train.step=4").values()) == [
        Finding(
            "configuration",
            "wrong",
            f"ConfigError: train.step: unknown key; did you mean train.steps? ({tmp_path / 'run.toml'})",
            ADVICE,
        )
    ]


def test_an_encoder_that_is_not_there_is_wrong(look: Look, tmp_path: Path) -> None:
    assert look(f"model.encoder={tmp_path}")["model.encoder"] == Finding(
        "model.encoder",
        "wrong",
        f"ConfigError: model.encoder = {tmp_path}: no config.json there; give the folder of a Hugging Face encoder",
        ADVICE,
    )


def test_a_split_that_a_data_set_lacks_is_wrong(look: Look) -> None:
    found = look("data.dev_split=test")["data.dataset"]
    assert found.state == "wrong"
    assert found.found.startswith("DataError: split 'test': ")


def test_a_bucket_that_does_not_answer_is_wrong(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    for name, value in environment(f"http://127.0.0.1:{free_port()}").items():
        monkeypatch.setenv(name, value)
    found = look("data.dataset=s3://bucket/prefix")
    assert found["data.dataset"].state == "wrong"
    assert found["data.dataset"].found.startswith(
        "UnreachableError: s3://bucket/prefix/manifest.json: failed 2 times in "
    )
    assert found["data.cache"] == Finding(
        "data.cache", "wrong", "unset", "name a folder on a local disk for the shards"
    )


def test_a_bucket_is_asked_for_the_manifest_and_its_cache_for_room(
    look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sharding.remote import open_store

    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    (tmp_path / "manifest").write_bytes(b"x" * 1234)
    cache = tmp_path / "cache"
    (cache / "shards").mkdir(parents=True)
    with s3_server(tmp_path) as endpoint:
        for name, value in environment(endpoint).items():
            monkeypatch.setenv(name, value)
        address = f"s3://{BUCKET}/doctor"
        open_store(address).write("manifest.json", tmp_path / "manifest")
        found = look(
            f"data.dataset={address}", f"data.cache={cache}", "data.cache_gib=1e9", f"checkpoint.store={address}"
        )
        refused = look("checkpoint.store=s3://no-such-bucket/run")
    assert found["checkpoint.store"] == Finding(
        "checkpoint.store", "ok", f"{address}: can be read, and has 0 checkpoints"
    )
    assert refused["checkpoint.store"].state == "wrong"
    assert "no bucket no-such-bucket" in refused["checkpoint.store"].found
    assert found["data.dataset"] == Finding("data.dataset", "ok", f"{address}/manifest.json: 1,234 bytes")
    assert (found["data.cache"].state, found["data.cache"].advice) == (
        "warning",
        "make room: 1000000000.0 GiB are wanted",
    )


def test_shards_that_are_in_the_cache_already_need_no_more_room(
    look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    (tmp_path / "cache" / "shards").mkdir(parents=True)
    with (tmp_path / "cache" / "shards" / "0.shard").open("wb") as shard:
        shard.truncate(2**40)  # a hole, and no room taken
    settings = ("data.dataset=s3://bucket/prefix", f"data.cache={tmp_path / 'cache'}", "data.cache_gib=1024.25")
    assert look(*settings)["data.cache"].state == "ok"
