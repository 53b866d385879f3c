"""A project's last week beside its own weeks before."""

from __future__ import annotations

import json

from bookkeeping import Book

from greenai.report.digest import WEEK_S, Digest, digest, lines
from greenai.store.reading import reading

NOW = 1_800_000_000.0


def read(book: Book, project: str | None = "shop", **more: bool) -> Digest:
    with reading(book.path) as reader:
        assert reader is not None
        return digest(reader, project, now=NOW, **more)


def week(book: Book, ago: int, calls: int, energy_j: float, **more: object) -> None:
    for n in range(calls):
        book.call("small", energy_j, created=NOW - ago * WEEK_S - 1000 - 600 * n, **more)


def test_the_week_is_held_against_its_own_past(book: Book) -> None:
    week(book, 0, 30, 36.0, cost_usd=0.001, avoided_j=360.0)
    week(book, 1, 20, 72.0)
    week(book, 3, 10, 72.0)
    week(book, 7, 50, 9000.0)  # too long ago
    week(book, 0, 5, 9000.0, project="desk")
    found = read(book)
    assert found.week.amounts.calls == 30
    assert [w.amounts.calls for w in found.before] == [20, 0, 10, 0]
    assert (found.week.energy_per_call_j, found.usual_per_call_j) == (36.0, 72.0)
    assert lines(found) == (
        "30 calls in the last seven days took 300 mWh, 10 mWh each, at a cost of 0.03 US dollars.",
        "A call took 50% less than in the 4 weeks before (20 mWh, 30 calls).",
        "3 Wh were avoided against what was asked for.",
    )


def test_rates_stand_beside_those_before(book: Book) -> None:
    week(book, 0, 20, 36.0)
    week(book, 0, 5, 36.0, opt_in='["reasoning"]', reasoning=True)
    week(book, 1, 36, 36.0)
    week(book, 1, 2, 36.0, opt_in='["reasoning"]', reasoning=False)  # it held, and was not used
    week(book, 1, 2, 36.0, opt_in='["large"]')
    for after_s in (0, 60, 120):
        book.call("small", 36.0, created=NOW - 500_000 + after_s, asked="a")
    assert lines(read(book))[1:] == (
        "A call took as much as in the 4 weeks before (10 mWh, 40 calls).",
        "5 of 28 calls used an opt-in to an expensive mode; before, 5.0% did.",
        "2 of 3 calls asked the same again within five minutes.",
    )


def test_a_feature_that_few_use_is_named(book: Book) -> None:
    week(book, 0, 20, 36.0, feature="search_summary")
    week(book, 0, 4, 36.0, feature="search_summary", used=1)
    week(book, 0, 25, 36.0, feature="chat", used=1)
    week(book, 0, 3, 36.0, feature="rare")
    assert lines(read(book))[-1] == "The feature search_summary generated 24 times, and 4 of these were used."
    assert sum("feature" in line for line in lines(read(book))) == 1


def test_few_calls_are_not_compared_and_none_is_said(book: Book) -> None:
    week(book, 0, 19, 36.0)
    week(book, 1, 100, 3.0)
    assert len(lines(read(book))) == 1
    assert lines(read(book, "nobody")) == ("No call in the last seven days.",)


def test_what_is_unknown_is_said_so(book: Book) -> None:
    for n in range(30):
        book.call("small", None, created=NOW - 1000 - n)
    found = read(book)
    assert found.week.energy_per_call_j is None
    assert lines(found) == ("30 calls in the last seven days took an unknown energy.",)


def test_projects_stand_beside_each_other_only_when_asked(book: Book) -> None:
    week(book, 0, 2, 72.0)
    week(book, 0, 2, 36.0, project="desk")
    book.call("small", None, created=NOW - 10, project="attic")
    assert read(book).ranking is None
    standings = read(book, None, ranking=True).ranking
    assert standings is not None
    assert [(one.project, one.calls, one.energy_per_call_j) for one in standings] == [
        ("desk", 2, 36.0),
        ("shop", 2, 72.0),
        ("attic", 1, None),
    ]


def test_it_is_plain_json(book: Book) -> None:
    week(book, 0, 3, 36.0)
    told = json.loads(json.dumps(read(book).to_dict()))
    assert told["week"]["calls"] == 3
    assert told["week"]["rates"]["asked_again"] == 0
    assert told["ranking"] is None
    assert told["lines"][0].startswith("3 calls")
