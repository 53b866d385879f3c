from __future__ import annotations

import pytest

from greenai.progress import bar


def test_a_bar_says_what_is_done_how_far_and_what_there_is_to_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with bar("loading", watched=True) as moved:
        assert moved is not None
        moved("batch", done=3, total=12, said="3 of 12, 1 mWh")
    shown = capsys.readouterr()
    assert "batch" in shown.err
    assert "3 of 12, 1 mWh" in shown.err
    assert shown.out == ""


def test_where_nobody_watches_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("loading", watched=False) as moved:
        assert moved is None
    assert capsys.readouterr().err == ""
