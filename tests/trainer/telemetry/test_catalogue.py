"""The naming rules that Prometheus users rely on, checked for every metric."""

import re

import pytest

from trainer.telemetry import CATALOGUE, PHASES, Metric

UNITS = {"seconds", "bytes", "ratio", "info"}
WITHOUT_UNIT = {"loss", "gradient_norm", "learning_rate", "world_size"}  # plain numbers of training

every_metric = pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)


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
    assert ("run_id" in metric.labels) == (metric.name == "rank_info")


def test_no_two_metrics_share_a_name() -> None:
    names = [metric.name for metric in CATALOGUE]
    assert len(names) == len(set(names))


def test_every_phase_is_exported_from_the_start() -> None:
    assert [metric.zero_from_start for metric in CATALOGUE if "phase" in metric.labels] == [PHASES]
