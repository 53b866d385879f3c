"""The tables `projects`, `features` and the budgets of the settings: what they hold, and what is said of slips."""

from __future__ import annotations

import contextlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.client import Client
from greenai.errors import InvalidRequest, SettingsError
from greenai.settings import Settings, load_settings
from greenai.settings.projects import UNITS, budgets, unknown
from greenai.testing import FakeProvider, offline


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
    assert (found.without_opt_in, found.nudges.brevity) == ("refuse", False)
    assert (found.budget.energy, found.budget.warn_at) == (("50 Wh/day", "1 kWh/month"), (0.5, 0.8))
    assert (found.budget.when_spent, found.budget.timezone) == ("downgrade", "Europe/Paris")


@pytest.mark.parametrize(
    ("variable", "written"),
    [
        ("GREENAI_BUDGET__CALLS", """GREENAI_BUDGET='{"calls": "500/hour"}'"""),
        ("GREENAI_BUDGET_CALLS", """GREENAI_BUDGET='{"calls": "500/hour"}'"""),
        ("GREENAI_USER_BUDGET_ENERGY", """GREENAI_USER_BUDGET='{"calls": "500/hour"}'"""),
        ("GREENAI_KEY_BUDGET__TOKENS", """GREENAI_KEY_BUDGET='{"calls": "500/hour"}'"""),
        (
            "GREENAI_PROJECTS__BOT__BUDGET__CALLS",
            """GREENAI_PROJECTS='{"support-bot": {"budget": {"calls": "500/hour"}}}'""",
        ),
        ("GREENAI_PROJECT_BUDGET", """GREENAI_PROJECTS='{"support-bot": {"budget": {"calls": "500/hour"}}}'"""),
        ("GREENAI_FEATURE_BUDGET", """GREENAI_FEATURES='{"search": {"budget": {"calls": "500/hour"}}}'"""),
        ("GREENAI_NUDGES__TIMING", """GREENAI_NUDGES='{"timing": false}'"""),
    ],
)
def test_a_variable_for_part_of_a_table_is_an_error_that_says_what_to_write(
    monkeypatch: pytest.MonkeyPatch, variable: str, written: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(variable, "5/hour")
        with pytest.raises(SettingsError) as problem:
            load_settings()
        assert str(problem.value) == (
            f"environment: {variable} is not a setting. A table is one variable, in JSON. Write for example: {written}."
        )
    name, _, value = written.partition("=")
    monkeypatch.setenv(name, value.strip("'"))
    assert name.removeprefix("GREENAI_").lower() in load_settings().model_fields_set


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
            '[features.search.budget]\nwhen_spent = "never"',
            (
                "{file}, line 2: features.search.budget.when_spent = \"never\" is not valid: input should be 'downgrade', "
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
        (
            '[features."a b".budget]\ncalls = "5/hour"',
            (
                "{file}, line 1: features.a b is not valid: it must be a name of up to 100 letters, digits and "
                '_ - . /, such as "search_summary".'
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
            "[projects.bot]\nopt_in_expires = 2027-01-31",
            (
                "{file}, line 1: projects.bot is not valid: opt_in_expires says when opt_in ends, and there is no opt_in: "
                "add one, or take opt_in_expires out."
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


# --- limits -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[budget]\nenergy = "50 Wh/day"',
            (
                '{file}, line 2: budget.energy is not valid: "50 Wh/day" begins anew at a midnight, and nothing says '
                'where. Write for example: timezone = "Europe/Paris" (or "UTC"), here or in the table budget.'
            ),
        ),
        (
            '[budget]\ntimezone = "Mars"\nenergy = "50 Wh/day"',
            (
                "{file}, line 2: budget.timezone is not valid: 'Mars' is no time zone. "
                'Write a name of the IANA list, such as "Europe/Paris" or "UTC".'
            ),
        ),
        (
            '[projects.bot.budget]\nenergy = "50 Whs/hour"',
            (
                '{file}, line 2: projects.bot.budget.energy is not valid: "50 Whs/hour" has the unknown unit "Whs". '
                "Did you mean Wh or mWh or kWh? "
                "Write one of J, kJ, MJ, mWh, Wh, kWh, MWh, USD, EUR, g CO2e, kg CO2e, tokens, calls or reasoning "
                "calls."
            ),
        ),
        (
            '[projects.bot.budget]\nenergy = "5 USD/hour"',
            (
                '{file}, line 2: projects.bot.budget.energy is not valid: "5 USD/hour" is a budget of money; '
                'here it must be of energy, in J, Wh or kWh. Write for example "50 Wh/day".'
            ),
        ),
        (
            '[features.f.budget]\ntokens = "-5/hour"',
            (
                '{file}, line 2: features.f.budget.tokens is not valid: "-5/hour" would allow nothing: a budget is '
                "larger than 0. To allow no call at all, leave the model out of the ladder; for no limit, leave the "
                "budget out."
            ),
        ),
        (
            '[user_budget]\nenergy = "0.000001 Wh/hour"',
            (
                '{file}, line 2: user_budget.energy is not valid: "0.000001 Wh/hour" is less than any call takes, so '
                'it would refuse them all. Write for example: energy = "50 Wh/day".'
            ),
        ),
        (
            '[key_budget]\ncost = "5 USD"',
            (
                '{file}, line 2: key_budget.cost is not valid: "5 USD" says no window. '
                'Write for example: cost = "5 USD/day".'
            ),
        ),
        (
            '[budget]\ncost = "5 EUR/hour"',
            (
                '{file}, line 2: budget.cost is not valid: "5 EUR/hour" is in euros, and prices are in US dollars: '
                "state the rate with eur_usd, how many US dollars a euro is, or write the budget in USD."
            ),
        ),
        (
            '[budget]\nunknown_cost = "1 USD/day"',
            (
                '{file}, line 2: budget.unknown_cost is not valid: "1 USD/day" is for one call and has no window. '
                'Write for example: unknown_cost = "0.01 USD".'
            ),
        ),
        (
            "[projects.bot]\n[projects.bot.budget]\nwarn_at = [0.5]",
            (
                "{file}, line 2: projects.bot.budget limits nothing. "
                'Write for example: energy = "50 Wh/day", or leave the table out.'
            ),
        ),
        (
            "[budget]\ncalls = []",
            (
                "{file}, line 2: budget.calls = [] is not valid: it must name at least one. "
                'Write for example: calls = "500/hour".'
            ),
        ),
    ],
)
def test_a_limit_that_says_nothing_is_an_error(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "greenai.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value) == said.format(file=file)


def test_a_table_takes_what_it_leaves_open_from_that_of_all() -> None:
    found = load_settings(
        budget={"timezone": "Europe/Paris", "eur_usd": 1.1, "unknown_energy": "2 Wh"},
        projects={"bot": {"budget": {"cost": "5 EUR/day", "unknown_cost": "0.1 EUR"}}},
    )
    table = found.projects["bot"].budget
    ((key, budget),) = budgets(table, found.budget)
    assert (key, budget.unit, budget.timezone, budget.limit) == ("cost", "usd", "Europe/Paris", pytest.approx(5.5))
    charged = unknown(table, found.budget)
    assert (charged.usd, charged.energy_j) == (pytest.approx(0.11), 7200.0)


@given(
    table=st.dictionaries(
        st.sampled_from([*UNITS, "timezone", "when_spent", "unknown_cost", "energi", "Energy", ""]),
        st.one_of(
            st.text(max_size=20), st.floats(), st.none(), st.lists(st.text(max_size=9), max_size=2), st.booleans()
        ),
        min_size=1,
    ),
    named=st.booleans(),
)
def test_no_slip_means_that_there_is_no_limit(table: dict[str, Any], named: bool) -> None:
    """Whatever stands in a table is either counted or refused."""
    given = {"projects": {"bot": {"budget": table}}} if named else {"budget": table}
    with contextlib.suppress(SettingsError):
        _counted(load_settings(given), table, named)


def _counted(found: Settings, table: dict[str, Any], named: bool) -> None:
    kept = found.projects["bot"].budget if named else found.budget
    counted = [text for _, budget in budgets(kept, found.budget) for text in [budget.text]]
    wanted = [table[key] for key in UNITS if key in table]
    assert len(counted) == sum(len(w) if isinstance(w, list) else 1 for w in wanted)


def test_a_limit_below_the_least_call_of_the_ladder_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "greenai.toml"
    file.write_text('ladder = ["openai/gpt-5.5"]\n[projects.bot.budget]\ncost = "0.00001 USD/hour"\n')
    with pytest.raises(SettingsError) as caught:
        Client()
    assert str(caught.value) == (
        f'{file}, line 3: projects.bot.budget.cost is not valid: "0.00001 USD/hour" is below one call: a short answer '
        "of openai/gpt-5.5, the least of the ladder, takes about 0.00007 USD. "
        'Write for example: cost = "5 USD/day".'
    )


def test_the_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.greenai.projects.support-bot.budget]\n"
        'energy = "50 Wh/day"\ncost = "5 USD/day"\nreasoning_calls = "20/day"\ncarbon = "200 g/week"\n'
        'warn_at = [0.5, 0.8]\nwhen_spent = "downgrade"\ntimezone = "Europe/Paris"\n'
    )
    found = load_settings()
    read = dict(budgets(found.projects["support-bot"].budget, found.budget))
    assert {key: (b.unit, b.limit, b.window.kind, b.timezone) for key, b in read.items()} == {
        "energy": ("energy_j", 180_000.0, "day", "Europe/Paris"),
        "cost": ("usd", 5.0, "day", "Europe/Paris"),
        "reasoning_calls": ("reasoning_calls", 20.0, "day", "Europe/Paris"),
        "carbon": ("carbon_g", 200.0, "week", "Europe/Paris"),
    }


# --- projects that nobody knows -----------------------------------------------------------

KNOWN = {
    "unknown_project": "refuse",
    "projects": {"support-bot": {"budget": {"calls": "9/hour"}}, "search": {}},
    "cache": "off",
}


def test_a_project_without_a_table_is_refused_where_the_settings_say_so() -> None:
    provider = FakeProvider(default="Hello.")
    with offline(provider, settings=KNOWN, project="suport-bot") as client:
        with pytest.raises(InvalidRequest) as refusal:
            client.ask("Say hello to Ada.")
        assert str(refusal.value) == (
            "The project 'suport-bot' has no table in the settings, where unknown_project = \"refuse\". Did you mean "
            "support-bot? Name one of them with project=, add a table for this one, or allow unknown ones: "
            'unknown_project = "allow".'
        )
        with pytest.raises(InvalidRequest, match=r"'x' has no table .* Known projects: search, support-bot\."):
            client.ask("What is 18% of 240?", greenai={"project": "x"})
        assert provider.calls == []
        # Each way to name one that has a table, even one that says nothing.
        assert client.with_options(project="search").ask("Say hello to Ada.").greenai.project == "search"
        with client.options(project="support-bot"):
            assert client.ask("Say hello to Ada.").greenai.project == "support-bot"
        copy = client.with_options(opt_in={"large"}, reason="test")
        assert copy.ask("Say hello.", greenai={"project": "search"}).greenai.project == "search"


def test_calls_that_name_no_project_are_refused_too() -> None:
    with offline(settings=KNOWN) as client, pytest.raises(InvalidRequest, match="The project 'default' has no table"):
        client.explain("Say hello to Ada.")


def test_observing_refuses_no_project() -> None:
    with offline(FakeProvider(default="Hello."), settings=KNOWN, observe=True) as client:
        assert client.ask("Say hello to Ada.").greenai.project == "default"


def test_a_project_without_a_table_is_allowed_otherwise() -> None:
    with offline(FakeProvider(default="Hello."), settings={**KNOWN, "unknown_project": "allow"}) as client:
        assert client.ask("Say hello to Ada.", greenai={"project": "x"}).greenai.project == "x"
