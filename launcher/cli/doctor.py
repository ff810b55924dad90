"""`lmmtc doctor`: what is fit, doubtful or wrong on this machine, as a table or as JSON."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..identity import EXIT_CODE, foreign_packages
from .options import AsJson

if TYPE_CHECKING:
    from ..doctor import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "wrong": "bold red"}


def doctor(
    config: Annotated[Path | None, typer.Option(help="TOML file of a run: look at all that it names, too.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override one of its settings, SECTION.KEY=VALUE; may be repeated."),
    ] = None,
    folder: Annotated[
        list[Path] | None, typer.Option(help="Look at the disk of this folder, beside TMPDIR's; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at this machine before a long run: packages, accelerators, memory, ports, disks; exit code 78 if not fit."""
    from ..doctor import worst

    findings = list(_findings(config, overrides or [], folder or []))
    state = worst(findings)
    if as_json:
        typer.echo(json.dumps({"state": state, "findings": [asdict(each) for each in findings]}, indent=1))
    else:
        Console().print(_table(findings))
    sys.exit(EXIT_CODE if state == "wrong" else 0)


def _findings(config: Path | None, overrides: Sequence[str], folders: Sequence[Path]) -> Iterator["Finding"]:
    from ..doctor import Finding, check_configuration, check_folder, check_imports, check_machine, check_packages, needs

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


def _table(findings: Sequence["Finding"]) -> Table:
    table = Table("check", "", "found", "what to do")
    for each in findings:
        cells = (Text(each.check), Text(each.state, _COLOURS[each.state]), Text(each.found), Text(each.advice))
        table.add_row(*cells)
    return table
