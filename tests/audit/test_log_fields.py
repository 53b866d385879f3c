"""Values as logs write them: what cannot be is None, and is in no sum."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from greenai.audit.formats import FORMATS
from greenai.audit.formats.fields import dollars, moment

AT = 1_763_800_000.0


@pytest.mark.parametrize(
    "said",
    [
        AT, int(AT), AT * 1e3, AT * 1e6, AT * 1e9, "1763800000", "2025-11-22T08:26:40Z", "2025-11-22 08:26:40 UTC",
        "2025-11-22 08:26:40+00", "2025-11-22T09:26:40+01:00", datetime.fromtimestamp(AT, UTC),
    ],
)  # fmt: skip
def test_a_moment_in_any_spelling(said: object) -> None:
    assert moment(said) == AT


@pytest.mark.parametrize(
    "said",
    [
        0,
        -1,
        1e25,
        5e9,
        "0001-01-01T00:00:00+10:00",
        datetime(1, 1, 1, tzinfo=UTC),
        date(1969, 1, 1),
        "soon",
        True,
        None,
    ],
)
def test_what_is_no_time_of_a_call(said: object) -> None:
    assert moment(said) is None


@pytest.mark.parametrize(
    ("said", "cost"),
    [(0, 0.0), ("0.25", 0.25), (-1, None), (1e308, None), ("Infinity", None), ("nan", None), ("free", None)],
)
def test_what_a_call_cost(said: object, cost: float | None) -> None:
    assert dollars(said) == cost


def test_another_currency_is_no_dollars() -> None:
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    record: dict[str, object] = {"request": asked, "response": "hello", "cost": 0.5}
    (call,) = FORMATS["openai"].calls(record, "a:1")
    (other,) = FORMATS["openai"].calls({**record, "currency": "EUR"}, "a:1")
    assert (call.cost_usd, other.cost_usd) == (0.5, None)


@pytest.mark.parametrize(
    ("status", "ok"), [(200, True), (None, True), (500, False), (-3, False), ("-1", False), (0, False)]
)
def test_what_helicone_never_got_an_answer_to_has_failed(status: object, ok: bool) -> None:
    record = {"request_created_at": "2026-11-01T00:00:00Z", "response_status": status}
    (call,) = FORMATS["helicone"].calls(record, "a:1")
    assert call.ok is ok
