"""A real endpoint, scraped over HTTP, and the phase clock."""

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from trainer.telemetry import CATALOGUE, PHASES, Telemetry, TelemetryError

LOCAL = "127.0.0.1"
PROMTOOL = shutil.which("promtool") or ""
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry.serve(0, is_first_rank=True, host=LOCAL)
    yield telemetry
    telemetry.close()


def scrape_text(telemetry: Telemetry) -> str:
    with urllib.request.urlopen(f"http://{LOCAL}:{telemetry.port}/metrics", timeout=10) as response:
        return response.read().decode()


def scrape(telemetry: Telemetry) -> Series:
    families = text_string_to_metric_families(scrape_text(telemetry))
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(series: Series, name: str, **labels: str) -> float:
    return series[name, frozenset(labels.items())]


def exported_names(telemetry: Telemetry) -> set[str]:
    lines = scrape_text(telemetry).splitlines()
    return {line.split()[2] for line in lines if line.startswith("# TYPE lmmtc_")}


def set_everything(telemetry: Telemetry) -> None:
    """Touch every metric of the catalogue, so that each has a series."""
    telemetry.step_done(records=32, tokens=900, slots=2048, seconds=0.4)
    telemetry.losses({"scan": 4.0, "cloze": 3.0, "mlm": 2.0, "total": 7.1})
    for metric in CATALOGUE:
        if metric.kind == "gauge" and metric.name != "loss":
            telemetry.set(metric.name, 1, **dict.fromkeys(metric.labels, "1"))


def test_a_scrape_shows_the_steps_that_were_done(telemetry: Telemetry) -> None:
    before = time.time()
    telemetry.step_done(records=32, tokens=900, slots=2048, seconds=0.4)
    telemetry.step_done(records=31, tokens=880, slots=2000, seconds=0.7)
    series = scrape(telemetry)
    assert value(series, "lmmtc_train_steps_total") == 2
    assert value(series, "lmmtc_train_records_total") == 63
    assert value(series, "lmmtc_train_tokens_total") == 1780
    assert value(series, "lmmtc_slots_total") == 4048
    assert value(series, "lmmtc_step_duration_seconds_bucket", le="0.5") == 1
    assert value(series, "lmmtc_step_duration_seconds_sum") == pytest.approx(1.1)
    assert before <= value(series, "lmmtc_last_step_timestamp_seconds") <= time.time()


def test_losses_and_labelled_gauges_show_their_last_value(telemetry: Telemetry) -> None:
    telemetry.losses({"scan": 4.0, "total": 7.0})
    telemetry.losses({"scan": float("nan"), "total": 6.0})
    telemetry.set("learning_rate", 1e-3, group="rows")
    series = scrape(telemetry)
    assert value(series, "lmmtc_loss", term="scan") != value(series, "lmmtc_loss", term="scan")
    assert value(series, "lmmtc_loss", term="total") == 6
    assert value(series, "lmmtc_learning_rate", group="rows") == 1e-3


def test_counters_are_zero_before_anything_happened(telemetry: Telemetry) -> None:
    series = scrape(telemetry)
    assert value(series, "lmmtc_nonfinite_steps_total") == 0
    assert [value(series, "lmmtc_phase_seconds_total", phase=phase) for phase in PHASES] == [0] * len(PHASES)


def test_the_first_rank_exports_the_whole_catalogue_and_others_only_their_own() -> None:
    first, other = (Telemetry.serve(0, is_first_rank=is_first, host=LOCAL) for is_first in (True, False))
    set_everything(first)
    set_everything(other)
    assert exported_names(first) == {metric.exported_name for metric in CATALOGUE}
    assert exported_names(other) == {m.exported_name for m in CATALOGUE if not m.first_rank_only}
    first.close()
    other.close()


def test_the_memory_of_the_process_is_exported(telemetry: Telemetry) -> None:
    assert value(scrape(telemetry), "process_resident_memory_bytes") > 0


def test_an_inner_phase_pauses_the_outer_one(telemetry: Telemetry) -> None:
    ticks = iter([10.0, 11.0, 15.0, 17.0])  # scan from 10, checkpoint from 11 to 15, scan again until 17
    clocked = Telemetry(telemetry._instruments, server=None, clock=lambda: next(ticks))
    with clocked.phase("scan"), clocked.phase("checkpoint"):
        pass
    series = scrape(telemetry)
    assert value(series, "lmmtc_phase_seconds_total", phase="scan") == 3
    assert value(series, "lmmtc_phase_seconds_total", phase="checkpoint") == 4


def test_a_phase_that_fails_is_timed_and_left(telemetry: Telemetry) -> None:
    ticks = iter([0.0, 2.0, 5.0, 6.0])
    clocked = Telemetry(telemetry._instruments, server=None, clock=lambda: next(ticks))
    with pytest.raises(OSError, match="disk"), clocked.phase("checkpoint"):
        raise OSError("disk")
    with clocked.phase("text"):
        pass
    series = scrape(telemetry)
    assert value(series, "lmmtc_phase_seconds_total", phase="checkpoint") == 2
    assert value(series, "lmmtc_phase_seconds_total", phase="text") == 1


def test_names_and_labels_outside_the_catalogue_are_refused(telemetry: Telemetry) -> None:
    with pytest.raises(KeyError, match="momentum"):
        telemetry.set("momentum", 1)
    with pytest.raises(KeyError, match="loss"):
        telemetry.add("loss", 1, term="scan")
    with pytest.raises(ValueError, match="label"):
        telemetry.set("learning_rate", 1, layer="3")


def test_an_occupied_port_is_named_with_a_way_out() -> None:
    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TelemetryError) as caught:
            Telemetry.serve(port, is_first_rank=True, host=LOCAL)
    assert str(caught.value) == (
        f"telemetry.port = {port}: already in use on this machine: choose another, or 0 for any free port"
    )


def test_closing_frees_the_port() -> None:
    first = Telemetry.serve(0, is_first_rank=True, host=LOCAL)
    first.close()
    second = Telemetry.serve(first.port, is_first_rank=True, host=LOCAL)
    assert exported_names(second)
    second.close()


def test_without_a_port_nothing_listens_and_everything_still_counts() -> None:
    telemetry = Telemetry.serve(None, is_first_rank=True)
    set_everything(telemetry)
    assert telemetry.port is None
    telemetry.close()


@pytest.mark.skipif(not PROMTOOL, reason="promtool (Debian package prometheus) is not on PATH")
def test_promtool_finds_nothing_to_say_about_the_exposition(telemetry: Telemetry) -> None:
    set_everything(telemetry)
    text = scrape_text(telemetry)
    lint = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")
