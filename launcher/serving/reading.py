"""Reads bodies within their limits, and gives up on clients that have hung up."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from .metrics import ClientGoneError
from .problems import Problem
from .questions import Limits

Result = TypeVar("Result")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


async def read_body(request: Request, limits: Limits, content_type: str = JSON) -> bytes:
    """Read a body of one content type.

    A page of another site can send a form or plain text to a server on this machine, unasked; JSON it cannot.

    Raises:
        Problem: It is of another type, too large, or too slow.
        ClientGoneError: The client has hung up.
    """
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found != content_type:
        raise Problem("content-type", f"Content-Type: must be {content_type}")
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _bounded(request, limits.body_bytes)
    except TimeoutError:
        raise Problem("too-slow", f"the body: must come within {limits.body_seconds:g} seconds", _CLOSE) from None
    except ClientDisconnect:
        raise ClientGoneError from None


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for the result, or for the end of the connection, which cancels the work; ClientGoneError then."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGoneError
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


_CLOSE = {"Connection": "close"}  # what is left of the body is not read


async def _bounded(request: Request, most: int) -> bytes:
    if int(request.headers.get("content-length") or 0) > most:
        raise _too_large(most)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


def _too_large(most: int) -> Problem:
    return Problem("too-large", f"the body: must be at most {most} bytes", _CLOSE)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
