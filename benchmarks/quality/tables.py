"""Results as Markdown, in percent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from trainer.evaluation import Worth


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def answer(verdict: Mapping[str, Any]) -> Mapping[str, float]:
    """Choose the last ranking that was judged: the model's answer."""
    return verdict[_rankings(verdict)[-1]]


def verdict_rows(
    lead: Sequence[str], verdicts: Sequence[Mapping[str, Any]], metrics: Sequence[str]
) -> Iterator[list[str]]:
    """Show runs that differ in their seeds alone: their answer and, in another row, the scan beneath it."""
    *beneath, best = _rankings(verdicts[0])
    for ranking in (best, *beneath):
        name = lead[0] if ranking == best else f"{lead[0]}: its {ranking} alone"
        figures = (spread([100 * verdict[ranking][metric] for verdict in verdicts]) for metric in metrics)
        yield [name, *lead[1:], *figures]


def band_rows(name: str, verdict: Mapping[str, Any]) -> Iterator[list[str]]:
    """Show how many of the assignments to labels with many, few and no training records are among the first five."""
    bands = verdict["by training records"]
    for ranking in bands[0]["recall"]:
        yield [f"{name}: {ranking}", *(_recall_at_5(band, ranking) for band in bands)]


def _recall_at_5(band: Mapping[str, Any], ranking: str) -> str:
    """Show it where the band has an assignment at all."""
    found = band["recall"][ranking]
    return f"{100 * found['recall@5']:.1f}" if found else ""


def known_row(lead: Sequence[str], percents: Mapping[str, float], metrics: Sequence[str]) -> list[str]:
    """Show what somebody else has measured."""
    return [*lead, *(f"{percents[metric]:.1f}" if metric in percents else "" for metric in metrics)]


def worth_row(seed: int, worth: Worth) -> list[str]:
    """Show what given labels are worth to one run."""
    figures = (worth.precision, *worth.recalls, worth.micro_f1)
    return [str(seed), str(worth.given), *(f"{100 * share:.1f}" for share in figures)]


def spread(values: Sequence[float]) -> str:
    """Show the mean, and the standard deviation where there is one."""
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def _rankings(verdict: Mapping[str, Any]) -> list[str]:
    return [name for name, value in verdict.items() if isinstance(value, dict)]
