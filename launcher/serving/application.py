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
from .api import Api
from .assist import Assist
from .openapi import document
from .problems import handlers
from .why import WhyApi

PAGE = Path(__file__).parent / "page"
PAGES = {"/": "index.html", "/done": "done.html", "/docs": "docs.html"}


def application(
    assist: Assist, token: str | None = None, names: Collection[str] | None = None, *, log: bool = False
) -> Starlette:
    """Put addresses and access together; while it runs, so does the service's thread.

    Args:
        assist: What the addresses share, and the work of those who label.
        token: See `Access`.
        names: See `Access`.
        log: See `Access`.
    """
    service = assist.service

    @asynccontextmanager
    async def running(_app: Starlette) -> AsyncIterator[None]:
        service.batcher.start()
        yield
        service.is_ready = False
        service.batcher.close()

    routes = [*_own(Api(service), WhyApi(service)), *_of_annif(Annif(service)), *_pages(assist)]
    access = Middleware(Access, token=token, names=names, log=log)
    return Starlette(routes=routes, middleware=[access], exception_handlers=handlers(), lifespan=running)


def _own(api: Api, why: WhyApi) -> list[BaseRoute]:
    return [
        Route("/v1/predict", api.predict, methods=["POST"]),
        Route("/v1/why", why.why, methods=["POST"]),
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


def _pages(assist: Assist) -> list[BaseRoute]:
    async def openapi(_request: Request) -> Response:
        return JSONResponse(document())

    return [
        Route("/openapi.json", openapi),
        *(Route(address, _file(PAGE / name)) for address, name in PAGES.items()),
        Route("/assist/about", assist.about),
        Route("/assist/next", assist.next),
        Route("/assist/answers", assist.save, methods=["POST"]),
        Route("/assist/report", assist.report),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def send(_request: Request) -> Response:
        return FileResponse(path)

    return send
