"""Switches of the nudges: for all projects, for one, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from greenai.errors import SettingsError
from greenai.settings import load_settings
from greenai.settings.switches import DEFAULT, NudgeTable, asking, merged

USUAL = frozenset(("brevity", "team_ranking"))


def off(whole: Any, project: Any = None) -> frozenset[str]:
    settings = load_settings({"nudges": whole, "projects": {"p": {} if project is None else {"nudges": project}}})
    return merged(settings.nudges, settings.projects["p"].nudges)[0]


def test_a_switch_for_each_and_one_line_for_all() -> None:
    assert off({}) == off(True) == USUAL
    assert off(False) == off("false") == off("off") == frozenset(DEFAULT)
    assert off({"brevity": True, "timing": False}) == {"timing", "team_ranking"}


def test_a_project_says_otherwise() -> None:
    assert off(False, {"batching": True}) == frozenset(DEFAULT) - {"batching"}
    assert off({"brevity": True}, {"brevity": False}) == USUAL
    assert off({}, False) == frozenset(DEFAULT)


def test_the_language_is_the_projects_or_that_of_all() -> None:
    whole, project = NudgeTable(language="de"), NudgeTable(language="fr")
    assert merged(whole, project)[1] == "fr"
    assert merged(whole, NudgeTable())[1] == "de"
    assert merged(NudgeTable(), None)[1] == "en"


def test_the_cache_is_told_what_changes_a_request() -> None:
    assert asking(USUAL) == asking(USUAL | {"timing"}) == ""
    assert asking(frozenset()) == "brevity,effort,output_length"
    assert asking(frozenset(DEFAULT)) == "none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[nudges]\nbrevty = true\n", "line 2: nudges.brevty is not a setting. Did you mean brevity?"),
        (
            "[projects.shop.nudges]\nbatchng = false\n",
            "line 2: projects.shop.nudges.batchng is not a setting. Did you mean batching?",
        ),
        (
            "nudges = 3\n",
            (
                "line 1: nudges = 3 is not valid: it must be a table. Write for example: "
                "nudges = { brevity = true, timing = false } (or false, which switches all of them off)."
            ),
        ),
        ("[nudges]\ntiming = 'never'\n", 'line 2: nudges.timing = "never" is not valid: it must be true or false.'),
    ],
)
def test_a_slip_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "greenai.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as raised:
        load_settings(path)
    assert str(raised.value) == f"{path}, {said}"


def test_the_environment_switches_all_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GREENAI_NUDGES", "false")
    assert merged(load_settings().nudges, None)[0] == frozenset(DEFAULT)
