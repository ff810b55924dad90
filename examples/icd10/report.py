"""Shows a finished run: its test figures beside known ones, what a known label tells, and its course as a picture."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

METRICS = ("P@1", "P@3", "P@5", "nDCG@5", "PSP@1", "PSP@3", "PSP@5", "recall@K")
RANKINGS = {"scan": "text alone", "refined": "refined", "scan+cloze": "with slots", "fused": "fused"}
TERMS = ("total", "scan", "cloze", "mlm")

# Percent, measured once on the test split; XR-Linear is libpecos 1.2.8.
DUMMY = {"P@1": 55.9, "P@3": 25.1, "P@5": 17.6}
XR_LINEAR = {"P@1": 98.3, "P@3": 96.4, "P@5": 87.9, "PSP@1": 18.4, "PSP@3": 38.6, "PSP@5": 74.0}
CEILING = {"P@5": 90.7}  # many codes have fewer than five labels

# Wong's palette: readable with every common kind of colour blindness.
COLOURS = {"total": "#000000", "scan": "#0072B2", "cloze": "#D55E00", "mlm": "#009E73"}
COLOURS |= {"refined": "#CC79A7", "scan+cloze": "#D55E00", "fused": "#E69F00"}

Event = dict[str, Any]


def read_events(path: Path) -> list[Event]:
    """Read the event log."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def series(events: list[Event], kind: str, group: str, key: str) -> tuple[list[int], list[float]]:
    """Follow one number over the steps; where a restarted run did a step again, the later value stands."""
    values = {
        event["step"]: float(event[group][key])
        for event in events
        if event["event"] == kind and key in event.get(group, {})
    }
    return sorted(values), [values[step] for step in sorted(values)]


def table(evaluation: Mapping[str, Any]) -> Table:
    """Put the run's rankings between what costs nothing and what is the best possible; all figures in percent."""
    rows = {"frequency dummy": DUMMY}
    rows |= {
        title: {metric: 100 * mean for metric, mean in evaluation[ranking].items() if mean is not None}
        for ranking, title in RANKINGS.items()
        if ranking in evaluation
    }
    rows |= {"XR-Linear, full epoch": XR_LINEAR, "ceiling": CEILING}
    result = Table(
        title=f"ICD-10-CM, {evaluation['records']:,} test records, percent",
        caption="XR-Linear saw a full epoch of 78,792 records.",
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    result.add_column("")
    for metric in METRICS:
        result.add_column(metric, justify="right")
    for title, figures in rows.items():
        result.add_row(title, *(f"{figures[metric]:.1f}" if metric in figures else "" for metric in METRICS))
    return result


def given_table(evaluation: Mapping[str, Any]) -> Table | None:
    """Say what known labels tell of a record's others, in percent; None where that was not judged."""
    judged: list[Mapping[str, Any]] = evaluation.get("given", [])
    if not judged:
        return None
    result = Table(
        title=f"What a known label tells of the others: {judged[0]['records']:,} records, percent",
        caption="Two labels of each record are drawn, and known or not; judged are the others.",
        min_width=78,
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    for heading in ("labels known", "P@1", "R@5", "micro-F1"):
        result.add_column(heading, justify="right")
    for worth in judged:
        figures = (worth["precision"], worth["recalls"][0], worth["micro_f1"])
        result.add_row(str(worth["given"]), *(f"{100 * share:.1f}" for share in figures))
    return result


def draw_losses(axes: Axes, events: list[Event]) -> None:
    """Draw each term of the loss over the steps, but none that a run does not have: those are zero."""
    for term in TERMS:
        steps, losses = series(events, "step", "loss", term)
        if any(losses):
            axes.plot(steps, losses, label=term, color=COLOURS[term], linewidth=1)
    axes.set(title="Training loss", ylabel="loss (log scale)", yscale="log")
    axes.set_yticks([4, 6, 10, 20, 40], labels=["4", "6", "10", "20", "40"])
    axes.minorticks_off()
    axes.legend(frameon=False)


def draw_precision(axes: Axes, events: list[Event]) -> None:
    """Draw P@5 of the rankings over the steps, under its ceiling."""
    for ranking, title in RANKINGS.items():
        steps, shares = series(events, "evaluation", ranking, "P@5")
        if steps:
            axes.plot(steps, [100 * share for share in shares], label=title, color=COLOURS[ranking], marker="o")
    axes.axhline(CEILING["P@5"], color="0.4", linestyle="--", linewidth=1, label="ceiling")
    axes.axhline(DUMMY["P@5"], color="0.4", linestyle=":", linewidth=1, label="frequency dummy")
    axes.set(title="Dev split", ylabel="P@5 (%)", ylim=(0, 100))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 0.88))


def draw(events: list[Event], path: Path) -> None:
    """Write the picture."""
    mpl.use("Agg")
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    draw_losses(left, events)
    draw_precision(right, events)
    for axes in (left, right):
        axes.set(xlabel="optimizer step", xlim=(0, None))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """Report on one run folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="run folder, with events.jsonl and evaluation.json")
    folder = parser.parse_args().folder
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    for each in (table(evaluation), given_table(evaluation)):
        if each is not None:
            Console().print(each)
    draw(read_events(folder / "events.jsonl"), folder / "report.png")
    print(folder / "report.png")


if __name__ == "__main__":
    main()
