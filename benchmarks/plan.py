"""`python -m benchmarks.plan`: what `lmmtc plan` predicts against short trainings that are really run, on two ranks.

The plan's cluster is calibrated first, once. Runs differ in labels, micro-batch, chunk, optimizer of rows and ZeRO
stage; texts are made up. Memory is the most that a rank had resident (VmHWM). Time is a step's, from the third on: CPU
time against what computing should take, which others' work on the machine hardly changes, and the clock's against all.
Last line: JSON with the worst error of each, as a share of what was measured.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

RANKS, STEPS, WARM = 2, 6, 2
ENCODER = Path("data/minilm")
WORDS = ("river", "stone", "light", "paper", "cloud", "train", "music", "green", "winter", "market", "garden")
RUNS: Mapping[str, tuple[int, dict[str, Any]]] = {
    "few labels, ZeRO-1": (20_000, {"labels.optimizer": "sgd"}),
    "many labels, ZeRO-2, two micro-steps": (
        150_000,
        {"labels.optimizer": "adam", "train.zero_stage": 2, "train.global_batch": 32, "train.micro_batch": 8},
    ),
    "many labels, long shortlist, small chunks": (
        150_000,
        {"labels.optimizer": "rowwise_adagrad", "labels.chunk": 1024, "cloze.shortlist": 64, "cloze.chunk": 32},
    ),
}
SETTINGS: dict[str, Any] = {
    "run.threads": 1,
    "model.max_tokens": 64,
    "train.steps": STEPS,
    "train.global_batch": 32,
    "train.micro_batch": 16,
    "evaluation.records": RANKS,
    "labels.init": "random",
    "cloze.slots": "shortlist",  # what a run has most parts with
    "cloze.context": "none",
    "checkpoint.background": False,  # so short a run would only copy: nothing else is at work while it saves
}


def main() -> None:
    """Calibrate, run, compare."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        sets = {labels: convert(folder, labels) for labels in sorted({labels for labels, _ in RUNS.values()})}
        cluster = folder / "here.toml"
        config = write_config(folder, sets[max(sets)], {})
        lmmtc("plan", "--config", config, "--calibrate", cluster, ranks=RANKS)
        print(cluster.read_text(encoding="utf-8"))
        errors = [compare(folder, run, sets[labels], settings, cluster) for run, (labels, settings) in RUNS.items()]
    memory, cpu, clock = (max(column) for column in zip(*errors, strict=True))
    print(
        json.dumps({"memory_error": round(memory, 3), "cpu_time_error": round(cpu, 3), "time_error": round(clock, 3)})
    )


def compare(
    folder: Path, run: str, dataset: Path, settings: dict[str, Any], cluster: Path
) -> tuple[float, float, float]:
    """Plan a run and do it; returns by what share memory, CPU time and time were predicted wrong."""
    config = write_config(folder, dataset, settings)
    told = json.loads(lmmtc("plan", "--config", config, "--cluster", cluster, "--json"))
    computing = sum(told["computing_seconds"].values())
    predicted = told["memory"]["host"]["bytes"], computing, told["step_seconds"]
    measured = watch(config, folder / "run")
    print(f"{run}: {json.dumps(told['memory']['host'])}, {json.dumps(told['computing_seconds'])}")
    for what, one, other in zip(("bytes", "s of CPU a step", "s a step"), predicted, measured, strict=True):
        print(f"  {what:16} predicted {one:16,.3f}  measured {other:16,.3f}", flush=True)
    memory, cpu, clock = (abs(each / of - 1) for each, of in zip(predicted, measured, strict=True))
    return memory, cpu, clock


def convert(folder: Path, labels: int) -> Path:
    """Make a data set of long texts, with each label in some record."""
    source, draw = folder / f"{labels}.jsonl", random.Random(0)  # noqa: S311  # texts, not secrets
    with source.open("w", encoding="utf-8") as lines:
        for number in range(labels // 10):
            own = [f"label {label}" for label in range(number * 10, number * 10 + 10)]
            text = " ".join(draw.choice(WORDS) for _ in range(80))
            split = "train" if number % 50 else "dev"
            lines.write(json.dumps({"id": str(number), "text": text, "labels": own, "split": split}) + "\n")
    lmmtc("shard", source, folder / str(labels), "--tokenizer", ENCODER)
    return folder / str(labels)


def write_config(folder: Path, dataset: Path, settings: dict[str, Any]) -> Path:
    """Write the configuration of a run."""
    own = {"run.folder": str(folder / "run"), "data.dataset": str(dataset), "model.encoder": str(ENCODER)}
    path = folder / "run.toml"
    merged = own | SETTINGS | settings
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in merged.items()), encoding="utf-8")
    return path


def watch(config: Path, run: Path) -> tuple[int, float, float]:
    """Train; returns bytes of the rank that took most, and seconds of a step, of a rank's CPU time and by the clock."""
    shutil.rmtree(run, ignore_errors=True)
    command = [program("lmmtc"), "train", "--nproc", str(RANKS), "--", "--config", config]
    peaks: dict[int, int] = {}
    marks: list[tuple[float, float]] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as launcher:  # noqa: S603
        while launcher.poll() is None:
            ranks = _children(launcher.pid)
            peaks |= {rank.pid: peak for rank in ranks if (peak := _peak(rank.pid))}
            if len(marks) < _steps(run):
                marks.append((_cpu_seconds(ranks), time.perf_counter()))
            time.sleep(0.02)
    (cpu, clock), (last_cpu, last_clock) = marks[WARM - 1], marks[STEPS - 1]
    steps = STEPS - WARM
    return max(peaks.values()), (last_cpu - cpu) / steps / RANKS, (last_clock - clock) / steps


def lmmtc(*arguments: object, ranks: int = 1) -> str:
    """Run a command, on several ranks under torchrun; returns what it says."""
    several = [program("torchrun"), "--nproc-per-node", str(ranks), "--no-python"] if ranks > 1 else []
    command = [*several, program("lmmtc"), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    return done.stdout


def program(name: str) -> str:
    """Find a program beside this Python."""
    return str(Path(sys.executable).with_name(name))


def _children(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children()
    return []


def _peak(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _cpu_seconds(ranks: list[psutil.Process]) -> float:
    times = [rank.cpu_times() for rank in ranks]
    return sum(each.user + each.system for each in times)


def _steps(run: Path) -> int:
    events = run / "events.jsonl"
    return events.read_text(encoding="utf-8").count('"event": "step"') if events.is_file() else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
