"""What two real ranks export of a real run, and what they export after it was cut off and started again."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.components import tiny_config
from trainer.config import Config
from trainer.distributed import Ranks
from trainer.telemetry import EventLog, RunHistory, Telemetry
from trainer.training.build import build_run

RECORDS, STEPS, LABELS = 16, 6, 48

Values = dict[str, float]


def train(ranks: Ranks, config: Config) -> Values:
    """Train to the end, as a process that was started now; return every series of this rank."""
    telemetry = Telemetry.serve(None, is_first_rank=ranks.is_first)
    path = config.run.folder / "events.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    events = EventLog(path if ranks.is_first else None, None, run_id="run", rank=ranks.rank)
    started = time.time()
    run = build_run(config, ranks, telemetry, events, lambda: False)
    past = RunHistory.read(path, run.position.step, started)
    ranks.barrier()  # both have read before one writes
    telemetry.begin(past, started)
    events.write("start", step=run.position.step, restarts=past.restarts)
    run.loop.run(run.position)
    events.close()
    return {"wall": time.time() - started} | values(telemetry)


def values(telemetry: Telemetry) -> Values:
    instruments = telemetry._instruments
    return {
        " ".join([sample.name, *sample.labels.values()]).removeprefix("lmmtc_"): sample.value
        for instrument in [*instruments.counters.values(), *instruments.gauges.values()]
        for family in instrument.collect()
        for sample in family.samples
    }


@pytest.fixture
def config(tiny_dataset: Path, tiny_encoder: Path, tmp_path: Path) -> Config:
    train = {"steps": STEPS, "global_batch": RECORDS, "micro_batch": RECORDS // 2}
    return tiny_config(
        tiny_dataset,
        tiny_encoder,
        tmp_path / "run",
        train=train,
        checkpoint={"every_steps": 4},
        evaluation={"every_steps": 4, "records": 8},
        telemetry={"peak_flops": 1e9},
    )


@pytest.mark.ranks
def test_shares_of_ranks_add_up_and_goodput_is_all_time_of_both_lives(
    on_ranks: Callable[..., list[Any]], config: Config
) -> None:
    first, other = on_ranks(train, 2, config)
    assert first["train_records_total"] + other["train_records_total"] == STEPS * RECORDS
    assert first["labels_scanned_total"] + other["labels_scanned_total"] == STEPS * RECORDS * LABELS
    assert 0 < first["train_positives_found_total"] <= first["train_positives_total"]
    assert first["model_flops_total"] == other["model_flops_total"] > 0
    assert 0 < first["model_flops_utilization_ratio cpu"] < 100
    assert (first["step"], first["planned_steps"]) == (STEPS, STEPS)
    assert first["stall_limit_seconds"] == 540
    assert first["dataset_skipped_records_ratio"] == 0
    assert first["loader_ready_steps"] in (0, 1)
    check_goodput(first, lost=0)

    # A kill after step 6: the save of its end is not there, and what was done since step 4 is lost.
    shutil.rmtree(config.run.folder / "checkpoints" / f"step-{STEPS:08d}")
    lines = (config.run.folder / "events.jsonl").read_text().splitlines()
    steps = [event for event in map(json.loads, lines) if event["event"] == "step"]
    again, _ = on_ranks(train, 2, config)
    assert again["restarts_total"] == 1
    assert again["train_steps_total"] == 2
    assert again["goodput_seconds_total down"] > 0
    check_goodput(again, lost=sum(event["productive_seconds"] for event in steps[4:]))


def check_goodput(found: Values, lost: float) -> None:
    assert found["goodput_seconds_total lost"] == pytest.approx(lost)
    kinds = ("startup", "productive", "stalled", "checkpoint", "evaluation")
    spent = [found[f"goodput_seconds_total {kind}"] for kind in kinds]
    assert min(spent) > 0
    assert 0.8 * found["wall"] < sum(spent) <= found["wall"]  # the rest is callbacks, and the end of assembling
