"""`python -m benchmarks.data_wait CONFIG`: how much of a real training step two ranks spend waiting for data.

Read from the run's own metrics, as Prometheus would: `lmmtc_phase_seconds_total{phase="data_wait"}` over all phases of
the loop, from the end of the third step, when everything has been mapped and built once, to the last. Last line: JSON.
"""

import argparse
import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from launcher.ports import free_port

RANKS = 2
WARM = 3
Seconds = dict[str, float]


def main() -> None:
    """Train, watch, tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_wait", description=__doc__)
    parser.add_argument("config", type=Path, help="such as examples/icd10/config.toml, its data set converted")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--set", action="append", default=[], help="as in training")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        settings = [f"run.folder={folder}/run", f"train.steps={options.steps}", f"evaluation.every_steps={10**6}"]
        first, last = watch(options.config, [*settings, *options.set])
    spent = {phase: seconds - first.get(phase, 0) for phase, seconds in last.items()}
    total = sum(spent.values())
    for phase, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{phase:12} {seconds:8.3f} s  {100 * seconds / total:6.2f} %")
    print(json.dumps({"data_wait": round(spent["data_wait"] / total, 5)}))


def watch(config: Path, settings: list[str]) -> tuple[Seconds, Seconds]:
    """Start two ranks and ask each as long as it lives; returns the phases of both, added up, early and late."""
    port = free_port(in_a_row=RANKS)
    words = [f"--set={setting}" for setting in (*settings, f"telemetry.port={port}")]
    command = [str(Path(sys.executable).with_name("deepspeed")), "--num_accelerators", str(RANKS), "launcher/run.py"]
    asked: list[list[tuple[float, Seconds]]] = [[] for _ in range(RANKS)]
    with subprocess.Popen([*command, "--config", config, *words], stdout=subprocess.DEVNULL) as program:  # noqa: S603
        while program.poll() is None:
            for rank, answers in enumerate(asked):
                with suppress(OSError):
                    answers.append(phases(port + rank))
            time.sleep(0.05)
    warm = [next(seconds for steps, seconds in answers if steps >= WARM) for answers in asked]
    return added(warm), added([answers[-1][1] for answers in asked])


def phases(port: int) -> tuple[float, Seconds]:
    """Read one rank's steps, and the seconds of each phase."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    samples = [sample for family in families for sample in family.samples]
    seconds = {each.labels["phase"]: each.value for each in samples if each.name == "lmmtc_phase_seconds_total"}
    return next(each.value for each in samples if each.name == "lmmtc_train_steps_total"), seconds


def added(parts: list[Seconds]) -> Seconds:
    """Add up phases over ranks."""
    return {phase: sum(part.get(phase, 0) for part in parts) for phase in parts[0]}


if __name__ == "__main__":
    main()
