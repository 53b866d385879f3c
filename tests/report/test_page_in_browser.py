"""The page in a real Chromium: it opens offline, says nothing in the console, fits a phone, and can be heard."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from bookkeeping import BEGIN, HOSTILE, Book, fill
from page_marks import CONTRAST, SHOWN

from greenai.report.aggregate import aggregate
from greenai.report.page import page
from greenai.store.reading import reading

if TYPE_CHECKING:
    from pathlib import Path

    from browser import Browser, Page

PNG = b"\x89PNG"


def written(book: Book, folder: Path) -> str:
    for number in range(40):
        book.call("small", 3.0 + number, created=BEGIN + number * 86_400.0, avoided_j=9.0, baseline="b")
    book.call("small", 5.0, project=HOSTILE, model=HOSTILE, feature=HOSTILE, baseline=HOSTILE, avoided_j=1.0,
              carbon_g=1.0, carbon_source=HOSTILE)  # fmt: skip
    book.call("large", 5.0, model="vendor/" + "x" * 400, project="y" * 400, feature="z" * 100)
    book.call(HOSTILE, 5.0)
    book.db.offer(HOSTILE, HOSTILE, int(BEGIN // 86_400), 3, 1)
    with reading(book.path) as reader:
        assert reader is not None
        text = page(aggregate(reader), made=BEGIN)
    file = folder / "report.html"
    file.write_text(text, "utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    return written(fill(Book(folder / "ledger.db")), folder)


@pytest.fixture(scope="module", params=[(1280, False), (1280, True), (360, False), (360, True)], ids=str)
def opened(request: Any, browser: Browser, address: str) -> tuple[Page, str, int]:
    """The page, on a wide screen and on a phone, in light and in dark."""
    width, dark = request.param
    return browser.open(address, width=width, dark=dark), address, width


def test_it_is_shown_without_a_request_or_a_complaint(opened: tuple[Page, str, int]) -> None:
    page_, address, _ = opened
    assert page_("document.querySelector('h1').textContent") == "Energy report"
    assert page_("document.documentElement.lang") == "en"
    assert page_.complaints == []
    assert page_.requests == [address]
    assert page_.screenshot().startswith(PNG)


def test_nothing_runs_from_a_hostile_name_and_it_is_read_as_text(opened: tuple[Page, str, int]) -> None:
    page_, _, _ = opened
    assert page_("document.scripts.length") == 0
    assert "<script>alert(1)</script>" in page_("document.body.innerText")
    text = page_("document.documentElement.outerHTML")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_the_page_does_not_scroll_sideways(opened: tuple[Page, str, int]) -> None:
    page_, _, width = opened
    assert page_("document.documentElement.scrollWidth") <= width
    assert (
        page_(
            "Math.max(...[...document.querySelectorAll('section, header')].map(e => e.getBoundingClientRect().right))"
        )
        <= width
    )
    # Whoever opens the tables gets no wider page either: they scroll by themselves.
    page_("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page_("document.documentElement.scrollWidth") <= width


def test_one_drawing_of_each_chart_is_shown_in_the_screens_own_size(opened: tuple[Page, str, int]) -> None:
    page_, _, width = opened
    assert page_(f"{SHOWN}.length") == 2
    assert page_(f"{SHOWN}.every(s => s.getBoundingClientRect().height > 100)")
    scale = page_(f"Math.min(...{SHOWN}.map(s => s.getBoundingClientRect().width / s.viewBox.baseVal.width))")
    assert scale > (0.85 if width == 360 else 0.95)  # a letter of 12 is not read at 6


def test_each_chart_has_a_title_a_description_and_a_table(opened: tuple[Page, str, int]) -> None:
    page_, _, _ = opened
    charts = page_(
        f"{SHOWN}.map(s => [s.getAttribute('role'), s.querySelector('title').textContent, s.querySelector('desc').textContent, "
        "s.getAttribute('aria-labelledby').split(' ').every(i => document.getElementById(i)), "
        "s.closest('section').querySelectorAll('table').length])"
    )
    for role, title, described, labelled, tables in charts:
        assert (role, labelled, tables) == ("img", True, 1)
        assert len(title) > 10
        assert len(described) > 40
    hidden = page_(
        "[...document.querySelectorAll('svg:not([role=img])')].every(s => s.getAttribute('aria-hidden') === 'true')"
    )
    assert hidden


def test_a_screen_reader_is_told_headings_charts_and_tables(opened: tuple[Page, str, int]) -> None:
    page_, _, _ = opened
    assert page_(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1]).every((n, i, a) => i === 0 ? n === 1 : n - a[i - 1] < 2)"
    )
    assert page_("document.querySelectorAll('h1').length") == 1
    told = page_.accessible()
    roles = [role for role, _ in told]
    for landmark in ("banner", "main", "contentinfo"):
        assert roles.count(landmark) == 1, landmark
    assert ("heading", "Energy over time") in told
    assert len([name for role, name in told if role in ("img", "image") and name]) >= 2
    assert [name for role, name in told if role in ("region", "table", "img", "image") and not name] == []
    unnamed = page_(
        "[...document.querySelectorAll('table')].filter(t => !t.caption || !t.querySelector('thead th[scope=col]')).length"
    )
    assert unnamed == 0


def test_text_stands_out_in_light_and_dark(opened: tuple[Page, str, int]) -> None:
    page_, _, _ = opened
    assert page_(CONTRAST) == []


def test_ids_are_unique(opened: tuple[Page, str, int]) -> None:
    page_, _, _ = opened
    assert (
        page_(
            "(() => { const i = [...document.querySelectorAll('[id]')].map(e => e.id); return i.length - new Set(i).size })()"
        )
        == 0
    )


def test_dark_and_light_differ(browser: Browser, address: str) -> None:
    grounds = [
        browser.open(address, width=800, dark=dark)("getComputedStyle(document.body).backgroundColor")
        for dark in (False, True)
    ]
    assert grounds == ["rgb(251, 250, 247)", "rgb(20, 24, 26)"]
