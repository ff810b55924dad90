"""The servers on Kubernetes: restricted as all pods are, asked by those who may, and ready before the old ones go."""

import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import typer

from launcher.cli.app import app
from launcher.serving.label_search import _cache_folder
from launcher.serving.server import _DRAIN_SECONDS, TOKEN
from tests.deploy.k8s.pod_rules import _images, _resources, _restricted, _secrets, _writable
from tests.deploy.k8s.rendering import Manifest, Work, command_line, of_kind, render
from tests.deploy.k8s.rules import _of_namespaces
from tests.programs import ROOT
from trainer.telemetry import SERVING

OVERLAY = "overlays/serving"
POD_RULES = (_restricted, _writable, _images, _resources, _secrets)


@pytest.fixture
def manifests() -> list[Manifest]:
    return render(OVERLAY)


def only(manifests: list[Manifest], kind: str) -> Manifest:
    [manifest] = of_kind(manifests, kind)
    return manifest["spec"]


def as_work(manifests: list[Manifest]) -> Work:
    """Show the Deployment to rules that were written for Jobs: its pods are pods, too."""
    return Work("Deployment serve", only(manifests, "Deployment"), {}, "", "")


@pytest.mark.parametrize("rule", POD_RULES, ids=lambda rule: rule.__name__.strip("_"))
def test_its_pods_keep_the_rules_of_all_pods(rule: Callable[..., Any], manifests: list[Manifest]) -> None:
    work = as_work(manifests)
    # The token's value comes from a Secret, which a pod alone knows.
    for container in work.containers:
        container["env"] = [entry for entry in container["env"] if "secretKeyRef" not in entry.get("valueFrom", {})]
    assert list(rule(manifests, work)) == []


def test_all_is_in_the_namespace_and_no_secret_is_kept(manifests: list[Manifest]) -> None:
    assert list(_of_namespaces(manifests)) == []
    assert of_kind(manifests, "Secret") == []


def test_what_selects_pods_selects_these(manifests: list[Manifest]) -> None:
    labels = only(manifests, "Deployment")["template"]["metadata"]["labels"]
    selectors = [
        only(manifests, "Deployment")["selector"]["matchLabels"],
        only(manifests, "Service")["selector"],
        only(manifests, "PodDisruptionBudget")["selector"]["matchLabels"],
        only(manifests, "PodMonitor")["selector"]["matchLabels"],
        only(manifests, "NetworkPolicy")["podSelector"]["matchLabels"],
    ]
    assert all(selector == labels for selector in selectors)


def test_a_drain_leaves_servers_and_an_end_leaves_time(manifests: list[Manifest]) -> None:
    scaler, pod = only(manifests, "HorizontalPodAutoscaler"), as_work(manifests).pod
    assert scaler["minReplicas"] > only(manifests, "PodDisruptionBudget")["maxUnavailable"]
    assert "replicas" not in only(manifests, "Deployment")
    assert only(manifests, "Deployment")["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    [container] = pod["containers"]
    needed = container["lifecycle"]["preStop"]["sleep"]["seconds"] + _DRAIN_SECONDS
    assert pod["terminationGracePeriodSeconds"] > needed


def test_it_scales_by_a_gauge_that_a_server_exports(manifests: list[Manifest]) -> None:
    [metric] = only(manifests, "HorizontalPodAutoscaler")["metrics"]
    gauges = {each.exported_name for each in SERVING if each.kind == "gauge"}
    assert metric["pods"]["metric"]["name"] in gauges


def test_the_network_lets_in_clients_and_monitoring_at_its_port_and_nothing_out(manifests: list[Manifest]) -> None:
    policy, [container] = only(manifests, "NetworkPolicy"), as_work(manifests).pod["containers"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policy
    [entry] = policy["ingress"]
    [opened], [port] = entry["ports"], container["ports"]
    assert opened["port"] == port["containerPort"]
    assert all(set(peer) & {"podSelector", "namespaceSelector"} for peer in entry["from"])


def test_its_command_line_is_one_of_lmmtc_serve(manifests: list[Manifest]) -> None:
    work = as_work(manifests)
    [container] = work.containers
    container["env"] = []
    program, command, *words = command_line(work, container)
    assert (program, command) == ("lmmtc", "serve")
    parsed = typer.main.get_command(app).commands["serve"].make_context("serve", words)  # pyright: ignore[reportAttributeAccessIssue]
    assert (str(parsed.params["run"]), parsed.params["host"], parsed.params["follow"]) == ("/runs/run", "0.0.0.0", True)  # noqa: S104
    assert parsed.params["port"] == container["ports"][0]["containerPort"]


def test_the_variables_are_those_that_a_server_reads(
    manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    [container] = as_work(manifests).containers
    [token] = [entry["name"] for entry in container["env"] if "valueFrom" in entry]
    assert token == TOKEN
    cache = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}["XDG_CACHE_HOME"]
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    written = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert any(_cache_folder().is_relative_to(folder) for folder in written)


def test_the_image_has_what_the_extra_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stage = (ROOT / "deploy/image/Dockerfile").read_text(encoding="utf-8").partition("FROM base AS serve\n")[2]
    assert project["optional-dependencies"]["serve"]
    assert "dependencies.py pyproject.toml serve" in (ROOT / "deploy/image/Dockerfile").read_text(encoding="utf-8")
    assert "USER 10001:10001" in stage
