"""What `lmmtc evaluate` has found, as tables."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from trainer.evaluation import DEPTHS, KS, Worth
from trainer.inference import Evaluation, recall_at

from ..terminal.plain import plain

SHOWN = (
    *("P@1", "P@3", "P@5", "R@1", "R@3", "R@5", "nDCG@3", "nDCG@5", "PSP@1", "PSP@3", "PSP@5", "recall@K"),
    *("micro-F1", "macro-F1", "subset accuracy"),
    *("macro-F1@1", "macro-F1@3", "macro-F1@5", "coverage@1", "coverage@3", "coverage@5"),
)


def tables(found: Evaluation) -> Iterator[Table | str]:
    """Lay it out for the screen."""
    yield _metrics_table(found)
    yield _bands_table(found)
    if found.worth and found.denial:
        yield _worth_table(found.worth)
        yield (
            f"P@1 behind the best false label: {100 * found.denial.denied:.1f} once it is given as NO, "
            f"{100 * found.denial.removed:.1f} once it is left out ({found.denial.records:,} records)"
        )
    if found.duplicates:
        yield f"texts that stand in the neighbour index: {found.duplicates[0]:,}; titles: {found.duplicates[1]:,}"


def _metrics_table(found: Evaluation) -> Table:
    about, records = found.about, found.any_result.records
    seen = ", judged by labels with a training record" if about["labels"] == "seen" else ""
    table = Table(title=plain(f"{records:,} records of {about['split']}, step {about['step']}, in percent{seen}"))
    table.add_column("metric")
    for name in found.results:
        table.add_column(name, justify="right")
    for metric in SHOWN:
        table.add_row(metric, *(f"{100 * result.metrics[metric]:.1f}" for result in found.results.values()))
    return table


def _bands_table(found: Evaluation) -> Table:
    table = Table(title=f"recall@{'/'.join(map(str, KS))} by a label's training records, in percent")
    table.add_column("label has")
    for heading in ("labels", "assignments", *found.results):
        table.add_column(heading, justify="right")
    for place, of_band in enumerate(found.any_result.bands):
        assignments = f"{of_band.assignments:,} ({100 * of_band.share:.1f} %)"
        recalls = (recall_at(result.bands[place]).values() for result in found.results.values())
        cells = ("/".join(f"{100 * share:.1f}" for share in shares) for shares in recalls)
        table.add_row(str(of_band.band), f"{of_band.labels:,}", assignments, *cells)
    return table


def _worth_table(worth: Sequence[Worth]) -> Table:
    title = f"{worth[0].records:,} records with more than two labels: the others, with two drawn, in percent"
    table = Table(title=title)
    for heading in ("given", "P@1", *(f"R@{k}" for k in DEPTHS), "micro-F1"):
        table.add_column(heading, justify="right")
    for each in worth:
        figures = (each.precision, *each.recalls, each.micro_f1)
        table.add_row(str(each.given), *(f"{100 * share:.1f}" for share in figures))
    return table
