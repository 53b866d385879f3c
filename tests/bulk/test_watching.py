from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from greenai.bulk import watching
from greenai.bulk.values import Answered, Failure
from greenai.bulk.watching import Logged, Progress, Shown, watched

if TYPE_CHECKING:
    import pytest

RECEIPT = {"energy": {"energy_j": 1.8}}


def test_what_is_told_counts_done_failed_and_energy() -> None:
    told: list[Progress] = []
    shown = Shown(told.append, done=2, of=6)
    shown.count(Answered(response={}, receipt=RECEIPT))
    shown.count(Answered(error=Failure(code="code_400", message="no", status=400)))
    shown.count(Answered(error=Failure(code="code_500", message="no", status=500, final=False)))
    shown.say("8 at once")
    last = told[-1]
    assert (last.done, last.of, last.failed, last.energy_j, last.said) == (4, 6, 2, 1.8, "8 at once")
    assert last.per_s is not None
    assert last.left_s == 2 / last.per_s


def test_a_bar_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    at = Progress(done=4120, of=10_000, failed=1, energy_j=3.6, per_s=41.2, left_s=142.7, said="8 at once")
    with watched(progress=True) as tell:
        assert tell is None
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with watched(progress=False) as tell:
        assert tell is None
    with watched(progress=True) as tell:
        assert tell is not None
        tell(at)
    assert "4,120 of 10,000, 41/s, 143 s left, 1 mWh, 1 failed; 8 at once" in capsys.readouterr().err


def test_a_log_has_what_is_said_once_and_how_far_it_is_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    def at(done: int, said: str) -> Progress:
        return Progress(done=done, of=9, failed=0, energy_j=0.0, per_s=None, left_s=None, said=said)

    lines: list[str] = []
    tell = Logged(lines.append)
    for done, said in (
        (0, "waiting until Mon 02:00."),
        (0, "waiting until Mon 02:00."),
        (0, "8 at once"),
        (5, "8 at once"),
    ):
        tell(at(done, said))
    monkeypatch.setattr(watching, "LOG_S", 0.0)
    tell(at(6, "8 at once"))
    assert lines == [
        "batch: 0 of 9, 0 Wh; waiting until Mon 02:00.",
        "batch: 6 of 9, 0 Wh; 8 at once",
    ]
