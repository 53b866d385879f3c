"""What a host library gives, in words that can be compared: bare, and through greenai.

A case is an async function that takes a client and returns anything. It runs in both colours: of a blocking client
nothing in it ever waits, so that it is driven without a loop, as blocking code is.

What differs between two answers of one server to one request is left out by name: ids, times, and how long it took.
The one difference that is allowed is `greenai`.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import GeneratorType
from typing import Any, TypeAlias

from pydantic import BaseModel

Case: TypeAlias = Callable[[Any], Awaitable[Any]]

MODEL = "smollm2-135m"
FRESH = ("id", "item_id", "created", "created_at", "completed_at", "create_time", "response_id", "date")
SERVERS_OWN = ("timings", "greenai")  # llama.cpp's, in a stream's usage chunk where that was asked for: greenai does
LENGTHS = ("content-length",)
IDS = re.compile(r"(chatcmpl|resp|msg|call|toolu)[-_][A-Za-z0-9]+|\b[A-Za-z0-9]{32}\b|0x[0-9a-f]{6,}")


# --- one case in both colours -------------------------------------------------------------


async def got(value: Any) -> Any:
    """Return what a call gave, of either colour."""
    return await value if inspect.isawaitable(value) else value


async def each(items: Any) -> AsyncIterator[Any]:
    """Walk over a stream or a page, of either colour."""
    if hasattr(items, "__aiter__"):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def taken(items: Any, most: int | None = None) -> list[Any]:
    """Read a stream: to its end, or the first few."""
    if most is None:
        return [item async for item in each(items)]
    if not hasattr(items, "__anext__"):
        return [next(items) for _ in range(most)]
    return [await anext(items) for _ in range(most)]


@asynccontextmanager
async def within(manager: Any) -> AsyncIterator[Any]:
    """Enter a context manager of either colour."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


async def failure(call: Callable[[], Any]) -> Any:
    """Return the error that a call raises; or what it gives, where the server takes what others do not."""
    try:
        return await got(call())
    except Exception as error:  # noqa: BLE001  # whatever it is, both sides shall raise it
        return error


def driven(case: Case, client: Any, *, asynchronous: bool) -> Any:
    """Run a case to its end, and return what it saw in words, its error too."""
    if asynchronous:
        return asyncio.run(_closed_after(case, client))
    steps = _closed_after(case, client)
    try:
        steps.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a blocking client waited")


async def _closed_after(case: Case, client: Any) -> Any:
    made = client()
    try:
        return described(await case(made))
    except Exception as error:  # noqa: BLE001
        return described(error)
    finally:
        for name in ("aclose", "close"):
            if hasattr(made, name):
                await got(getattr(made, name)())
                break


# --- in words -----------------------------------------------------------------------------


def described(value: Any) -> Any:
    """Return a value as plain data: classes by name, what is fresh in every answer left out."""
    if isinstance(value, BaseModel):
        return _of_model(value)
    if isinstance(value, BaseException):
        return _of_error(value)
    if isinstance(value, Mapping):
        return {
            str(name): _fresh(found) if str(name).lower() in FRESH else described(found)
            for name, found in value.items()
            if name not in SERVERS_OWN
        }
    if isinstance(value, (list, tuple, set, frozenset, GeneratorType)):
        items = [described(item) for item in value]
        return sorted(items, key=repr) if isinstance(value, (set, frozenset)) else items
    if isinstance(value, bytes):
        return {"bytes": described(value.decode())}
    if isinstance(value, str):
        return IDS.sub("…", value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, type):
        # A stream of greenai's own client is of a subclass: `isinstance` holds, and that is what is compared.
        kind = next(kind for kind in value.__mro__ if kind.__module__ != "greenai.streams")
        return f"{kind.__module__}.{kind.__qualname__}"
    if hasattr(value, "raw") and hasattr(value, "multi_items"):
        return headers_of(value)
    return {"class": described(type(value)), "text": described(str(value))}


def headers_of(headers: Any) -> dict[str, str]:
    """Return HTTP headers; of a length only that it is there, since ids and times are in what it counts."""
    return {n: "…" if n in (*LENGTHS, "date", "keep-alive") else v for n, v in sorted(headers.items())}


def _of_model(value: BaseModel) -> dict[str, Any]:
    extra = value.model_extra or {}
    named = {name: getattr(value, name, None) for name in sorted({*type(value).model_fields, *extra} - {*SERVERS_OWN})}
    return {
        "class": described(type(value)),
        "set": sorted(value.model_fields_set - {*SERVERS_OWN}),
        **{name: _fresh(found) if name in FRESH else described(found) for name, found in named.items()},
    }


def _of_error(error: BaseException) -> dict[str, Any]:
    response = getattr(error, "response", None)
    seen: dict[str, Any] = {
        "class": described(type(error)),
        "text": described(str(error)),
        "cause": described(type(error.__cause__)),
        "bases": [described(kind) for kind in type(error).__mro__],
    }
    for name in ("status_code", "body", "code", "param", "type", "message", "request_id"):
        if hasattr(error, name):
            seen[name] = described(getattr(error, name))
    if response is not None and hasattr(response, "headers"):
        seen["response"] = [response.status_code, headers_of(response.headers), described(type(response))]
    return seen


def _fresh(value: Any) -> Any:
    """Say of what is fresh in every answer that it is there, and of which kind."""
    return None if value is None else type(value).__name__


# --- a table of cases ---------------------------------------------------------------------


@dataclass
class Table:
    """The cases of one host, in the order in which they are written, by their names."""

    cases: dict[str, Case]

    def __call__(self, case: Case) -> Case:
        """Enter one, as a decorator."""
        assert case.__name__ not in self.cases
        self.cases[case.__name__] = case
        return case


def table() -> Table:
    """Return an empty table."""
    return Table({})
