"""The pages on a laptop and on one node, run as they stand in a copy of the checkout, but shortened and on CPUs."""

from pathlib import Path

import pytest

from launcher.ports import free_port
from tests.docs.test_cluster import blocks
from tests.e2e.test_readme import run, shorten, shortened
from tests.programs import copy_checkout

pytestmark = [pytest.mark.ranks, pytest.mark.nightly, pytest.mark.timeout(900)]

pytest.importorskip("simple_icd_10_cm", reason="the demo extra is not installed")

# Two ranks on CPUs in place of eight on GPUs, and a quarter of the records in a step for them.
FEWER = {"--nproc 8": "--nproc 2", "global_batch=512": "global_batch=128", "train.steps=312": "train.steps=20"}


def test_a_laptop_and_then_a_node_train_on_the_same_shards(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "copy")
    shorten(checkout / "examples/icd10/config.toml")
    (laptop,) = blocks("cluster/1-laptop.md", "bash")
    run(checkout, shortened(laptop))
    assert (checkout / "runs" / "icd10" / "success.json").is_file()
    assert (checkout / "runs" / "icd10" / "evaluation.json").is_file()

    (node,) = blocks("cluster/2-gpu-node.md", "bash")
    for many, few in FEWER.items():
        assert many in node
        node = node.replace(many, few)
    port = free_port(in_a_row=2)
    run(checkout, shortened(node.replace("telemetry.port=9400", f"telemetry.port={port}")))
    assert (checkout / "runs" / "node" / "success.json").is_file()
    assert (checkout / "runs" / "node" / "evaluation.json").is_file()
