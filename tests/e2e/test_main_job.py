"""The main job as a user does it: shard, train on two ranks under `deepspeed`, watch, evaluate, predict, tune."""

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pyarrow.parquet as pq
import pytest
from prometheus_client.parser import text_string_to_metric_families

from launcher.ports import free_port
from tests.programs import PROGRAMS, Finished, end_of, finish, started, write_run

pytestmark = pytest.mark.ranks

STEPS = 8
PROMTOOL = shutil.which("promtool")


@dataclass(frozen=True)
class Job:
    """A run that has ended: its folder, its corpus, and the last metrics of each rank while it was alive."""

    folder: Path
    corpus: Path
    said: Finished
    metrics: tuple[str, ...]


@pytest.fixture(scope="module")
def job(
    tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path, tiny_encoder: Path, tokenizer_folder: Path
) -> Job:
    """Shard and train."""
    place = tmp_path_factory.mktemp("job")
    corpus = tiny_dataset.with_name("tiny.jsonl")
    finish(PROGRAMS / "lmmtc", "shard", corpus, place / "shards", "--tokenizer", tokenizer_folder)
    port = free_port(in_a_row=2)
    config = write_run(
        place,
        place / "shards",
        tiny_encoder,
        train={"steps": STEPS, "global_batch": 32, "micro_batch": 16},
        checkpoint={"every_steps": 3},
        evaluation={"every_steps": 4},
        telemetry={"port": port},
    )
    command = (PROGRAMS / "deepspeed", "--num_accelerators", 2, "--master_port", free_port())
    with started(*command, "launcher/run.py", "--config", config) as program:
        metrics = scrape_to_the_end(program, (port, port + 1))
        return Job(place / "run", corpus, end_of(program), metrics)


def scrape_to_the_end(program: subprocess.Popen[str], ports: Sequence[int], timeout: float = 200) -> tuple[str, ...]:
    """Ask each rank for its metrics as long as the program lives, and return the last answers."""
    deadline = time.monotonic() + timeout
    answers: dict[int, str] = {}
    while program.poll() is None and time.monotonic() < deadline:
        for port in ports:
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                answers[port] = answer.read().decode()
        time.sleep(0.02)
    return tuple(answers.get(port, "") for port in ports)


def series(metrics: str) -> dict[str, float]:
    """Read metrics without labels."""
    samples = [sample for family in text_string_to_metric_families(metrics) for sample in family.samples]
    return {sample.name: sample.value for sample in samples if not sample.labels}


def test_every_step_evaluation_and_checkpoint_is_an_event(job: Job) -> None:
    events = [json.loads(line) for line in (job.folder / "events.jsonl").read_text().splitlines()]
    steps = {kind: [event["step"] for event in events if event["event"] == kind] for kind in ("step", "checkpoint")}
    assert steps == {"step": list(range(1, STEPS + 1)), "checkpoint": [3, 6, 8]}
    assert [(event["event"], event["step"]) for event in events if event["event"] == "evaluation"] == [
        ("evaluation", 4),
        ("evaluation", 8),
    ]
    assert events[0]["world_size"] == 2
    assert all('rank": 0' in line for line in job.said.out.splitlines() if '"event"' in line)


def test_both_ranks_could_be_watched_while_they_trained(job: Job) -> None:
    for metrics in map(series, job.metrics):
        assert 1 <= metrics["lmmtc_train_steps_total"] <= STEPS
        assert metrics["lmmtc_train_records_total"] == 16 * metrics["lmmtc_train_steps_total"]
    first, second = map(series, job.metrics)
    assert first["lmmtc_world_size"] == 2
    assert "lmmtc_world_size" not in second


@pytest.mark.skipif(not PROMTOOL, reason="promtool (Debian package prometheus) is not on PATH")
@pytest.mark.parametrize("rank", [0, 1])
def test_promtool_finds_nothing_to_say_about_a_live_rank(job: Job, rank: int) -> None:
    command = [str(PROMTOOL), "check", "metrics"]
    lint = subprocess.run(command, input=job.metrics[rank], capture_output=True, text=True, check=False, timeout=60)
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")


def test_the_run_can_be_evaluated(job: Job) -> None:
    wanted = ("--split", "dev", "--records", 20, "--given", 1)
    said = finish(PROGRAMS / "lmmtc", "evaluate", job.folder, *wanted, timeout=120)
    assert " ".join(said.out.split()).startswith("20 records of dev, step 8, in percent")
    judged = json.loads((job.folder / "evaluation.json").read_text())
    assert 0 < judged["scan"]["recall@K"] <= 1
    assert [worth["given"] for worth in judged["given"]] == [0, 1]


def test_the_run_can_label_a_file(job: Job, tmp_path: Path) -> None:
    answers = tmp_path / "answers.parquet"
    finish(PROGRAMS / "lmmtc", "predict", job.folder, "--input", job.corpus, "--output", answers, timeout=120)
    assert pq.read_table(answers)["id"].to_pylist() == [str(number) for number in range(200)]


def test_the_run_can_be_tuned_and_then_answers_so(job: Job, tmp_path: Path) -> None:
    tuned = shutil.copytree(job.folder, tmp_path / "tuned")
    finish(PROGRAMS / "lmmtc", "tune", tuned, "--records", 20, timeout=120)
    evaluate = (PROGRAMS / "lmmtc", "evaluate", tuned, "--split", "dev", "--records", 10)
    finish(*evaluate, timeout=120)
    assert {"scan", "fused"} <= json.loads((tuned / "evaluation.json").read_text()).keys()
    finish(*evaluate, "--untuned", timeout=120)
    assert "fused" not in json.loads((tuned / "evaluation.json").read_text())
