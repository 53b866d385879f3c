"""The gateway as an ASGI app: which path is answered by what, and what is opened and closed with it.

The only door to starlette.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from greenai.errors import MissingExtra
from greenai.resources import Outside
from greenai.serve import errors, listing
from greenai.serve.asgi import address, headers_of
from greenai.serve.gateway import Gateway
from greenai.serve.keys import Caller, Keys, Unknown
from greenai.serve.live import Live
from greenai.serve.page import page, policy
from greenai.serve.upstream import Upstream
from greenai.session import Session

try:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route
except ImportError:
    raise MissingExtra("serve", "starlette", "The gateway (greenai serve)") from None

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from greenai.serve.asgi import App
    from greenai.settings import Settings
    from greenai.wire.exchange import Packet

__all__ = ["make"]

T = TypeVar("T")

SETTLING_S = 10.0
"""How long calls that were cancelled by the end of the gateway have to settle what they took."""


def make(
    settings: Settings | Mapping[str, Any] | Path | str | None,
    *,
    project: str | None,
    upstream: str | None,
    outside: Outside | None = None,
) -> App:
    """Return the app; see `greenai.serve.app`. Settings are read and keys are found now, connections when it starts."""
    outside = outside or Outside()
    base_url = upstream or outside.env.get("OPENAI_BASE_URL")
    session = Session.open(
        settings,
        {"base_url": base_url},
        project=project,
        observe=None,
        opt_in=None,
        reason=None,
        timeout=None,
        max_retries=None,
        observers=(),
        outside=outside,
        pinned=True,
    )
    return _Site(session, Keys.of(session.resources.settings.serve, outside.env)).app()


class _Site:
    """What the paths share. `ready` is true between the start and the end."""

    def __init__(self, session: Session, keys: Keys) -> None:
        self.session = session
        self.keys = keys
        self.gateway: Gateway | None = None
        self.live = Live(session.resources.settings)
        self.calls: set[asyncio.Task[Any]] = set()

    def app(self) -> App:
        routes = [
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/models/{name:path}", self.model, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
            Route("/ready", self.ready, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/live.json", self.figures, methods=["GET"]),
            Route("/", self.page, methods=["GET"]),
        ]
        handlers: Any = {404: _missing, 405: _missing, Unknown: self._unknown}
        made = Starlette(routes=routes, lifespan=self.lifespan, exception_handlers=handlers)
        return _Front(self, made)

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        upstream = Upstream(self.session, self.session.resources.outside.env)
        self._count()
        self.gateway = Gateway(self.session, self.keys, upstream)
        try:
            yield
        finally:
            self.gateway = None
            if self.calls:
                await asyncio.wait(self.calls, timeout=SETTLING_S)
            await upstream.aclose()
            await self.session.aclose(owner=True)

    @staticmethod
    def _count() -> None:
        """Count for /metrics, where prometheus-client is installed; the page says what is missing where it is not."""
        from greenai.integrations import prometheus

        try:
            prometheus.instrument()
        except MissingExtra:
            return

    async def _elsewhere(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, work)

    def _viewer(self, request: Request) -> Caller:
        return self.keys.viewer(headers_of(request.scope), address(request.scope))

    # What is answered.

    async def health(self, _request: Request) -> Response:
        """Say that the process lives."""
        return _json({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """Say whether calls are answered."""
        ready = self.gateway is not None
        return _json({"status": "ready" if ready else "ending"}, 200 if ready else 503)

    async def models(self, request: Request) -> Response:
        """List the models."""
        self.keys.caller(headers_of(request.scope), address(request.scope))
        return _json({"object": "list", "data": await self._elsewhere(partial(listing.models, self.session))})

    async def model(self, request: Request) -> Response:
        """Give one model."""
        self.keys.caller(headers_of(request.scope), address(request.scope))
        name = request.path_params["name"]
        found = await self._elsewhere(partial(listing.models, self.session))
        match = next((model for model in found if model["id"] == name), None)
        if match is not None:
            return _json(match)
        message = f"The gateway lists no model {name!r}. GET /v1/models has the names; a call may name others too."
        return _response(errors.packet(404, "model_not_found", message))

    async def metrics(self, request: Request) -> Response:
        """Give what Prometheus reads."""
        if not self._viewer(request).sees_all:
            message = "The metrics are of every project. Use the key of the setting serve.pages_key."
            return _response(errors.packet(403, "not_allowed", message))
        from greenai.integrations import prometheus

        try:
            prometheus.instrument()
            content, kind = prometheus.metrics()
        except MissingExtra as error:
            return _response(errors.packet(501, "missing_extra", str(error)))
        return Response(content, media_type=kind)

    async def figures(self, request: Request) -> Response:
        """Give the page's figures as data."""
        viewer = self._viewer(request)
        return _json({**await self._elsewhere(partial(self.live.read, viewer.project)), **self._now()})

    async def page(self, request: Request) -> Response:
        """Give the live page."""
        viewer = self._viewer(request)
        data = await self._elsewhere(partial(self.live.read, viewer.project))
        headers = {
            "content-security-policy": policy(),
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        return Response(page(data, **self._now()), media_type="text/html", headers=headers)

    def _now(self) -> dict[str, int]:
        gate = None if self.gateway is None else self.gateway.gate
        return {"inside": 0 if gate is None else gate.inside, "waiting": 0 if gate is None else gate.waiting}

    async def _unknown(self, _request: Request, error: Exception) -> Response:
        asks = {"www-authenticate": 'Basic realm="greenai: any name, and a key of the gateway as the password"'}
        return _response(errors.packet(401, "invalid_api_key", str(error), asks))


class _Front:
    """The app: calls straight to the gateway, once it is open, and everything else to the other paths."""

    def __init__(self, site: _Site, others: Starlette) -> None:
        self._site = site
        self._others = others

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        gateway = self._site.gateway
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            await self._others(scope, receive, send)
        elif gateway is None:
            refusal = errors.packet(503, "not_ready", "The gateway is not open.", {"retry-after": "1"})
            await _response(refusal)(scope, receive, send)
        else:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101  # for the type checkers: this is a coroutine
            self._site.calls.add(task)
            try:
                await gateway(scope, receive, send)
            finally:
                self._site.calls.discard(task)


def _json(data: object, status: int = 200) -> Response:
    return Response(json.dumps(data), status, media_type="application/json", headers={"cache-control": "no-store"})


def _response(packet: Packet) -> Response:
    return Response(packet.content, packet.status, headers=dict(packet.headers))


def _nothing(method: str, path: str) -> Packet:
    return errors.packet(404, "not_found", f"There is nothing at {method} {path}.")


async def _missing(request: Request, _error: Exception) -> Response:
    return _response(_nothing(request.method, request.url.path))
