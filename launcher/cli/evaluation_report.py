"""What `lmmtc evaluate` has found, as JSON and as tables."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from trainer.evaluation import DEPTHS, KS, BucketRecall, Denial, EvaluationResult, Worth

from ..terminal.plain import plain

SHOWN = (
    *("P@1", "P@3", "P@5", "R@1", "R@3", "R@5", "nDCG@3", "nDCG@5", "PSP@1", "PSP@3", "PSP@5", "recall@K"),
    *("micro-F1", "macro-F1", "subset accuracy"),
    *("macro-F1@1", "macro-F1@3", "macro-F1@5", "coverage@1", "coverage@3", "coverage@5"),
)


@dataclass(frozen=True)
class EvaluationReport:
    """What was found.

    Attributes:
        about: What was judged and how; "step", "split", "labels" and more.
        verdicts: By ranking.
        worth: Of known labels, if that was asked for, see PartialAnnotation.
        denial: As `worth`.
        duplicates: Texts and titles of the split that stand in the neighbour index, if there is one.
    """

    about: Mapping[str, Any]
    verdicts: Mapping[str, EvaluationResult]
    worth: Sequence[Worth] = ()
    denial: Denial | None = None
    duplicates: tuple[int, int] | None = None

    @property
    def records(self) -> int:
        """Count the records that were judged."""
        return _first(self.verdicts).records

    def as_json(self) -> dict[str, Any]:
        """Lay it out for evaluation.json."""
        found = {**self.about, "records": self.records, "by training records": _by_training_records(self.verdicts)}
        if self.worth:
            found["given"] = [asdict(each) for each in self.worth]
        if self.denial:
            found["denied"] = asdict(self.denial)
        if self.duplicates:
            found["in the neighbour index"] = dict(zip(("texts", "titles"), self.duplicates, strict=True))
        return found | _metrics(self.verdicts)

    def tables(self) -> Iterator[Table | str]:
        """Lay it out for the screen."""
        yield self._metrics_table()
        yield _bands_table(self.verdicts)
        if self.worth and self.denial:
            yield _worth_table(self.worth)
            yield (
                f"P@1 behind the best false label: {100 * self.denial.denied:.1f} once it is given as NO, "
                f"{100 * self.denial.removed:.1f} once it is left out ({self.denial.records:,} records)"
            )
        if self.duplicates:
            yield f"texts that stand in the neighbour index: {self.duplicates[0]:,}; titles: {self.duplicates[1]:,}"

    def _metrics_table(self) -> Table:
        seen = ", judged by labels with a training record" if self.about["labels"] == "seen" else ""
        title = f"{self.records:,} records of {self.about['split']}, step {self.about['step']}, in percent{seen}"
        table = Table(title=plain(title))
        table.add_column("metric")
        for name in self.verdicts:
            table.add_column(name, justify="right")
        for metric in SHOWN:
            table.add_row(metric, *(f"{100 * verdict.metrics[metric]:.1f}" for verdict in self.verdicts.values()))
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


def _first(verdicts: Mapping[str, EvaluationResult]) -> EvaluationResult:
    """Choose any: how many records and labels there are is the same for every ranking."""
    return next(iter(verdicts.values()))


def _metrics(verdicts: Mapping[str, EvaluationResult]) -> dict[str, dict[str, float | None]]:
    """Collect what JSON can say: null where there is no number, as for a threshold that nothing should reach."""
    return {
        name: {metric: _finite(number) for metric, number in found.metrics.items()} for name, found in verdicts.items()
    }


def _by_training_records(verdicts: Mapping[str, EvaluationResult]) -> list[dict[str, Any]]:
    """Describe each band of labels, and what each ranking finds of its assignments."""
    return [
        {
            "name": found.band.name,
            "least": found.band.least,
            "most": found.band.most,
            "labels": found.labels,
            "assignments": found.assignments,
            "share": found.share,
            "recall": {name: _recall(verdict.bands[place]) for name, verdict in verdicts.items()},
        }
        for place, found in enumerate(_first(verdicts).bands)
    ]


def _recall(found: BucketRecall) -> dict[str, float]:
    return {f"recall@{k}": share for k, share in zip(KS, found.recall_D, strict=False)}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _bands_table(verdicts: Mapping[str, EvaluationResult]) -> Table:
    table = Table(title=f"recall@{'/'.join(map(str, KS))} by a label's training records, in percent")
    table.add_column("label has")
    for heading in ("labels", "assignments", *verdicts):
        table.add_column(heading, justify="right")
    for place, found in enumerate(_first(verdicts).bands):
        assignments = f"{found.assignments:,} ({100 * found.share:.1f} %)"
        recalls = (_recall(verdict.bands[place]).values() for verdict in verdicts.values())
        cells = ("/".join(f"{100 * share:.1f}" for share in shares) for shares in recalls)
        table.add_row(str(found.band), f"{found.labels:,}", assignments, *cells)
    return table
