"""What a checked-in board asks Prometheus when all jobs and runs are chosen."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"


@dataclass(frozen=True)
class Question:
    """One query of a panel; `panel_id` and `ref_id` tell it from all others of its board."""

    panel_id: int
    ref_id: str
    title: str
    kind: str
    unit: str
    expression: str
    legend: str


def boards() -> dict[str, dict[str, Any]]:
    """Read all boards, by the names of their files without .json."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """List the panels of a board, without the headings of its rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def questions(board: dict[str, Any], rate_interval: str) -> Iterator[Question]:
    """List what a board asks, with rates over an interval such as 1m."""
    values = {"$__rate_interval": rate_interval, "$job": ".*", "$run_id": ".*"}
    for panel in panels(board):
        for target in panel["targets"]:
            expression = target["expr"]
            for variable, value in values.items():
                expression = expression.replace(variable, value)
            yield Question(
                panel_id=panel["id"],
                ref_id=target["refId"],
                title=panel["title"],
                kind=panel["type"],
                unit=panel["fieldConfig"]["defaults"].get("unit", ""),
                expression=expression,
                legend=target["legendFormat"],
            )
