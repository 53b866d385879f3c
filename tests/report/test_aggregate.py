"""Sums of a ledger: parts add up to totals, unknown stays unknown, and each figure names its rows."""

from __future__ import annotations

import math
import random
import sqlite3
from typing import TYPE_CHECKING

import pytest
from bookkeeping import BEGIN

from greenai.report.aggregate import DAY_S, HOUR_S, Report, Span, aggregate
from greenai.store.reading import reading

if TYPE_CHECKING:
    from pathlib import Path

    from bookkeeping import Book

WAYS = ("by_project", "by_model", "by_outcome", "by_feature", "by_stage", "by_evidence", "by_carbon_source", "series")
AMOUNTS = (
    "energy_j", "low_j", "high_j", "avoided_j", "avoided_low_j", "avoided_high_j", "carbon_g", "water_ml", "cost_usd",
)  # fmt: skip


def read(book: Book, span: Span | None = None) -> Report:
    with reading(book.path) as reader:
        assert reader is not None
        return aggregate(reader, span)


def sql(path: Path, query: str) -> float:
    con = sqlite3.connect(path)
    try:
        (value,) = con.execute(query).fetchone()
        return value
    finally:
        con.close()


def test_each_way_to_part_the_calls_adds_up_to_the_total_to_the_last_bit(book: Book) -> None:
    made = random.Random(3)
    for number in range(400):
        energy_j = None if number % 17 == 0 else made.lognormvariate(0, 6)
        book.call(
            made.choice(("cache", "small", "large", "answerer", "failed")),
            energy_j,
            project=made.choice("abcdefg"),
            model=made.choice(("m", "n", None)),
            feature=made.choice(("f", None)),
            reasoning=made.choice((True, False, None)),
            created=BEGIN + number * 7000.0,
            avoided_j=made.choice((None, made.random())),
            baseline=made.choice(("x", "y", None)),
            carbon_g=made.choice((None, made.random() * 1e-7)),
            carbon_source=made.choice(("grid", None)),
            water_ml=made.random(),
            cost_usd=made.random() * 1e-3,
        )
    report = read(book)
    for name in AMOUNTS:
        total = getattr(report.total, name)
        column = name if name not in ("avoided_low_j", "avoided_high_j") else "avoided_j"  # no interval was written
        expected = sql(book.path, f"SELECT sum({column}) FROM calls")
        assert math.isclose(total, expected, rel_tol=1e-12), name
        for way in WAYS:
            parts = [getattr(group.amounts, name) or 0.0 for group in getattr(report, way)]
            assert sum(parts) == total, (name, way)
            assert sum(reversed(parts)) == total
            assert math.fsum(parts) == total
    for way in WAYS:
        groups = getattr(report, way)
        assert sum(g.amounts.calls for g in groups) == report.total.calls == 400
        assert sum(g.amounts.energy_unknown for g in groups) == report.rows.energy_unknown == 24


def test_a_part_is_what_sql_adds_up(filled: Book) -> None:
    report = read(filled)
    for group in report.by_outcome:
        expected = sql(filled.path, f"SELECT sum(energy_j) FROM calls WHERE outcome = '{group.name}'")
        assert group.amounts.energy_j == (None if expected is None else pytest.approx(expected, rel=1e-9))


def test_what_is_unknown_is_never_zero(filled: Book) -> None:
    report = read(filled)
    by_model = {group.name: group.amounts for group in report.by_model}
    assert by_model["vendor/unlisted"].energy_j is None
    assert by_model["vendor/unlisted"].energy_unknown == 1
    assert by_model[None].energy_j is None
    assert report.total.energy_unknown == 2
    large = {group.name: group.amounts for group in report.by_outcome}["large"]
    assert (large.calls, large.energy_unknown) == (3, 1)
    assert large.energy_j == pytest.approx(0.3)
    assert large.carbon_g is None
    assert report.total.carbon_known == 1


def test_rows_are_cited(filled: Book) -> None:
    rows = read(filled).rows
    assert (rows.path, rows.calls, rows.attempts, rows.energy_unknown) == (str(filled.path), 7, 7, 2)
    assert (rows.first, rows.last) == (BEGIN + 1, BEGIN + 7)


def test_what_was_only_observed_was_not_avoided(filled: Book) -> None:
    report = read(filled)
    assert report.total.avoided_j == 97.0
    assert report.total.would_avoid_j == 5.0
    assert [(group.key, group.amounts.calls) for group in report.by_baseline] == [
        (("openai/gpt-5.5, without any reasoning", None), 1),
        (("openai/gpt-5.4-nano, asked again", None), 1),
        (("as is", 1), 1),
    ]


