"""The addresses under /v1 that are the server's own: predict, labels, model; and what probes and scrapers ask."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from trainer.inference import Prediction

from .batching import Batcher
from .label_search import LabelSearch
from .metrics import CONTENT_TYPE, ServingMetrics, package_version
from .problems import Problem
from .questions import Limits, PredictRequest, Question, parsed
from .reading import read_body, unless_gone
from .served import Current, ServedModel

_MOST_FOUND = 100


@dataclass
class Service:
    """What all addresses share.

    Attributes:
        current: The model.
        batcher: Answers questions.
        labels: Finds labels.
        metrics: Counts.
        limits: Of a request.
        is_ready: False once the server drains.
    """

    current: Current
    batcher: Batcher[Question, tuple[ServedModel, Prediction]]
    labels: LabelSearch
    metrics: ServingMetrics
    limits: Limits = field(default_factory=Limits)
    is_ready: bool = True

    async def ask(self, request: Request, questions: Sequence[Question]) -> list[tuple[ServedModel, Prediction]]:
        """Check questions and wait for their answers; raises Problem, or ClientGoneError."""
        model = self.current.model
        for question in questions:
            try:
                model.check(question)
            except Problem as problem:
                raise await self._with_hint(problem, model, question) from None
        return await unless_gone(request, self.batcher.ask(questions))

    async def _with_hint(self, problem: Problem, model: ServedModel, question: Question) -> Problem:
        """Name labels that begin as an unknown one does."""
        unknown = next((label for label, _ in question.record.given if label not in model.model.vocabulary.ids), None)
        if problem.kind != "unknown-label" or not unknown:
            return problem
        found = await run_sync(self.labels.find, unknown[:100], 3)
        nearest = "; nearest: " + ", ".join(map(repr, model.model.vocabulary.names_of(found))) if found else ""
        return Problem(problem.kind, f"{problem.detail}{nearest}; /v1/labels finds others")


class Api:
    """Answers the addresses."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def predict(self, request: Request) -> Response:
        """Label texts."""
        with self._service.metrics.question():
            asked = parsed(await read_body(request, self._service.limits), PredictRequest)
            answers = await self._service.ask(request, asked.questions(self._service.limits))
        results = [{"labels": named(model, prediction, asked.top, asked.threshold)} for model, prediction in answers]
        return JSONResponse({"step": answers[0][0].model.step, "results": results})

    async def labels(self, request: Request) -> Response:
        """Find labels by the beginnings of words."""
        words, limit = request.query_params.get("q", "")[:500], whole(request, "limit", 20, _MOST_FOUND)
        model = self._service.current.model
        found = await run_sync(self._service.labels.find, words, limit)
        return JSONResponse({"labels": [described(model, label) for label in found]})

    async def model(self, _request: Request) -> Response:
        """Describe the model and what it takes."""
        service, model = self._service, self._service.current.model
        limits = service.limits
        return JSONResponse(
            {
                "run": model.run.path.resolve().name,
                "step": model.model.step,
                "labels": len(model.model.vocabulary),
                "reads_given": model.model.ranker.reads_labels,
                "reads_denied": model.reads_denied,
                "most_given": model.most_given,
                "max_tokens": model.model.config.model.max_tokens,
                "limits": {"body_bytes": limits.body_bytes, "texts": limits.texts, "characters": limits.characters}
                | {"top": limits.top},
                "version": package_version(),
            }
        )

    async def healthz(self, _request: Request) -> Response:
        """Say that the process lives."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _request: Request) -> Response:
        """Say whether questions are answered."""
        if not self._service.is_ready:
            raise Problem("not-ready", "the server is about to end")
        return PlainTextResponse("ready\n")

    async def metrics(self, _request: Request) -> Response:
        """Show the metrics."""
        return Response(self._service.metrics.text(), media_type=CONTENT_TYPE)


def named(model: ServedModel, prediction: Prediction, top: int, threshold: float) -> list[dict[str, Any]]:
    """Describe the best labels of an answer, by name."""
    chosen = zip(prediction.labels[:top], prediction.scores, strict=False)
    return [
        {"label": label, "text": text_of(model, label), "probability": probability, "score": score}
        for label, score in chosen
        if (probability := sigmoid(score)) >= threshold
    ]


def described(model: ServedModel, label: int) -> dict[str, Any]:
    """Describe a label."""
    vocabulary = model.model.vocabulary
    name, text = vocabulary.names[label].as_py(), vocabulary.texts[label].as_py()
    return {"label": name, "text": text, "training_records": int(vocabulary.counts[label])}


def text_of(model: ServedModel, label: str) -> str | None:
    """Give what a label means, where its run knows."""
    vocabulary = model.model.vocabulary
    return vocabulary.texts[vocabulary.ids[label]].as_py()


def sigmoid(score: float) -> float:
    """Turn a logit into a probability, without overflow."""
    return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))


def whole(request: Request, name: str, default: int, most: int) -> int:
    """Read a whole number from the address; Problem when it is none, or not from 1 to `most`."""
    value = request.query_params.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= most):
        raise Problem("invalid-request", f"{name}: must be a whole number from 1 to {most}")
    return int(value)
