"""How far an audit is, as its bar says it; and which calls it looks at."""

from __future__ import annotations

from typing import Any

import pytest

from greenai.audit import run
from greenai.audit.run import Narrowed, Reading
from greenai.errors import InvalidRequest


def test_the_time_left_is_of_this_runs_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[int, int | None, str]] = []

    def moved(doing: str, *, done: int, total: int | None, **more: Any) -> None:
        assert doing == "reading"
        said.append((done, total, more["said"]))

    now = iter((0.0, 100.0, 100.0, 110.0, 120.0))
    monkeypatch.setattr(run.time, "monotonic", lambda: next(now))
    reading = Reading(moved)  # type: ignore[arg-type]
    reading(500_000_000, 2_000_000_000, 250_000)  # an earlier run had read so much
    reading(600_000_000, 2_000_000_000, 300_000)
    reading(2_000_000_000, 2_000_000_000, 1_000_000)
    assert said == [
        (500_000_000, 2_000_000_000, "500.0 MB of 2.0 GB, 250,000 calls"),
        (600_000_000, 2_000_000_000, "600.0 MB of 2.0 GB, 300,000 calls, 140 s left"),
        (2_000_000_000, 2_000_000_000, "2.0 GB of 2.0 GB, 1,000,000 calls"),
    ]


def test_a_project_that_no_call_names_is_refused_with_what_there_is() -> None:
    for names, message in (
        (("post", "shop"), "No call of the log is of the project 'x'. It has: post, shop."),
        ((), "No call of the log is of the project 'x'. Its calls name no project: leave --project out."),
    ):
        with pytest.raises(InvalidRequest) as refused:
            run._code(names, "x")
        assert str(refused.value) == message
    assert Narrowed().project is None
