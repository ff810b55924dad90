"""The application: which address leads where."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from .access import Access
from .annif import Annif
from .api import Api, Service
from .openapi import document
from .problems import handlers

PAGE = Path(__file__).parent / "page"


def application(
    service: Service, token: str | None = None, names: Collection[str] | None = None, *, log: bool = False
) -> Starlette:
    """Put addresses and access together; while it runs, so does the service's thread.

    Args:
        service: What the addresses share.
        token: See `Access`.
        names: See `Access`.
        log: See `Access`.
    """

    @asynccontextmanager
    async def running(_app: Starlette) -> AsyncIterator[None]:
        service.batcher.start()
        yield
        service.is_ready = False
        service.batcher.close()

    routes = [*_own(Api(service)), *_of_annif(Annif(service)), *_pages()]
    access = Middleware(Access, token=token, names=names, log=log)
    return Starlette(routes=routes, middleware=[access], exception_handlers=handlers(), lifespan=running)


def _own(api: Api) -> list[BaseRoute]:
    return [
        Route("/v1/predict", api.predict, methods=["POST"]),
        Route("/v1/labels", api.labels),
        Route("/v1/model", api.model),
        Route("/healthz", api.healthz),
        Route("/readyz", api.readyz),
        Route("/metrics", api.metrics),
    ]


def _of_annif(annif: Annif) -> list[BaseRoute]:
    one = "/v1/projects/{project_id}"
    return [
        Route("/v1/", annif.about),
        Route("/v1/projects", annif.projects),
        Route(one, annif.project),
        Route(f"{one}/suggest", annif.suggest, methods=["POST"]),
        Route(f"{one}/suggest-batch", annif.suggest_batch, methods=["POST"]),
        Route(f"{one}/learn", annif.learn, methods=["POST"]),
    ]


def _pages() -> list[BaseRoute]:
    async def openapi(_request: Request) -> Response:
        return JSONResponse(document())

    return [
        Route("/openapi.json", openapi),
        *(Route(address, _file(PAGE / name)) for address, name in {"/": "index.html", "/docs": "docs.html"}.items()),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def send(_request: Request) -> Response:
        return FileResponse(path)

    return send
