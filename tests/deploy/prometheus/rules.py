"""The shipped rules as values: what they name, and a copy that lives faster."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from tests.programs import ROOT

FOLDER = ROOT / "deploy" / "prometheus"

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
IN_EXPRESSION = re.compile(r"(?<=\[)[^]:]+(?=])|(?<=offset )\w+")


def load(name: str) -> dict[str, Any]:
    """Read one of the files of deploy/prometheus."""
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def all_rules(content: dict[str, Any]) -> list[dict[str, Any]]:
    """List the rules of all groups."""
    return [rule for group in content["groups"] for rule in group["rules"]]


def names(expression: str) -> set[str]:
    """Find every metric that a PromQL expression reads."""
    found: set[str] = set()

    def visit(node: object) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def faster(content: dict[str, Any], times: int) -> dict[str, Any]:
    """Divide every stretch of time in rules: ranges, offsets, and how long an alert must hold."""
    return {
        "groups": [group | {"rules": [_faster(rule, times) for rule in group["rules"]]} for group in content["groups"]]
    }


def _faster(rule: dict[str, Any], times: int) -> dict[str, Any]:
    shorter = {"expr": IN_EXPRESSION.sub(lambda match: _divided(match[0], times), rule["expr"])}
    return rule | shorter | ({"for": _divided(rule["for"], times)} if "for" in rule else {})


def _divided(duration: str, times: int) -> str:
    parts = re.findall(r"(\d+)([a-z]+)", duration)
    return f"{1000 * sum(int(number) * UNITS[unit] for number, unit in parts) / times:.0f}ms"


def windows(content: dict[str, Any]) -> Iterator[str]:
    """List the stretches of time in expressions."""
    for rule in all_rules(content):
        yield from IN_EXPRESSION.findall(rule["expr"])


def write(content: dict[str, Any], path: Path) -> Path:
    """Write YAML."""
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path
