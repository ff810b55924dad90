"""Who may ask: the names that a server goes by, its bearer token, headers for browsers, and a line of log a request."""

import hmac
import time
from collections.abc import Collection
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..terminal.stderr import complain
from .metrics import ClientGoneError
from .problems import Problem, of_a_fault

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
# Nothing secret, and what a probe, a scraper or a browser asks before anybody could have typed a token.
OPEN = ("/", "/done", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics")
OPEN_FOLDER = "/page/"
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_GONE = 499  # as nginx logs a client that has gone


class Access:
    """Lets a request in or not.

    Args:
        app: What answers.
        token: The bearer token; None: nobody is asked for one.
        names: Names by which clients call the server; None: any. On a loopback address others are refused: by a name of
            its own that leads to this machine, a foreign page could read what is answered here.
        log: Whether a line is written for each request: method, path without its query, status, milliseconds.
    """

    def __init__(self, app: ASGIApp, token: str | None, names: Collection[str] | None, *, log: bool) -> None:
        self._app, self._names, self._log = app, names, log
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, seen = time.perf_counter(), dict[str, Any](status=_GONE)

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            if problem := self._refusal(scope):
                return await problem.response()(scope, receive, dressed)
            return await self._app(scope, receive, dressed)
        except ClientGoneError:
            return None
        except Exception as error:  # noqa: BLE001 - the server lives; and nobody else must log what the error says
            problem = of_a_fault(error)
            return None if seen["status"] != _GONE else await problem.response()(scope, receive, dressed)
        finally:
            if self._log and scope["path"] not in ("/healthz", "/readyz", "/metrics"):
                path = scope["path"].encode("unicode_escape").decode()[:200]
                complain(f"{scope['method']} {path} {seen['status']} {1000 * (time.perf_counter() - started):.0f} ms")

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        name = headers.get("host", "").lower()
        name = name.rpartition(":")[0] if name.rpartition(":")[2].isdigit() else name
        if self._names is not None and name not in self._names:
            return Problem("wrong-host", "this server is asked by another name: start it with --allow-host NAME")
        if self._token is None or scope["path"] in OPEN or scope["path"].startswith(OPEN_FOLDER):
            return None
        kind, _, given = headers.get("authorization", "").partition(" ")
        # Both are compared to the end, so that the time tells nothing of how much was right.
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), self._token):
            return Problem(
                "unauthorized", "Authorization: must be Bearer and the server's token", {"WWW-Authenticate": "Bearer"}
            )
        return None
