"""Conversion needs what deploy/image/convert.txt lists, no more and no less; torch is not in it."""

import json
import re
import sys
from pathlib import Path

import pytest

from sharding import Manifest
from tests.architecture.sources import importers
from tests.deploy.image.dockerfile import run_stage
from tests.programs import ROOT, finish

NAMES = [
    line for line in (ROOT / "deploy/image/convert.txt").read_text(encoding="utf-8").splitlines() if line[0] != "#"
]
MODULES = {"prometheus-client": "prometheus_client"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    records = [{"id": str(n), "text": f"topic {n % 7}", "labels": [f"label {n % 7}"]} for n in range(100)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def lmmtc(*words: object, code: int = 0) -> str:
    """Run the program with nothing else installed."""
    said = finish(sys.executable, "-m", "tests.deploy.image.without_others", *NAMES, "--", *words, code=code)
    return said.out + said.err


def test_all_that_is_done_with_shards_needs_nothing_else(corpus: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    conversion = ("shard", corpus, shards, "--tokenizer", tokenizer_folder, "--format", "both", "--workers", 2)
    assert "labels: 7" in lmmtc(*conversion)
    assert "all as published" in lmmtc("verify", shards)
    assert "topic" in lmmtc("inspect", shards, "--shard", 0)
    assert "padding" in lmmtc("simulate", shards, "--nodes", 1, "--ranks-per-node", 2, "--batch", 8)
    assert "no such file" in lmmtc("verify", tmp_path / "nothing", code=78)
    assert "must be s3://bucket/prefix" in lmmtc("upload", shards, "s3:///nothing", code=78)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_listed_is_needed_and_one_of_the_dependencies(name: str) -> None:
    assert importers(MODULES.get(name, name))
    assert re.search(rf'^  "{name}[>=<"]', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_list_has_nothing_for_training() -> None:
    assert not {"torch", "deepspeed", "transformers", "accelerate", "safetensors"} & set(NAMES)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_the_steps_of_the_image_make_an_environment_that_converts(
    corpus: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    for stage in ("wheel", "convert-packages", "convert"):
        run_stage(stage, tmp_path)
    program = tmp_path / "opt/lmmtc/bin/lmmtc"
    finish("env", "-u", "PYTHONPATH", program, "shard", corpus, tmp_path / "shards", "--tokenizer", tokenizer_folder)
    manifest = Manifest.load(tmp_path / "shards")
    assert manifest.labels.count == 7
    listed = finish(program.with_name("pip"), "list", "--format", "freeze").out
    assert "torch==" not in listed
    assert "numpy==" in listed