def test_the_flow_parts_reasoning_from_large(filled: Book) -> None:
    stages = {group.name: group.amounts.calls for group in read(filled).by_stage}
    assert stages == {"small": 1, "reasoning": 1, "large": 2, "cache": 1, "answerer": 1, "failed": 1}


def test_a_refused_call_reached_no_stage_and_nothing_of_it_is_unknown(filled: Book) -> None:
    before = read(filled)
    filled.call("refused", 0.0, model=None, cost_usd=0.0, carbon_g=0.0, water_ml=0.0, carbon_source="nothing was sent")
    after = read(filled)
    assert (before.answerable, after.answerable, after.total.calls) == (7, 7, 8)
    assert [group.amounts.calls for group in after.by_stage if group.name == "refused"] == [1]
    assert (after.total.energy_unknown, after.total.energy_j) == (before.total.energy_unknown, before.total.energy_j)
    assert after.total.cost_known == before.total.cost_known + 1


def test_attempts_of_calls_without_energy_stand_apart(filled: Book) -> None:
    filled.attempt("killed", state="expired")
    filled.attempt("refused", state="released")
    apart = read(filled).unanswered
    assert (apart.attempts, apart.energy_known, apart.energy_j, apart.high_j) == (4, 1, 4.0, 9.0)


def test_rates_count(filled: Book) -> None:
    for after_s, asked in ((0, "a"), (299, "a"), (700, "a"), (20, "b")):
        filled.call("small", created=BEGIN + 100 + after_s, asked=asked)
    rates = read(filled).rates
    assert (rates.calls, rates.opted_in, rates.escalated, rates.discarded) == (11, 1, 1, 1)
    assert (rates.asked, rates.asked_again) == (4, 1)


def test_a_retry_and_an_escalation_are_not_asking_again(filled: Book) -> None:
    filled.call("refused", 0.0, created=BEGIN + 99, asked="a")
    filled.call("failed", None, created=BEGIN + 100, asked="a")
    filled.call("small", created=BEGIN + 101, asked="a")
    filled.call("large", created=BEGIN + 102, asked="a", parent="1")
    filled.call("cache", created=BEGIN + 103, asked="a")
    assert read(filled).rates.asked_again == 1


def test_features_by_how_often_they_were_used(filled: Book) -> None:
    filled.db.offer("shop", "search_summary", int(BEGIN // DAY_S), 10, 0)
    filled.db.offer("shop", "search_summary", int(BEGIN // DAY_S), 0, 3)
    filled.db.offer("shop", "never_generated", int(BEGIN // DAY_S), 5, 0)
    found = read(filled).features
    assert [(f.feature, f.offered, f.used, f.amounts.calls, f.amounts.used) for f in found] == [
        ("never_generated", 5, 0, 0, 0),
        ("search_summary", 10, 3, 2, 1),
    ]


def test_a_span_and_a_project(filled: Book) -> None:
    report = read(filled, Span(since=BEGIN + 2, until=BEGIN + 4, project="shop"))
    assert (report.rows.calls, report.rows.attempts) == (1, 1)
    assert report.total.energy_j == pytest.approx(0.2)
    assert read(filled, Span(project="nobody")).total.calls == 0


@pytest.mark.parametrize(("days", "bucket_s"), [(1, HOUR_S), (30, DAY_S), (200, 7 * DAY_S)])
def test_steps_of_time_are_as_long_as_the_span_asks_for(book: Book, days: int, bucket_s: int) -> None:
    book.call("small", created=BEGIN)
    book.call("small", created=BEGIN + days * DAY_S)
    report = read(book)
    assert report.bucket_s == bucket_s
    begins = [group.key[0] for group in report.series]
    assert begins[0] <= BEGIN < begins[0] + bucket_s
    if bucket_s == 7 * DAY_S:
        assert (begins[0] // DAY_S + 3) % 7 == 0  # 1970 began on a Thursday: weeks begin on Monday


def test_a_ledger_without_calls_adds_up_to_nothing(book: Book) -> None:
    report = read(book)
    assert (report.total.calls, report.total.energy_j, report.series) == (0, None, ())


def test_it_is_plain_json(filled: Book) -> None:
    data = read(filled).to_dict()
    assert data["rows"]["calls"] == 7
    assert data["by_outcome"][0]["outcome"] == "small"
    assert sum(part["energy_j"] or 0 for part in data["by_project"]) == data["total"]["energy_j"]
    assert data["by_model"][-1]["energy_j"] is None
