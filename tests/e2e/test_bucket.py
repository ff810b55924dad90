"""Two ranks under the real launcher that train from a real bucket, and what they learn from a folder."""

import json
from pathlib import Path

import pytest

from tests.programs import PROGRAMS, finish, free_port, write_config
from tests.s3_server import BUCKET, environment, s3_server

pytestmark = [pytest.mark.ranks, pytest.mark.slow]


def losses(place: Path, encoder: Path, data: dict[str, object], env: dict[str, str]) -> list[dict[str, float]]:
    """Train for eight steps."""
    place.mkdir()
    config = write_config(
        place / "run.toml",
        run={"folder": place / "run", "threads": 1},
        data=data,
        model={"encoder": encoder, "max_tokens": 24},
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
