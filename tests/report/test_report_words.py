"""How a report says things."""

from __future__ import annotations

import pytest

from greenai.report import words
from greenai.report.aggregate import Report, Rows, Span, Unanswered
from greenai.report.amounts import Amounts


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 0, "-"),
        (0, 5, "0%"),
        (5, 5, "100%"),
        (1, 3, "33%"),
        (1, 30, "3.3%"),
        (1, 100_000, "<0.1%"),
        (99_999, 100_000, ">99.5%"),
        (99, 100, "99%"),
    ],
)
def test_shares(part: float, whole: float, said: str) -> None:
    assert words.share(part, whole) == said


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        (Unanswered(attempts=1), "what they took is unknown"),
        (Unanswered(attempts=1, high_j=9.0), "what they took is unknown; that is at most 2.5 mWh, as far as bounds go"),
        (
            Unanswered(attempts=2, energy_known=1, energy_j=4.0, high_j=9.0),
            "1.1 mWh known of 1; the others at most 2.5 mWh, as far as bounds go",
        ),
    ],
)
def test_attempts_that_are_in_no_figure(apart: Unanswered, said: str) -> None:
    rows = Rows(path="ledger.db", calls=1, attempts=2, energy_unknown=0, first=None, last=None)
    report = Report(span=Span(), rows=rows, total=Amounts(), unanswered=apart)
    [line] = [note for note in words.notes(report) if note.startswith("Besides")]
    assert line.endswith(
        f"of calls that failed, were cancelled or have no energy: {said}. They are in no figure above."
    )


def test_names_from_the_ledger_steer_nothing() -> None:
    assert words.clean("a\x1b[31mb\u202ec\ud800d\ne") == "a\ufffd[31mb\ufffdc\ufffdd\ufffde"
    assert words.clean(None) == "(none)"
    assert words.clean("日本 é 🌱") == "日本 é 🌱"
    assert words.outcome("semantic_cache") == "semantic cache"
    assert words.outcome("new\x1boutcome") == "new\ufffdoutcome"
    assert words.model(None) == "(no answer)"


def test_counts_and_amounts() -> None:
    assert (words.count(1, "call"), words.count(1234567, "call"), words.count(0)) == ("1 call", "1,234,567 calls", "0")
    known = Amounts(calls=3, energy_known=2, energy_j=3600.0, water_ml=2500.0, cost_usd=1234.5, carbon_g=0.5)
    assert (words.energy(known), words.unknown(known)) == ("1 Wh", "1 unknown")
    assert (words.water(known), words.money(known), words.carbon(known)) == ("2.5 l", "1,234.50 USD", "500 mg")
    none = Amounts(calls=1)
    assert {words.energy(none), words.water(none), words.money(none), words.carbon(none)} == {"unknown"}
    assert words.masses(none) == "-"
    assert words.between(None, 3.0) == ""
