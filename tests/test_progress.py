"""The bar of whatever works for long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from greenai.progress import bar

if TYPE_CHECKING:
    import pytest


def test_a_narrow_terminal_cuts_the_end_of_what_is_said_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("TTY_COMPATIBLE", "1"), ("COLUMNS", "60"), ("TERM", "xterm"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    with bar("loading", watched=True) as moved:
        assert moved is not None
        moved("ladder", done=60, total=60, said="60 of 60 at most, 18 mWh used; batch 1, attention auto")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert f"ladder    {16 * '━'} 60 of 60 at most, 18 mWh used; b…\n" in shown


def test_nobody_who_watches_is_shown_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("loading", watched=False) as moved:
        assert moved is None
    assert capsys.readouterr().err == ""
