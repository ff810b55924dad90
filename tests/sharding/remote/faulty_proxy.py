"""Stands between an S3 client and its server, and spoils answers: requests pass unchanged, signatures stay valid."""

import http.client
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Answer:
    """What the server said to one request."""

    status: int
    headers: dict[str, str]
    body: bytes


# Sends an answer, or something else in its place, to the client.
Fault = Callable[["Handler", Answer], None]


@dataclass
class Proxy:
    """faults: for the coming GET requests, one each; put_faults: for those of PUT; gets: how many GETs there were."""

    endpoint: str = ""
    faults: deque[Fault] = field(default_factory=deque)
    put_faults: deque[Fault] = field(default_factory=deque)
    gets: int = 0


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    upstream: str
    proxy: Proxy

    def send(self, answer: Answer, *, length: int | None = None) -> None:
        """Send an answer; length: what the header says, if not the truth."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(answer.body) if length is None else length))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""

    def _pass_on(self) -> None:
        answer = self._ask_server()
        fault = whole
        if self.command == "GET":
            self.proxy.gets += 1
            fault = self.proxy.faults.popleft() if self.proxy.faults else whole
        elif self.command == "PUT" and self.proxy.put_faults:
            fault = self.proxy.put_faults.popleft()
        fault(self, answer)

    def _ask_server(self) -> Answer:
        length = int(self.headers.get("Content-Length") or 0)
        connection = http.client.HTTPConnection(self.upstream, timeout=10)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(self.rfile.read(length))
        response = connection.getresponse()
        # The body's length is said anew; that of a HEAD request is the answer itself.
        dropped = {"connection", "transfer-encoding"} | (set() if self.command == "HEAD" else {"content-length"})
        headers = {name: value for name, value in response.getheaders() if name.lower() not in dropped}
        answer = Answer(response.status, headers, response.read())
        connection.close()
        return answer

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on


def whole(handler: Handler, answer: Answer) -> None:
    """Spoil nothing."""
    handler.send(answer)


def unavailable(handler: Handler, _answer: Answer) -> None:
    """Be as busy as S3 is in a burst."""
    handler.send(Answer(503, {}, b"<Error><Code>SlowDown</Code></Error>"))


def flipped(handler: Handler, answer: Answer) -> None:
    """Change one bit in the middle."""
    body = bytearray(answer.body)
    body[len(body) // 2] ^= 1
    handler.send(Answer(answer.status, answer.headers, bytes(body)))


def cut(handler: Handler, answer: Answer) -> None:
    """Promise all and hang up halfway."""
    half = answer.body[: len(answer.body) // 2]
    handler.send(Answer(answer.status, answer.headers, half), length=len(answer.body))
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def short(handler: Handler, answer: Answer) -> None:
    """Promise and send half, as if that were all."""
    handler.send(Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2]))


def trickling(handler: Handler, answer: Answer) -> None:
    """Send a byte now and then, always sooner than a reader would give up who waits for the next one."""
    handler.send(Answer(answer.status, answer.headers, b""), length=len(answer.body))
    try:
        for byte in answer.body:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.1)
    except OSError:
        handler.close_connection = True


@contextmanager
def faulty_proxy(endpoint: str) -> Iterator[Proxy]:
    """Run a proxy before the server at `endpoint`."""
    proxy = Proxy()
    handler = type("BoundHandler", (Handler,), {"upstream": urlsplit(endpoint).netloc, "proxy": proxy})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        proxy.endpoint = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield proxy
        server.shutdown()
