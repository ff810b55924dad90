"""What is compared on which data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .peers.standing import BONSAI, XR_LINEAR

FEW_LABELS = ("P@1", "P@3", "P@5", "micro-F1", "macro-F1", "subset accuracy")
MANY_LABELS = ("P@1", "P@3", "P@5", "PSP@1", "PSP@3", "PSP@5", "nDCG@5", "R@5", "recall@K")

SVM = "TF-IDF + linear SVM"
CONTROL, CONTEXT, PREFIX, JOINT = "control", "context (joint)", "prefix (scan + slots)", "joint"
RANDOM_ROWS = "control, rows at random"
FORMS = {
    CONTROL: ("cloze.enabled=false",),
    RANDOM_ROWS: ("cloze.enabled=false", "labels.init=random"),
    CONTEXT: ("cloze.context=joint", "cloze.slots=none"),
    PREFIX: ("cloze.context=none", "cloze.slots=shortlist"),
    JOINT: ("cloze.slots=all", "cloze.attention=joint"),
}


@dataclass(frozen=True)
class Variant:
    """A row of the table: a form of the model, with or without MLM.

    It trains as many steps as the others or, if it has the cost of another form, as many as cost the same.
    """

    form: str
    mlm: bool = False
    cost_of: str | None = None

    @property
    def name(self) -> str:
        """What the row is called."""
        mlm = " + MLM" if self.mlm else ""
        return f"{self.form}{mlm}" if self.cost_of is None else f"{self.form}{mlm}, FLOPs of {self.cost_of}{mlm}"

    @property
    def settings(self) -> tuple[str, ...]:
        """What it sets beside the recipe that all share."""
        return (f"mlm.weight={0.05 if self.mlm else 0}", *FORMS[self.form])


@dataclass(frozen=True)
class Benchmark:
    """The variants on one data set, how many labels each ranks, and what linear models reach there, in percent.

    known: figures by model; a peer (`peers/standing.py`) is run instead where its Python is named.
    asked: the variant that is asked what given labels are worth, if one is. recipe: the ending of the recipe's name.
    labels: by which the table judges; a peer that knows no label without a training record is judged by the seen.
    """

    variants: tuple[Variant, ...]
    shortlist: int
    known: Mapping[str, Mapping[str, float]]
    metrics: tuple[str, ...] = FEW_LABELS
    asked: Variant | None = None
    recipe: str = ""
    labels: Literal["all", "seen"] = "all"

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of the variants, each once."""
        return tuple(dict.fromkeys(variant.form for variant in self.variants))

    def only(self, names: Sequence[str]) -> "Benchmark":
        """Leave out all variants but these; raises ValueError for a name that none has."""
        known = {variant.name: variant for variant in self.variants}
        if unknown := set(names) - set(known):
            raise ValueError(f"no variant {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
        kept = tuple(variant for name, variant in known.items() if name in names)
        return replace(self, variants=kept, asked=self.asked if self.asked in kept else None)


def _many(*percents: float) -> dict[str, float]:
    """Name figures in the order of MANY_LABELS."""
    return dict(zip(MANY_LABELS, percents, strict=False))


REUTERS = Benchmark(
    variants=(
        Variant(CONTROL),
        Variant(CONTROL, mlm=True),
        Variant(CONTEXT),
        Variant(PREFIX),
        Variant(PREFIX, mlm=True),
        Variant(JOINT, mlm=True),
        Variant(CONTROL, cost_of=PREFIX),
        Variant(CONTROL, mlm=True, cost_of=PREFIX),
    ),
    shortlist=90,  # all labels: nothing is cut from a ranking
    known={SVM: {"P@1": 94.6, "P@3": 38.2, "P@5": 23.7, "micro-F1": 88.4, "macro-F1": 49.0}},
)

DEBTAGS = Benchmark(
    variants=(Variant(CONTROL), Variant(CONTEXT), Variant(CONTROL, mlm=True), Variant(PREFIX, mlm=True)),
    shortlist=64,
    known={
        SVM: {"P@1": 82.4, "P@3": 61.4, "P@5": 46.2, "micro-F1": 63.5, "macro-F1": 19.2},
        XR_LINEAR.name: {"P@1": 82.2, "P@3": 61.3, "P@5": 46.0},
        BONSAI.name: {"P@1": 83.1, "P@3": 61.4, "P@5": 46.8},
    },
    asked=Variant(CONTEXT),
)

DEBIAN_DEPENDS = Benchmark(
    variants=(
        Variant(RANDOM_ROWS),
        Variant(CONTROL),
        Variant(CONTROL, mlm=True),
        Variant(CONTEXT),
        Variant(PREFIX),
        Variant(PREFIX, mlm=True),
        Variant(CONTROL, cost_of=PREFIX),
    ),
    shortlist=64,
    asked=Variant(CONTEXT),
    known={XR_LINEAR.name: _many(68.0, 46.9, 35.9, 15.8, 20.5, 23.1)},
    metrics=MANY_LABELS,
    recipe="_extreme",
    labels="seen",
)

TIBKAT_EN = Benchmark(
    variants=(Variant(CONTROL), Variant(CONTEXT)),
    asked=Variant(CONTEXT),
    shortlist=64,
    known={
        XR_LINEAR.name: _many(43.6, 27.8, 20.4, 20.8, 24.8, 28.8, 42.6, 45.0),
        BONSAI.name: _many(45.3, 28.7, 21.2, 22.0, 26.0, 30.6, 44.3, 47.0),
    },
    metrics=MANY_LABELS,
    recipe="_tibkat_en",
    labels="seen",
)

BENCHMARKS = {"reuters21578": REUTERS, "debtags": DEBTAGS, "debian_depends": DEBIAN_DEPENDS, "tibkat_en": TIBKAT_EN}
