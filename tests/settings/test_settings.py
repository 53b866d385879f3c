from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from greenai import catalog, spending
from greenai.errors import SettingsError
from greenai.meters import sites
from greenai.settings import Settings, default_ladder, duration_s, load_settings
from greenai.settings.fields import PROVIDERS
from greenai.values import Rung


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory and no settings in the environment."""
    import os

    for variable in list(os.environ):
        if variable.startswith("GREENAI_"):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)


def message(*given: Any, **arguments: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(*given, **arguments)
    return str(caught.value)


# --- sources ------------------------------------------------------------------------------


def test_the_stronger_source_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.greenai]\nproject = "pyproject"\nquality = "high"\nzone = "DEU"\n')
    (tmp_path / "greenai.toml").write_text('project = "file"\nzone = "FRA"\ncache = "off"\n')
    monkeypatch.setenv("GREENAI_PROJECT", "environment")
    monkeypatch.setenv("GREENAI_ZONE", "swe")
    found = load_settings(project="argument")
    assert (found.project, found.zone, found.cache, found.quality) == ("argument", "SWE", "off", "high")


def test_files_are_found_upwards_to_the_first_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "greenai.toml").write_text('project = "far"\nzone = "FRA"')
    (tmp_path / "a" / "greenai.toml").write_text('project = "near"')
    (tmp_path / "pyproject.toml").write_text('[tool.greenai]\nquality = "high"')
    (tmp_path / "a" / "pyproject.toml").write_text('[project]\nname = "no table of ours"')
    monkeypatch.chdir(deep)
    found = load_settings()
    assert (found.project, found.zone, found.quality) == ("near", "WORLD", "high")


def test_a_named_file_takes_the_place_of_the_search(tmp_path: Path) -> None:
    (tmp_path / "greenai.toml").write_text('project = "not this"\nzone = "FRA"')
    (tmp_path / "other.toml").write_text('project = "this"')
    found = load_settings(tmp_path / "other.toml")
    assert (found.project, found.zone) == ("this", "WORLD")
    (tmp_path / "pyproject.toml").write_text('[tool.greenai]\nproject = "that"')
    assert load_settings(tmp_path / "pyproject.toml").project == "that"


PATHS = """state_dir = "state"
weights_dir = "weights"
ledger = "../ledger.db"
faq = "faq.jsonl"
carbon_forecast = "/forecast.csv"
"""


@pytest.mark.parametrize("name", ["greenai.toml", "pyproject.toml"])
def test_a_files_paths_are_the_same_from_every_folder_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    home = tmp_path / "app"
    (home / "sub").mkdir(parents=True)
    (home / name).write_text(PATHS if name == "greenai.toml" else f"[tool.greenai]\n{PATHS}")
    for folder in (home, home / "sub"):
        monkeypatch.chdir(folder)
        found = load_settings()
        assert (found.state_dir, found.weights_dir) == (home / "state", home / "weights")
        assert found.ledger_path is not None
        assert found.ledger_path.resolve() == tmp_path / "ledger.db"
        assert found.faq is not None
        assert (found.faq.path, found.carbon_forecast) == (home / "faq.jsonl", Path("/forecast.csv"))
        assert spending.address(found) == str(home / "state" / "budgets.db")
    monkeypatch.chdir(tmp_path)
    assert load_settings(Path("app") / name).state_dir == home / "state"


def test_other_paths_are_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sub = tmp_path / "sub"
    sub.mkdir()
    (tmp_path / "greenai.toml").write_text('state_dir = "~/state"\nledger = ":memory:"\nfaq = { path = "faq" }\n')
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(sub)
    monkeypatch.setenv("GREENAI_WEIGHTS_DIR", "weights")
    found = load_settings({"carbon_forecast": "forecast.csv"})
    assert found.faq is not None
    assert (found.faq.path, found.state_dir, found.ledger_path) == (tmp_path / "faq", tmp_path / "home" / "state", None)
    monkeypatch.chdir(tmp_path)  # later changes of the folder change nothing
    assert (found.weights_dir, found.carbon_forecast) == (sub / "weights", sub / "forecast.csv")


def test_a_mapping_counts_as_arguments_and_finished_settings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENAI_PROJECT", "environment")
    found = load_settings({"project": "mapping", "timeout_s": 5}, timeout_s=7.0)
    assert (found.project, found.timeout_s) == ("mapping", 7.0)
    assert load_settings(found) is found
    changed = load_settings(found, quality="high")
    assert (changed.project, changed.timeout_s, changed.quality) == ("mapping", 7.0, "high")


def test_the_environment_takes_lists_tables_and_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "GREENAI_LADDER": "openai/small, openai/large",
        "GREENAI_OPT_IN": '["reasoning", "large"]',
        "GREENAI_OPT_IN_REASON": "checked by a person",
        "GREENAI_OBSERVE": "true",
        "GREENAI_SUBSTITUTE": "0",
        "GREENAI_LOCAL_SLOTS": "8",
        "GREENAI_LOCAL": '{"threads": 2}',
        "GREENAI_TIMEOUT_S": "30",
        "GREENAI_QUALITY": "",
        "GREENAI_YES": "1",
    }.items():
        monkeypatch.setenv(variable, value)
    found = load_settings()
    assert [entry.model for entry in found.ladder or ()] == ["openai/small", "openai/large"]
    assert found.opt_in == {"reasoning", "large"}
    assert (found.observe, found.substitute, found.timeout_s) == (True, False, 30.0)
    assert (found.local.slots, found.local.threads, found.local.context_tokens) == (8, 2, 4096)


def test_tables_of_two_sources_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "greenai.toml").write_text("[local]\nslots = 2\nthreads = 1")
    monkeypatch.setenv("GREENAI_LOCAL_SLOTS", "6")
    found = load_settings().local
    assert (found.slots, found.threads) == (6, 1)


# --- messages -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            'timout_s = 3\nproject = "x"',
            "{file}, line 1: timout_s is not a setting. Did you mean timeout_s?",
        ),
        (
            'project = "x"\ntimeout_s = -1',
            (
                "{file}, line 2: timeout_s = -1 is not valid: input should be greater than 0. "
                "Write for example: timeout_s = 600."
            ),
        ),
        (
            "timeout_s = inf",
            (
                "{file}, line 1: timeout_s = Infinity is not valid: input should be a finite number. "
                "Write for example: timeout_s = 600."
            ),
        ),
        (
            'cache_ttl = "1 moon"',
            (
                '{file}, line 1: cache_ttl = "1 moon" is not valid: it must be a number and a unit, such as "24h". '
                'Write for example: cache_ttl = "24h" (units: s, m, h, d, w).'
            ),
        ),
        (
            'zone = "7"',
            (
                '{file}, line 1: zone = "7" is not valid: it must be a country such as "FRA", a state or province '
                'such as "US-CA", a cloud region such as "aws:eu-west-3", or WORLD. Write for example: zone = "FRA".'
            ),
        ),
        (
            'provider_zones = { openai = "7" }',
            (
                '{file}, line 1: provider_zones = {{"openai": "7"}} is not valid: it must be a country such as '
                '"FRA", a state or province such as "US-CA", a cloud region such as "aws:eu-west-3", or WORLD. '
                'Write for example: provider_zones = {{ openai = "US-VA", mistral = "FRA" }}.'
            ),
        ),
        (
            'project = "x"\nprovider_zones = { openai = "USA", opnai = "USA" }',
            "{file}, line 2: provider_zones.opnai is no provider. Did you mean openai?",
        ),
        (
            'provider_zones = "US-VA"',
            (
                '{file}, line 1: provider_zones = "US-VA" is not valid: it must be a table. '
                'Write for example: provider_zones = {{ openai = "US-VA", mistral = "FRA" }}.'
            ),
        ),
        (
            'carbon_source = "live"',
            (
                '{file}, line 1: carbon_source = "live" is not valid: it must be "static", "electricity-maps" or '
                '"uk-carbon-intensity". Write for example: carbon_source = "electricity-maps".'
            ),
        ),
        (
            'opt_in = ["reasoning"]',
            (
                "{file}, line 1: opt_in needs opt_in_reason: the ledger keeps why an expensive mode was allowed. "
                'Add for example: opt_in_reason = "tax advice is checked by a person"'
            ),
        ),
        (
            "\nopt_in_expires = 2027-01-31",
            (
                "{file}, line 2: opt_in_expires says when opt_in ends, and there is no opt_in: add one, or take "
                'opt_in_expires out. Add for example: opt_in = ["reasoning"] (of: large, long_output, reasoning, '
                "semantic_cache)"
            ),
        ),
        (
            'opt_in = ["everything"]',
            (
                "{file}, line 1: opt_in: \"everything\" is not valid: input should be 'reasoning', 'large', "
                "'long_output' or 'semantic_cache'. Write for example: opt_in = [\"reasoning\"] (of: large, long_output, "
                "reasoning, semantic_cache)."
            ),
        ),
        (
            "[local]\nslot = 3",
            "{file}, line 2: local.slot is not a setting. Did you mean local.slots?",
        ),
        (
            '[[ladder]]\nmodel = "openai/x"\napi_key = "sk-secret"',
            "{file}, line 3: ladder.api_key is not a setting. Did you mean ladder.api_key_env?",
        ),
        (
            '\n[project.support-bot.budget]\ncalls = "5/hour"',
            (
                "{file}, line 2: project is a table. Did you mean projects.support-bot? "
                'A project\'s name alone is written project = "support-bot".'
            ),
        ),
        (
            'zone = "FRA"\nproject = { bot = {} }',
            (
                "{file}, line 2: project is a table. Did you mean projects.bot? "
                'A project\'s name alone is written project = "support-bot".'
            ),
        ),
        (
            '\n[ feature . search.budget]\ncalls = "5/hour"',
            "{file}, line 2: feature is not a setting. Did you mean features?",
        ),
        (
            "store_prompts = true\nproject = nothing\n",
            "{file} is not valid TOML: Invalid value (at line 2, column 11). Fix that line.",
        ),
    ],
)
def test_a_wrong_file_is_told_apart_with_line_and_fix(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "greenai.toml"
    file.write_text(text)
    assert message() == problem.format(file=file)


def test_a_wrong_variable_is_named_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENAI_MAX_RETRIES", "many")
    assert message() == (
        'environment: GREENAI_MAX_RETRIES = "many" is not valid: input should be a valid integer, unable to parse '
        "string as an integer. Write for example: max_retries = 2."
    )
    monkeypatch.delenv("GREENAI_MAX_RETRIES")
    monkeypatch.setenv("GREENAI_MAX_RETRYS", "2")
    assert message() == "environment: GREENAI_MAX_RETRYS is not a setting. Did you mean GREENAI_MAX_RETRIES?"
    monkeypatch.delenv("GREENAI_MAX_RETRYS")
    monkeypatch.setenv("GREENAI_SOMETHING_ELSE_ENTIRELY", "2")
    assert load_settings().max_retries == 2


def test_a_wrong_argument_is_named() -> None:
    assert message(max_prompt_bytes=0) == (
        "argument: max_prompt_bytes = 0 is not valid: input should be greater than or equal to 1. "
        "Write for example: max_prompt_bytes = 4000000."
    )
    assert message(cache_delta=0.7) == (
        "argument: cache_delta = 0.7 is not valid: input should be less than or equal to 0.5. "
        "Write for example: cache_delta = 0.02."
    )
    assert message({"colour": "green"}).startswith(
        "argument: colour is not a setting. Known settings: budget, budget_url, cache, cache_also, cache_delta, cache_encrypt, cache_secret_env, cache_size, cache_ttl, cache_url,"
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            {"ladder": ["gpt-5.5"]},
            'ladder: "gpt-5.5" is not valid: it must be provider/name, for example "openai/gpt-5.5".',
        ),
        (
            {"ladder": ["openai/gpt-5.4-nano", {"model": "gpt 5", "base_url": "http://here/v1"}]},
            'ladder: "gpt 5" is not valid: it must be provider/name, for example "openai/gpt-5.5".',
        ),
        (
            {"ladder": ["openai/gpt-5.4-nano", {"model": "vllm/qwen3", "base_url": "here:8000"}]},
            (
                'ladder.base_url = "here:8000" is not valid: it must begin with http:// or https://, '
                'for example "http://127.0.0.1:8000/v1".'
            ),
        ),
        (
            {"ladder": [{"model": "vllm/qwen3", "api_key_env": "sk-secret"}]},
            (
                'ladder.api_key_env is not valid: it must be the name of a variable, for example "OPENAI_API_KEY"; '
                "the key itself is never set here."
            ),
        ),
        (
            {"ladder": ["openai/gpt-5.4-nano", {"base_url": "http://here/v1"}]},
            (
                "ladder, entry 2, is not valid: it has no model. "
                'Write for example: ladder = ["openai/gpt-5.4-nano", "openai/gpt-5.5"].'
            ),
        ),
        (
            {"faq": {"paths": "x"}},
            (
                'faq = {"paths": "x"} is not valid: it has no path. '
                'Write for example: faq = "docs/faq" (or { path = "faq.jsonl", threshold = 0.8 }).'
            ),
        ),
        (
            {"ladder": []},
            (
                "ladder = [] is not valid: it must name at least one. "
                'Write for example: ladder = ["openai/gpt-5.4-nano", "openai/gpt-5.5"].'
            ),
        ),
        (
            {"ladder": ["openai/gpt-5.5", 3]},
            (
                "ladder: 3 is not valid: it must be a table. "
                'Write for example: ladder = ["openai/gpt-5.4-nano", "openai/gpt-5.5"].'
            ),
        ),
        (
            {"project": "two\nlines"},
            (
                'project = "two\\nlines" is not valid: it must be one line without control characters. '
                'Write for example: project = "support-bot".'
            ),
        ),
        (
            {"local": {"slots": 0}},
            (
                "local.slots = 0 is not valid: input should be greater than or equal to 1. "
                "Write for example: local = { slots = 4, context_tokens = 4096 }."
            ),
        ),
        ({"observe": "maybe"}, 'observe = "maybe" is not valid: it must be true or false.'),
    ],
)
def test_only_the_bad_item_is_shown_and_what_to_write(given: dict[str, Any], problem: str) -> None:
    assert message(given) == f"argument: {problem}"


def test_a_bad_ladder_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENAI_LADDER", "openai/gpt-5.4-nano, gpt-5.5")
    assert message() == (
        'environment: GREENAI_LADDER: "gpt-5.5" is not valid: it must be provider/name, for example "openai/gpt-5.5".'
    )


def test_no_setting_is_held_to_a_bare_pattern() -> None:
    """pydantic would print a regular expression; `_like` says in words what it stands for."""
    assert '"pattern"' not in json.dumps(Settings.model_json_schema())


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert (
        message(tmp_path / "none.toml")
        == f"{tmp_path / 'none.toml'} does not exist. Name an existing file, or leave it out."
    )
    (tmp_path / "big.toml").write_bytes(b"#" * 1_000_001)
    assert message(tmp_path / "big.toml") == (
        f"{tmp_path / 'big.toml'} has 1000001 bytes; a settings file may have 1000000. Is it the right file?"
    )
    (tmp_path / "bytes.toml").write_bytes(b"a = '\xff'")
    assert message(tmp_path / "bytes.toml") == (
        f"{tmp_path / 'bytes.toml'} is not UTF-8 text (byte 5). Save it as UTF-8."
    )
    assert message(tmp_path) == f"{tmp_path} cannot be read: Is a directory. Make it readable or move it away."


@hypothesis_settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from((*Settings.model_fields, "nonsense")),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.lists(st.text(max_size=5)),
        max_size=4,
    )
)
def test_any_value_gives_settings_or_one_clear_error(values: dict[str, Any]) -> None:
    try:
        load_settings(values)
        problem = "argument: "
    except SettingsError as error:
        problem = str(error)
    assert problem.startswith("argument: ")
    assert "pydantic" not in problem


# --- meanings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h", 86_400.0),
        ("90s", 90.0),
        ("1.5 d", 129_600.0),
        ("2w", 1_209_600.0),
        ("250ms", 0.25),
        (30, 30.0),
        ("0s", 0.0),
    ],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-1h", "1y", "1 hour", "nan", float("nan"), -1, True, "9" * 20 + "d"])
def test_no_durations(text: Any) -> None:
    with pytest.raises(ValueError, match="it must be"):
        duration_s(text)


def test_opt_ins_end() -> None:
    given = {"opt_in": ["reasoning"], "opt_in_reason": "a trial"}
    noon = dt.datetime(2027, 1, 31, 12, tzinfo=dt.UTC).timestamp()
    assert load_settings(given).active_opt_in() == {"reasoning"}
    day = load_settings(given, opt_in_expires=dt.date(2027, 1, 31))
    assert day.active_opt_in(noon) == {"reasoning"}
    assert day.active_opt_in(noon + 86_400) == frozenset()
    moment = load_settings(given, opt_in_expires="2027-01-31T11:59:00Z")
    assert moment.active_opt_in(noon) == frozenset()


def test_a_ladder_becomes_rungs() -> None:
    found = load_settings(
        ladder=[
            "openai/gpt-5.4-nano",
            {"model": "vllm/qwen3", "base_url": "http://127.0.0.1:8000/v1", "api_key_env": "VLLM_KEY", "tier": "large"},
            "openai/gpt-5.5",
        ]
    )
    assert found.rungs({"VLLM_KEY": "sk-1"}) == (
        Rung(model="openai/gpt-5.4-nano", tier="small"),
        Rung(model="vllm/qwen3", base_url="http://127.0.0.1:8000/v1", api_key="sk-1", tier="large"),
        Rung(model="openai/gpt-5.5", tier="large"),
    )
    with pytest.raises(SettingsError) as caught:
        found.rungs({})
    assert str(caught.value) == (
        "argument: ladder: vllm/qwen3 takes its key from the variable VLLM_KEY, which is not set. "
        "Set it with: export VLLM_KEY=..."
    )


def test_a_key_that_is_not_set_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "greenai.toml"
    file.write_text('[[ladder]]\nmodel = "local/x"\n\n[[ladder]]\nmodel = "openai/gpt-5.5"\napi_key_env = "SHOP_KEY"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings().rungs({})
    assert str(caught.value) == (
        f"{file}, line 6: ladder: openai/gpt-5.5 takes its key from the variable SHOP_KEY, which is not set. "
        "Set it with: export SHOP_KEY=..."
    )


@pytest.mark.parametrize(
    ("env", "models"),
    [
        ({"OPENAI_API_KEY": "k", "MISTRAL_API_KEY": "k"}, ["openai/gpt-5.4-nano", "openai/gpt-5.5"]),
        ({"ANTHROPIC_API_KEY": "k"}, ["anthropic/claude-haiku-4-5", "anthropic/claude-opus-5"]),
        ({"GEMINI_API_KEY": "k"}, ["gemini/gemini-3.1-flash-lite", "gemini/gemini-2.5-pro"]),
        ({"MISTRAL_API_KEY": "k"}, ["mistral/mistral-small-latest", "mistral/mistral-large-latest"]),
        ({"OPENAI_API_KEY": ""}, ["local/smollm2-135m"]),
    ],
)
def test_the_default_ladder_follows_the_key(env: dict[str, str], models: list[str]) -> None:
    rungs = default_ladder(env)
    assert [rung.model for rung in rungs] == models
    assert [rung.tier for rung in rungs] == ["small", "large"][: len(rungs)]
    assert load_settings().rungs(env) == rungs


def test_where_things_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_settings(state_dir=tmp_path)
    assert (found.ledger_path, found.cache_dir) == (tmp_path / "ledger.db", tmp_path / "cache")
    assert load_settings(ledger=":memory:").ledger_path is None
    assert load_settings(ledger="other.db").ledger_path == tmp_path / "other.db"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings(state_dir="~/state").state_dir == tmp_path / "state"


def test_without_a_home_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.unix.os.path.expanduser", lambda path: path)
    for variable in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    found = load_settings()
    assert (found.state_dir, found.ledger_path, found.cache_dir) == (None, None, None)


# --- providers ----------------------------------------------------------------------------


def test_a_provider_may_be_the_catalogs_the_ladders_or_a_cards() -> None:
    zones = {"openai": "US-VA", "endpoint": "FRA", "local": "FRA", "vllm": "FRA", "acme": "FRA"}
    cards = [{"name": "acme/chat", "total_params_b": 7}]
    assert load_settings(provider_zones=zones, ladder=["vllm/qwen"], cards=cards).provider_zones == zones


def test_the_known_providers_are_the_catalogs_and_those_with_sites() -> None:
    shipped = {card["name"].partition("/")[0] for card in catalog._file()["cards"]}
    assert {*shipped, *sites.providers(), "endpoint", "local"} == PROVIDERS


def test_an_unknown_provider_with_no_close_name() -> None:
    found = message(provider_zones={"zzzz": "FRA"})
    assert found.startswith("argument: provider_zones.zzzz is no provider. Known providers: anthropic, azure, ")


# --- cards of the app's own ---------------------------------------------------------------


def test_a_size_is_a_number_a_pair_or_three() -> None:
    cards = [
        {"name": "acme/a", "total_params_b": 7},
        {"name": "acme/b", "total_params_b": [4, 9]},
        {"name": "acme/c", "total_params_b": {"low": 1, "mid": 2, "high": 5}, "active_params_b": 1},
    ]
    a, b, c = (card.total_params_b for card in load_settings(cards=cards).cards)
    assert a is not None
    assert (a.low, a.mid, a.high) == (7, 7, 7)
    assert b is not None
    assert (b.low, b.mid, b.high) == (4, 6, 9)
    assert c is not None
    assert (c.low, c.mid, c.high) == (1, 2, 5)


CARDS = """project = "x"

