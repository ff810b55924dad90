"""Annif's REST API, as far as a client needs it to take this server for an Annif: the run is its one project.

Source: Annif, https://github.com/NatLibFi/Annif, and annif-client. A label's name is the uri, its text,
where it has one, the label.
"""

from typing import Annotated, Any
from urllib.parse import parse_qs

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sharding import Record
from trainer.inference import Prediction

from .api import Service, sigmoid, text_of
from .metrics import package_version
from .problems import Problem
from .questions import Body, Question, check_texts, parsed
from .reading import FORM, read_body
from .served import ServedModel

_LIMIT = 10  # Annif's default


class Document(Body):
    """A document of a batch; Annif's clients may send more, which is left aside."""

    model_config = ConfigDict(extra="ignore")

    text: str
    document_id: str | None = None


class Batch(Body):
    """Documents to label."""

    documents: Annotated[list[Document], Field(min_length=1)]


class Annif:
    """Answers the addresses."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def about(self, _request: Request) -> Response:
        """Describe the API."""
        return JSONResponse({"title": "Annif REST API, by lmmtc serve", "version": package_version()})

    async def projects(self, _request: Request) -> Response:
        """List the one project."""
        return JSONResponse({"projects": [self._project()]})

    async def project(self, request: Request) -> Response:
        """Describe the project."""
        self._check(request)
        return JSONResponse(self._project())

    async def suggest(self, request: Request) -> Response:
        """Label one text, which comes as a form."""
        with self._service.metrics.question():
            self._check(request)
            fields = _fields(await read_body(request, self._service.limits, FORM))
            if "text" not in fields:
                raise Problem("invalid-request", "text: is missing")
            [results] = await self._suggest(request, [fields["text"]], fields)
        return JSONResponse({"results": results})

    async def suggest_batch(self, request: Request) -> Response:
        """Label texts."""
        with self._service.metrics.question():
            self._check(request)
            asked = parsed(await read_body(request, self._service.limits), Batch)
            texts = [each.text for each in asked.documents]
            answers = await self._suggest(request, texts, dict(request.query_params))
        ids = [each.document_id for each in asked.documents]
        return JSONResponse([{"document_id": id_, "results": each} for id_, each in zip(ids, answers, strict=True)])

    async def learn(self, request: Request) -> Response:
        """Refuse."""
        self._check(request)
        raise Problem("not-supported", "this server does not learn; train a run with lmmtc train, and serve it")

    async def _suggest(self, request: Request, texts: list[str], fields: dict[str, str]) -> list[list[dict[str, Any]]]:
        limits = self._service.limits
        check_texts(texts, limits)
        limit = int(_number(fields, "limit", _LIMIT, 1, limits.top))
        threshold = _number(fields, "threshold", 0.0, 0, 1)
        questions = [Question(Record("", text, ()), limit, threshold) for text in texts]
        return [
            _results(model, prediction, limit, threshold)
            for model, prediction in await self._service.ask(request, questions)
        ]

    def _project(self) -> dict[str, Any]:
        model = self._service.current.model
        name = _name(model)
        return {
            "project_id": name,
            "name": f"{name}, {len(model.model.vocabulary)} labels",
            "language": "und",  # a run does not know
            "backend": {"backend_id": "lmmtc"},
            "vocab": {"vocab_id": name, "languages": ["und"]},
            "vocab_language": "und",
            "is_trained": True,
            "modification_time": None,
        }

    def _check(self, request: Request) -> None:
        name = _name(self._service.current.model)
        if request.path_params["project_id"] != name:
            raise Problem("not-found", f"no such project; there is one: {name}")


def _name(model: ServedModel) -> str:
    return model.run.path.resolve().name


def _results(model: ServedModel, prediction: Prediction, limit: int, threshold: float) -> list[dict[str, Any]]:
    best = zip(prediction.labels[:limit], prediction.scores, strict=False)
    return [
        {"uri": label, "label": text_of(model, label) or label, "notation": None, "score": probability}
        for label, score in best
        if (probability := sigmoid(score)) >= threshold
    ]


def _fields(body: bytes) -> dict[str, str]:
    try:
        return {
            name: values[0]
            for name, values in parse_qs(body.decode(), True, max_num_fields=16, errors="strict").items()
        }
    except ValueError:
        raise Problem(
            "not-a-form", "the body: must be a form in UTF-8 with the fields text, limit, threshold"
        ) from None


def _number(fields: dict[str, str], name: str, default: float, least: float, most: float) -> float:
    try:
        value = float(fields.get(name, default))
    except ValueError:
        value = -1
    if not least <= value <= most:
        raise Problem("invalid-request", f"{name}: must be a number from {least} to {most}")
    return value
