"""Rows that are kept one by one: what a process that ended left is read, and nothing that was whole is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from greenai.errors import LogUnreadable
from greenai.store.lines import Lines


def test_rows_are_there_at_once_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    lines = Lines(path, instead="Name another.")
    lines.add({"key": 1})
    assert [*map(json.loads, Lines(path, instead="").held)] == [{"key": 1}]
    assert os.name != "posix" or path.stat().st_mode & 0o777 == 0o600
    lines.close()
    lines.close()


def test_a_line_that_was_cut_off_takes_none_with_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"key": 1}\n{"ke')
    lines = Lines(path, instead="Name another.")
    lines.add({"key": 2})
    lines.close()
    assert path.read_text() == '{"key": 1}\n{"ke\n{"key": 2}\n'


def test_nowhere_keeps_nothing_and_a_folder_is_refused(tmp_path: Path) -> None:
    lines = Lines(None, instead="")
    lines.add({"key": 1})
    lines.close()
    assert not any(tmp_path.iterdir())
    with pytest.raises(LogUnreadable, match=r"cannot be used: .*Name another\."):
        Lines(tmp_path, instead="Name another.")
