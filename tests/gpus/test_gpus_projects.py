"""Whose calls it was, by the ledger's times."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.gpus import projects, synthetic
from greenai.gpus.projects import KEPT, OUTSIDE, Calls, Span, calls_of, ordered
from greenai.gpus.summary import Summary, summed
from greenai.gpus.synthetic import Board, Job, Spell
from greenai.gpus.values import Trace
from greenai.store import schema
from greenai.store.ledger_db import LedgerDb
from greenai.store.reading import reading

MODEL = "local/qwen3-8b"


def called(db: LedgerDb, project: str, begin: float, seconds: float, model: str = MODEL) -> None:
    told: dict[str, object] = dict.fromkeys(schema.SETTLE_COLUMNS)
    told |= {
        "attempt_id": f"{project}-{begin}", "call_id": "c", "project": project, "model": model, "state": "answered",
        "created": begin, "latency_s": seconds, "settled_at": begin + seconds,
    }  # fmt: skip
    db.settle([tuple(told.values())])


def unasked(db: LedgerDb, begin: float, seconds: float) -> None:
    db.idle([("s", MODEL, "warm", begin, seconds, 1.0, 1.0, 1.0, 1.0, 0.0, "made-up")])


@pytest.fixture
def trace() -> Trace:
    jobs = [
        Job(pid=1, model=MODEL, memory_gib=20, spells=[Spell(2, 6, 50.0), Spell(14, 16, 50.0)]),
        Job(pid=2, memory_gib=10, spells=[Spell(4, 6, 50.0)]),
    ]
    return synthetic.trace([Board()], jobs, seconds=20)


@pytest.fixture
def db(tmp_path: Path) -> LedgerDb:
    return LedgerDb(tmp_path / "ledger.db")


def looked_up(db: LedgerDb, trace: Trace) -> Calls:
    db.close()
    with reading(db.path) as reader:
        return calls_of(reader, trace)


def by_project(found: Summary) -> dict[str, tuple[float, float, float]]:
    return {name: (a.energy_j, round(a.low_j, 6), round(a.high_j, 6)) for name, a in found.by_project.items()}


def test_calls_take_what_their_engine_took_meanwhile(trace: Trace, db: LedgerDb) -> None:
    called(db, "search", trace.began + 2, 4)
    called(db, "other", trace.began + 2, 4, model="local/elsewhere")
    called(db, "later", trace.began + 100, 4)
    calls = looked_up(db, trace)
    assert calls.found == 1
    assert by_project(summed(trace, calls)) == {
        "search": (1000, 950, 1050),
        OUTSIDE: (500, 475, 525),
        KEPT: (500, 475, 525),  # from 14 to 16 no call was in progress
    }


def test_calls_of_two_projects_at_once_share_by_time_and_the_interval_says_so(trace: Trace, db: LedgerDb) -> None:
    called(db, "search", trace.began + 2, 4)
    called(db, "chat", trace.began + 4, 2)
    found = by_project(summed(trace, looked_up(db, trace)))
    assert found["search"] == (750, 475, 1050)
    assert found["chat"] == (250, 0, 525)


def test_what_shows_late_belongs_to_the_call_before(trace: Trace, db: LedgerDb) -> None:
    called(db, "search", trace.began + 13.1, 0.8)
    found = by_project(summed(trace, looked_up(db, trace)))
    assert found["search"][0] == 500  # from 14 to 15 and on to 16: within 1.2 s of its end at 13.9
    called(db, "early", trace.began - 5, 5.5)
    assert "early" not in by_project(summed(trace, looked_up(db, trace)))


def test_idle_energy_while_a_model_was_kept_unasked(trace: Trace, db: LedgerDb) -> None:
    unasked(db, trace.began + 7, 6.5)
    assert summed(trace, looked_up(db, trace)).unasked_j == pytest.approx(650)
    assert summed(trace).unasked_j == 0


@settings(deadline=None)
@given(times=st.lists(st.tuples(st.floats(0, 50), st.floats(0, 30)), max_size=12), at=st.floats(0, 60))
def test_calls_are_found_wherever_they_began(times: list[tuple[float, float]], at: float) -> None:
    spans = ordered(Span(begin, begin + seconds, "p") for begin, seconds in times)
    near = projects._near(spans, at, at + 5)
    assert [s for s in near if s.within(at, at + 5) > 0] == [s for s in spans if s.within(at, at + 5) > 0]


def test_without_a_ledger_or_a_model_nothing_is_looked_up(trace: Trace, db: LedgerDb) -> None:
    assert calls_of(None, trace) == Calls(calls={}, unasked={})
    called(db, "search", trace.began + 2, 4)
    outside = synthetic.trace([Board()], [Job(pid=2, spells=[Spell(4, 6, 50.0)])], seconds=10)
    assert looked_up(db, outside) == Calls(calls={}, unasked={})
    assert list(by_project(summed(outside))) == [OUTSIDE]
