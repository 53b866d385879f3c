"""The same 10,000 calls in every format give the same totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from audit_fixtures import ALL, Fixture, calls_of, summed
from audit_workload import Totals, totals
from audit_writers import WRITERS, Made, made, written

CALLS = 10_000
MANY = [fixture for fixture in ALL if fixture.files[0] in WRITERS]


@pytest.fixture(scope="module")
def calls() -> list[Made]:
    return made(CALLS, seed=20261122)


def truth(calls: Sequence[Made], fixture: Fixture) -> Totals:
    kept = [call.ask for call in calls if call.ask.ok or "errors" not in fixture.untold]
    return replace(totals(kept), **dict.fromkeys(fixture.untold - {"errors"}))


@pytest.mark.parametrize("fixture", MANY, ids=[fixture.files[0] for fixture in MANY])
def test_every_format_gives_the_same_totals(fixture: Fixture, calls: list[Made], tmp_path: Path) -> None:
    read, sources = calls_of(written(fixture.files[0], calls, tmp_path))
    assert asdict(summed(read)) == asdict(truth(calls, fixture))
    assert {source.format for source in sources} == {fixture.format}
    assert [source.malformed for source in sources if source.malformed] == []


def test_every_format_is_among_them() -> None:
    from greenai.audit.formats import FORMATS

    assert {fixture.format for fixture in MANY} == FORMATS.keys()


def test_the_calls_are_drawn_as_said(calls: list[Made]) -> None:
    said = totals(call.ask for call in calls)
    assert said.calls == CALLS
    assert said.errors is not None
    assert 1000 < said.errors < 1500
    assert made(CALLS, seed=20261122) == calls
    assert made(CALLS, seed=1) != calls
