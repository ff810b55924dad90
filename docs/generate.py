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
on this page is an error. This page is generated from `trainer/config`.
"""
METRICS_HEAD = """# Metrics

Every rank serves these at `/metrics` on `telemetry.port` + its local rank, from before it meets the others. This page
is generated from `trainer/telemetry/catalogue.py`. Phases are: {phases}.

`deploy/prometheus` has what Prometheus needs: `rules.yml` (rates, ratios and alerts, each by run), and samples of
`prometheus.yml` and `alertmanager.yml` for one machine. Each alert has a page in [runbooks](runbooks). Two runs of the
same name of `run.folder` under one job are taken for one.

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
