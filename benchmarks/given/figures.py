"""The figures of the benchmark of given labels, as a table and as JSON, in percent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..quality.cooccurrence import RestQuality
from ..quality.tables import markdown

KS = ("P@1", "P@3", "P@5")
HEAD = (
    "",
    *KS,
    *(f"P@1 of the rest, {n} given" for n in range(3)),
    *(f"micro-F1 of the rest, {n} given" for n in range(3)),
)


@dataclass(frozen=True)
class Contender:
    """One row.

    Attributes:
        name: As it stands in the table.
        text: P@k with nothing given, over all test records with a seen label, in percent.
        rest: Quality on the labels beside the drawn ones, with none of them given, one and two, as far as it can be.
    """

    name: str
    text: Mapping[str, float]
    rest: Sequence[RestQuality]

    def gain(self, given: int) -> float:
        """Say by how many points P@1 of the rest rises when so many labels are given."""
        return 100 * (self.rest[given].precision_at_1 - self.rest[0].precision_at_1)


def table(contenders: Sequence[Contender]) -> str:
    """Lay contenders out as Markdown; what one cannot do stays empty."""
    return markdown(HEAD, map(_row, contenders))


def _row(contender: Contender) -> list[str]:
    text = [f"{contender.text[k]:.1f}" for k in KS]
    first = [f"{100 * quality.precision_at_1:.1f}" for quality in contender.rest]
    f1 = [f"{100 * quality.micro_f1:.1f}" for quality in contender.rest]
    empty = [""] * (3 - len(contender.rest))
    return [contender.name, *text, *first, *empty, *f1, *empty]


def summary(control: Contender, model: Contender, counted: Contender) -> dict[str, float]:
    """Choose the figures that the project promises something about."""
    figures = {
        "control_P@1": control.text["P@1"],
        "text_P@1": model.text["P@1"],
        "given1_P@1": 100 * model.rest[1].precision_at_1,
        "given2_P@1": 100 * model.rest[2].precision_at_1,
        "gain1_P@1": model.gain(1),
        "gain2_P@1": model.gain(2),
        "cooccurrence_gain1_P@1": counted.gain(1),
        "gain1_micro_F1": 100 * (model.rest[1].micro_f1 - model.rest[0].micro_f1),
        "text_minus_control_P@3": model.text["P@3"] - control.text["P@3"],
    }
    return {name: round(value, 2) for name, value in figures.items()}
