"""What a training step launches, waits for and sends, against the budget."""

import tomllib
from pathlib import Path

import pytest

from benchmarks.launches import count


@pytest.mark.ranks
def test_a_step_launches_waits_and_sends_no_more_than_its_budget() -> None:
    budget = tomllib.loads((Path(__file__).parent / "budget.toml").read_text(encoding="utf-8"))
    counts, lines = count()
    assert counts.keys() == budget.keys()
    assert {name: number for name, number in counts.items() if number > budget[name]} == {}, lines
