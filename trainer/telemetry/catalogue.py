"""The metric catalogue: every metric that a run exports; exporter, dashboards, alerts and documentation follow it."""

from dataclasses import dataclass
from typing import Literal, get_args

PREFIX = "lmmtc_"

Phase = Literal["data_wait", "text", "scan", "cloze", "backward", "optimizer", "checkpoint", "evaluation"]
PHASES: tuple[str, ...] = get_args(Phase)

GoodputKind = Literal["startup", "productive", "stalled", "checkpoint", "evaluation", "down", "lost"]
GOODPUT_KINDS: tuple[str, ...] = get_args(GoodputKind)

DURATION_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)  # seconds, of training
ANSWER_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds, of a server


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Without the prefix, as the training loop says it.
        kind: Its Prometheus type.
        help: One sentence.
        labels: Names of its labels.
        first_rank_only: Whether only the first rank exports it.
        values: The only values that its one label may have; a counter shows each from the start.
        buckets: Upper bounds of a histogram's buckets, seconds.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    first_rank_only: bool = False
    values: tuple[str, ...] = ()  # the only ones that its one label may have; a counter shows each from the start
    buckets: tuple[float, ...] = DURATION_BUCKETS

    @property
    def exported_name(self) -> str:
        """The name that Prometheus sees."""
        return PREFIX + self.name


PER_RANK = (
    Metric("train_steps_total", "counter", "Optimizer steps done by this process."),
    Metric("train_tokens_total", "counter", "Text tokens trained on by this rank, padding left out."),
    Metric("train_records_total", "counter", "Records trained on by this rank, padding left out."),
    Metric("slots_total", "counter", "Label slots scored by this rank in training."),
    Metric("labels_scanned_total", "counter", "Pairs of a record and a label row that the scan of this rank scored."),
    Metric(
        "train_positives_total",
        "counter",
        "True labels of this rank's records that could be proposed: not shown, not excluded.",
    ),
    Metric("train_positives_found_total", "counter", "Those of them that the scan put into the shortlist."),
    Metric(
        "model_flops_total",
        "counter",
        "Floating-point operations of this rank's matrix products; what a driver runs twice counts once.",
    ),
    Metric("step_duration_seconds", "histogram", "Wall time of an optimizer step."),
    Metric(
        "phase_seconds_total",
        "counter",
        "Wall time by phase of the loop; an inner phase does not count for the outer one.",
        labels=("phase",),
        values=PHASES,
    ),
    Metric(
        "phase_device_seconds_total",
        "counter",
        "Time on the GPU by phase of the loop, read a step later; 0 without a GPU.",
        labels=("phase",),
        values=PHASES,
    ),
    Metric("last_step_timestamp_seconds", "gauge", "Unix time at which the last optimizer step ended; 0 before any."),
    Metric("nonfinite_steps_total", "counter", "Steps skipped because a loss or a gradient was not finite."),
    Metric("loader_ready_steps", "gauge", "Steps of data that stood ready when the last step asked for one: 0 or 1."),
    Metric("stream_bytes_total", "counter", "Bytes read from a remote data set, failed downloads included."),
    Metric("stream_fetches_total", "counter", "Files of a remote data set that this process downloaded."),
    Metric("stream_hits_total", "counter", "Files of a remote data set that were found in the cache."),
    Metric("stream_retries_total", "counter", "Requests to a remote data set that were made again."),
    Metric("stream_checksum_failures_total", "counter", "Downloads that were not what the manifest says."),
    Metric("stream_wait_seconds_total", "counter", "Time in which the stream of records stood waiting for a file."),
    Metric(
        "device_memory_bytes",
        "gauge",
        "GPU memory that torch has handed out, has reserved, and has handed out at most; absent without a GPU.",
        labels=("kind",),
        values=("allocated", "reserved", "peak"),
    ),
    Metric(
        "host_memory_bytes",
        "gauge",
        "Memory of this process: all pages it sees, and its proportional share of those that others see too.",
        labels=("kind",),
        values=("resident", "proportional"),
    ),
    Metric(
        "rank_info",
        "gauge",
        "Always 1; its labels say who this process is.",
        labels=("rank", "local_rank", "zero_stage", "run_id", "version"),
    ),
    Metric("checkpoint_blocked_seconds_total", "counter", "Time in which training stood still for saves."),
)

