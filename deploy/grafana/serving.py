"""The board of servers: whether questions are answered, how fast, and what waits."""

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from .frame import board
from .panels import Limit, Made, Query, lines, number
from .queries import of_servers, quantile_of_servers, rate, recorded, series, servers


def serving() -> Dashboard:
    """Make the board."""
    rows = {"Now": _now(), "Questions": _questions(), "The model": _model()}
    return board("serving", "lmmtc: serving", "Questions to trained runs, and their answers.", rows, info="serve_info")


def _now() -> list[Made]:
    return [
        number("Servers", "Those that answer with the run.", Query(f"count by (job, namespace, run_id) ({servers()})")),
        number("Questions a second", "However they end.", Query(recorded("run:lmmtc_serve_questions:rate5m"))),
        number(
            "Told to come back",
            "Share of questions that came while too much was waiting.",
            Query(recorded("run:lmmtc_serve_busy:ratio_rate5m")),
            unit=units.PercentUnit,
            limit=Limit(0.05, "LmmtcServeBusy"),
        ),
        number(
            "Failed",
            "Share of questions that ended in an error of the server.",
            Query(recorded("run:lmmtc_serve_failed:ratio_rate5m")),
            unit=units.PercentUnit,
            limit=Limit(0.01, "LmmtcServeFailing"),
        ),
        number(
            "Step", "Of the checkpoint that answers; the oldest, where servers differ.", Query(_of("min", "serve_step"))
        ),
        number(
            "Failed reloads",
            "New checkpoints that could not be taken.",
            Query(_of("sum", "serve_reload_failures_total")),
        ),
    ]


def _questions() -> list[Made]:
    return [
        lines(
            "Questions by outcome",
            "A second.",
            Query(of_servers("sum", rate("serve_requests_total"), "outcome"), "{{run_id}} {{outcome}}"),
            stacked=True,
        ),
        lines(
            "Time to an answer",
            "From a question's arrival, waiting included.",
            *(
                Query(quantile_of_servers(share, "serve_request_duration_seconds"), f"{{{{run_id}}}} {share:.0%}")
                for share in (0.5, 0.95, 0.99)
            ),
            unit=units.Seconds,
        ),
        lines(
            "Waiting texts",
            "Of all servers, and how many may wait.",
            Query(_of("sum", "serve_waiting_texts"), "{{run_id}} waiting"),
            Query(_of("sum", "serve_waiting_limit_texts"), "{{run_id}} limit"),
        ),
    ]


def _model() -> list[Made]:
    return [
        lines("Texts", "A second.", Query(of_servers("sum", rate("serve_texts_total")))),
        lines(
            "Texts of a batch",
            "How many the model answers at once.",
            Query(f"{of_servers('sum', rate('serve_texts_total'))} / {of_servers('sum', rate('serve_batches_total'))}"),
        ),
        lines(
            "Time of a batch",
            "Of the model alone.",
            *(
                Query(quantile_of_servers(share, "serve_batch_duration_seconds"), f"{{{{run_id}}}} {share:.0%}")
                for share in (0.5, 0.99)
            ),
            unit=units.Seconds,
        ),
        lines(
            "Kept texts",
            "Texts read alone, by whether what the encoder makes of them was kept; a second.",
            Query(of_servers("sum", rate("serve_cache_lookups_total"), "outcome"), "{{run_id}} {{outcome}}"),
            stacked=True,
        ),
        lines("Reloads", "Checkpoints taken since the servers' start.", Query(_of("sum", "serve_reloads_total"))),
    ]


def _of(aggregate: str, name: str) -> str:
    return of_servers(aggregate, series(name))
