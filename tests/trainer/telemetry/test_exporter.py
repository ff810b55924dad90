"""A real endpoint, scraped over HTTP, and the phase clock."""

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from trainer.telemetry import CATALOGUE, PHASES, RunHistory, Telemetry, TelemetryError, watch_host_memory

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
        if metric.kind == "gauge":
            for label in metric.values or ["1"]:
                telemetry.set(metric.name, 1, **dict.fromkeys(metric.labels, label))


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


def test_a_phase_adds_to_its_own_seconds_and_to_goodput(telemetry: Telemetry) -> None:
    ticks = iter([10.0, 11.0, 15.0, 17.0])  # scan from 10, checkpoint from 11 to 15, scan again until 17
    clocked = Telemetry(telemetry._instruments, server=None, clock=lambda: next(ticks))
    with clocked.phase("scan"), clocked.phase("checkpoint"):
        pass
    series = scrape(telemetry)
    assert value(series, "lmmtc_phase_seconds_total", phase="scan") == 3
    assert value(series, "lmmtc_phase_seconds_total", phase="checkpoint") == 4
    assert value(series, "lmmtc_goodput_seconds_total", kind="checkpoint") == 4


def test_device_time_of_a_step_is_there_after_the_next_one(telemetry: Telemetry) -> None:
    class Instant:
        """Stands for a GPU whose every stretch takes two seconds; there is none where tests run."""

        def mark(self) -> str:
            return "now"

        def seconds(self, earlier: str, later: str) -> float:
            return 2.0

    telemetry.time_on_device(Instant())
    with telemetry.phase("backward"):
        pass
    assert value(scrape(telemetry), "lmmtc_phase_device_seconds_total", phase="backward") == 0
    telemetry.step_done(records=1, tokens=1, slots=1, seconds=1)
    assert value(scrape(telemetry), "lmmtc_phase_device_seconds_total", phase="backward") == 2


def test_a_start_counts_what_lies_behind_it(telemetry: Telemetry) -> None:
    now = time.time()
    telemetry.begin(RunHistory(restarts=3, lost_seconds=20.0, last_seen=now - 90), started=now - 30)
    series = scrape(telemetry)
    assert value(series, "lmmtc_restarts_total") == 3
    assert value(series, "lmmtc_goodput_seconds_total", kind="lost") == 20
    assert value(series, "lmmtc_goodput_seconds_total", kind="down") == pytest.approx(60)
    assert value(series, "lmmtc_goodput_seconds_total", kind="startup") == pytest.approx(30, abs=5)


def test_memory_is_read_anew_at_each_scrape(telemetry: Telemetry) -> None:
    watch_host_memory(telemetry)
    before = value(scrape(telemetry), "lmmtc_host_memory_bytes", kind="resident")
    held = bytes(64 << 20).replace(b"\0", b"1")  # written to, so that pages are really there
    series = scrape(telemetry)
    grown = value(series, "lmmtc_host_memory_bytes", kind="resident") - before
    assert grown > 0.9 * len(held)
    assert 0 < value(series, "lmmtc_host_memory_bytes", kind="proportional") < before + 2 * grown


def test_however_long_a_run_lasts_it_has_few_series(telemetry: Telemetry) -> None:
    watch_host_memory(telemetry)
    set_everything(telemetry)
    ours = [key for key in scrape(telemetry) if key[0].startswith("lmmtc_")]
    assert len(ours) < 120


def test_names_and_labels_outside_the_catalogue_are_refused(telemetry: Telemetry) -> None:
    with pytest.raises(KeyError, match="momentum"):
        telemetry.set("momentum", 1)
    with pytest.raises(KeyError, match="loss"):
        telemetry.add("loss", 1, term="scan")
    with pytest.raises(ValueError, match="label"):
        telemetry.set("learning_rate", 1, layer="rows")
    with pytest.raises(ValueError, match=r"learning_rate: labels .*'layer 3'.* are not among those of the catalogue"):
        telemetry.set("learning_rate", 1, group="layer 3")


def test_an_occupied_port_is_named_with_a_way_out() -> None:
    with socket.create_server((LOCAL, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TelemetryError) as caught:
            Telemetry.serve(port, is_first_rank=True, host=LOCAL)
    assert str(caught.value) == (
        f"port {port} for metrics, telemetry.port + the local rank: Address already in use: "
        "choose another telemetry.port, or 0 for any free port"
    )


@pytest.mark.parametrize(
    ("port", "host", "words"),
    [(65536, LOCAL, "the last port is 65535"), (0, "192.0.2.1", "Cannot assign requested address")],
)
def test_a_port_that_cannot_be_had_is_named(port: int, host: str, words: str) -> None:
    with pytest.raises(TelemetryError, match=f"^port {port} for metrics, .* local rank: {words}: choose another "):
        Telemetry.serve(port, is_first_rank=True, host=host)


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