FIRST_RANK = (
    Metric("step", "gauge", "Number of the run's last optimizer step, of all its lives.", first_rank_only=True),
    Metric("planned_steps", "gauge", "Number of the step with which the run is done.", first_rank_only=True),
    Metric(
        "loss",
        "gauge",
        "Loss of the last step by term, over all ranks.",
        labels=("term",),
        first_rank_only=True,
        values=("scan", "cloze", "mlm", "total"),
    ),
    Metric("gradient_norm", "gauge", "Norm of the last dense gradient before clipping.", first_rank_only=True),
    Metric(
        "learning_rate",
        "gauge",
        "Learning rate of the last step.",
        labels=("group",),
        first_rank_only=True,
        values=("dense", "rows"),
    ),
    Metric("world_size", "gauge", "Ranks that train together.", first_rank_only=True),
    Metric(
        "stall_limit_seconds", "gauge", "Time without progress after which a rank ends itself.", first_rank_only=True
    ),
    Metric(
        "model_flops_utilization_ratio",
        "gauge",
        "Model FLOPs of the last step over what the device could do in its time; absent without a known peak.",
        labels=("device",),
        first_rank_only=True,
    ),
    Metric(
        "goodput_seconds_total",
        "counter",
        "What time was spent on since the checkpoint that this process went on from, or since its start.",
        labels=("kind",),
        first_rank_only=True,
        values=GOODPUT_KINDS,
    ),
    Metric("restarts_total", "counter", "How often the run was started again, in all its lives.", first_rank_only=True),
    Metric("faults_total", "counter", "Ranks that ended with an error, in all lives of the run.", first_rank_only=True),
    Metric(
        "dataset_skipped_records_ratio",
        "gauge",
        "Share of the corpus that conversion left out as bad records.",
        first_rank_only=True,
    ),
    Metric(
        "shortlist_recall_ratio",
        "gauge",
        "Share of true labels that are in the shortlist, at the last evaluation.",
        first_rank_only=True,
    ),
    Metric(
        "precision_ratio",
        "gauge",
        "Precision at k at the last evaluation.",
        labels=("k",),
        first_rank_only=True,
        values=("1", "3", "5"),
    ),
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

SERVING = (
    Metric(
        "serve_requests_total",
        "counter",
        "Questions to the model by how they ended: answered, refused as they were, too many at once, failed, or the "
        "client had gone.",
        labels=("outcome",),
        values=("answered", "refused", "busy", "failed", "gone"),
    ),
    Metric(
        "serve_request_duration_seconds",
        "histogram",
        "Time from a question's arrival to its answer, waiting included.",
        buckets=ANSWER_BUCKETS,
    ),
    Metric("serve_texts_total", "counter", "Texts that the model has answered."),
    Metric("serve_batches_total", "counter", "Batches in which it did."),
    Metric("serve_batch_duration_seconds", "histogram", "Time of the model for a batch.", buckets=ANSWER_BUCKETS),
    Metric("serve_waiting_texts", "gauge", "Texts that wait for the model."),
    Metric("serve_waiting_limit_texts", "gauge", "Texts that may wait; more are refused."),
    Metric(
        "serve_cache_lookups_total",
        "counter",
        "Texts read alone, by whether what the encoder makes of them was kept.",
        labels=("outcome",),
        values=("hit", "miss"),
    ),
    Metric("serve_step", "gauge", "Step of the checkpoint that answers."),
    Metric("serve_reloads_total", "counter", "New checkpoints that were taken without a restart."),
    Metric(
        "serve_reload_failures_total", "counter", "New checkpoints that could not be taken; the one before answers on."
    ),
    Metric(
        "serve_info",
        "gauge",
        "Always 1; its labels say which run this server answers with.",
        labels=("run_id", "version"),
    ),
)
