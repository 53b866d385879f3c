"""ASGI middleware: each request of a web app is a block, with a project, a budget and a header that sums its receipts.

    request ── project, budget ── the app ──┬─ its response     and in it x-greenai-receipt: what was done by then
                                            └─ a spent budget   403 as JSON, if no response has begun

It needs no framework, and holds for every client of greenai's, wrapped and instrumented ones too, in the request's own
tasks and in threads that a framework runs in its context.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.errors import BudgetExceeded, InvalidRequest, OptInRequired
from greenai.hooks import collecting
from greenai.opt_ins import Block, blocks
from greenai.readings import total
from greenai.request import changed
from greenai.spending import run_of, runs
from greenai.values import Options

if TYPE_CHECKING:
    from greenai.settings.projects import WhenSpent
    from greenai.values import Receipt

__all__ = ["HEADER", "Middleware", "by_header"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
ProjectOf: TypeAlias = Callable[[Mapping[str, Any]], "str | None"]

HEADER = "x-greenai-receipt"
_REFUSED = 403
_NUMBERS = ("scope", "budget", "unit", "needed", "left", "limit")


class Middleware:
    """An ASGI app around another one, whose requests are blocks.

    Args:
        app: the app.
        project: whose calls they are: a name, or a function that takes the ASGI scope of a request and returns one, or
            None for the client's own. `by_header` makes one.
        budget: limits for each request, such as "0.5 Wh", or several.
        when_spent: what happens when that is used: "downgrade", then refuse; "refuse" at once; or "observe".
        header: the name of the header that sums a request's receipts, None for no header.

    Raises:
        InvalidRequest: a limit or a project's name is none.
    """

    def __init__(
        self,
        app: App,
        *,
        project: str | ProjectOf | None = None,
        budget: str | Iterable[str] | None = None,
        when_spent: WhenSpent = "downgrade",
        header: str | None = HEADER,
    ) -> None:
        self._app = app
        self._project = project
        self._limits = () if budget is None else (budget,) if isinstance(budget, str) else tuple(budget)
        self._when_spent: WhenSpent = when_spent
        self._header = None if header is None else header.lower().encode("ascii")
        if isinstance(project, str):
            changed(Options(), {"project": project})
        if budget is not None:
            run_of(self._limits, when_spent)  # which refuses what cannot be read

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; what is none, such as the app's start, passes as it is."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        with ExitStack() as stack:
            self._enter(stack, scope)
            response = _Response(send, stack.enter_context(collecting()), self._header)
            try:
                await self._app(scope, receive, response.send)
            except (BudgetExceeded, OptInRequired) as error:
                if response.begun or scope["type"] != "http":
                    raise
                await response.refuse(error)

    def _enter(self, stack: ExitStack, scope: Scope) -> None:
        project = self._project(scope) if callable(self._project) else self._project
        if project is not None:
            changed(Options(), {"project": project})  # which refuses what is no name
            stack.enter_context(blocks.within(Block(None, {"project": project})))
        if self._limits:
            stack.enter_context(runs.within((None, run_of(self._limits, self._when_spent))))


class _Response:
    """What a request's app sends, with the header on its first message."""

    def __init__(self, send: Any, receipts: Sequence[Receipt], header: bytes | None) -> None:
        self._send = send
        self._receipts = receipts
        self._header = header
        self.begun = False

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.begun = True
            if self._header is not None and self._receipts:
                headers = [*message.get("headers", ()), (self._header, _compact(summed(self._receipts)))]
                message = {**message, "headers": headers}
        await self._send(message)

    async def refuse(self, error: BudgetExceeded | OptInRequired) -> None:
        """Answer that a budget is spent, or an opt-in is missing."""
        code = "budget_exceeded" if isinstance(error, BudgetExceeded) else "opt_in_required"
        numbers = {name: getattr(error, name) for name in _NUMBERS if hasattr(error, name)}
        content = _compact({"error": {"message": str(error), "type": code, "param": None, "code": code, **numbers}})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"x-should-retry", b"false"),
        ]
        await self.send({"type": "http.response.start", "status": _REFUSED, "headers": headers})
        await self.send({"type": "http.response.body", "body": content})


def by_header(name: str, projects: Mapping[str, str], otherwise: str | None = None) -> ProjectOf:
    """Return what finds a request's project by one of its headers: only what the code lists names one.

    Args:
        name: the header's name.
        projects: its values, and the project of each.
        otherwise: the project of any other value, and of none; None for the client's own.

    Raises:
        InvalidRequest: `projects` is empty.
    """
    if not projects:
        raise InvalidRequest('by_header() needs projects. Write for example: by_header("x-team", {"red": "search"}).')
    wanted = name.lower().encode("latin-1")

    def project(scope: Mapping[str, Any]) -> str | None:
        values = [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == wanted]
        return projects.get(values[-1], otherwise) if values else otherwise

    return project


def summed(receipts: Sequence[Receipt]) -> dict[str, float | int | None]:
    """Return what calls took together: joules with their interval, and dollars; None where one of them is unknown."""
    energy, costs = total([receipt.energy for receipt in receipts]), [receipt.cost_usd for receipt in receipts]
    return {
        "calls": len(receipts),
        "energy_j": energy.energy_j,
        "low_j": energy.low_j,
        "high_j": energy.high_j,
        "cost_usd": None if None in costs else sum(cost or 0.0 for cost in costs),
    }


def _compact(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode("ascii")
