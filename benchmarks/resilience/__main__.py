"""`python -m benchmarks.resilience`: what stops, kills and saves cost a run of the demo, and what thirty kills lose.

The demo's data set and encoder are made if they are not there. Last line: JSON.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from .ends import ends, p95
from .overhead import overhead
from .soak import soak
from .task import tiny_run

DEMO = Path(__file__).resolve().parents[2] / "examples" / "icd10"
FULL = {"steps": 200, "ends": 10, "kills": 30}
QUICK = {"steps": 20, "ends": 2, "kills": 3}


def main() -> None:
    """Measure, tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resilience", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, to see that it runs")
    parser.add_argument("--seed", type=int, default=0, help="of kills and stops")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    prepare()
    with TemporaryDirectory() as folder:
        place = Path(folder)
        demo = ("--config", str(DEMO / "config.toml"), f"--set=labels.text_cache={place / 'texts'}")
        cost = overhead(place / "overhead", demo, size["steps"])
        print(f"{cost.steps} steps of {cost.step:.2f} s: callbacks {100 * cost.ratio:.3f} %", end=", ")
        print(f"median step with them against without {100 * cost.paired:+.1f} %; saves {100 * cost.blocked:.2f} %")
        left = ends(place / "ends", demo, size["ends"], options.seed)
        for name, seconds in (("stop", left.stops), ("lost rank", left.losses)):
            print(f"{name}: median {median(seconds):.1f} s, p95 {p95(seconds):.1f} s of {len(seconds)}", flush=True)
        soaked = soak(place, tiny_run(place), kills=size["kills"], seed=options.seed)
    print(f"parameters after {soaked.kills} kills are {'' if soaked.same_parameters else 'NOT '}those without")
    print(
        json.dumps(
            {
                "overhead_ratio": round(cost.ratio, 5),
                "stop_seconds_p95": round(p95(left.stops), 2),
                "lost_rank_exit_seconds_p95": round(p95(left.losses), 2),
                "save_blocked_ratio": round(cost.blocked, 5),
                "soak_kills": soaked.kills,
                "records_lost": soaked.records_lost,
                "records_twice": soaked.records_twice,
            }
        )
    )
    if not soaked.same_parameters:
        sys.exit(1)


def prepare() -> None:
    """Make what the demo trains on, as examples/icd10/run.sh does."""
    python, lmmtc = sys.executable, str(Path(sys.executable).with_name("lmmtc"))
    steps = {
        "data/icd10/icd10.jsonl": (python, DEMO / "prepare.py", "data/icd10"),
        "data/minilm": (python, DEMO / "link_encoder.py", "data/minilm"),
        "data/icd10/shards": (
            *(lmmtc, "shard", "data/icd10/icd10.jsonl", "data/icd10/shards"),
            *("--tokenizer", "data/minilm", "--label-texts", "data/icd10/labels.tsv"),
        ),
    }
    for made, command in steps.items():
        if not Path(made).exists():
            subprocess.run(command, check=True)  # noqa: S603  # this very project


if __name__ == "__main__":
    main()
