"""The audit's page in a real Chromium: no request, no complaint, readable on a phone and in the dark, prints to PDF."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import pytest
from audit_found import BEGIN, HOSTILE, audited
from page_marks import CONTRAST, SHOWN

from greenai.audit.page import page

if TYPE_CHECKING:
    from browser import Browser, Page


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("audit") / "audit.html"
    file.write_text(page(audited(HOSTILE), made=BEGIN), "utf-8")
    return file.as_uri()


@pytest.fixture(scope="module", params=[(1280, False), (1280, True), (360, False), (360, True)], ids=str)
def opened(request: Any, browser: Browser, address: str) -> tuple[Page, str, int]:
    """The page, on a wide screen and on a phone, in light and in dark."""
    width, dark = request.param
    return browser.open(address, width=width, dark=dark), address, width


def test_it_is_shown_without_a_request_or_a_complaint(opened: tuple[Page, str, int]) -> None:
    shown, address, _ = opened
    assert shown("document.querySelector('h1').textContent") == "What your calls could have been"
    assert shown.complaints == []
    assert shown.requests == [address]
    assert shown("document.scripts.length") == 0
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown("document.documentElement.outerHTML"))


def test_it_does_not_scroll_sideways_and_charts_are_of_the_screens_size(opened: tuple[Page, str, int]) -> None:
    shown, _, width = opened
    shown("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert shown("document.documentElement.scrollWidth") <= width
    assert shown(f"{SHOWN}.length") == 2
    scale = shown(f"Math.min(...{SHOWN}.map(s => s.getBoundingClientRect().width / s.viewBox.baseVal.width))")
    assert scale > (0.85 if width == 360 else 0.95)
    # What a figure rests on is read without scrolling its table.
    assert shown(
        "[...document.querySelectorAll('tr.rests div')].every(e => e.getBoundingClientRect().right <= innerWidth)"
    )


def test_no_label_of_the_flow_leaves_the_drawing_or_lies_on_another(opened: tuple[Page, str, int]) -> None:
    shown, _, _ = opened
    boxes = shown(
        f"{SHOWN}[0] && [...{SHOWN}[0].querySelectorAll('text')].map(t => t.getBoundingClientRect())"
        ".map(b => [b.left, b.top, b.right, b.bottom])"
    )
    left, right = shown(f"(b => [b.left, b.right])({SHOWN}[0].getBoundingClientRect())")
    assert len(boxes) == 13  # three models; eight ways, failed and not judged
    assert all(left <= box[0] and box[2] <= right for box in boxes)
    overlapping = [
        (a, b)
        for number, a in enumerate(boxes)
        for b in boxes[number + 1 :]
        if a[0] < b[2] - 1 and b[0] < a[2] - 1 and a[1] + 3 < b[3] and b[1] + 3 < a[3]
    ]
    assert overlapping == []


def test_a_screen_reader_is_told_charts_tables_and_headings(opened: tuple[Page, str, int]) -> None:
    shown, _, _ = opened
    told = shown.accessible()
    assert ("heading", "The flow of calls") in told
    assert [name for role, name in told if role in ("region", "table", "img", "image") and not name] == []
    assert len([name for role, name in told if role in ("img", "image") and name]) >= 2


def test_text_stands_out_in_light_and_dark(opened: tuple[Page, str, int]) -> None:
    shown, _, _ = opened
    assert shown(CONTRAST) == []


def test_it_prints_to_pdf_in_light_with_its_tables_open(browser: Browser, address: str) -> None:
    shown = browser.open(address, width=1280, dark=True)
    pdf = base64.b64decode(shown.printed())
    assert pdf.startswith(b"%PDF")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 40
    shown.as_printed()
    assert shown("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown("getComputedStyle(document.body).color") == "rgb(29, 35, 32)"
    assert shown("[...document.querySelectorAll('details td')].every(e => e.getBoundingClientRect().height > 0)")
    assert shown(CONTRAST) == []
