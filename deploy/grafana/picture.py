"""`python -m deploy.grafana.picture URL FOLDER`: draws each board from what a Prometheus has, a PNG a board.

Drawn by matplotlib, and not by Grafana: the same queries and units, another look.
"""

import argparse
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from itertools import groupby
from math import ceil
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, Formatter, FuncFormatter, PercentFormatter, ScalarFormatter
from PIL import Image

from .asking import Line, Span, ask
from .reading import Question, boards, questions

COLUMNS = 4
RATE_INTERVAL = "1m"  # four scrapes of deploy/prometheus/prometheus.yml, as Grafana would choose
DOTS_PER_INCH = 80
COLOURS = 64  # a picture lies in the repository: a third of the bytes, and nobody sees a difference
QUANTITIES = {"s": "s", "bytes": "B", "binBps": "B/s", "flops": "FLOP/s"}


def draw(url: str, span: Span, folder: Path) -> list[Path]:
    """Draw all boards; returns the pictures' places."""
    return [
        _draw_board(name, list(questions(board, RATE_INTERVAL)), url, span, folder) for name, board in boards().items()
    ]


def _draw_board(name: str, asked: Sequence[Question], url: str, span: Span, folder: Path) -> Path:
    panels = [list(of_panel) for _, of_panel in groupby(asked, key=lambda question: question.panel_id)]
    rows = ceil(len(panels) / COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 2.4 * rows), layout="constrained")
    for place, of_panel in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, COLUMNS, place)
        answers = [
            (line, line.name(question.legend)) for question in of_panel for line in ask(url, question.expression, span)
        ]
        _draw_panel(axes, of_panel[0], answers, span)
    path, exact = folder / f"{name}.png", BytesIO()
    figure.savefig(exact, dpi=DOTS_PER_INCH)
    with Image.open(exact) as picture:
        picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
    return path


def _draw_panel(axes: Axes, question: Question, answers: list[tuple[Line, str]], span: Span) -> None:
    axes.set_title(question.title, fontsize=9, loc="left")
    if question.kind == "table" or not answers:
        axes.set_axis_off()
        axes.text(0, 0.9, _text([line for line, _ in answers]), fontsize=8, va="top")
        return
    for line, name in answers:
        axes.plot([at - span.start for at, _ in line.points], [value for _, value in line.points], label=name)
    axes.set_xlim(0, span.end - span.start)
    axes.yaxis.set_major_formatter(_formatter(question.unit))
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=6, loc="best")


def _formatter(unit: str) -> Formatter:
    if unit == "percentunit":
        return PercentFormatter(xmax=1)
    if unit == "dateTimeFromNow":
        return FuncFormatter(lambda milliseconds, _: f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%H:%M:%S}")
    return EngFormatter(QUANTITIES[unit]) if unit in QUANTITIES else ScalarFormatter()


def _text(lines: list[Line]) -> str:
    shown = ("rank", "instance", "zero_stage", "version")
    return "\n".join(", ".join(f"{name} {line.labels[name]}" for name in shown) for line in lines) or "no data"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of Prometheus, such as http://127.0.0.1:9090")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--seconds", type=float, default=300, help="of the past that are drawn")
    arguments = parser.parse_args()
    now = time.time()
    draw(arguments.url, Span(now - arguments.seconds, now, arguments.seconds / 200), arguments.folder)
