"""Every overlay passes the strict schemas of Kubernetes, and of JobSet; mistakes that those know are found."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.k8s.rendering import FOLDERS, Manifest, of_kind, render

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="the test extra is not installed")
models = pytest.importorskip("kubeflow_trainer_api.models", reason="the test extra is not installed")

VERSIONS = ("1.35", "1.37")
OPERATORS = {"JobSet", "PodMonitor", "PrometheusRule"}  # kinds that are not Kubernetes' own
DURATION = re.compile(r"(\d+(ms|[smhdwy]))+")


def core(manifests: list[Manifest]) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] not in OPERATORS]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_kubernetes_knows_every_field(folder: str, version: str) -> None:
    for manifest in core(render(folder)):
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize(
    ("kind", "field", "value"), [("Job", "completionz", 1), ("Job", "parallelism", "two"), ("Service", "ports", 8)]
)
def test_a_field_that_kubernetes_does_not_know_is_found(kind: str, field: str, value: Any) -> None:
    (manifest,) = of_kind(render("overlays/one-node"), kind)
    manifest["spec"][field] = value
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


def forgotten(job_set: Manifest) -> list[str]:
    """Read a JobSet with the models of its project, which forget what they do not know, and say what that is."""
    return list(_lost(job_set, models.JobsetV1alpha2JobSet.from_dict(job_set).to_dict(), ""))


def _lost(given: Any, kept: Any, where: str) -> Iterator[str]:
    if isinstance(given, dict) and isinstance(kept, dict):  # which may have defaults beside
        for name, value in given.items():
            yield from _lost(value, kept.get(name), f"{where}/{name}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for number, (value, other) in enumerate(zip(given, kept, strict=True)):
            yield from _lost(value, other, f"{where}/{number}")
    elif given != kept:
        yield where


def test_the_job_set_says_nothing_that_its_project_does_not_know() -> None:
    (manifest,) = of_kind(render("overlays/multi-node"), "JobSet")
    assert forgotten(manifest) == []


def test_a_field_that_job_set_does_not_know_is_found() -> None:
    (manifest,) = of_kind(render("overlays/multi-node"), "JobSet")
    manifest["spec"]["failurePolicy"]["maxRestart"] = 1
    assert forgotten(manifest) == ["/spec/failurePolicy/maxRestart"]


# The Prometheus operator's own schemas are not at hand: these are the fields that we use, as its reference has them.
def test_the_pod_monitor_says_only_what_the_operator_knows() -> None:
    (monitor,) = of_kind(render("overlays/multi-node"), "PodMonitor")
    assert set(monitor["spec"]) == {"selector", "podTargetLabels", "podMetricsEndpoints"}
    assert all(set(endpoint) == {"port", "interval"} for endpoint in monitor["spec"]["podMetricsEndpoints"])
    assert all(DURATION.fullmatch(endpoint["interval"]) for endpoint in monitor["spec"]["podMetricsEndpoints"])


def test_the_rules_say_only_what_the_operator_knows() -> None:
    (rule,) = of_kind(render("overlays/multi-node"), "PrometheusRule")
    assert set(rule["spec"]) == {"groups"}
    for group in rule["spec"]["groups"]:
        assert set(group) <= {"name", "interval", "rules"}
        for entry in group["rules"]:
            assert set(entry) <= {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}
            assert ("alert" in entry) != ("record" in entry)
            assert all(DURATION.fullmatch(entry.get(name, "0s")) for name in ("for", "keep_firing_for"))
