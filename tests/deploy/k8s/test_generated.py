"""What Kubernetes is given of rules and dashboards is what stands in deploy/prometheus and deploy/grafana."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests.deploy.k8s.rendering import of_kind, render
from tests.programs import ROOT

LARGEST_BYTES = 1 << 20  # of a ConfigMap


def generator() -> ModuleType:
    spec = spec_from_file_location("generate_deploy", ROOT / "deploy/generate.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("path", "text"), generator().generated().items(), ids=lambda value: getattr(value, "name", "")
)
def test_a_generated_file_is_up_to_date(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run: python deploy/generate.py"


def test_the_operator_gets_the_rules_that_prometheus_gets() -> None:
    (rule,) = of_kind(render("overlays/multi-node"), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text(encoding="utf-8"))


def test_comments_and_texts_of_several_lines_come_through() -> None:
    rules = "# why\ngroups:\n- name: a\n  rules:\n  - record: b\n    expr: |\n      c\n\n      / d\n"
    assert yaml.safe_load(generator().prometheus_rule(rules))["spec"] == yaml.safe_load(rules)


def test_each_dashboard_is_a_config_map_that_grafana_looks_for() -> None:
    found = {
        name: text
        for manifest in of_kind(render("overlays/multi-node"), "ConfigMap")
        if manifest["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
        for name, text in manifest["data"].items()
    }
    files = {
        path.name: path.read_text(encoding="utf-8") for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")
    }
    assert found == files
    assert found
    assert all(json.loads(text)["title"] and len(text.encode()) < LARGEST_BYTES for text in found.values())
