"""A cluster, a run and a corpus that exist nowhere, to plan with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.trainer.components import tiny_config
from trainer.config import Config
from trainer.estimate import Cluster, Corpus, EncoderShape, Plan

CORPUS = Corpus(labels=300_000, records=1_000_000, positives=5, tokens=128)
SHAPE = EncoderShape(
    family="bert",
    layers=6,
    width=384,
    intermediate_size=1536,
    heads=12,
    key_width=384,
    vocab_size=30_522,
    embedding_size=384,
    positions=512,
    types=2,
    dropout=True,
    attention_dropout=True,
)
TREE: dict[str, dict[str, Any]] = {
    "nodes": {"count": 1, "ranks": 4, "device": "gpu", "device_gib": 40, "host_gib": 256, "price": 2},
    "rates": {
        "encoder_tflops_fp32": 10,
        "encoder_tflops_bf16": 100,
        "scan_tflops": 20,
        "pointwise_gbs": 1000,
        "memory_gbs": 1000,
        "host_gbs": 20,
        "launch_us": 5,
    },
    "network": {"inside_gbs": 200, "between_gbs": 20, "latency_us": 10},
    "process": {"host_gib": 2, "device_gib": 1, "scatter": 0.5},
}


def cluster(**nodes: Any) -> Cluster:
    """Four GPUs of 40 GiB in one machine, or what is said of nodes."""
    merged = TREE["nodes"] | nodes
    if merged["device"] == "cpu":
        merged["device_gib"] = None
    return Cluster.model_validate(TREE | {"nodes": merged})


def run_config(**sections: dict[str, Any]) -> Config:
    """Make a run of ordinary size; keyword arguments replace keys of a section."""
    plain: dict[str, dict[str, Any]] = {
        "model": {"max_tokens": 128, "label_width": None},
        "labels": {"chunk": 8192, "buffer_gradients": False, "optimizer": "adam"},
        "cloze": {"slots": "shortlist", "context": "none", "shortlist": 32, "chunk": 64},
        "mlm": {"probability": 0.15},
        "train": {"global_batch": 1024, "micro_batch": 256, "zero_stage": 1},
    }
    merged = {name: plain.get(name, {}) | sections.get(name, {}) for name in plain | sections}
    return tiny_config(Path("data"), Path("encoder"), **merged)


def a_plan(*, nodes: dict[str, Any] | None = None, num_labels: int = CORPUS.labels, **sections: dict[str, Any]) -> Plan:
    """Plan that run there."""
    return Plan.of(run_config(**sections), SHAPE, replace(CORPUS, labels=num_labels), cluster(**nodes or {}))
