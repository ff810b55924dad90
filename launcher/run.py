"""What deepspeed, torchrun, srun or a pod starts, once per rank: `deepspeed launcher/run.py --config run.toml`."""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

if __name__ == "__main__":
    # Started as a file, Python puts launcher/ in front of the path; the packages lie one folder above.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from launcher.identity import EXIT_CODE, check_identity


class _Parser(argparse.ArgumentParser):
    """Ends with 78, instead of argparse's 2, for what no restart can mend."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_CODE, f"{self.prog}: error: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Train as this rank; returns the exit code."""
    options = parse(arguments)
    check_identity()
    from launcher.exit_codes import report  # noqa: PLC0415  # only now is it known to be ours
    from launcher.rank import train  # noqa: PLC0415
    from sharding import LmmtcError  # noqa: PLC0415

    try:
        return train(options.config, options.set)
    except LmmtcError as error:
        return report(error)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line; `--local_rank` is what DeepSpeed adds, and LOCAL_RANK says the same."""
    parser = _Parser(prog="launcher/run.py", description="Train LM-MTC as one rank of a run.")
    parser.add_argument("--config", type=Path, required=True, help="TOML file; see docs/configuration.md")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override one setting")
    parser.add_argument("--local_rank", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
