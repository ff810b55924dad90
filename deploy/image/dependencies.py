"""Prints what a pyproject.toml depends on, one a line: `python dependencies.py pyproject.toml`, for pip's -r."""

import sys
import tomllib
from pathlib import Path

if __name__ == "__main__":
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    print(*project["dependencies"], sep="\n")
