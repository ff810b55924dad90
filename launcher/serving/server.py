"""Starts a server on a run, warns where it is open to others, and lets it end without losing what was asked."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from trainer.errors import ConfigError

from ..terminal.stderr import complain
from .access import LOOPBACK
from .api import Service
from .application import application
from .assist import Assist
from .batching import Batcher, Batching
from .following import Follower
from .label_search import LabelSearch
from .metrics import ServingMetrics, package_version
from .questions import Limits
from .served import Current, How, ServedModel
from .work import Answers, Queue

TOKEN = "LMMTC_SERVE_TOKEN"  # noqa: S105 - the name of a variable
_DRAIN_SECONDS = 30
_FOUND = {True: "hit", False: "miss"}


@dataclass(frozen=True)
class ServeSettings:
    """How a run is served.

    Attributes:
        run: Its folder.
        host: Address to listen on.
        port: Port; 0: any free one.
        allowed_hosts: Further names by which clients may call a server on a loopback address.
        token: Bearer token that is asked for; None: none.
        how: How the model answers.
        limits: Of a request.
        batching: How batches are made.
        queue: File of texts that people label; None: they paste them.
        answers: File to which their answers are appended; None: one beside the queue, or none.
        follow_seconds: How often a newer checkpoint is looked for; None: never.
        log: Whether a line is written for each request.
    """

    run: Path
    host: str = "127.0.0.1"
    port: int = 8000
    allowed_hosts: tuple[str, ...] = ()
    token: str | None = None
    how: How = field(default_factory=How)
    limits: Limits = field(default_factory=Limits)
    batching: Batching = field(default_factory=Batching)
    queue: Path | None = None
    answers: Path | None = None
    follow_seconds: float | None = None
    log: bool = True

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def names(self) -> frozenset[str] | None:
        """The names that it goes by, see `Access`."""
        return LOOPBACK | frozenset(map(str.lower, self.allowed_hosts)) if self.is_loopback else None


def build(settings: ServeSettings) -> Service:
    """Load the model and put the service together; raises as `ServedModel.load` does."""
    if settings.limits.texts > settings.batching.waiting:
        raise ConfigError(
            f"--waiting {settings.batching.waiting}: must be at least {settings.limits.texts}, the texts of one request"
        )
    metrics = ServingMetrics()
    current = Current(ServedModel.load(settings.run, counted(settings.how, metrics)))
    model = current.model.model
    metrics.gauge("serve_info", run_id=settings.run.resolve().name, version=package_version()).set(1)
    metrics.gauge("serve_step").set(model.step)
    return Service(
        current=current,
        batcher=Batcher(current.answer, settings.batching, metrics),
        labels=LabelSearch.of_run(current.model.run, model.vocabulary),
        metrics=metrics,
        limits=settings.limits,
    )


def counted(how: How, metrics: ServingMetrics) -> How:
    """Let the metrics know which texts were kept."""
    lookups = {found: metrics.counter("serve_cache_lookups_total", outcome=name) for found, name in _FOUND.items()}
    return replace(how, looked_up=lambda found: lookups[found].inc())


def serve(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT, and answer then what was asked before.

    Raises:
        ConfigError: Nothing can listen there, or the settings do not fit together; else as `ServedModel.load`.
    """
    with _listening(settings) as listener:
        service = build(settings)
        assist = Assist(service, *_work(settings))
        app = application(assist, settings.token, settings.names, log=settings.log)
        follower = None
        if settings.follow_seconds is not None:
            follower = Follower(
                service.current, counted(settings.how, service.metrics), service.metrics, settings.follow_seconds
            )
            follower.start()
        _announce(settings, service, listener.getsockname()[1])
        _Server(app, service).run([listener])
        if follower:
            follower.stop()
        if assist.answers:
            assist.answers.close()
    complain("ended: all that was asked has been answered")


def _work(settings: ServeSettings) -> tuple[Queue | None, Answers | None]:
    """Open the queue, and the file of answers: beside the queue where no other is named."""
    queue, answers = settings.queue, settings.answers
    if queue and not answers:
        answers = queue.with_name(f"{queue.stem}.answers.jsonl")
    return queue and Queue.open(queue), answers and Answers(answers)


class _Server(uvicorn.Server):
    """Ends with 0 when it is told to; uvicorn's own raises the signal again once it has drained."""

    def __init__(self, app: Starlette, service: Service) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
            server_header=False,
            ws="none",
        )
        super().__init__(config)
        self._service = service

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle both signals while it serves."""
        before = {number: signal.signal(number, self._ends) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ends(self, number: int, frame: object) -> None:
        self._service.is_ready = False
        self.handle_exit(number, None)


@contextmanager
def _listening(settings: ServeSettings) -> Iterator[socket.socket]:
    """Take the port before the model is loaded: whoever cannot have it hears so at once."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=512)
    except socket.gaierror as error:
        raise _cannot_listen(settings, str(error)) from None
    except OSError as error:
        raise _cannot_listen(settings, os.strerror(error.errno or 0)) from None
    with listener:
        yield listener


def _cannot_listen(settings: ServeSettings, why: str) -> ConfigError:
    return ConfigError(
        f"--host {settings.host} --port {settings.port}: {why}: choose another, or port 0 for any free one"
    )


def _announce(settings: ServeSettings, service: Service, port: int) -> None:
    model = service.current.model.model
    if not settings.is_loopback and settings.token is None:
        complain(
            f"WARNING: --host {settings.host}: whoever reaches this machine can ask, and read answers: set {TOKEN}"
        )
    name = "127.0.0.1" if settings.is_loopback else settings.host
    complain(
        f"step {model.step}, {len(model.vocabulary):,} labels; the page: http://{name}:{port}/  all addresses: /docs"
    )
