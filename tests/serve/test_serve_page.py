"""The live page in a real Chromium: it is brought up to date, asks nothing of others, fits a phone, and can be heard."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from serving import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from browser import Browser, Page
    from serving import Served

HOSTILE = "<script>alert(1)</script>"
SETTINGS: Any = {
    "projects": {
        "default": {"budget": {"calls": "10/day", "timezone": "UTC"}},
        HOSTILE: {"budget": {"energy": "50 Wh/day", "timezone": "UTC"}},
    }
}
CALLS = "[...document.querySelectorAll('dd.figure')].map(e => e.textContent)[0]"


@pytest.fixture
def served(gateways: Callable[..., Any]) -> Iterator[Served]:
    with gateways(SETTINGS) as running:
        yield running


def ask(served: Served, **more: Any) -> None:
    with served.client() as client:
        client.chat.completions.create(model="gpt-5.5", messages=MESSAGES, temperature=0, **more)


def until(page: Page, script: str, value: object) -> None:
    deadline = time.monotonic() + 20
    while page(script) != value and time.monotonic() < deadline:
        time.sleep(0.1)
    assert page(script) == value


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_it_shows_what_was_used_and_is_brought_up_to_date(
    served: Served, browser: Browser, width: int, dark: bool
) -> None:
    ask(served)
    page = browser.open(served.address, width=width, dark=dark)
    assert page(CALLS) == "1"
    ask(served)
    until(page, CALLS, "2")
    assert [page(f"document.querySelectorAll('tbody th')[{n}].textContent") for n in (0, 1)] == ["cache", "large model"]
    names = page("[...document.querySelectorAll('meter')].map(e => e.getAttribute('aria-label'))")
    assert names == ["used of project/default: 10/day", f"used of project/{HOSTILE}: 50 Wh/day"]
    assert 0 < page("document.querySelector('meter').value") <= 0.2
    assert HOSTILE in page("document.body.innerText")
    assert page("document.scripts.length") == 1
    assert page("document.documentElement.scrollWidth") <= width
    assert page.complaints == []
    assert {address.removeprefix(served.address) for address in page.requests} <= {"/", "", "data:,"}
    assert page.screenshot().startswith(b"\x89PNG")


def test_a_screen_reader_is_told_headings_tables_meters_and_that_it_answers_no_more(
    gateways: Callable[..., Any], browser: Browser
) -> None:
    with gateways(SETTINGS) as served:
        ask(served)
        page = browser.open(served.address, width=800)
        told = page.accessible()
        roles = [role for role, _ in told]
        for landmark in ("banner", "main", "contentinfo"):
            assert roles.count(landmark) == 1, landmark
        assert [name for role, name in told if role == "heading"] == [
            "Gateway",
            "In all",
            "Calls by outcome",
            "Budgets",
        ]
        assert ("table", "What answered, and what it took") in told
        assert ("meter", "used of project/default: 10/day") in told
        assert page("document.documentElement.lang") == "en"
        assert page("document.getElementById('state').textContent") == ""
    said = "The gateway does not answer. What is shown is its last answer."
    until(page, "document.getElementById('state').textContent", said)
    assert page("document.getElementById('state').getAttribute('role')") == "status"


def test_it_is_whole_without_scripts_and_says_that_nothing_was_called(served: Served) -> None:
    text = served.get("/").decode()
    assert "No call yet." in text
    assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_a_ledger_in_memory_is_told(gateways: Callable[..., Any]) -> None:
    with gateways({"ledger": ":memory:"}) as served:
        assert "The ledger is in memory only, so this page has no figures." in served.get("/").decode()
