"""The board of the label space: what the scan and the cloze work through, and what they find."""

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from .frame import board
from .panels import Made, Query, lines
from .queries import highest, rate, reported, series, summed


def labels() -> Dashboard:
    """Make the board."""
    rows = {"Found": _found(), "Learned": _learned(), "Worked through": _worked()}
    return board("labels", "lmmtc: labels", "What scan and cloze work through and find among all labels.", rows)


def _found() -> list[Made]:
    true, found = summed(rate("train_positives_total")), summed(rate("train_positives_found_total"))
    return [
        lines(
            "Recall of the shortlist, in training",
            "Share of the true labels that could be proposed and were, before their records were learned.",
            Query(f"{found} / ({true} > 0)"),
            unit=units.PercentUnit,
        ),
        lines(
            "Recall of the shortlist, on the dev split",
            "Share of true labels at the last evaluation: no ranking of the shortlist can find more.",
            Query(highest(reported("shortlist_recall_ratio"))),
            unit=units.PercentUnit,
        ),
        lines(
            "Precision on the dev split",
            "Share of right labels among the k best, at the last evaluation.",
            Query(highest(series("precision_ratio"), "k"), "{{run_id}} P@{{k}}"),
            unit=units.PercentUnit,
        ),
        lines(
            "True labels a second",
            "Over all ranks: not shown as context, not excluded.",
            Query(true, "{{run_id}} all"),
            Query(found, "{{run_id}} found"),
        ),
        lines(
            "True labels of a record",
            "Mean over what was trained on; labels that are shown as context or excluded are left out.",
            Query(f"{true} / ({summed(rate('train_records_total'))} > 0)"),
        ),
    ]


def _learned() -> list[Made]:
    return [
        lines(
            "Loss of the scan and of the cloze",
            "The cloze learns what is left of the score that the scan gives.",
            Query(highest(series("loss", term="scan")), "{{run_id}} scan"),
            Query(highest(series("loss", term="cloze")), "{{run_id}} cloze"),
        ),
        lines(
            "Learning rate of label rows",
            "At the last step.",
            Query(highest(series("learning_rate", group="rows"))),
            unit=units.ScientificNotation,
        ),
    ]


def _worked() -> list[Made]:
    records = f"({summed(rate('train_records_total'))} > 0)"
    return [
        lines("Labels scanned a second", "Pairs of a record and a row.", Query(summed(rate("labels_scanned_total")))),
        lines("Slots a second", "Scored by the cloze, over all ranks.", Query(summed(rate("slots_total")))),
        lines("Slots of a record", "Mean over all ranks.", Query(f"{summed(rate('slots_total'))} / {records}")),
        lines(
            "Time of the scan and of the cloze",
            "Seconds a second, over all ranks.",
            Query(summed(rate("phase_seconds_total", phase="scan")), "{{run_id}} scan"),
            Query(summed(rate("phase_seconds_total", phase="cloze")), "{{run_id}} cloze"),
            stacked=True,
        ),
    ]
