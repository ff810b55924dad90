"""Whether a panel of a board has something to show."""

import math
import time

from deploy.grafana.asking import Span, ask
from deploy.grafana.reading import Question


def shows(url: str, question: Question) -> bool:
    """Tell whether a question has answers, and all are numbers that can be drawn."""
    values = [value for line in ask(url, question.expression, now()) for _, value in line.points]
    return bool(values) and all(map(math.isfinite, values))


def now() -> Span:
    """Give the present moment."""
    at = time.time()
    return Span(at, at, 1)
