"""`lmmtc plan`: what it says, as tables and as JSON, and with which exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.programs import finish, write_config
from tests.trainer.estimate.cases import TREE

KNOWN = ("--labels", 3_000_000, "--records", 10_000_000, "--positives", 5, "--tokens", 128)


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    return write_config(tmp_path / "cluster.toml", **TREE)


@pytest.fixture
def config(tmp_path: Path, tiny_encoder: Path) -> Path:
    return written(tmp_path, tiny_encoder, "elsewhere")


def written(folder: Path, encoder: Path, dataset: object, **labels: Any) -> Path:
    return write_config(
        folder / "run.toml",
        run={"folder": folder / "run"},
        data={"dataset": dataset},
        model={"encoder": encoder, "max_tokens": 24},
        labels={"optimizer": "sgd"} | labels,
        train={"steps": 2, "global_batch": 64, "micro_batch": 8},
    )


def test_a_plan_says_what_is_kept_how_long_it_takes_and_that_it_fits(config: Path, cluster: Path) -> None:
    said = finish("lmmtc", "plan", "--config", config, "--cluster", cluster, *KNOWN).out
    for words in (
        "Memory of a rank, of 4",
        "GPU: label rows",
        "GPU: may be taken",
        "Time of a step",
        "scan",
        "It fits.",
    ):
        assert words in said
    assert "micro-batches of 8 records, 2 on each rank" in said
    assert "Largest train.micro_batch: 16; largest labels.chunk: 750000." in said


def test_an_index_is_planned_where_the_run_has_one(config: Path, cluster: Path) -> None:
    plan, setting = ("plan", "--config", config, "--cluster", cluster, *KNOWN), "--set=neighbours.records=1000000"
    assert "Neighbour index" not in finish("lmmtc", *plan).out
    said = " ".join(finish("lmmtc", *plan, setting).out.split())
    assert "Neighbour index of 1,000,000 records, while the run answers: " in said
    assert "GiB of host memory on each rank, " in said
    assert json.loads(finish("lmmtc", *plan, setting, "--json").out)["neighbours"]["records"] == 1_000_000


def test_a_program_gets_the_same_as_json(config: Path, cluster: Path) -> None:
    told = json.loads(finish("lmmtc", "plan", "--config", config, "--cluster", cluster, *KNOWN, "--json").out)
    assert told["fits"]
    assert told["memory"]["GPU"]["bytes"] == sum(told["memory"]["GPU"]["parts"].values())
    seconds = [*told["computing_seconds"].values(), *told["communicating_seconds"].values()]
    assert told["step_seconds"] == pytest.approx(sum(seconds))
    assert told["epoch_hours"] == pytest.approx(10_000_000 / 64 * told["step_seconds"] / 3600)


def test_what_does_not_fit_ends_with_78_and_says_what_would(tmp_path: Path, tiny_encoder: Path, cluster: Path) -> None:
    config = written(tmp_path, tiny_encoder, "elsewhere", optimizer="adam")
    many = ("--labels", 500_000_000, *KNOWN[2:])
    said = finish("lmmtc", "plan", "--config", config, "--cluster", cluster, *many, code=78).out
    said = " ".join(said.split())
    assert "Does not fit: GPU memory: a rank needs " in said
    assert "and may take 38.00 GiB." in said
    assert "It would fit with: " in said
    assert "labels.optimizer = 'rowwise_adagrad': host " in said
    told = json.loads(finish("lmmtc", "plan", "--config", config, "--cluster", cluster, *many, "--json", code=78).out)
    assert not told["fits"]
    assert {"labels.optimizer": "rowwise_adagrad"} in [each["settings"] for each in told["advice"]]


def test_a_data_set_that_is_here_tells_what_is_not_said(
    tmp_path: Path, tiny_encoder: Path, tiny_dataset: Path, cluster: Path
) -> None:
    config = written(tmp_path, tiny_encoder, tiny_dataset)
    told = json.loads(finish("lmmtc", "plan", "--config", config, "--cluster", cluster, "--json").out)
    assert told["largest_chunk"] == 12  # a quarter of 48 labels
    assert told["steps_per_epoch"] == 160 / 64


def test_what_a_plan_lacks_is_named(config: Path, cluster: Path) -> None:
    said = finish("lmmtc", "plan", "--config", config, "--cluster", cluster, "--labels", 100, code=78).err
    assert "data.dataset = elsewhere: is not a data set on this machine: give --records, --positives, --tokens" in said
    said = finish("lmmtc", "plan", "--config", config, *KNOWN, code=78).err
    assert "lmmtc plan: give --cluster FILE; examples/clusters has some, and --calibrate writes one" in said


def test_a_password_in_the_address_of_a_data_set_is_not_printed(
    tmp_path: Path, tiny_encoder: Path, cluster: Path
) -> None:
    config = written(tmp_path, tiny_encoder, "s3://AKIAKEY:hush@bucket/x")
    said = finish("lmmtc", "plan", "--config", config, "--cluster", cluster, code=78)
    assert said.err.startswith("ConfigError: data.dataset: must be s3://bucket/prefix and nothing else: ")
    assert "hush" not in said.out + said.err


def test_a_plan_does_not_wait_for_torch() -> None:
    program = "import sys, launcher.cli.plan_report; print('torch' in sys.modules)"
    assert finish("python", "-c", program).out.split() == ["False"]


@pytest.mark.nightly
def test_a_calibration_is_a_cluster_to_plan_with(tmp_path: Path, tiny_encoder: Path, tiny_dataset: Path) -> None:
    config, here = written(tmp_path, tiny_encoder, tiny_dataset), tmp_path / "here.toml"
    finish("lmmtc", "plan", "--config", config, "--calibrate", here, timeout=250)
    told = json.loads(finish("lmmtc", "plan", "--config", config, "--cluster", here, "--json").out)
    assert told["fits"]
    assert told["memory"]["host"]["parts"]["process"] > 200 * 2**20  # torch alone takes more
