"""What happens beside training."""

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from sharding import StreamState
from sharding.remote import FetchCounts
from trainer.model import ModelFlops
from trainer.telemetry import Telemetry
from trainer.training.callbacks.reporting import FetchMetricsCallback, WorkMetricsCallback
from trainer.training.loop import Position
from trainer.training.step import StepCounts, StepReport

END = Position(1, StreamState(0, 0))


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry.serve(None, is_first_rank=True)
    yield telemetry
    telemetry.close()


def test_each_count_of_a_remote_data_set_is_exported_under_its_name_and_once(telemetry: Telemetry) -> None:
    counts = FetchCounts()
    callback = FetchMetricsCallback(telemetry, counts)
    expected = {name: 10.0 * number for number, name in enumerate(asdict(counts.now), start=1)}
    for _ in range(2):
        counts.add(**{name: amount / 2 for name, amount in expected.items()})
        callback.at_end(END)
        callback.at_end(END)
    counters = telemetry._instruments.counters
    assert {name: counters[f"stream_{name}_total"]._value.get() for name in expected} == expected


def report(*, applied: bool) -> StepReport:
    counts = StepCounts(records=8, masked_tokens=0, tokens=80, stops=0)
    losses = dict.fromkeys(("scan", "cloze", "mlm", "total"), 1.0)
    return StepReport(1, applied, counts, 0, losses, positives=20, found=12, gradient_norm=1.0, lr=1.0, rows_lr=1.0)


def work(telemetry: Telemetry, peak: float | None) -> WorkMetricsCallback:
    """Make the callback of one of two ranks: a model whose tokens cost 5 multiplications, and 30 rows to scan."""
    flops = ModelFlops(
        position=5, pair=0, record=0, slot=0, masked_token=0, chunk=None, slot_positions=1, passes=1, query_slots=0
    )
    return WorkMetricsCallback(telemetry, flops, world_size=2, rows=30, device="NVIDIA H100", peak=peak)


def counted(telemetry: Telemetry, name: str) -> float:
    return telemetry._instruments.counters[name]._value.get()


def utilization(telemetry: Telemetry) -> dict[str, float]:
    (family,) = telemetry._instruments.gauges["model_flops_utilization_ratio"].collect()
    return {sample.labels["device"]: sample.value for sample in family.samples}


def test_a_rank_counts_its_share_of_a_step_and_the_pairs_that_it_compared_itself(telemetry: Telemetry) -> None:
    work(telemetry, peak=None).after_step(END, report(applied=True), seconds=2.0)
    assert counted(telemetry, "model_flops_total") == 6 * 5 * 80 / 2
    assert counted(telemetry, "labels_scanned_total") == 30 * 8
    assert counted(telemetry, "train_positives_total") == 10
    assert counted(telemetry, "train_positives_found_total") == 6


def test_utilization_is_what_a_rank_has_worked_over_what_its_device_could_have(telemetry: Telemetry) -> None:
    work(telemetry, peak=2400.0).after_step(END, report(applied=True), seconds=2.0)
    assert utilization(telemetry) == {"NVIDIA H100": 0.25}


def test_without_a_known_peak_no_utilization_is_exported(telemetry: Telemetry) -> None:
    work(telemetry, peak=None).after_step(END, report(applied=True), seconds=2.0)
    assert utilization(telemetry) == {}


def test_a_skipped_step_has_worked_nothing(telemetry: Telemetry) -> None:
    work(telemetry, peak=1.0).after_step(END, report(applied=False), seconds=2.0)
    assert counted(telemetry, "model_flops_total") == 0
    assert utilization(telemetry) == {}
