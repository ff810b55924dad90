"""What can be asked of a model over HTTP: the request's schema, its limits, and the questions it becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sharding import Record

from .problems import Problem


@dataclass(frozen=True)
class Limits:
    """What a request may be at most.

    Attributes:
        body_bytes: Bytes of a body.
        body_seconds: Time in which a body must have come.
        texts: Texts of a request.
        characters: Characters of a text; the model reads its first `model.max_tokens` tokens.
        labels: Labels given and denied with a text, before the model is asked whether it reads so many.
        top: Labels in an answer.
    """

    body_bytes: int = 4 << 20
    body_seconds: float = 20
    texts: int = 64
    characters: int = 500_000
    labels: int = 1000
    top: int = 1000


@dataclass(frozen=True)
class Question:
    """One text to label.

    Attributes:
        record: The text, and what is known of its labels.
        top: Labels wanted, at most.
        threshold: Their least probability.
    """

    record: Record
    top: int
    threshold: float = 0.0


class Body(BaseModel):
    """A JSON object without unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid")


Labels = list[str]
Asked = TypeVar("Asked", bound=Body)


class PredictRequest(Body):
    """Texts to label, and what is known of them."""

    texts: Annotated[list[str], Field(min_length=1, description="The texts.")]
    given: Annotated[
        Labels | list[Labels],
        Field(description="Labels known to be true: a list for all texts, or a list of lists, one for each text."),
    ] = []
    denied: Annotated[Labels | list[Labels], Field(description="Labels known to be false, likewise.")] = []
    top: Annotated[int, Field(ge=1, description="Labels for each text, at most.")] = 10
    threshold: Annotated[float, Field(ge=0, le=1, description="The least probability of a label that is named.")] = 0.0

    def questions(self, limits: Limits) -> list[Question]:
        """Make a question of each text; Problem where a limit is passed or the lists do not fit the texts."""
        check_texts(self.texts, limits)
        if self.top > limits.top:
            raise Problem("invalid-request", f"top: is {self.top}: must be at most {limits.top}")
        given, denied = (self._by_text(name, getattr(self, name), limits) for name in ("given", "denied"))
        return [
            Question(Record("", text, (), given=known(*labels, where=f"text {place}")), self.top, self.threshold)
            for place, (text, *labels) in enumerate(zip(self.texts, given, denied, strict=True))
        ]

    def _by_text(self, name: str, value: Labels | list[Labels], limits: Limits) -> list[Labels]:
        nested = [part for part in value if isinstance(part, list)]
        if nested and len(nested) != len(self.texts):
            raise Problem(
                "invalid-request", f"{name}: has {len(nested)} lists for {len(self.texts)} texts: give one each"
            )
        by_text = nested or [[label for label in value if isinstance(label, str)]] * len(self.texts)
        if (most := max(map(len, by_text))) > limits.labels:
            raise Problem("too-many-labels", f"{name}: {most} labels with one text: must be at most {limits.labels}")
        return by_text


def check_texts(texts: Sequence[str], limits: Limits) -> None:
    """Raise the Problem of texts that are too many or too long."""
    if len(texts) > limits.texts:
        raise Problem("too-large", f"{len(texts)} texts: must be at most {limits.texts}; ask several times")
    if (longest := max(map(len, texts), default=0)) > limits.characters:
        raise Problem("too-large", f"a text of {longest} characters: must be at most {limits.characters}")


def known(given: Labels, denied: Labels, where: str) -> tuple[tuple[str, bool], ...]:
    """Join what is known of a text; Problem where a label is both."""
    answers: Mapping[str, bool] = dict.fromkeys(given, True) | dict.fromkeys(denied, False)
    if both := [label for label in given if not answers[label]]:
        raise Problem("given-and-denied", f"{where}: label {shown(both[0])}: is given and denied; give it once")
    return tuple(answers.items())


def parsed(body: bytes, form: type[Asked]) -> Asked:
    """Read a body; Problem names what is wrong, without repeating what was sent."""
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise Problem("not-json", f"the body: {first['msg']}") from None
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("list[", "function")))
        raise Problem("invalid-request", f"{place[:200] or 'the body'}: {first['msg']}") from None


def shown(label: str) -> str:
    """Repeat a label, cut where it is no label's length."""
    return repr(label if len(label) <= 100 else label[:97] + "...")
