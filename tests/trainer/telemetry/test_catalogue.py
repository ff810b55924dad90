"""The naming rules that Prometheus users rely on, checked for every metric."""

import re

import pytest

from trainer.telemetry import CATALOGUE, PHASES, SERVING, Metric

UNITS = {"seconds", "bytes", "ratio", "info"}
WITHOUT_UNIT = {  # plain numbers of training
    "gradient_norm",
    "learning_rate",
    "loader_ready_steps",
    "loss",
    "planned_steps",
    "serve_step",
    "serve_waiting_limit_texts",
    "serve_waiting_texts",
    "step",
    "world_size",
}
OF_THE_PROCESS = {
    "rank_info",
    "serve_info",
    "model_flops_utilization_ratio",
}  # one value of each label in the life of a process

every_metric = pytest.mark.parametrize("metric", [*CATALOGUE, *SERVING], ids=lambda metric: metric.name)


@every_metric
def test_a_name_is_prefixed_snake_case_with_a_base_unit_or_total_at_its_end(metric: Metric) -> None:
    assert re.fullmatch(r"lmmtc_[a-z]+(_[a-z]+)*", metric.exported_name)
    last = metric.name.rpartition("_")[2]
    assert (last == "total") == (metric.kind == "counter")
    assert last in UNITS | {"total"} or metric.name in WITHOUT_UNIT


@every_metric
def test_help_is_a_sentence(metric: Metric) -> None:
    assert metric.help[0].isupper()
    assert metric.help.endswith(".")


@every_metric
def test_only_the_info_metric_names_the_run(metric: Metric) -> None:
    assert ("run_id" in metric.labels) == (metric.name in ("rank_info", "serve_info"))


def test_no_two_metrics_share_a_name() -> None:
    names = [metric.name for metric in (*CATALOGUE, *SERVING)]
    assert len(names) == len(set(names))


def test_every_phase_is_exported_from_the_start() -> None:
    timed = [metric for metric in CATALOGUE if "phase" in metric.labels]
    assert [(metric.kind, metric.values) for metric in timed] == [("counter", PHASES)] * 2


@every_metric
def test_a_label_has_few_values_and_they_are_known_before(metric: Metric) -> None:
    if metric.name in OF_THE_PROCESS:
        assert not metric.values
    else:
        assert len(metric.labels) <= 1
        assert bool(metric.labels) == bool(metric.values)
        assert len(metric.values) < 10
