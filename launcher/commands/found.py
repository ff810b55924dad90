"""What `lmmtc evaluate` finds beside the rankings, as JSON and as tables."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from trainer.evaluation import DEPTHS, Denial, Worth


@dataclass(frozen=True)
class Found:
    """What is judged beside the rankings, where it was asked for: see PartialAnnotation and `count_duplicates`."""

    worth: Sequence[Worth] = ()
    denial: Denial | None = None
    duplicates: tuple[int, int] | None = None

    def as_json(self) -> dict[str, Any]:
        """Lay it out for evaluation.json."""
        found: dict[str, Any] = {}
        if self.worth:
            found["given"] = [asdict(each) for each in self.worth]
        if self.denial:
            found["denied"] = asdict(self.denial)
        if self.duplicates:
            found["in the neighbour index"] = dict(zip(("texts", "titles"), self.duplicates, strict=True))
        return found

    def tables(self) -> Iterator[Table | str]:
        """Lay it out for the screen."""
        if self.worth and self.denial:
            title = (
                f"{self.worth[0].records:,} records with more than two labels: the others, with two drawn, in percent"
            )
            table = Table(title=title)
            for heading in ("given", "P@1", *(f"R@{k}" for k in DEPTHS), "micro-F1"):
                table.add_column(heading, justify="right")
            for each in self.worth:
                figures = (each.precision, *each.recalls, each.micro_f1)
                table.add_row(str(each.given), *(f"{100 * share:.1f}" for share in figures))
            yield table
            yield (
                f"P@1 behind the best false label: {100 * self.denial.denied:.1f} once it is given as NO, "
                f"{100 * self.denial.removed:.1f} once it is left out ({self.denial.records:,} records)"
            )
        if self.duplicates:
            yield f"texts that stand in the neighbour index: {self.duplicates[0]:,}; titles: {self.duplicates[1]:,}"
