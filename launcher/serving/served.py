"""A trained run that answers questions by the path of `lmmtc predict`, with the newest checkpoint that it has taken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.evaluation import Answering, Ranker
from trainer.inference import DEEP, FusedRanker, TrainedModel, answering
from trainer.inference.predict import Prediction, predict
from trainer.model import KeptTexts
from trainer.run.folder import RunFolder

from .problems import Problem
from .questions import Question, shown

_ON_CPU = 8


@dataclass(frozen=True)
class How:
    """How a run answers: what `lmmtc predict` is told by options of the same names, and what is kept of texts.

    Attributes:
        refine: See `answering`.
        prior_weight: See `TrainedModel.weighing_prior`.
        untuned: Whether what `lmmtc tune` has chosen is left out.
        cache_bytes: Size of what is kept of texts; 0: nothing.
        looked_up: See `KeptTexts`.
    """

    refine: int | None = None
    prior_weight: float = 1.0
    untuned: bool = False
    cache_bytes: int = 256 << 20
    looked_up: Callable[[bool], None] = lambda _found: None


@dataclass(frozen=True)
class ServedModel:
    """One checkpoint at work.

    Attributes:
        run: Folder of the run.
        model: The model.
        ranker: What answers.
    """

    run: RunFolder
    model: TrainedModel
    ranker: Ranker | FusedRanker

    @classmethod
    def load(cls, run: Path, how: How) -> "ServedModel":
        """Load the newest checkpoint; raises as `TrainedModel.load` and `answering` do."""
        folder = RunFolder(run)
        model = TrainedModel.load(run, depth=DEEP).weighing_prior(how.prior_weight)
        if how.cache_bytes:
            model.ranker.model.encoder.kept = KeptTexts(how.cache_bytes, how.looked_up)
        return cls(folder, model, answering(model, folder, refine=how.refine, tuned=not how.untuned))

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        """Answer each question as `lmmtc predict` answers it alone."""
        answers: dict[int, Prediction] = {}
        for depth in {self._depth(each) for each in questions}:
            chosen = [place for place, each in enumerate(questions) if self._depth(each) == depth]
            chosen.sort(key=lambda place: len(questions[place].record.text))  # padded to those of like length alone
            records = [questions[place].record for place in chosen]
            found = predict(self.model, records, depth, self._at_once or len(records), self._ranking(depth))
            answers |= dict(zip(chosen, found, strict=True))
        return [answers[place] for place in range(len(questions))]

    def check(self, question: Question) -> None:
        """Raise the Problem of a question that this model cannot answer."""
        given, vocabulary, ranker = question.record.given, self.model.vocabulary, self.model.ranker
        if given and not ranker.reads_labels:
            raise Problem(
                "reads-no-labels", "the run was trained without context and slots: nothing can be given or denied"
            )
        if unknown := next((label for label, _ in given if label not in vocabulary.ids), None):
            raise Problem("unknown-label", f"label {shown(unknown)}: must be one of the {len(vocabulary)} labels")
        if len(given) > self.most_given:
            raise Problem(
                "too-many-labels", f"{len(given)} labels are given and denied: at most {self.most_given} are read"
            )

    @property
    def most_given(self) -> int:
        """How many labels can be given and denied with one text."""
        ranker, all_but_one = self.model.ranker, len(self.model.vocabulary) - 1
        if not ranker.reads_labels:
            return 0
        return min(ranker.max_context, all_but_one) if ranker.model.reads_context else all_but_one

    @property
    def reads_denied(self) -> bool:
        """Whether a denied label moves others; else it is only no answer."""
        return self.model.ranker.reads_labels and (
            self.model.ranker.reads_no or not self.model.ranker.model.reads_context
        )

    @property
    def _at_once(self) -> int | None:
        """Texts of a pass: a core gains nothing from more, and loses what the shorter ones are padded by."""
        return _ON_CPU if self.model.ranker.device.type == "cpu" else None

    def _depth(self, question: Question) -> int:
        """Rank as deep as `lmmtc predict --top` would; up to DEEP, the depth changes no answer."""
        return min(max(question.top, DEEP), len(self.model.vocabulary))

    def _ranking(self, depth: int) -> Answering:
        if isinstance(self.ranker, FusedRanker):
            return replace(self.ranker, ranker=replace(self.ranker.ranker, depth=depth))
        return replace(self.ranker, depth=depth)


class Current:
    """The model that answers now; another takes its place between two batches."""

    def __init__(self, model: ServedModel) -> None:
        self.model = model

    def answer(self, questions: Sequence[Question]) -> list[tuple[ServedModel, Prediction]]:
        """Answer with one and the same model."""
        model = self.model
        return [(model, prediction) for prediction in model.answer(questions)]


Answer = Callable[[Sequence[Question]], Sequence[tuple[ServedModel, Prediction]]]
