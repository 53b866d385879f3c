"""The page as text: its policy, its parts, and that every name in it is text. A browser looks at it elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import pytest
from bookkeeping import BEGIN, HOSTILE
from page_marks import Balanced

from greenai.report import page, read
from greenai.report.aggregate import DAY_S
from greenai.report.charts import steps_of

if TYPE_CHECKING:
    from bookkeeping import Book


def made(book: Book, project: str | None = None) -> str:
    report = read(book.path, project=project)
    assert report is not None
    return page(report, made=BEGIN)


def test_its_policy_allows_its_own_style_and_nothing_else(filled: Book) -> None:
    text = made(filled)
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in text
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_every_tag_is_closed_and_none_carries_a_style_or_a_handler(filled: Book) -> None:
    filled.call("small", 5.0, project=HOSTILE, model=HOSTILE, feature=HOSTILE, baseline=HOSTILE, avoided_j=1.0)
    parser = Balanced()
    parser.feed(made(filled))
    assert (parser.wrong, parser.open) == ([], [])
    assert not {name for name in parser.attributes if name == "style" or name.startswith("on")}
    assert not parser.attributes & {"src", "href", "srcset", "action"}


def test_names_are_text(filled: Book) -> None:
    filled.call("small", 5.0, project=HOSTILE, model=HOSTILE, feature=HOSTILE, baseline=HOSTILE, avoided_j=1.0,
                carbon_source=HOSTILE, carbon_g=1.0)  # fmt: skip
    text = made(filled)
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;\ufffd[31mred\ufffd[bold]=1+1") == 7
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_it_cites_its_rows_and_says_what_is_unknown(filled: Book) -> None:
    text = made(filled)
    cited = f"7 calls and 7 attempts in {filled.path}, the first at 2026-11-01 00:00:01 UTC, the last at"
    assert text.count(cited) == 2
    assert '<dd class="figure">7</dd><dd class="more">2 unknown energy</dd>' in text
    assert "2 calls of 7 with unknown energy: in no sum, never taken as 0." in text
    assert "The ends of intervals are sums of ends" in text
    assert "Besides, 3 attempts of calls that failed, were cancelled or have no energy" in text


def test_a_ledger_without_calls_has_a_page_too(book: Book) -> None:
    text = made(book)
    assert f"There is no call in the ledger yet ({book.path})." in text
    assert "<svg" not in text
    assert "<section" not in text
    assert "No call of this span and project is in the ledger" in made(book, project="shop")


def test_many_parts_are_cut_and_the_rest_is_added_up(book: Book) -> None:
    for number in range(30):
        book.call("small", 3600.0, model=f"m{number:02}")
    text = made(book)
    assert "m19" in text
    assert "m20" not in text
    assert ">10 more<" in text
    assert "10 Wh" in text


def test_steps_without_calls_are_there_and_of_very_many_the_last(book: Book) -> None:
    book.call("small", 1.0, created=BEGIN)
    book.call("small", 1.0, created=BEGIN + 9 * DAY_S)
    report = read(book.path)
    assert report is not None
    steps = steps_of(report)
    assert [step.calls for step in steps] == [1, *[0] * 8, 1]
    book.call("small", 1.0, created=BEGIN + 12 * 365 * DAY_S)
    report = read(book.path)
    assert report is not None
    assert len(steps_of(report)) == 400
    assert steps_of(report)[-1].calls == 1


@pytest.mark.parametrize("energy_j", [1e-9, 3.0, 1e12])
def test_an_axis_fits_any_amount(book: Book, energy_j: float) -> None:
    book.call("small", energy_j)
    heights = [
        float(h)
        for h in re.findall(r'<rect class="k-small" x="[\d.]+" y="[\d.]+" width="[\d.]+" height="([\d.]+)"', made(book))
    ]
    assert all(20 < height < 290 for height in heights)
    assert heights


def test_calls_of_no_known_energy_make_a_page(book: Book) -> None:
    book.call("large", None)
    text = made(book)
    assert '<dd class="figure">unknown</dd>' in text
    assert 'class="unknown"' in text
