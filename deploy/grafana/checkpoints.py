"""The board of what stays: how old the last checkpoint is, what saving costs, and what the time of a run went to."""

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from .frame import board
from .panels import Limit, Made, Query, bars, lines, number
from .queries import highest, rate, recorded, reported, series, summed

_AGE = recorded("run:lmmtc_checkpoint_age_seconds:min")
_INTERVAL = recorded("run:lmmtc_checkpoint_interval_seconds:max")


def checkpoints() -> Dashboard:
    """Make the board."""
    rows = {"Now": _now(), "Checkpoints": _saving(), "Goodput": _goodput()}
    return board(
        "checkpoints", "lmmtc: checkpoints and goodput", "What would be lost now, and what time went to.", rows
    )


def _now() -> list[Made]:
    return [
        number(
            "Age of the checkpoint, of what is allowed",
            "Allowed is twice the time between two saves, and a minute.",
            Query(f"{_AGE} / (2 * {_INTERVAL} + 60)"),
            unit=units.PercentUnit,
            limit=Limit(1, "LmmtcCheckpointOld"),
        ),
        number(
            "Last save",
            "When it was complete; nothing before the first one of a process.",
            Query(f"1000 * {highest(reported('checkpoint_last_success_timestamp_seconds'))}"),
            unit=units.DateTimeFromNow,
        ),
        number(
            "Goodput",
            "Share of the time since the last start that has taught the model something.",
            Query(recorded("run:lmmtc_goodput:ratio")),
            unit=units.PercentUnit,
        ),
        number(
            "Lost",
            "Time of steps that are done again since the last start, and of those that were skipped.",
            Query(summed(series("goodput_seconds_total", kind="lost"))),
            unit=units.Seconds,
        ),
        number("Restarts", "In all lives of the run.", Query(highest(series("restarts_total")))),
        number(
            "Faults", "Ranks that ended with an error, in all lives of the run.", Query(highest(series("faults_total")))
        ),
        number(
            "Restarts within an hour",
            "The alert counts only while none of them goes on from a later step than the one before.",
            Query(recorded("run:lmmtc_restarts:increase1h")),
            limit=Limit(2, "LmmtcRestartLoop"),
        ),
    ]


def _saving() -> list[Made]:
    return [
        lines(
            "Age of the checkpoint",
            "What a kill would cost now, and the time between two saves.",
            Query(_AGE, "{{run_id}} age"),
            Query(_INTERVAL, "{{run_id}} interval"),
            unit=units.Seconds,
        ),
        lines(
            "Time of a save",
            "The last one.",
            Query(highest(reported("checkpoint_duration_seconds"))),
            unit=units.Seconds,
        ),
        lines(
            "Time in saves",
            "Share of the first rank's time, evaluations and waiting included.",
            Query(summed(rate("goodput_seconds_total", kind="checkpoint"))),
            unit=units.PercentUnit,
        ),
        lines(
            "Time blocked by saves",
            "Share of time, by the rank that stands still longest.",
            Query(highest(rate("checkpoint_blocked_seconds_total"))),
            unit=units.PercentUnit,
        ),
    ]


def _goodput() -> list[Made]:
    return [
        bars(
            "What time went to",
            "Seconds by kind since the last start, and the time down before it; what is lost was productive before.",
            Query(recorded("run_kind:lmmtc_goodput_seconds:sum"), "{{run_id}} {{kind}}"),
            unit=units.Seconds,
        ),
        lines(
            "What time goes to",
            "Seconds a second by kind, of the first rank.",
            Query(summed(rate("goodput_seconds_total"), "kind"), "{{run_id}} {{kind}}"),
            stacked=True,
        ),
        lines(
            "Goodput",
            "Share of the time since the last start that has taught the model something; a start begins anew.",
            Query(recorded("run:lmmtc_goodput:ratio")),
            unit=units.PercentUnit,
        ),
    ]
