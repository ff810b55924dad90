"""What happens beside training."""

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from sharding import StreamState
from sharding.remote import FetchCounts
from trainer.hooks import FetchReporting
from trainer.loop import Position
from trainer.telemetry import Telemetry

END = Position(1, StreamState(0, 0))


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry.serve(None, is_first_rank=True)
    yield telemetry
    telemetry.close()


def test_each_count_of_a_remote_data_set_is_exported_under_its_name_and_once(telemetry: Telemetry) -> None:
    counts = FetchCounts()
    hook = FetchReporting(telemetry, counts)
    expected = {name: 10.0 * number for number, name in enumerate(asdict(counts.now), start=1)}
    for _ in range(2):
        counts.add(**{name: amount / 2 for name, amount in expected.items()})
        hook.at_end(END)
        hook.at_end(END)
    counters = telemetry._instruments.counters
    assert {name: counters[f"stream_{name}_total"]._value.get() for name in expected} == expected
