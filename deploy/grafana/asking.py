"""How Prometheus is asked, over HTTP, for what an expression was during a time."""

import json
import re
from dataclasses import dataclass
from urllib.parse import urlencode
from urllib.request import urlopen


@dataclass(frozen=True)
class Span:
    """A time, as Unix seconds, and how many seconds lie between two values in it."""

    start: float
    end: float
    step: float


@dataclass(frozen=True)
class Line:
    """One series: its labels, and (Unix time, value) in the order of time."""

    labels: dict[str, str]
    points: list[tuple[float, float]]

    def name(self, legend: str) -> str:
        """Fill labels into a legend such as `{{run_id}} {{term}}`; without one, a label leaves nothing."""
        return re.sub(r"\{\{(\w+)\}\}", lambda found: self.labels.get(found[1], ""), legend)


def ask(url: str, expression: str, span: Span) -> list[Line]:
    """Ask a Prometheus at an http URL; raises urllib's HTTPError for an expression that it does not understand."""
    query = urlencode({"query": expression, "start": span.start, "end": span.end, "step": span.step})
    with urlopen(f"{url}/api/v1/query_range?{query}", timeout=30) as response:  # noqa: S310 - the user's own http URL
        found = json.load(response)["data"]["result"]
    return [Line(line["metric"], [(time, float(value)) for time, value in line["values"]]) for line in found]
