"""The board of reading: whether training waits for data, where the data comes from, and what is wrong with it."""

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from .frame import board
from .panels import Limit, Made, Query, lines, number
from .queries import lowest, of_ranks, rate, recorded, series, summed

_RANKS_SHOWN = 8


def data() -> Dashboard:
    """Make the board."""
    rows = {"Now": _now(), "Waiting": _waiting(), "A remote data set": _remote()}
    return board("data", "lmmtc: data", "Whether training waits for data, and how a remote data set is read.", rows)


def _now() -> list[Made]:
    return [
        number(
            "Waiting for data",
            "Share of the time of all ranks, over five minutes.",
            Query(recorded("run:lmmtc_data_wait:ratio_rate5m")),
            unit=units.PercentUnit,
            limit=Limit(0.3, "LmmtcDataStarved"),
        ),
        number(
            "Left out of the corpus",
            "Share of records that conversion left out as bad ones.",
            Query(recorded("run:lmmtc_dataset_skipped_records:ratio")),
            unit=units.PercentUnit,
            limit=Limit(0.01, "LmmtcBadRecords"),
        ),
        number(
            "Corrupt downloads",
            "Within fifteen minutes; the alert also asks that they are more than one in a hundred.",
            Query(recorded("run:lmmtc_stream_checksum_failures:increase15m")),
            limit=Limit(3, "LmmtcCorruptDownloads"),
        ),
    ]


def _waiting() -> list[Made]:
    waited, all_phases = rate("phase_seconds_total", phase="data_wait"), rate("phase_seconds_total")
    return [
        lines(
            "Waiting for data",
            "Share of the time of all ranks.",
            Query(f"{summed(waited)} / {summed(all_phases)}"),
            unit=units.PercentUnit,
        ),
        lines(
            "Ranks that wait most",
            f"Seconds a second that a rank waits for data; the {_RANKS_SHOWN} that wait most.",
            Query(f"topk({_RANKS_SHOWN}, {of_ranks(waited)})", "{{run_id}} rank {{rank}}"),
            unit=units.PercentUnit,
        ),
        lines(
            "Steps that stand ready",
            "On the rank that has the fewest: at 0, a step had to wait.",
            Query(lowest(series("loader_ready_steps"))),
        ),
        lines("Records a second", "Over all ranks.", Query(summed(rate("train_records_total")))),
        lines(
            "Tokens of a record",
            "Mean over what was trained on.",
            Query(f"{summed(rate('train_tokens_total'))} / ({summed(rate('train_records_total'))} > 0)"),
        ),
    ]


def _remote() -> list[Made]:
    fetched, hit = summed(rate("stream_fetches_total")), summed(rate("stream_hits_total"))
    return [
        lines(
            "Bytes read",
            "From the bucket, over all ranks.",
            Query(summed(rate("stream_bytes_total"))),
            unit=units.BytesPerSecondIEC,
        ),
        lines(
            "Files a second",
            "Downloaded, and found in the cache, over all ranks.",
            Query(fetched, "{{run_id}} downloaded"),
            Query(hit, "{{run_id}} found"),
        ),
        lines(
            "Found in the cache",
            "Share of files that were asked for.",
            Query(f"{hit} / ({hit} + {fetched} > 0)"),
            unit=units.PercentUnit,
        ),
        lines(
            "Waiting for files",
            "Seconds a second, over all ranks, in which the stream of records stood waiting.",
            Query(summed(rate("stream_wait_seconds_total"))),
        ),
        lines(
            "What went wrong",
            "Requests that were made again, and downloads that were not what the manifest says, a second.",
            Query(summed(rate("stream_retries_total")), "{{run_id}} retries"),
            Query(summed(rate("stream_checksum_failures_total")), "{{run_id}} corrupt"),
        ),
    ]
