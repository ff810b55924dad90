"""Prints what a pyproject.toml depends on, one a line: `python dependencies.py pyproject.toml [EXTRA]`; for pip -r."""

import sys
import tomllib
from pathlib import Path

if __name__ == "__main__":
    path, *extras = sys.argv[1:]
    project = tomllib.loads(Path(path).read_text(encoding="utf-8"))["project"]
    lists = [project["optional-dependencies"][extra] for extra in extras] or [project["dependencies"]]
    print(*(line for lines in lists for line in lines), sep="\n")
