"""The first board to look at: is the run there, does it move, does it learn, how fast, in how much memory."""

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from .frame import board
from .panels import Limit, Made, Query, identities, lines, number
from .queries import highest, lowest, quantile, ranks, rate, recorded, reported, series, summed

_WORLD = "run:lmmtc_world_size:max"
_LAST_STEP = reported("last_step_timestamp_seconds")
_LATEST_WORLD = f"last_over_time({recorded(_WORLD)}[15m])"


def overview() -> Dashboard:
    """Make the board."""
    rows = {"Now": _now(), "Learning": _learning(), "Speed": _speed(), "Memory": _memory()}
    return board("overview", "lmmtc: overview", "Whether runs are there, move and learn; how fast.", rows)


def _now() -> list[Made]:
    missing = f"({recorded(_WORLD)} or {_LATEST_WORLD}) - ({recorded('run:lmmtc_ranks:count')} or 0 * {_LATEST_WORLD})"
    age, stall = recorded("run:lmmtc_last_step_age_seconds:min"), recorded("run:lmmtc_stall_limit_seconds:max")
    return [
        number(
            "Ranks missing",
            "Ranks of the run that nobody answers for. A run that was done less than 15 minutes ago misses all.",
            Query(missing),
            limit=Limit(0, "LmmtcRankVanished"),
        ),
        number(
            "Since the last step, of what is allowed",
            "Time without a step, as a share of the time after which ranks end themselves.",
            Query(f"{age} / {stall}"),
            unit=units.PercentUnit,
            limit=Limit(0.5, "LmmtcStepStalled"),
        ),
        number(
            "Steps that were not finite",
            "Skipped within ten minutes, because a loss or a gradient was not finite.",
            Query(recorded("run:lmmtc_nonfinite_steps:increase10m")),
            limit=Limit(0, "LmmtcLossNonFinite"),
        ),
        number(
            "Done",
            "Steps done of those that are planned.",
            Query(highest(f"({series('step')} / {series('planned_steps')})")),
            unit=units.PercentUnit,
        ),
        number(
            "Time left",
            "Steps that are left, at the pace of the last five minutes; evaluations and saves come on top.",
            Query(recorded("run:lmmtc_left_seconds:max")),
            unit=units.Seconds,
        ),
        number(
            "Goodput",
            "Share of the time since the last start that has taught the model something.",
            Query(recorded("run:lmmtc_goodput:ratio")),
            unit=units.PercentUnit,
        ),
    ]


def _learning() -> list[Made]:
    return [
        lines(
            "Loss by term",
            "Over all ranks, at the last step.",
            Query(highest(series("loss"), "term"), "{{run_id}} {{term}}"),
        ),
        lines("Gradient norm", "Of dense parameters, before clipping.", Query(highest(reported("gradient_norm")))),
        lines(
            "Learning rate",
            "Of dense parameters and of label rows.",
            Query(highest(series("learning_rate"), "group"), "{{run_id}} {{group}}"),
            unit=units.ScientificNotation,
        ),
        lines(
            "Precision on the dev split",
            "Share of right labels among the k best, at the last evaluation.",
            Query(highest(series("precision_ratio"), "k"), "{{run_id}} P@{{k}}"),
            unit=units.PercentUnit,
        ),
        lines(
            "Step",
            "Of the run, over all its lives; it falls back where a run goes on.",
            Query(highest(reported("step"))),
        ),
        identities("Ranks", "Who trains, and in which version.", Query(ranks()), ["job", "namespace"]),
    ]


def _speed() -> list[Made]:
    return [
        lines(
            "Records and steps a second",
            "Over all ranks; steps are those of the slowest rank.",
            Query(summed(rate("train_records_total")), "{{run_id}} records"),
            Query(lowest(rate("train_steps_total")), "{{run_id}} steps"),
        ),
        lines("Tokens a second", "Over all ranks, padding left out.", Query(summed(rate("train_tokens_total")))),
        lines(
            "Time of a step",
            "Median and 99th percentile over ranks, as exact as the buckets of the histogram.",
            Query(quantile(0.5, "step_duration_seconds"), "{{run_id}} median"),
            Query(quantile(0.99, "step_duration_seconds"), "{{run_id}} p99"),
            unit=units.Seconds,
        ),
        lines(
            "Time by phase",
            "Seconds a second, over all ranks; what is done between phases is left out.",
            Query(summed(rate("phase_seconds_total"), "phase"), "{{run_id}} {{phase}}"),
            stacked=True,
        ),
        lines(
            "Time on GPUs by phase",
            "Seconds a second, over all ranks; 0 without GPUs.",
            Query(summed(rate("phase_device_seconds_total"), "phase"), "{{run_id}} {{phase}}"),
            stacked=True,
        ),
        lines(
            "Operations a second",
            "Floating-point operations of matrix products, over all ranks.",
            Query(summed(rate("model_flops_total"))),
            unit=units.FlopsPerSecond,
        ),
        lines(
            "Utilization",
            "Operations a second over what the device of the first rank can do at best.",
            Query(highest(series("model_flops_utilization_ratio"), "device"), "{{run_id}} {{device}}"),
            unit=units.PercentUnit,
        ),
        lines(
            "Ranks apart",
            "How far the last steps of ranks lie apart: one that hangs falls behind. Below two scrapes, it is chance.",
            Query(f"{highest(_LAST_STEP)} - {lowest(_LAST_STEP)}"),
            unit=units.Seconds,
        ),
    ]


def _memory() -> list[Made]:
    return [
        lines(
            "Host memory of ranks",
            "Added up; the resident sum counts pages that ranks share once for each, the proportional one once.",
            Query(summed(series("host_memory_bytes"), "kind"), "{{run_id}} {{kind}}"),
            unit=units.BytesIEC,
        ),
        lines(
            "GPU memory of the fullest rank",
            "Handed out by torch, reserved by it, and handed out at most.",
            Query(highest(series("device_memory_bytes"), "kind"), "{{run_id}} {{kind}}"),
            unit=units.BytesIEC,
        ),
    ]
