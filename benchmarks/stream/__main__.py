"""`python -m benchmarks.stream`: half an hour the first time, which makes four environments; JSON comes last.

It ends with 1 where a promise does not hold, and with 3 where all that could be measured hold and a peer is missing.
"""

import argparse
import json
import sys

from .contenders.turns import BATCH
from .converting import conversion_speed
from .figures import ratios, table, verdicts
from .peers import PEERS, ROOT
from .race import OURS, race, start
from .resuming import resume_ms

FOLDER = ROOT / "data/benchmarks/stream"
RECORDS = 782 * BATCH  # 200,192: whole batches, so that no reader has a tail of its own
CONVERTED = 20_000
PARTS = (*OURS, *PEERS, "resume", "convert")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--batches", type=int, default=RECORDS // BATCH, help="of 256 records in a pass")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    figures = measure(chosen.only, chosen.batches * BATCH, chosen.rounds)
    found = list(verdicts(figures))
    for verdict, why in found:
        print(f"{verdict} {why}")
    print(json.dumps({name: value and float(f"{value:.4g}") for name, value in figures.items()}))
    words = {verdict for verdict, _ in found}
    return 1 if "FAIL" in words else 3 if "MISSING" in words else 0


def measure(parts: list[str], records: int, rounds: int) -> dict[str, float | None]:
    """Run what was asked for, one thing after the other."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    contenders, missing = start((name for name in parts if name in (*OURS, *PEERS)), records, FOLDER)
    for error in missing.values():
        print(f"MISSING {error}")
    speeds = race(contenders, rounds)
    print(*table(speeds), sep="\n", flush=True)
    figures = ratios(speeds, list(missing))
    if "resume" in parts:
        figures["resume_ms_1e9"] = resume_ms(10**9)
    if "convert" in parts:
        figures["convert_records_per_s"] = conversion_speed(CONVERTED, FOLDER)
    return figures


if __name__ == "__main__":
    sys.exit(main())
