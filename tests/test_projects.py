"""The tables `projects`, `features` and the budgets of the settings: what they hold, and what is said of slips."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from greenai.errors import SettingsError
from greenai.settings import load_settings


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_project_has_a_table_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.greenai.projects.support-bot]\n"
        'opt_in = ["reasoning"]\nopt_in_reason = "tax advice is checked"\nopt_in_expires = 2027-01-31\n'
        'without_opt_in = "refuse"\nnudges = { brevity = false }\n'
        "[tool.greenai.projects.support-bot.budget]\n"
        'energy = ["50 Wh/day", "1 kWh/month"]\nwarn_at = [0.5, 0.8]\nwhen_spent = "downgrade"\n'
        'timezone = "Europe/Paris"\n'
    )
    found = load_settings().projects["support-bot"]
    assert (found.opt_in, found.opt_in_reason, found.opt_in_expires) == (
        {"reasoning"},
        "tax advice is checked",
        date(2027, 1, 31),
    )
    assert (found.without_opt_in, found.nudges) == ("refuse", {"brevity": False})
    assert (found.budget.energy, found.budget.warn_at) == (("50 Wh/day", "1 kWh/month"), (0.5, 0.8))
    assert (found.budget.when_spent, found.budget.timezone) == ("downgrade", "Europe/Paris")


def test_a_stronger_source_keeps_what_it_does_not_speak_of(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.greenai.projects.bot.budget]\ncalls = "5/hour"\n[tool.greenai.projects.other]\nwithout_opt_in = "refuse"'
    )
    (tmp_path / "greenai.toml").write_text('[projects.bot]\nwithout_opt_in = "downgrade"\n')
    found = load_settings(projects={"bot": {"budget": {"tokens": "100/hour"}}}).projects
    assert (found["bot"].budget.calls, found["bot"].budget.tokens) == (("5/hour",), ("100/hour",))
    assert (found["bot"].without_opt_in, found["other"].without_opt_in) == ("downgrade", "refuse")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[projects.support-bot.budget]\ncalls = "5/hour"\nenergi = "50 Wh/hour"',
            "{file}, line 3: projects.support-bot.budget.energi is not a setting. Did you mean energy?",
        ),
        (
            "[projects.support-bot]\nbudgt = {}",
            "{file}, line 2: projects.support-bot.budgt is not a setting. Did you mean budget?",
        ),
        (
            "[budget]\nwarn_at = [0.5, 2]",
            (
                "{file}, line 2: budget.warn_at = 2 is not valid: input should be less than or equal to 1. "
                "Write for example: warn_at = [0.5, 0.8]."
            ),
        ),
        (
            '[features."a b".budget]\nwhen_spent = "never"',
            (
                "{file}, line 2: features.a b.budget.when_spent = \"never\" is not valid: input should be 'downgrade', "
                '\'refuse\' or \'observe\'. Write for example: when_spent = "downgrade" (or "refuse", "observe").'
            ),
        ),
        (
            'budget = "50 Wh"',
            (
                '{file}, line 1: budget = "50 Wh" is not valid: it must be a table. '
                'Write for example: budget = {{ energy = "50 Wh/day", timezone = "Europe/Paris" }}.'
            ),
        ),
        (
            'zone = "FRA"\nprojects.bot.budget.energy = 50',
            (
                "{file}, line 2: projects.bot.budget.energy = 50 is not valid: it must be text: a number and a unit. "
                'Write for example: energy = "50 Wh/day".'
            ),
        ),
        ("[projects]\nbot = 3", "{file}, line 2: projects.bot = 3 is not valid: it must be a table."),
        (
            '[projects.bot]\nopt_in = ["reasoning"]',
            (
                "{file}, line 1: projects.bot is not valid: opt_in needs opt_in_reason: the ledger keeps why an expensive "
                "mode was allowed."
            ),
        ),
        (
            '[user_budget]\ncalls = "5/hour"\n[key_budget]\nstop = 1',
            (
                "{file}, line 4: key_budget.stop is not a setting. Known keys: energy, cost, tokens, calls, "
                "reasoning_calls, carbon, warn_at, when_spent, timezone, eur_usd, unknown_cost, unknown_energy, "
                "open_when_broken."
            ),
        ),
    ],
)
def test_a_slip_is_told_with_file_line_key_and_fix(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "greenai.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value) == said.format(file=file)


def test_a_slip_in_the_weaker_of_two_files_is_found_there(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.greenai.projects.bot.budget]\ncalls = 3\n")
    (tmp_path / "greenai.toml").write_text('[projects.bot]\nwithout_opt_in = "refuse"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(
        f"{tmp_path / 'pyproject.toml'} [tool.greenai], line 2: projects.bot.budget.calls = 3 "
    )
