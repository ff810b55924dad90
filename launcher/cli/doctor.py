"""`lmmtc doctor`: what is fit, doubtful or wrong on this machine, as a table or as JSON."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..doctor import (
    Finding,
    check_configuration,
    check_folder,
    check_imports,
    check_machine,
    check_packages,
    needs,
    worst,
)
from ..identity import EXIT_CODE, foreign_packages

_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "bold red"}


def run(config: Path | None, overrides: Sequence[str], folders: Sequence[Path], *, as_json: bool) -> int:
    """Look, print what was found, and return the exit code: 78 when something is wrong."""
    findings = list(_findings(config, overrides, folders))
    state = worst(findings)
    if as_json:
        print(json.dumps({"state": state, "findings": [asdict(each) for each in findings]}, indent=1))  # noqa: T201
    else:
        Console().print(_table(findings))
    return EXIT_CODE if state == "wrong" else 0


def _findings(config: Path | None, overrides: Sequence[str], folders: Sequence[Path]) -> Iterator[Finding]:
    yield from check_packages(needs())
    yield from check_imports()
    yield from check_machine(os.environ)
    yield from check_folder("TMPDIR", Path(gettempdir()))
    for folder in folders:
        yield from check_folder("folder", folder)
    if config and foreign_packages():
        advice = "first make launcher, trainer and sharding lmmtc's own"
        yield Finding("configuration", "wrong", "not read: that might run what is not lmmtc's", advice)
    elif config:
        yield from check_configuration(config, overrides)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("check", "", "found", "what to do")
    for each in findings:
        cells = (Text(each.check), Text(each.state, _COLOURS[each.state]), Text(each.found), Text(each.advice))
        table.add_row(*cells)
    return table
