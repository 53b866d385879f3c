from __future__ import annotations

import math
from pathlib import Path

import pytest

from greenai.errors import SettingsError
from greenai.settings import load_settings
from greenai.settings.local import keep_s


def test_by_default_the_rule_decides() -> None:
    local = load_settings({}).local
    assert (local.kept, local.run_at, local.models) == (None, None, {})
    assert keep_s("auto") is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("10m", 600.0), ("forever", math.inf), (0, 0.0), ("0", 0.0), (90, 90.0), ("1.5h", 5400.0)]
)
def test_how_long_a_model_stays(text: str | float, seconds: float) -> None:
    local = load_settings({"local": {"keep_alive": text}}).local
    assert local.kept is not None
    assert keep_s(local.kept) == seconds


def test_a_model_has_a_table_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "greenai.toml"
    file.write_text(
        '[local]\nkeep_alive = "10m"\n[local.models."smollm2-135m"]\nkeep_warm = true\n'
        '[local.models."org/repo:a.gguf"]\nrun_at = "*/15 * * * *"\n'
    )
    local = load_settings(file).local
    assert local.kept == "10m"
    assert local.models["smollm2-135m"].kept == "forever"
    assert local.models["org/repo:a.gguf"].run_at == "*/15 * * * *"


def test_a_variable_of_the_environment_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENAI_LOCAL_KEEP_ALIVE", "0")
    monkeypatch.setenv("GREENAI_LOCAL_RUN_AT", "0 2 * * *")
    local = load_settings({}).local
    assert (local.kept, local.run_at) == ("0", "0 2 * * *")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            '[local]\nkeep_alive = "always"\n',
            (
                '{file}, line 2: local.keep_alive = "always" is not valid: it must be "auto", "forever", 0 or a duration '
                'such as "10m". Write for example: keep_alive = "10m" (or "auto", "forever", 0).'
            ),
        ),
        (
            '[local]\nrun_at = "hourly"\n',
            (
                "{file}, line 2: local.run_at = \"hourly\" is not valid: 'hourly' has 1 fields, and a time that recurs has "
                '5: minute, hour, day of the month, month, day of the week, such as "*/15 * * * *". Write for example: '
                'run_at = "*/15 * * * *".'
            ),
        ),
        (
            '[local]\nrun_at = "0 2 * * *"\n[local.models."org/repo:a.gguf"]\nrun_at = "61 * * * *"\n',
            (
                '{file}, line 4: local.models.org/repo:a.gguf.run_at = "61 * * * *" is not valid: '
                "'61' is no minute: it goes from 0 to 59. Write for example: run_at = \"*/15 * * * *\"."
            ),
        ),
        (
            '[local.models.a]\nkeep = "10m"\n',
            "{file}, line 2: local.models.a.keep is not a setting. Did you mean local.models.a.keep_warm?",
        ),
    ],
)
def test_what_is_wrong_is_told_with_the_fix(lines: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "greenai.toml"
    file.write_text(lines)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert str(caught.value) == said.format(file=file)


def test_two_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"local": {"keep_warm": True, "keep_alive": "10m"}})
    assert "keep_warm = true and keep_alive contradict each other: write one of them" in str(caught.value)
