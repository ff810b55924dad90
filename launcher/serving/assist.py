"""The addresses behind the page to label with: the next text of a queue, answers, and what was done."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from anyio.to_thread import run_sync
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .api import Service
from .problems import Problem
from .questions import Body, check_texts, known, parsed, shown
from .reading import read_body
from .work import Answers, Queue, WorkAnswer

_LONGEST_NAME = 80
Names = Annotated[list[str], Field(max_length=1000)]


class SaveRequest(Body):
    """What a person says of a text; without an id, of one that was pasted."""

    person: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]
    id: str | None = None
    text: str
    labels: Names
    denied: Names = Field(default_factory=list)
    first: Names = Field(default_factory=list)
    searched: Names = Field(default_factory=list)
    step: int = 0
    clicks: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    seconds: Annotated[float, Field(ge=0, le=1e9)] = 0.0


@dataclass(frozen=True)
class Assist:
    """Answers the addresses.

    Attributes:
        service: What all addresses share.
        queue: Texts to label; None: people paste them.
        answers: Where answers go; None: nowhere, and the page cannot save.
    """

    service: Service
    queue: Queue | None = None
    answers: Answers | None = None

    async def about(self, _request: Request) -> Response:
        """Say whether there is a queue, and whether answers can be saved."""
        total = len(self.queue.ids) if self.queue else 0
        return JSONResponse({"queue": total, "saves": self.answers is not None})

    async def next(self, request: Request) -> Response:
        """Give the next text for a person, behind `after` where that is told."""
        if self.queue is None or self.answers is None:
            raise Problem("not-supported", "there is no queue: start the server with --queue FILE")
        done, person = self.answers.done_by(_person(request)), request.query_params.get("after")
        id_ = self.queue.next_for(done, person)
        counts = {"total": len(self.queue.ids), "done": len(done & self.queue.offsets.keys())}
        if id_ is None:
            return JSONResponse(counts | {"record": None})
        record = await run_sync(self.queue.read, id_)
        known_labels = [label for label in record.labels if label in self.service.current.model.model.vocabulary.ids]
        return JSONResponse(counts | {"record": {"id": record.id, "text": record.text, "labels": known_labels}})

    async def save(self, request: Request) -> Response:
        """Append an answer."""
        if self.answers is None:
            raise Problem(
                "not-supported", "answers are not saved: start the server with --answers FILE or --queue FILE"
            )
        asked = parsed(await read_body(request, self.service.limits), SaveRequest)
        check_texts([asked.text], self.service.limits)
        known(asked.labels, asked.denied, "the answer")
        ids = self.service.current.model.model.vocabulary.ids
        if unknown := next((label for label in asked.labels + asked.denied if label not in ids), None):
            raise Problem("unknown-label", f"label {shown(unknown)}: must be one of the {len(ids)} labels")
        text = asked.text
        if asked.id is not None:
            if self.queue is None or asked.id not in self.queue.offsets:
                raise Problem("not-found", "id: no record of the queue has it")
            text = (await run_sync(self.queue.read, asked.id)).text  # what is learned from is what was asked
        answer = WorkAnswer(
            id=asked.id or f"pasted-{uuid4().hex}",
            text=text,
            labels=tuple(dict.fromkeys(asked.labels)),
            denied=tuple(dict.fromkeys(asked.denied)),
            person=asked.person.strip(),
            step=asked.step,
            first=tuple(asked.first),
            searched=tuple(asked.searched),
            clicks=asked.clicks,
            seconds=asked.seconds,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        await run_sync(self.answers.append, answer)
        return JSONResponse({"id": answer.id}, 201)

    async def report(self, _request: Request) -> Response:
        """Count what was done."""
        if self.answers is None:
            return JSONResponse({"people": [], "recent": []})
        return JSONResponse(self.answers.report())


def _person(request: Request) -> str:
    person = request.query_params.get("person", "").strip()
    if not 0 < len(person) <= _LONGEST_NAME:
        raise Problem("invalid-request", f"person: must be a name of 1 to {_LONGEST_NAME} letters")
    return person
