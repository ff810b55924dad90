"""Writes docs/cli.md, configuration.md and metrics.md from the code that decides them: `python docs/generate.py`."""

from collections.abc import Iterator
from inspect import getdoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.main import get_command

from launcher.cli.app import app
from trainer.config import Config
from trainer.telemetry import CATALOGUE, PHASES, SERVING, Metric

DOCS = Path(__file__).parent
CLI_HEAD = """# Commands

`lmmtc COMMAND --help` says the same. A misspelt option ends with exit code 78 ([all exit codes](faults.md)). A training
is described by a TOML file: [configuration](configuration.md). This page is generated from `launcher`.
"""
CONFIGURATION_HEAD = """# Configuration

A run is one TOML file, given as `--config run.toml`; `--set section.key=value` overrides one setting. A key that is not
on this page is an error. This page is generated from `trainer/config`.
"""
METRICS_HEAD = """# Metrics

Every rank serves these at `/metrics` on `telemetry.port` + its local rank, from before it meets the others. This page
is generated from `trainer/telemetry/catalogue.py`. Phases are: {phases}.

`deploy/prometheus` has what Prometheus needs: `rules.yml` (rates, ratios and alerts, each by run), and samples of
`prometheus.yml` and `alertmanager.yml` for one machine. Each alert has a page in [runbooks](runbooks.md). Two runs of
the same name of `run.folder` under one job are taken for one.

Counts of a step are shared out evenly over the ranks, so that sums over ranks are those of the run. Only
`lmmtc_rank_info` names the run, the rank and the version; other labels have the few values that the catalogue lists.

**Goodput.** `lmmtc_goodput_seconds_total` counts every second of rank 0 once, from the checkpoint that the process
went on from, or from its start if it is the run's first:

| kind | time of |
| --- | --- |
| lost | steps of earlier lives after that checkpoint, by `events.jsonl`, and steps that this one skipped |
| down | nothing: from the last event of the life before to the start of this process |
| startup | this process up to its first step: imports, meeting, building, loading |
| productive | optimizer steps, but for their wait for data |
| stalled | waiting for data |
| checkpoint | saving, as far as training waits for it |
| evaluation | the look at the dev split |

A loss of steps shows when the run is started again. `productive` over the sum of all kinds is the goodput.

**Utilization.** `lmmtc_model_flops_total` counts the operations of the matrix products that a step needs, three times
those of a forward pass; padding, and what the checkpointed driver does twice, is left out. The ratio to what the
device could have done in the step's time is exported where that is known: `telemetry.peak_flops`, or under bf16 the
name of the GPU.

**Time on the GPU.** Marks in the GPU's queue of work are read a step later, without waiting for them. So a phase has
the time between the moments in which the GPU came to its beginning and to its end, its idle time included.

| metric | kind | labels | ranks | meaning |
| --- | --- | --- | --- | --- |
"""
SERVING_HEAD = """
## Metrics of a server

`lmmtc serve` exports these at `/metrics` of its own address, without a token: [serving](serving.md).

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
"""


def cli() -> str:
    """Describe every command, those of groups under the name of their group."""
    return CLI_HEAD + "".join(_command(name, command) for name, command in _commands("lmmtc", get_command(app)))


def configuration() -> str:
    """Describe every key."""
    return CONFIGURATION_HEAD + "".join(
        _section(name, field.annotation)
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    )


def metrics() -> str:
    """Describe every metric."""
    of_ranks, of_servers = ("".join(map(_row, metrics)) for metrics in (CATALOGUE, SERVING))
    return METRICS_HEAD.format(phases=", ".join(PHASES)) + of_ranks + SERVING_HEAD + of_servers.replace("| all |", "|")


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not (members := getattr(command, "commands", {})):
        yield name, command
    for part, member in members.items():
        if not member.hidden:
            yield from _commands(f"{name} {part}", member)


def _command(name: str, command: Any) -> str:
    shown = [parameter for parameter in command.params if not parameter.hidden]
    arguments = [parameter for parameter in shown if not parameter.opts[0].startswith("-")]
    usage = " ".join([name, *(f"{each.name.upper()}{' ...' if each.nargs == -1 else ''}" for each in arguments)])
    text = f"\n## {name}\n\n{command.help}\n\n```\n{usage}{' [options]' if len(shown) > len(arguments) else ''}\n```\n"
    if shown:
        text += "\n| | values | default | meaning |\n| --- | --- | --- | --- |\n"
    return text + "".join(map(_parameter, shown))


def _parameter(parameter: Any) -> str:
    is_option = parameter.opts[0].startswith("-")
    name = ", ".join(f"`{word}`" for word in (parameter.opts if is_option else [parameter.name.upper()]))
    default = "required" if parameter.required else _shown(parameter.default)
    meaning = (parameter.help or "").replace("|", "\\|")
    return f"| {name} | {_values(parameter.type_descriptor.annotation)} | {default} | {meaning} |\n"


def _shown(default: object) -> str:
    return "" if default is None or default is False or default == [] else f"`{default}`".replace("|", "\\|")


def _values(annotation: Any) -> str:
    """Name what a parameter takes, as a reader of the page would."""
    parts = [part for part in get_args(annotation) if part is not NoneType]
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if get_origin(annotation) in {Union, UnionType}:
        return _values(parts[0])
    if get_origin(annotation) is list:
        return f"{_values(parts[0])}, repeatable"
    return {Path: "path", int: "integer", float: "number", str: "text", bool: "switch"}[annotation]


def _row(metric: Metric) -> str:
    ranks = "first" if metric.first_rank_only else "all"
    cells = (f"`{metric.exported_name}`", metric.kind, ", ".join(metric.labels), ranks, metric.help)
    return f"| {' | '.join(cells)} |\n"


def _section(name: str, section: type[BaseModel]) -> str:
    return f"\n## [{name}]\n\n{getdoc(section)}\n\n" + "\n".join(_keys(section)) + "\n"


def _keys(section: type[BaseModel]) -> Iterator[str]:
    for key, field in section.model_fields.items():
        yield f"- `{key}` ({_default(field)}): {field.description}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "unset" if field.default is None else f"default {str(field.default).lower()}"


if __name__ == "__main__":
    (DOCS / "cli.md").write_text(cli(), encoding="utf-8")
    (DOCS / "configuration.md").write_text(configuration(), encoding="utf-8")
    (DOCS / "metrics.md").write_text(metrics(), encoding="utf-8")
