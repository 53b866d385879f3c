"""A receipt in a header and in the JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from greenai.serve import errors, receipts

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
