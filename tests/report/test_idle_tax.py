"""The idle tax of a ledger: by model and day, parts that add up, and none of it in the energy of calls."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
from bookkeeping import BEGIN
from rich.console import Console

from greenai.report.aggregate import Report, Span, aggregate
from greenai.report.idle import DAY_S, IdleTax, Idling, lines, note
from greenai.report.page import page
from greenai.report.terminal import tables
from greenai.store.reading import reading
from greenai.store.schema import SETTLE_COLUMNS

if TYPE_CHECKING:
    from bookkeeping import Book

HOUR_S = 3600.0


def read(book: Book, span: Span | None = None) -> Report:
    with reading(book.path) as reader:
        assert reader is not None
        return aggregate(reader, span)


def warm(book: Book, model: str, began: float, seconds: float, energy_j: float) -> None:
    name = f"{model}{began}{seconds}"
    book.db.idle([(name, model, "warm", began, seconds, energy_j, energy_j / 2, energy_j * 2, energy_j, 0.0, "idle-1")])


def parked(book: Book, model: str, began: float, seconds: float, staying_j: float, reload_j: float = 3.0) -> None:
    name = f"{model}{began}{seconds}p"
    book.db.idle([(name, model, "parked", began, seconds, 0.0, 0.0, 0.0, staying_j, reload_j, "idle-1")])


def asked(book: Book, project: str, model: str, at: float, energy_j: float) -> None:
    row = {"attempt_id": f"{project}{model}{at}", "call_id": f"{at}", "project": project, "model": model}
    ended = {**dict.fromkeys(SETTLE_COLUMNS), **row, "state": "answered", "created": at, "energy_j": energy_j}
    book.db.settle([tuple(ended.values())])


def test_idling_is_told_by_model_and_day_and_in_no_calls_energy(book: Book) -> None:
    book.call("small", 10.0)
    warm(book, "local/a", BEGIN, 600.0, 60.0)
    warm(book, "local/a", BEGIN + HOUR_S, 300.0, 30.0)
    parked(book, "local/a", BEGIN + 2 * HOUR_S, HOUR_S, 360.0)
    warm(book, "local/b", BEGIN + DAY_S, 60.0, 6.0)
    report = read(book)
    assert report.total.energy_j == 10.0
    tax = report.idle
    assert [(d.model, d.day, d.warm_s, d.energy_j, d.parked_s, d.saved_j) for d in tax.days] == [
        ("local/a", BEGIN, 900.0, 90.0, 3600.0, 357.0),
        ("local/b", BEGIN + DAY_S, 60.0, 6.0, 0.0, 0.0),
    ]
    assert [(m.model, m.energy_j) for m in tax.by_model] == [("local/a", 90.0), ("local/b", 6.0)]
    assert (tax.total.energy_j, tax.total.low_j, tax.total.high_j) == (96.0, 48.0, 192.0)
    assert (tax.total.staying_j, tax.total.reload_j) == (456.0, 3.0)
    assert lines(tax) == [
        ("local/a", "01 Nov", "15 min", "25 mWh", "12 to 50 mWh", "60 min", "99 mWh"),
        ("local/b", "02 Nov", "60 s", "1.7 mWh", "830 µWh to 3.3 mWh", "0 ms", "0 Wh"),
        ("all", "", "16 min", "27 mWh", "13 to 53 mWh", "60 min", "99 mWh"),
    ]
    assert note(tax) == (
        "Beside the energy of the calls, and in none of it. Always on would have taken 130 mWh; unloading saved 99 mWh "
        "(78% of it), with 830 µWh for the reloads taken off, which calls were charged for."
    )


def test_parts_add_up_to_the_total_to_the_last_bit(book: Book) -> None:
    made = random.Random(7)
    for number in range(300):
        model = made.choice(("local/a", "local/b", "local/c"))
        warm(book, model, BEGIN + number * 5000.0, made.uniform(1, 900), made.lognormvariate(0, 6))
        parked(book, model, BEGIN + number * 5000.0 + 1000, made.uniform(1, 900), made.uniform(0, 100), 30.0)
    tax = read(book).idle
    for name in ("energy_j", "low_j", "high_j", "staying_j", "reload_j", "warm_s", "parked_s"):
        assert sum(getattr(one, name) for one in tax.days) == getattr(tax.total, name)
        assert sum(getattr(one, name) for one in tax.by_model) == getattr(tax.total, name)


def test_a_span_counts_what_began_in_it_and_a_project_that_asked_nothing_has_none(book: Book) -> None:
    warm(book, "local/a", BEGIN, 600.0, 60.0)
    warm(book, "local/a", BEGIN + DAY_S, 600.0, 7.0)
    assert read(book, Span(since=BEGIN + DAY_S)).idle.total.energy_j == 7.0
    assert read(book, Span(project="shop")).idle.days == ()


def test_projects_share_what_idling_took_by_what_their_calls_to_the_model_took(book: Book) -> None:
    asked(book, "shop", "local/a", BEGIN + 5.0, 30.0)
    asked(book, "desk", "local/a", BEGIN + 9.0, 10.0)
    asked(book, "desk", "local/b", BEGIN + 9.0, 99.0)
    warm(book, "local/a", BEGIN + 60.0, 600.0, 60.0)
    warm(book, "local/a", BEGIN + DAY_S, 600.0, 8.0)  # kept overnight: those of the day before
    warm(book, "local/a", BEGIN + 3 * DAY_S, 600.0, 5.0)
    tax = read(book).idle
    assert [(p.project, p.energy_j, p.warm_s) for p in tax.by_project] == [
        ("shop", 51.0, 900.0), ("desk", 17.0, 300.0), (None, 5.0, 600.0),
    ]  # fmt: skip
    assert note(tax).endswith(
        " Shared by the energy of each project's calls to the model that day: shop 14 mWh, desk 4.7 mWh, nobody's "
        "1.4 mWh."
    )
    shop = read(book, Span(project="shop")).idle
    assert [(d.model, d.day, d.energy_j) for d in shop.days] == [
        ("local/a", BEGIN, 45.0), ("local/a", BEGIN + DAY_S, 6.0),
    ]  # fmt: skip
    assert shop.total.energy_j == 51.0
    assert read(book, Span(since=BEGIN + DAY_S, project="desk")).idle.total.energy_j == 2.0


def test_the_parts_of_projects_add_up_to_the_last_bit(book: Book) -> None:
    made = random.Random(3)
    for number in range(200):
        asked(book, made.choice("abcde"), "local/a", BEGIN + number * 3000.0, made.lognormvariate(0, 3))
        warm(book, "local/a", BEGIN + number * 3000.0, made.uniform(1, 900), made.lognormvariate(0, 6))
    tax = read(book).idle
    parts = [read(book, Span(project=name)).idle.total for name in "abcde"]
    for name in ("energy_j", "low_j", "high_j", "staying_j", "warm_s"):
        assert sum(getattr(one, name) for one in tax.by_project) == getattr(tax.total, name)
        assert sum(getattr(one, name) for one in parts) == pytest.approx(getattr(tax.total, name), rel=1e-12)


def test_unloading_that_did_not_pay_is_told_too(book: Book) -> None:
    parked(book, "local/a", BEGIN, 10.0, 10.0, 40.0)
    assert note(read(book).idle) == (
        "Beside the energy of the calls, and in none of it. Always on would have taken 2.8 mWh; unloading took "
        "8.3 mWh more, with 11 mWh for the reloads taken off, which calls were charged for."
    )


def test_what_rounding_leaves_is_nothing_saved() -> None:
    one = Idling(energy_j=0.1 + 0.2, staying_j=0.3)
    assert one.saved_j == 0.0
    assert lines(IdleTax(total=one))[-1][-1] == "0 Wh"


def test_terminal_page_and_json_show_it(book: Book) -> None:
    book.call("small", 10.0)
    bare = read(book)
    warm(book, "local/<b>", BEGIN, 600.0, 60.0)
    report = read(book)
    out = Console(width=100, record=True, file=None, quiet=False, force_terminal=False)
    with out.capture() as shown:
        for part in tables(report, width=100):
            out.print(part)
    assert "idle tax" in shown.get()
    assert "Always on would have taken 17 mWh" in shown.get()
    html = page(report, made=BEGIN)
    assert "Idle tax of models on this machine" in html
    assert "local/&lt;b&gt;" in html
    assert "Idle tax" not in page(bare, made=BEGIN)
    data = json.loads(json.dumps(report.to_dict()))["idle_tax"]
    assert data["total"]["energy_j"] == data["by_model"][0]["energy_j"] == data["by_model_and_day"][0]["energy_j"] == 60
    assert data["by_model_and_day"][0]["model"] == "local/<b>"
