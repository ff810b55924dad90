"""`lmmtc simulate`: a table to read, JSON to compute with, and refusals."""

import json
from pathlib import Path

import pytest

from sharding import Dataset, SimulatedCluster, Simulator
from tests.launcher.conftest import Lmmtc

CLUSTER = ("--nodes", 2, "--ranks-per-node", 2, "--batch", 16)


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def simulator(dataset: Path) -> Simulator:
    return Simulator(
        dataset=Dataset.open(dataset),
        split="train",
        cluster=SimulatedCluster(2, 2),
        global_batch=16,
        micro_batch=4,
        max_tokens=514,
    )


def test_a_table_shows_both_ways_of_cutting_batches_side_by_side(lmmtc: Lmmtc, tiny_dataset: Path) -> None:
    said = lmmtc("simulate", tiny_dataset, *CLUSTER, "--micro-tokens", 40)
    assert said.code == 0
    for line in ("batches of records ┃ budgets of tokens", "steps of an epoch", "padding", "2 nodes of 2 ranks"):
        assert line in said.out
    tokens = simulator(tiny_dataset).budgets_of_tokens(40)
    steps = next(line for line in said.out.splitlines() if "steps of an epoch" in line)
    assert [cell.strip() for cell in steps.split("│")[2:4]] == ["10", str(tokens.steps)]
    assert "cache of" not in said.out


def test_json_has_every_number_unrounded(lmmtc: Lmmtc, tiny_dataset: Path) -> None:
    said = lmmtc("simulate", tiny_dataset, *CLUSTER, "--micro-batch", 4, "--micro-tokens", 40, "--json")
    found, wanted = json.loads(said.out), simulator(tiny_dataset)
    for name, simulation in {
        "batches of records": wanted.batches_of_records(),
        "budgets of tokens": wanted.budgets_of_tokens(40),
    }.items():
        assert found[name]["steps"] == simulation.steps
        assert found[name]["reading"]["padding"] == simulation.reading.padding
        assert found[name]["reading"]["egress_bytes"] == list(simulation.reading.egress_bytes)


@pytest.mark.parametrize(("spare", "enough"), [(0, True), (-1, False)])
def test_a_cache_is_enough_down_to_the_byte(
    lmmtc: Lmmtc,
    tiny_dataset: Path,
    spare: int,
    enough: bool,  # noqa: FBT001  # a value that is expected
) -> None:
    needed = simulator(tiny_dataset).batches_of_records().reading.cache_bytes
    gigabytes = f"{(needed + spare) / 1e9:.9f}"
    said = lmmtc("simulate", tiny_dataset, *CLUSTER, "--cache-gb", gigabytes, "--json")
    assert json.loads(said.out)["batches of records"]["cache_is_enough"] is enough
    table = lmmtc("simulate", tiny_dataset, *CLUSTER, "--cache-gb", gigabytes).out
    verdict = next(line for line in table.splitlines() if "GB enough?" in line)
    assert verdict.split("│")[2].strip() == ("yes" if enough else "no")


def test_ranks_that_cannot_share_the_batch_are_refused(lmmtc: Lmmtc, tiny_dataset: Path) -> None:
    said = lmmtc("simulate", tiny_dataset, "--nodes", 3, "--ranks-per-node", 1, "--batch", 16)
    assert (said.code, said.out) == (78, "")
    assert said.err == "DataError: global batch 16: must be a multiple of the world size 3\n"


def test_estimates_say_that_they_are(lmmtc: Lmmtc, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Estimated" not in lmmtc("simulate", tiny_dataset, *CLUSTER).out
    monkeypatch.setattr("sharding.stream.simulator.Simulator._every", lambda *_: 2)
    assert "Estimated from every n-th step" in lmmtc("simulate", tiny_dataset, *CLUSTER).out
