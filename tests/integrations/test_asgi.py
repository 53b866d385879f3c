"""The middleware around a bare ASGI app, and around Starlette's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import greenai
from greenai import AsyncClient, BudgetExceeded, Client, InvalidRequest
from greenai.integrations.asgi import HEADER, Middleware, by_header
from greenai.testing import FakeProvider, offline

MODEL = "gpt-5.4-nano"
Answering = Callable[[Any, Any, Any], Awaitable[None]]


def answered(app: Any, headers: list[tuple[bytes, bytes]] | None = None) -> tuple[int, dict[str, str], bytes]:
    """Return what an app answers to one request: status, headers and content."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers or []}
    asyncio.run(app(scope, receive, send))
    start = sent[0]
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], found, b"".join(message.get("body", b"") for message in sent[1:])


def asking(client: Any, times: int = 1, *, after: int = 0) -> Answering:
    """An app that asks a question so often before its response begins, and `after` it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for n in range(times):
            await asyncio.to_thread(client.ask, f"Describe town {n} in one word.", model=MODEL)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        for n in range(after):
            await asyncio.to_thread(client.ask, f"Describe river {n} in one word.", model=MODEL)
        await send({"type": "http.response.body", "body": b"done"})

    return app


@pytest.fixture
def client() -> Any:
    with offline(FakeProvider("Green.")) as made:
        yield made


def test_the_header_sums_the_receipts_of_the_request(client: Client) -> None:
    with greenai.collecting() as receipts:
        status, headers, body = answered(Middleware(asking(client, 2)))
    said = json.loads(headers[HEADER])
    assert (status, headers["x-own"], body) == (200, "1", b"done")
    assert said == {
        "calls": 2,
        "energy_j": sum(r.energy.energy_j for r in receipts),  # type: ignore[misc]
        "low_j": sum(r.energy.low_j for r in receipts),  # type: ignore[misc]
        "high_j": sum(r.energy.high_j for r in receipts),  # type: ignore[misc]
        "cost_usd": sum(r.cost_usd or 0 for r in receipts),
    }
    assert said["low_j"] < said["energy_j"] < said["high_j"]


def test_a_request_without_a_call_has_no_header(client: Client) -> None:
    assert HEADER not in answered(Middleware(asking(client, 0)))[1]


def test_the_header_covers_what_was_done_before_the_response_began(client: Client) -> None:
    assert json.loads(answered(Middleware(asking(client, 1, after=2)))[1][HEADER])["calls"] == 1


def test_another_header_or_none(client: Client) -> None:
    assert "X-Energy".lower() in answered(Middleware(asking(client), header="X-Energy"))[1]
    assert set(answered(Middleware(asking(client), header=None))[1]) == {"x-own"}


def test_a_spent_budget_is_403_with_the_numbers(client: Client) -> None:
    app = Middleware(asking(client, 3), budget="2 calls")
    status, headers, body = answered(app)
    error = json.loads(body)["error"]
    assert (status, headers["content-type"], headers["x-should-retry"]) == (403, "application/json", "false")
    assert int(headers["content-length"]) == len(body)
    assert (error["code"], error["budget"], error["unit"], error["limit"]) == ("budget_exceeded", "2 calls", "calls", 2)
    assert error["needed"] > error["left"] == 0
    assert json.loads(headers[HEADER])["calls"] == 2, "what was done by then is told all the same"
    assert answered(Middleware(asking(client, 2), budget="2 calls"))[0] == 200, "each request has its own"


def test_a_budget_that_is_spent_after_the_response_began_is_raised(client: Client) -> None:
    with pytest.raises(BudgetExceeded, match="2 calls"):
        answered(Middleware(asking(client, 1, after=2), budget=("2 calls", "1 kWh")))


def test_an_error_of_the_app_passes_as_it_is(client: Client) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        answered(Middleware(app, budget="2 calls"))


def test_projects(client: Client) -> None:
    def booked(project: Any, *headers: tuple[bytes, bytes]) -> str:
        with greenai.collecting() as receipts:
            answered(Middleware(asking(client), project=project), list(headers))
        return receipts[0].project

    teams = by_header("X-Team", {"red": "search", "blue": "chat"})
    assert booked(None) == "default"
    assert booked("shop") == "shop"
    assert booked(lambda scope: f"site{scope['path'].replace('/', '-')}x") == "site-x"
    assert [booked(teams, (b"x-team", name)) for name in (b"red", b"blue", b"admin")] == ["search", "chat", "default"]
    assert booked(teams) == "default"
    assert booked(by_header("x-team", {"red": "search"}, otherwise="guests"), (b"x-team", b"x")) == "guests"


def test_requests_at_the_same_time_are_kept_apart() -> None:
    async def both() -> list[Any]:
        heads: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            asked = [client.ask(f"Describe {scope['path']} {n}.", model=MODEL) for n in range(scope["times"])]
            await asyncio.gather(*asked)
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def send(message: Any) -> None:
            heads.append(json.loads(dict(message["headers"])[HEADER.encode()])["calls"])

        async with offline(FakeProvider("Green."), client=AsyncClient) as client:
            scopes = [{"type": "http", "headers": [], "path": f"/{n}", "times": n} for n in (1, 3)]
            await asyncio.gather(*(Middleware(app, budget="3 calls")(scope, None, send) for scope in scopes))
        return sorted(heads)

    assert asyncio.run(both()) == [1, 3]


def test_what_is_no_request_passes_as_it_is() -> None:
    seen: list[Any] = []

    async def app(*given: Any) -> None:
        seen.append(given)

    scope = {"type": "lifespan"}
    asyncio.run(Middleware(app, budget="1 call")(scope, 1, 2))
    assert seen == [(scope, 1, 2)]


def test_what_cannot_be_read_is_told_at_the_start() -> None:
    async def app(*_: Any) -> None:
        pass

    with pytest.raises(InvalidRequest, match=r'"5 Wh/day" has a window, and a block of code ends by itself\.'):
        Middleware(app, budget="5 Wh/day")
    with pytest.raises(InvalidRequest, match="budget"):
        Middleware(app, budget=())
    with pytest.raises(InvalidRequest, match="project"):
        Middleware(app, project="")
    with pytest.raises(InvalidRequest, match=r"^by_header\(\) needs projects\. Write for example: by_header\("):
        by_header("x-team", {})


def test_starlette(client: Client) -> None:
    applications = pytest.importorskip("starlette.applications")
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    def ask(request: Any) -> Any:  # Starlette runs it in a thread
        for n in range(int(request.query_params.get("times", 1))):
            client.ask(f"Describe town {n} in one word.", model=MODEL)
        return PlainTextResponse("done")

    app = applications.Starlette(routes=[Route("/", ask)])
    app.add_middleware(Middleware, project="shop", budget="1 call")
    with greenai.collecting() as receipts:
        status, headers, body = answered(app)
    assert (status, body, json.loads(headers[HEADER])["calls"]) == (200, b"done", 1)
    assert receipts[0].project == "shop"

    twice = applications.Starlette(routes=[Route("/", ask)])
    twice.add_middleware(Middleware, budget="0.000001 J", when_spent="refuse")
    status, _, body = answered(twice)
    assert (status, json.loads(body)["error"]["code"]) == (403, "budget_exceeded")
