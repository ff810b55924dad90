"""`python -m benchmarks.given --set SET`: what given labels are worth; JSON comes last.

Of each record with more than two labels two are drawn, five times, and 0, 1 or 2 of these are given; the others are
judged. A model that reads given labels stands beside the control, which cannot, and beside counted co-occurrence.
"""

import argparse
import json
import os
from pathlib import Path

from launcher.cluster import choose_accelerator

from ..quality.corpus import prepare

SETS = ("debtags", "debian_depends")


def main() -> None:
    """Train what is missing, measure and print."""
    options = parse()
    choose_accelerator(os.environ)
    from .comparison import compare  # noqa: PLC0415  # it reads the environment that was set above
    from .figures import summary, table  # noqa: PLC0415

    folder = options.folder or Path("data/quality") / options.set
    recipe = options.recipe or Path(__file__).with_name(f"{options.set}.toml")
    contenders = compare(prepare(options.set, folder), folder, recipe)
    print(table(contenders), json.dumps(summary(*contenders)), sep="\n\n")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.given", description=__doc__)
    parser.add_argument("--set", required=True, choices=SETS, help="data set in LMMTC_DATA")
    parser.add_argument(
        "--recipe", type=Path, help="settings that both runs share (default: SET.toml beside this file)"
    )
    parser.add_argument("--folder", type=Path, help="where runs are kept (default: data/quality/SET)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
