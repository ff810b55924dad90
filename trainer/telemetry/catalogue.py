"""Every metric that a run exports, once: exporter, dashboards, alert rules and documentation follow this table."""

from dataclasses import dataclass
from typing import Literal, get_args

PREFIX = "lmmtc_"

Phase = Literal["data_wait", "text", "scan", "cloze", "backward", "optimizer", "checkpoint", "evaluation"]
PHASES: tuple[str, ...] = get_args(Phase)

DURATION_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)  # seconds, of every histogram


@dataclass(frozen=True)
class Metric:
    """One metric; `name` comes without the prefix, as the training loop says it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    first_rank_only: bool = False
    zero_from_start: tuple[str, ...] = ()  # values of a counter's one label that are exported before anything happened

    @property
    def exported_name(self) -> str:
        """The name that Prometheus sees."""
        return PREFIX + self.name


PER_RANK = (
    Metric("train_steps_total", "counter", "Optimizer steps done by this process."),
    Metric("train_tokens_total", "counter", "Text tokens trained on by this rank, padding left out."),
    Metric("train_records_total", "counter", "Records trained on by this rank, padding left out."),
    Metric("slots_total", "counter", "Label slots scored by this rank in training."),
    Metric("step_duration_seconds", "histogram", "Wall time of an optimizer step."),
    Metric(
        "phase_seconds_total",
        "counter",
        "Wall time by phase of the loop; an inner phase does not count for the outer one.",
        labels=("phase",),
        zero_from_start=PHASES,
    ),
    Metric("last_step_timestamp_seconds", "gauge", "Unix time at which the last optimizer step ended; 0 before any."),
    Metric("nonfinite_steps_total", "counter", "Steps skipped because a loss or a gradient was not finite."),
    Metric("stream_bytes_total", "counter", "Bytes read from a remote data set, failed downloads included."),
    Metric("stream_fetches_total", "counter", "Files of a remote data set that this process downloaded."),
    Metric("stream_hits_total", "counter", "Files of a remote data set that were found in the cache."),
    Metric("stream_retries_total", "counter", "Requests to a remote data set that were made again."),
    Metric("stream_checksum_failures_total", "counter", "Downloads that were not what the manifest says."),
    Metric("stream_wait_seconds_total", "counter", "Time in which the stream of records stood waiting for a file."),
    Metric(
        "rank_info",
        "gauge",
        "Always 1; its labels say who this process is.",
        labels=("rank", "local_rank", "zero_stage", "run_id", "version"),
    ),
    Metric("checkpoint_blocked_seconds_total", "counter", "Time in which training stood still for saves."),
)

FIRST_RANK = (
    Metric("loss", "gauge", "Loss of the last step by term, over all ranks.", labels=("term",), first_rank_only=True),
    Metric("gradient_norm", "gauge", "Norm of the last dense gradient before clipping.", first_rank_only=True),
    Metric("learning_rate", "gauge", "Learning rate of the last step.", labels=("group",), first_rank_only=True),
    Metric("world_size", "gauge", "Ranks that train together.", first_rank_only=True),
    Metric(
        "shortlist_recall_ratio",
        "gauge",
        "Share of true labels that are in the shortlist, at the last evaluation.",
        first_rank_only=True,
    ),
    Metric("precision_ratio", "gauge", "Precision at k at the last evaluation.", labels=("k",), first_rank_only=True),
    Metric(
        "checkpoint_duration_seconds",
        "gauge",
        "Wall time of the last save, from its begin until it was published.",
        first_rank_only=True,
    ),
    Metric(
        "checkpoint_last_success_timestamp_seconds",
        "gauge",
        "Unix time of the last complete save; 0 before any.",
        first_rank_only=True,
    ),
    Metric("checkpoint_interval_seconds", "gauge", "Time expected between two saves.", first_rank_only=True),
)

CATALOGUE = PER_RANK + FIRST_RANK
