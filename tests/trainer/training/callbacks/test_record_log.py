"""Every record that is read is written down once, whatever the ranks and the stops."""

import json
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.resilience.lineage import Lineage, lineage, lost_and_twice
from sharding import Dataset
from tests.trainer.components import tiny_config
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.telemetry import EventLog, Telemetry
from trainer.training.build import build_run

OnRanks = Callable[..., list[Any]]
STEPS = 16  # of 12 records: an epoch has 13 steps and 4 records that come to no step


def run(ranks: Ranks, config: Config, stop_at: int) -> None:
    """Train to the end, or up to a stop in the step number `stop_at` of this start."""
    calls = count(1)
    telemetry = Telemetry.serve(None, is_first_rank=ranks.is_first)
    events = EventLog(None, None, run_id="tiny", rank=ranks.rank)
    training = build_run(config, ranks, telemetry, events, lambda: next(calls) == stop_at)
    training.loop.run(training.position)


def names(dataset: Path) -> set[str]:
    """Name all training records as the shards do."""
    split = Dataset.open(dataset).split("train")
    return set(split.take(np.arange(split.num_records), ("id",))["id"].to_pylist())


def check_once(found: Lineage, all_names: set[str]) -> None:
    assert sorted(found) == list(range(1, STEPS + 1))
    first = Counter(name for step in range(1, 14) for name in found[step].ids)
    assert first.total() == 13 * 12
    assert set(first.values()) == {1}
    assert set(first) <= all_names
    assert [found[step].epoch for step in sorted(found)] == [0] * 13 + [1] * 3


@pytest.mark.nightly
@pytest.mark.ranks
def test_stops_and_other_world_sizes_leave_a_lineage_that_has_each_record_once(
    on_ranks: OnRanks, tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    def config(name: str) -> Config:
        train = {"steps": STEPS, "global_batch": 12, "micro_batch": 3}
        return tiny_config(
            tiny_dataset,
            tiny_encoder,
            tmp_path / name,
            train=train,
            run={"record_log": True},
        )

    on_ranks(run, 1, config("whole"), 0)
    for world_size, stop_at in ((2, 3), (3, 5), (1, 0)):
        on_ranks(run, world_size, config("parts"), stop_at)
    whole, parts = (lineage(tmp_path / name / "records") for name in ("whole", "parts"))
    check_once(whole, names(tiny_dataset))
    check_once(parts, names(tiny_dataset))
    assert {step: set(read.ids) for step, read in parts.items()} == {
        step: set(read.ids) for step, read in whole.items()
    }
    assert lost_and_twice(parts, whole) == (0, 0)
    files = sorted(
        path.relative_to(tmp_path / "parts/records").as_posix() for path in tmp_path.glob("parts/records/*/*")
    )
    assert files == [
        *(f"start-00000/rank-0000{rank}.jsonl" for rank in range(2)),
        *(f"start-00001/rank-0000{rank}.jsonl" for rank in range(3)),
        "start-00002/rank-00000.jsonl",
    ]


@pytest.mark.ranks
def test_padding_of_a_token_budget_is_no_record(
    on_ranks: OnRanks, tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    config = tiny_config(
        tiny_dataset,
        tiny_encoder,
        tmp_path,
        run={"record_log": True},
        train={"steps": 12, "micro_batch": 4, "micro_tokens": 60},
    )
    on_ranks(run, 2, config, 0)
    found = lineage(tmp_path / "records")
    read = Counter(name for each in found.values() if each.epoch == 0 for name in each.ids)
    assert dict(read) == dict.fromkeys(names(tiny_dataset), 1)  # with a budget the end of an epoch is read too


@pytest.mark.ranks
def test_a_line_says_what_a_rank_has_read_in_a_step(
    on_ranks: OnRanks, tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    config = tiny_config(tiny_dataset, tiny_encoder, tmp_path, run={"record_log": True})
    on_ranks(run, 2, config, 0)
    lines = (tmp_path / "records/start-00000/rank-00001.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    assert (len(lines), len(first.pop("ids"))) == (3, 8)
    assert first == {"step": 1, "epoch": 0, "applied": True}


@pytest.mark.ranks
def test_nobody_who_has_not_asked_gets_a_record_log(
    on_ranks: OnRanks, tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    on_ranks(run, 1, tiny_config(tiny_dataset, tiny_encoder, tmp_path), 0)
    assert not (tmp_path / "records").exists()
