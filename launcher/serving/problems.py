"""What a server says when it does not answer: RFC 9457 problems, each with a kind that a program can tell apart."""

import json
import traceback
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..terminal.stderr import complain

# What each kind says of itself, and its status; a problem's `type` leads to its line at /docs.
KINDS: dict[str, tuple[int, str]] = {
    "invalid-request": (422, "The request is not as documented"),
    "not-json": (400, "The body is not JSON"),
    "not-a-form": (400, "The body is not a form"),
    "content-type": (415, "The body is of another type"),
    "unauthorized": (401, "A bearer token is needed"),
    "wrong-host": (403, "The server does not go by this name"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "Not in this way"),
    "too-slow": (408, "The body took too long to come"),
    "conflict": (409, "It was answered already"),
    "too-large": (413, "The request is too large"),
    "unknown-label": (422, "A label is not in the vocabulary"),
    "given-and-denied": (422, "A label is given and denied"),
    "too-many-labels": (422, "More labels are known than the model reads"),
    "reads-no-labels": (422, "This model reads no labels"),
    "not-supported": (403, "This server does not do that"),
    "busy": (429, "Too many texts are waiting"),
    "failed": (500, "The server has made an error"),
    "not-ready": (503, "The server does not answer now"),
}


class Problem(Exception):  # noqa: N818 - the RFC's word
    """A refusal.

    Attributes:
        kind: One of KINDS.
        detail: What was wrong, the rule, and what to do; never a text that was sent.
        headers: Further headers of the response.
    """

    def __init__(self, kind: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.headers = kind, detail, headers or {}

    @property
    def status(self) -> int:
        """Its HTTP status."""
        return KINDS[self.kind][0]

    def response(self) -> Response:
        """Write it as RFC 9457 wants it."""
        status, title = KINDS[self.kind]
        content = {"type": f"/docs#{self.kind}", "title": title, "status": status, "detail": self.detail}
        return Response(json.dumps(content), status, self.headers, "application/problem+json")


def handlers() -> dict[Any, Callable[[Request, Exception], Response]]:
    """Say what becomes of each kind of exception."""
    return {Problem: _as_it_is, HTTPException: _of_starlette}


def _as_it_is(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


def _of_starlette(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kinds = {HTTPStatus.NOT_FOUND: "not-found", HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed"}
    kind = kinds.get(HTTPStatus(error.status_code), "invalid-request")
    said = {"not-found": "no such address; /docs lists all", "method-not-allowed": f"not with {request.method}"}
    return Problem(kind, said.get(kind, "the request cannot be read"), dict(error.headers or {})).response()


def of_a_fault(error: Exception) -> Problem:
    """Log where an error happened, and not what it says: that may hold a text."""
    places = "".join(traceback.format_tb(error.__traceback__))
    complain(f"{type(error).__name__}, of which the message is left out:\n{places}")
    return Problem("failed", "an error of the server itself, which its log describes; the request may be tried again")
