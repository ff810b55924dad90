"""The address that says what a suggestion rests on; it takes turns with the batches."""

from typing import Annotated

from anyio.to_thread import run_sync
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sharding import Record
from trainer.errors import ConfigError
from trainer.inference.why import Why, why

from .api import Service
from .problems import Problem
from .questions import Body, Question, check_texts, known, parsed
from .reading import read_body


class WhyRequest(Body):
    """A text, what is known of it, and the label in question."""

    text: str
    label: str
    given: Annotated[list[str], Field(max_length=1000, default_factory=list)]
    denied: Annotated[list[str], Field(max_length=1000, default_factory=list)]


class WhyApi:
    """Answers the address."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def why(self, request: Request) -> Response:
        """Weigh the words of a text and its given labels."""
        asked = parsed(await read_body(request, self._service.limits), WhyRequest)
        check_texts([asked.text], self._service.limits)
        record = Record("", asked.text, (), given=known(asked.given, asked.denied, "the text"))
        model = self._service.current.model
        model.check(Question(record, 1))
        model.check(Question(Record("", "", (), given=((asked.label, True),)), 1))
        if asked.label in dict(record.given):
            raise Problem("invalid-request", "label: is given or denied itself: it has no score")
        try:
            found: Why = await run_sync(why, model.model, record, asked.label)
        except ConfigError as error:
            raise Problem("not-supported", str(error)) from None
        words = [{"word": word, "weight": weight} for word, weight in found.words]
        labels = [{"label": label, "weight": weight} for label, weight in found.labels]
        return JSONResponse({"words": words, "labels": labels})
