"""Metrics that pages name are ones that are exported, or recorded by a rule."""

import re
from pathlib import Path

import pytest

from tests.deploy.prometheus.rules import all_rules, load
from tests.programs import ROOT
from trainer.telemetry import CATALOGUE, SERVING

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
NAME = re.compile(r"(?:\w+:)?\blmmtc_\w+(?::\w+)?\*?")
UNIT = re.compile(r".+_(bytes|seconds|total|ratio)")

EXPORTED = {metric.exported_name for metric in (*CATALOGUE, *SERVING)}
RECORDED = {rule["record"] for rule in all_rules(load("rules.yml")) if "record" in rule}
WITHOUT_PREFIX = {metric.name for metric in (*CATALOGUE, *SERVING) if UNIT.fullmatch(metric.name)}


def unknown(text: str) -> list[str]:
    """List what looks like the name of a metric and is none; a star stands for the rest of some name."""
    named = [name for name in NAME.findall(text) if not is_there(name)]
    return named + [name for name in re.findall(r"`(\w+)`", text) if name in WITHOUT_PREFIX]


def is_there(name: str) -> bool:
    known = EXPORTED | RECORDED
    return any(each.startswith(name[:-1]) for each in known) if name.endswith("*") else name in known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_metrics_that_there_are(page: Path) -> None:
    assert unknown(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", ["lmmtc_los", "lmmtc_streams_*", "run:lmmtc_ranks:max", "host_memory_bytes"])
def test_a_name_that_nobody_exports_is_found(name: str) -> None:
    assert unknown(f"See `{name}`, `run.stall_seconds` and `lmmtc_stream_*`.") == [name]
