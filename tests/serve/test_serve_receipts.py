"""A receipt in a header and in the JSON; and the connections to a provider."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from greenai.serve import errors, receipts
from greenai.serve.pool import Spread
from greenai.shapes import http_library

if TYPE_CHECKING:
    from servers import Scripted

DATA = {"call_id": "c1", "model": "modèle"}


def test_a_header_is_ascii_on_one_line() -> None:
    name, value = receipts.header(DATA)
    assert (name, value) == (b"x-greenai-receipt", b'{"call_id":"c1","model":"mod\\u00e8le"}')


@pytest.mark.parametrize(
    ("content", "extended"),
    [
        (b'{"a": 1}\n', {"a": 1, "greenai": DATA}),
        (b"{ }", {"greenai": DATA}),
        (b"[1]", [1]),
        (b"null", None),
    ],
)
def test_the_json_has_one_field_more_where_it_is_an_object(content: bytes, extended: Any) -> None:
    assert json.loads(receipts.extended(content, DATA)) == extended


def test_what_nobody_foresaw_is_a_500_that_names_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    packet = errors.of(RuntimeError("sk-secret"))
    assert packet.status == 500
    assert packet.json()["error"]["message"] == "The gateway failed (RuntimeError); its log has the details."
    assert [record.message for record in caplog.records] == ["A call of the gateway failed."]


def test_connections_are_used_again_and_given_back_after_failures(scripted: Scripted) -> None:
    http = http_library()

    async def run() -> tuple[int, list[int]]:
        pool = Spread(http)
        request = pool.request(f"{scripted.url}/chat/completions", {}, b"{}", 10.0, 10.0)

        async def ask() -> None:
            response = await pool.handle_async_request(request)
            assert b"".join([part async for part in response.stream])
            await response.aclose()
            await response.aclose()  # once is enough, twice is harmless

        for _ in range(5):
            await ask()
        one = [len(free) for free in pool._free.values()]
        await asyncio.gather(*(ask() for _ in range(6)))
        refused = pool.request("http://127.0.0.1:9/v1", {}, b"{}", 10.0, 10.0)
        with pytest.raises(http.ConnectError):
            await pool.handle_async_request(refused)
        many = [len(free) for free in pool._free.values()]
        await pool.aclose()
        return one[0], many

    assert asyncio.run(run()) == (1, [6, 0])
