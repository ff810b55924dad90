"""`python -m benchmarks.neighbours --set tibkat_en`: a model with a memory; 40 minutes the first time, JSON comes last.

The labels of the nearest training records, by the model's own queries (dense) and by TF-IDF (sparse), are fused into
its ranking with weights from dev. Fresh records are those whose text and title do not stand in the training split.
"""

import argparse
import json
import os
from pathlib import Path

from launcher.cluster import choose_accelerator

from ..quality.corpus import prepare

SETS = ("tibkat_en",)


def main() -> None:
    """Train what is missing, measure and print."""
    options = parse()
    choose_accelerator(os.environ)
    from .comparison import Comparison  # noqa: PLC0415  # it reads the environment that was set above

    folder = options.folder or Path("data/quality") / options.set
    recipe = options.recipe or Path(__file__).with_name(f"{options.set}.toml")
    compared = Comparison(options.set, prepare(options.set, folder), folder, recipe, options.form)
    table, figures = compared.measure()
    print(table, json.dumps(figures), sep="\n\n")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbours", description=__doc__)
    parser.add_argument("--set", required=True, choices=SETS, help="data set in LMMTC_DATA")
    parser.add_argument("--form", choices=("control", "joint"), default="joint", help="of the model (default: joint)")
    parser.add_argument("--recipe", type=Path, help="settings of the run (default: SET.toml beside this file)")
    parser.add_argument("--folder", type=Path, help="where runs are kept (default: data/quality/SET)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
