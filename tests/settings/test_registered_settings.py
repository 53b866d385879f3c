"""The tables of what a project registers to answer without a general model."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenai.errors import SettingsError
from greenai.settings import load_settings


def test_a_distilled_file_is_in_shadow_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "greenai.toml"
    path.write_text(
        '[[distilled]]\nfile = "one.greenai"\n\n[[distilled]]\nfile = "two.greenai"\nmode = "on"\naudit = 0.05\n',
        encoding="utf-8",
    )
    one, two = load_settings(path).distilled
    assert (one.file, one.mode, one.audit) == (Path.cwd() / "one.greenai", "shadow", 0.02)
    assert (two.mode, two.audit) == ("on", 0.05)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([{"file": "x", "mode": "off"}], "is not valid: input should be 'shadow' or 'on'."),
        ([{"file": "x", "modus": "on"}], "distilled.modus is not a setting. Did you mean distilled.mode?"),
        ([{"file": "x", "audit": 0.001}], "is not valid: input should be greater than or equal to 0.01."),
        ([{"mode": "on"}], "distilled, entry 1, is not valid: it has no file."),
    ],
)
def test_a_wrong_table_is_told_with_an_example(given: object, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({"distilled": given})
    assert said in str(refused.value)