[[cards]]
name = "acme/a"
total_params_b = 7

[[cards]]
name = "acme/b"
"""


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "total_param_b = 7",
            '{file}, line 9: cards, entry 2 ("acme/b"): total_param_b is no key of a card. Did you mean total_params_b?',
        ),
        (
            "total_params_b = -7",
            (
                '{file}, line 9: cards, entry 2 ("acme/b"): total_params_b = -7 is not valid: '
                "input should be greater than 0."
            ),
        ),
        (
            'total_params_b = "seven"',
            (
                '{file}, line 9: cards, entry 2 ("acme/b"): total_params_b = "seven" is not valid: '
                "it must be a number, [low, high] or {{ low = …, mid = …, high = … }}."
            ),
        ),
        (
            "total_params_b = { low = 3, mid = 2, high = 4 }",
            (
                '{file}, line 9: cards, entry 2 ("acme/b"): total_params_b = {{"low": 3, "mid": 2, "high": 4}} is not '
                "valid: low, mid and high must be in this order."
            ),
        ),
        (
            "active_params_b = 3",
            (
                '{file}, line 7: cards, entry 2 ("acme/b") is not valid: active_params_b needs total_params_b. Write for '
                'example: [[cards]] with name = "hosted_vllm/acme/chat-7b" and total_params_b = 7.'
            ),
        ),
        (
            "price = { input = 1 }",
            (
                '{file}, line 9: cards, entry 2 ("acme/b") has no price.output. Write for example: '
                "price = {{ input = 0.1, output = 0.4 }}, in US dollars per million tokens."
            ),
        ),
        (
            "price = { in = 1, output = 2 }",
            (
                '{file}, line 9: cards, entry 2 ("acme/b") has no price.input. Write for example: '
                "price = {{ input = 0.1, output = 0.4 }}, in US dollars per million tokens."
            ),
        ),
        (
            "price = 3",
            (
                '{file}, line 9: cards, entry 2 ("acme/b"): price = 3 is not valid: it must be a table. Write for '
                "example: price = {{ input = 0.1, output = 0.4 }}, in US dollars per million tokens."
            ),
        ),
        (
            'deployment = { GPU = "H100" }',
            '{file}, line 9: cards, entry 2 ("acme/b"): deployment.GPU is no key of a card. Did you mean gpu?',
        ),
        (
            "deployment = { zzz = 1 }",
            (
                '{file}, line 9: cards, entry 2 ("acme/b"): deployment.zzz is no key of a card. Known keys: gpu, gpus, '
                "batch, engine, bytes_per_weight, software_factor."
            ),
        ),
        (
            'capabilities = ["tolls"]',
            (
                '{file}, line 9: cards, entry 2 ("acme/b"): capabilities = ["tolls"] is not valid: '
                "'tolls' is none of tools, vision, json_schema, audio."
            ),
        ),
        (
            'ladder = ["acme/a"]',
            (
                '{file}, line 7: cards, entry 2 ("acme/b") is not valid: ladder must name the model itself too, in the order '
                'of energy. Write for example: [[cards]] with name = "hosted_vllm/acme/chat-7b" and total_params_b = 7.'
            ),
        ),
    ],
)
def test_a_wrong_card_is_told_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    file = tmp_path / "greenai.toml"
    file.write_text(CARDS + line)
    assert message() == problem.format(file=file)
    project = tmp_path / "pyproject.toml"
    file.unlink()
    project.write_text((CARDS + line).replace("[[cards]]", "[[tool.greenai.cards]]").replace('project = "x"', ""))
    assert message() == problem.format(file=f"{project} [tool.greenai]")


def test_a_card_says_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "greenai.toml"
    file.write_text(CARDS)
    loaded = load_settings()
    assert [card.place for card in loaded.cards] == [f"{file}, line {n}: cards" for n in (4, 8)]
    assert load_settings(loaded, project="y").cards[0].place == f"{file}, line 4: cards"
    argument = load_settings(cards=[{"name": "acme/a", "total_params_b": 7}]).cards[0]
    assert argument.place == "argument: cards"
    assert argument == loaded.cards[0]


def test_a_card_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "greenai.toml").write_text("[[cards]]\ntotal_params_b = 7")
    assert message() == (
        f"{tmp_path / 'greenai.toml'}, line 1: cards, entry 1 has no name. Write for example: [[cards]] with "
        'name = "hosted_vllm/acme/chat-7b" and total_params_b = 7.'
    )
    assert message(cards=["acme/a"]).startswith("argument: cards, entry 1 is not valid: ")
    assert message(cards=7).startswith("argument: cards = 7 is not valid: it must be a list.")
