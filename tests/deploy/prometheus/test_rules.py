"""Recording rules and alerts: what they read exists, what they mean is written down, and promtool agrees."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.prometheus.rules import FOLDER, all_rules, faster, load, names, windows, write
from tests.programs import ROOT
from trainer.telemetry import CATALOGUE, SERVING

PROMTOOL, AMTOOL = shutil.which("promtool") or "", shutil.which("amtool") or ""
RULES = all_rules(load("rules.yml"))
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
FOREIGN = {"process_start_time_seconds"}  # prometheus_client's own
AT_ONCE = {"LmmtcLossNonFinite"}  # a single scrape may be all that sees it

every_alert = pytest.mark.parametrize("name", ALERTS)
promtool_is_there = pytest.mark.skipif(not PROMTOOL, reason="promtool (Debian package prometheus) is not on PATH")


def series_of_the_catalogue() -> set[str]:
    histogram = ("_bucket", "_sum", "_count")
    return {
        metric.exported_name + suffix
        for metric in (*CATALOGUE, *SERVING)
        for suffix in (histogram if metric.kind == "histogram" else ("",))
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("record") or rule.get("alert"))
def test_a_rule_reads_what_is_exported_or_recorded(rule: dict[str, Any]) -> None:
    assert names(rule["expr"]) <= series_of_the_catalogue() | RECORDED | FOREIGN


def test_every_record_is_by_run_and_says_so() -> None:
    for record in RECORDED:
        level, metric, operation = record.split(":")
        assert level.split("_")[0] == "run"
        assert metric.startswith("lmmtc_")
        assert operation


@every_alert
def test_an_alert_says_how_bad_it_is_how_long_it_waits_and_where_its_page_is(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert ("for" in rule) == (name not in AT_ONCE)
    assert rule["annotations"]["summary"].startswith("{{ $labels.run_id }}: ")
    page = (ROOT / rule["annotations"]["runbook_url"]).read_text(encoding="utf-8")
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings == [f"# {name}", "## What it means", "## What to look at", "## What to do"]


def test_every_page_belongs_to_an_alert() -> None:
    assert {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")} == set(ALERTS)


@every_alert
def test_an_alert_is_seen_to_fire_and_to_be_silent_in_a_case_of_its_own(name: str) -> None:
    cases = load(f"tests/{name}.yml")["tests"]
    expected = [[check["exp_alerts"] for check in case["alert_rule_test"]] for case in cases]
    assert any(any(alerts) for alerts in expected)
    assert any(not any(alerts) for alerts in expected), "no case in which nothing fires at all"
    assert {check["alertname"] for case in cases for check in case["alert_rule_test"]} == {name}


@promtool_is_there
def test_promtool_finds_that_alerts_fire_when_they_should() -> None:
    files = sorted((FOLDER / "tests").glob("*.yml"))
    done = subprocess.run(
        [PROMTOOL, "test", "rules", *files],
        cwd=FOLDER / "tests",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@promtool_is_there
@pytest.mark.parametrize("command", [("rules", "rules.yml"), ("config", "prometheus.yml")])
def test_promtool_accepts_what_is_shipped(command: tuple[str, str]) -> None:
    check = [PROMTOOL, "check", *command]
    done = subprocess.run(check, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not AMTOOL, reason="amtool (Debian package prometheus-alertmanager) is not on PATH")
def test_amtool_accepts_what_is_shipped() -> None:
    check = [AMTOOL, "check-config", "alertmanager.yml"]
    done = subprocess.run(check, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_that_another_one_silences_exist() -> None:
    (rule,) = load("alertmanager.yml")["inhibit_rules"]
    text = " ".join([*rule["source_matchers"], *rule["target_matchers"]])
    assert {name for name in ALERTS if name in text} == {
        "LmmtcRankVanished",
        "LmmtcRestartLoop",
        "LmmtcStepStalled",
        "LmmtcNotTraining",
        "LmmtcCheckpointOld",
        "LmmtcDataStarved",
    }


def test_a_faster_copy_differs_in_its_stretches_of_time_alone() -> None:
    rules = load("rules.yml")
    quick = faster(rules, 60)
    ranges = {"5m": "5000ms", "10m": "10000ms", "15m": "15000ms", "20m": "20000ms", "1h": "60000ms"}
    assert [ranges[window] for window in windows(rules)] == list(windows(quick))
    assert {rule["alert"]: rule.get("for") for rule in all_rules(quick) if "alert" in rule}[
        "LmmtcRankVanished"
    ] == "2000ms"
    assert [names(rule["expr"]) for rule in all_rules(quick)] == [names(rule["expr"]) for rule in all_rules(rules)]


@promtool_is_there
def test_promtool_accepts_the_faster_copy(tmp_path: Path) -> None:
    quick = write(faster(load("rules.yml"), 60), tmp_path / "quick.yml")
    subprocess.run([PROMTOOL, "check", "rules", quick], check=True, timeout=60)
