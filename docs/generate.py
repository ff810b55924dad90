"""Writes docs/configuration.md and docs/metrics.md from the code that decides them: `python docs/generate.py`."""

from collections.abc import Iterator
from inspect import getdoc
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from trainer.config import Config
from trainer.telemetry import CATALOGUE, PHASES, Metric

DOCS = Path(__file__).parent
CONFIGURATION_HEAD = """# Configuration

A run is one TOML file, given as `--config run.toml`; `--set section.key=value` overrides one setting. A key that is not
on this page is an error. This page is generated from `trainer/config/schema.py`.
"""
METRICS_HEAD = """# Metrics

Every rank serves these at `/metrics` on `telemetry.port` + its local rank. This page is generated from
`trainer/telemetry/catalogue.py`. Phases are: {phases}.

| metric | kind | labels | ranks | meaning |
| --- | --- | --- | --- | --- |
"""


def configuration() -> str:
    """Describe every key."""
    return CONFIGURATION_HEAD + "".join(
        _section(name, field.annotation)
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    )


def metrics() -> str:
    """Describe every metric."""
    return METRICS_HEAD.format(phases=", ".join(PHASES)) + "".join(_row(metric) for metric in CATALOGUE)


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
    (DOCS / "configuration.md").write_text(configuration(), encoding="utf-8")
    (DOCS / "metrics.md").write_text(metrics(), encoding="utf-8")
