"""The figures of the benchmark of given labels."""

import pytest

from benchmarks.given.figures import Contender, summary, table
from benchmarks.quality.cooccurrence import RestQuality

CONTROL = Contender("control", {"P@1": 84.8, "P@3": 61.7, "P@5": 46.5}, [RestQuality(0, 0.796, 0.572)])
MODEL = Contender(
    "model",
    {"P@1": 84.9, "P@3": 61.4, "P@5": 46.1},
    [RestQuality(0, 0.795, 0.566), RestQuality(1, 0.889, 0.604), RestQuality(2, 0.905, 0.62)],
)
COUNTED = Contender(
    "counted",
    {"P@1": 77.1, "P@3": 57.6, "P@5": 42.7},
    [RestQuality(0, 0.724, 0.487), RestQuality(1, 0.805, 0.532), RestQuality(2, 0.842, 0.531)],
)


def test_gains_are_points_over_nothing_given() -> None:
    assert summary(CONTROL, MODEL, COUNTED) == pytest.approx(
        {
            "control_P@1": 84.8,
            "text_P@1": 84.9,
            "given1_P@1": 88.9,
            "given2_P@1": 90.5,
            "gain1_P@1": 9.4,
            "gain2_P@1": 11.0,
            "cooccurrence_gain1_P@1": 8.1,
            "gain1_micro_F1": 3.8,
            "text_minus_control_P@3": -0.3,
        }
    )


def test_what_a_control_cannot_be_given_stays_empty() -> None:
    _, _, control, model, _ = table([CONTROL, MODEL, COUNTED]).splitlines()
    assert control == "| control | 84.8 | 61.7 | 46.5 | 79.6 |  |  | 57.2 |  |  |"
    assert model == "| model | 84.9 | 61.4 | 46.1 | 79.5 | 88.9 | 90.5 | 56.6 | 60.4 | 62.0 |"
