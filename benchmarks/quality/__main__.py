"""`python -m benchmarks.quality --set reuters21578`: trains what is missing, then prints tables for RESULTS.md."""

import argparse
import os
import tomllib
from pathlib import Path

from launcher.cluster import choose_accelerator

from .corpus import prepare
from .variants import BENCHMARKS

SEEDS = {"cpu": 1, "gpu": 3}


def main() -> None:
    """Compare."""
    options = parse()
    choose_accelerator(os.environ)
    import torch  # noqa: PLC0415  # this and what follows read the environment that was set above

    from .comparison import Comparison  # noqa: PLC0415

    machine = "gpu" if torch.cuda.is_available() else "cpu"
    benchmark = BENCHMARKS[options.set]
    benchmark = benchmark.only(options.only) if options.only else benchmark
    recipe = options.recipe or Path(__file__).with_name(f"{machine}{benchmark.recipe}.toml")
    folder = options.folder or Path("data/quality") / options.set
    comparison = Comparison(
        benchmark=benchmark,
        dataset=prepare(options.set, folder),
        folder=folder,
        recipe=recipe,
        steps=options.steps or tomllib.loads(recipe.read_text(encoding="utf-8"))["train"]["steps"],
        seeds=options.seeds or SEEDS[machine],
        lr=options.lr,
        prior_weights=tuple(options.prior_weights),
    )
    tables = list(comparison.tables())
    print("", f"{options.set}, {recipe.name}, seeds: {comparison.seeds}", *tables, sep="\n\n")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--set", required=True, choices=BENCHMARKS, help="data set in LMMTC_DATA")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="named as in the table (default: all variants)")
    parser.add_argument(
        "--recipe", type=Path, help="settings that all share (default: this machine's, beside this file)"
    )
    parser.add_argument("--folder", type=Path, help="where runs are kept (default: data/quality/SET)")
    parser.add_argument("--steps", type=int, help="steps of a run (default: the recipe's)")
    parser.add_argument("--seeds", type=int, help="runs of each variant (default: 3 with a GPU, else 1)")
    parser.add_argument("--lr", type=float, help="learning rate of all forms (default: each form's is chosen on dev)")
    parser.add_argument(
        "--prior-weights",
        nargs="+",
        type=float,
        default=(),
        metavar="WEIGHT",
        help="judge each variant once more, with the one of these that is best on dev (see lmmtc evaluate)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
