"""Monitoring asks at all ports that it is let in at, and finds pods where it needs to be allowed to."""

import os
from pathlib import Path

import pytest
import yaml

from tests.deploy.k8s.rendering import Manifest, of_kind, render
from tests.deploy.k8s.rules import complaints
from tests.deploy.prometheus.rules import load
from tests.programs import ROOT, finish

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="the test extra is not installed")


def opened() -> list[int]:
    """List the ports at which the NetworkPolicy lets monitoring in."""
    (policy,) = of_kind(render("base"), "NetworkPolicy")
    [ports] = [port for entry in policy["spec"]["ingress"] for port in entry.get("ports", [])]
    return list(range(ports["port"], ports["endPort"] + 1))


def test_the_pod_monitor_asks_at_every_port_that_is_open() -> None:
    (monitor,) = of_kind(render("overlays/one-node"), "PodMonitor")
    asked = [endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]]
    assert asked == [f"metrics-{rank}" for rank in range(len(opened()))]


def test_the_sample_for_one_machine_asks_at_as_many() -> None:
    [scraped] = load("prometheus.yml")["scrape_configs"][0]["static_configs"]
    assert scraped["targets"] == [f"127.0.0.1:{port}" for port in opened()]


@pytest.fixture
def elsewhere(tmp_path: Path) -> list[Manifest]:
    """Render an overlay in a namespace of its own, with what kube-prometheus needs."""
    folder = os.path.relpath(ROOT / "deploy/k8s", tmp_path)
    components = [f"{folder}/components/{name}" for name in ("podmonitor", "kube-prometheus")]
    content = {"namespace": "second", "resources": [f"{folder}/base"], "components": components}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return list(yaml.safe_load_all(finish("kubectl", "kustomize", tmp_path).out))


def test_kube_prometheus_may_look_for_pods_in_the_namespace_of_the_run(elsewhere: list[Manifest]) -> None:
    assert complaints(elsewhere) == []  # all are in the namespace, the binding too
    (role,), (binding,) = of_kind(elsewhere, "Role"), of_kind(elsewhere, "RoleBinding")
    for manifest in (role, binding):
        kubernetes_validate.validate(manifest, "1.37", strict=True)
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    [subject] = binding["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "prometheus-k8s", "namespace": "monitoring"}
