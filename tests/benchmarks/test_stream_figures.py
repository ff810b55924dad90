"""What the stream benchmark makes of its measurements."""

import pytest

from benchmarks.stream.figures import Speed, ratios, table, verdicts

CLOCK = {"ours": [800.0, 1000.0, 900.0], "litdata": [100.0, 300.0, 200.0], "webdataset": [30.0, 30.0, 30.0]}
SPEEDS = {name: [Speed(value, 2 * value) for value in values] for name, values in CLOCK.items()}


def test_ratios_are_those_of_medians_where_both_sides_were_asked_for() -> None:
    assert ratios(SPEEDS, []) == {"records_per_s": 900, "vs_litdata": 4.5, "vs_webdataset": 30}


def test_a_ratio_to_a_missing_contender_is_none() -> None:
    assert ratios(SPEEDS, ["mosaicml"])["vs_mosaicml"] is None
    assert ratios({"litdata": SPEEDS["litdata"]}, ["ours"]) == {"records_per_s": None, "vs_litdata": None}


def test_the_table_has_the_fastest_first() -> None:
    assert list(table(SPEEDS))[2:4] == [
        "| ours | 900 | 800 | 1,000 | 1,800 |",
        "| litdata | 200 | 100 | 300 | 400 |",
    ]


@pytest.mark.parametrize(
    ("figure", "value", "verdict"),
    [
        ("vs_litdata", 4.0, ("PASS", "vs_litdata = 4: must be at least 4")),
        ("vs_litdata", 3.99, ("FAIL", "vs_litdata = 3.99: must be at least 4")),
        ("vs_litdata", None, ("MISSING", "vs_litdata: must be at least 4")),
        ("resume_ms_1e9", 50.0, ("PASS", "resume_ms_1e9 = 50: must be at most 50")),
        ("resume_ms_1e9", 51.0, ("FAIL", "resume_ms_1e9 = 51: must be at most 50")),
        ("records_per_s", None, ("MISSING", "records_per_s")),
    ],
)
def test_a_promise_holds_fails_or_cannot_be_judged(figure: str, value: float | None, verdict: tuple[str, str]) -> None:
    assert list(verdicts({figure: value})) == [verdict]


def test_what_is_not_promised_is_not_judged() -> None:
    assert not list(verdicts({"fraction_of_in_order_mmap": 0.1, "convert_records_per_s": 1.0}))
