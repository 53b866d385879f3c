"""Write the parts of the documentation that are made from the code, or check that they are current.

    python docs/generate.py            write them
    python docs/generate.py --check    name the stale ones and exit with 1

A page marks such a part with `<!-- begin: name -->` and `<!-- end: name -->`; what is written by hand around it stays.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.main import get_command

from greenai import catalog, errors, prompts, receipts, route
from greenai.cli import app, leaderboard
from greenai.meters import carbon, footprint, sites, stars
from greenai.meters.coefficients import coefficients
from greenai.nudges import effort
from greenai.settings import _DEFAULT_LADDERS, _LOCAL_MODEL, LadderEntry, LocalSettings, Settings
from greenai.settings.projects import BudgetTable
from greenai.settings.serve import ServeTable
from greenai.settings.switches import NudgeTable
from greenai.units import significant

DOCS = Path(__file__).parent
sys.path.append(str(DOCS))
import accuracy_tables  # noqa: E402 (modules of this folder)
import classifier_tables  # noqa: E402
import gpus_example  # noqa: E402
import replay_tables  # noqa: E402

BLOCK = re.compile(r"(<!-- begin: (?P<name>[a-z-]+) -->\n).*?(<!-- end: (?P=name) -->)", re.DOTALL)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [_row(heads), _row(["---"] * len(heads))]
    return "\n".join([*lines, *(_row(row) for row in rows)]) + "\n"


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", "<br>") for cell in cells) + " |"


def code(text: object) -> str:
    """Return `text` as Markdown code."""
    return f"`{text}`"


# --- methodology --------------------------------------------------------------------------


def coefficient_table() -> str:
    """Every coefficient of physics.json with its range, unit, source and date."""
    rows = (
        (code(name), _value(entry), _range(entry), entry["unit"], entry["source"], entry["date"])
        for name, entry in coefficients().items()
        if isinstance(entry, Mapping)
    )
    return table(("coefficient", "value", "range or spread", "unit", "source", "date"), rows)


def _value(entry: Mapping[str, Any]) -> str:
    value = entry["value"]
    return ", ".join(str(v) for v in value) if isinstance(value, (list, tuple)) else str(value)


def _range(entry: Mapping[str, Any]) -> str:
    if "sigma" in entry:
        return f"sigma {entry['sigma']}"
    if "headroom" in entry:
        return f"headroom {entry['headroom']}"
    if "low" not in entry and "high" not in entry:
        return ""
    return f"{entry.get('low', entry['value'])} to {entry.get('high', entry['value'])}"


def star_table() -> str:
    """The frozen scale."""
    limits = stars._LIMITS_WH  # noqa: SLF001 (the one table of the scale)
    rows = [("★" * grade + "☆" * (5 - grade), f"up to {limit:g} Wh") for limit, grade in limits]
    heads = ("stars", "median energy of the response")
    return f"Scale `{stars.SCALE}`:\n\n" + table(heads, [*rows, ("★☆☆☆☆", "above")])


def constant_table() -> str:
    """The constants of receipts.py."""
    spread = receipts.THINKING_SPREAD
    thinking = receipts.DEFAULT_THINKING_TOKENS
    source = (
        "Dauner and Socher, Frontiers in Communication, 2025: 543.5 per question, 14 models, 1,000 questions; "
        f"the factor of {spread:g} either way is an assumption"
    )
    rows = (
        (
            code("DEFAULT_THINKING_TOKENS"),
            f"{thinking}, {significant(thinking / spread, 3)} to {significant(thinking * spread, 4)}",
            "reasoning tokens of an answer nobody asked to reason, in the baseline of `avoided`",
            source,
        ),
        (
            code("CHARACTERS_PER_TOKEN"),
            f"{prompts.CHARACTERS_PER_TOKEN:g}",
            "characters per token, where a provider reports no usage; the usage is then marked `estimated`",
            'OpenAI, "What are tokens and how to count them?"',
        ),
        (
            code("ESTIMATED_SPREAD"),
            f"{receipts.ESTIMATED_SPREAD:g}",
            "factor by which a modelled interval is widened either way where the usage is `estimated`",
            "assumption: characters per token differ between languages, code and prose",
        ),
        (
            code("CUT_SPREAD"),
            f"{receipts.CUT_SPREAD:g}",
            "factor on the upper end of a modelled interval where a stream was cut",
            "assumption: a provider may go on generating after the client has left",
        ),
        (
            code("REPORTED_SPREAD"),
            f"{receipts.REPORTED_SPREAD:g}",
            "factor either way on an energy that a provider reports, within the provider's own boundary",
            "assumption: a GPU's counter is good to 5%, but requests in one batch share it by their tokens",
        ),
        (
            code("MOST_REPORTED"),
            f"{receipts.MOST_REPORTED:,.0f}",
            f"times the modelled high end that a provider may report, and {receipts.MOST_REPORTED_J:g} J at most",
            "assumption: above it, the figure is in another unit or a counter's total; the receipt says so",
        ),
    )
    return table(("constant", "value", "what it stands for", "source"), rows)


def world_sentence() -> str:
    """The default grid factor."""
    zone = carbon.zone(carbon.WORLD)
    countries = sum(1 for known in carbon.zones() if len(known.code) == 3)
    return (
        f"The default zone `{zone.code}` is {zone.carbon_intensity_g_per_kwh:g} g CO2e per kWh "
        f"({zone.year}). {len(carbon.zones()) - 1} grids are known: {countries} countries and territories, states, "
        f"provinces, bidding zones and cloud regions. Source: {zone.source}.\n"
    )


def site_table() -> str:
    """What is published of providers' sites."""
    rows = []
    for provider in sites.providers():
        site = sites.find(provider)
        if site is not None:
            market = "" if site.market is None else f"{site.market.g_per_kwh:g} ({site.market.source})"
            zone = carbon.zone(site.zone).name
            rows.append(
                (code(provider), zone, _span(site.pue), _span(site.wue_l_per_kwh), market, site.source, site.date)
            )
    rows.append(
        ("any other", "the setting `zone`", _span(sites.pue()), "unknown", "", "assumption", site.date if site else "")
    )
    heads = ("provider", "taken to run in", "PUE", "WUE, L per kWh", "market-based, g per kWh", "source", "date")
    return table(heads, rows)


def _span(span: sites.Span) -> str:
    value, low, high = (significant(number, 3) for number in span)
    return value if low == high else f"{value} ({low} to {high})"


def hardware_table() -> str:
    """What embodied emissions rest on."""
    rows = (
        (code(name), row["value"], f"{row['low']} to {row['high']}", row["unit"], row["source"], row["date"])
        for name, row in footprint.hardware().items()
    )
    return table(("figure", "value", "range", "unit", "source", "date"), rows)


def grid_table() -> str:
    """How many grids of which kind, and from where."""
    counted = Counter(
        (_kind(zone.code), zone.source.partition(": ")[2].partition("; place: ")[0]) for zone in carbon.zones()
    )
    rows = ((kind, count, source) for (kind, source), count in counted.items() if kind)
    return table(("kind", "grids", "source"), rows)


def _kind(grid: str) -> str:
    if ":" in grid:
        return "region of Google Cloud" if grid.startswith("gcp:") else ""
    if "-" not in grid:
        return "the world" if grid == carbon.WORLD else "country"
    country = carbon.zone(grid[:2]).name
    return {"SE": "bidding zone", "NO": "bidding zone"}.get(grid[:2], f"part of {country}")


def threshold_table() -> str:
    """How much a rung may lose against the ladder's top, by quality."""
    rows = ((code(quality), limit) for quality, limit in route.FLOORS.items())
    return table(("`quality`", "largest loss"), rows)


def size_source_table() -> str:
    """How many sizes of the catalog rest on which source."""
    counted = Counter(_source_group(card.params_source) for card in catalog.cards() if card.same_as is None)
    rows = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return catalog_size() + table(("models", "source of the size"), ((count, source) for source, count in rows))


def _source_group(source: str) -> str:
    """The source without the figures that a model's own name states."""
    return source.partition(":")[0] if source.startswith("the model's own name") else source


def catalog_size() -> str:
    """How many cards the catalog has, and of how many models."""
    own = [card for card in catalog.cards() if card.same_as is None]
    models = {card.name.rpartition("/")[2].lower() for card in own}
    sized = {card.name.rpartition("/")[2].lower() for card in own if card.total_params_b is not None}
    scored = {card.name.rpartition("/")[2].lower() for card in own if card.quality}
    return (
        f"`{catalog.VERSION}` has {len(catalog.cards())} cards: {len(models)} models, {len(sized)} of them with a size "
        f"and {len(scored)} with a public score, at {len({card.provider for card in catalog.cards()})} providers and "
        "hosts, and their dated snapshots.\n\n"
    )


def model_table() -> str:
    """Each model's standard request, with the width of its interval."""
    rows = leaderboard.ranked(leaderboard.standings(leaderboard.chosen()), "name")
    heads = ("model", "mWh, reasoning off", "high / low", "mWh, reasoning on", "high / low", "stars", "score")
    return catalog_size() + table(heads, map(_model_row, rows))


def _model_row(row: leaderboard.Standing) -> tuple[str, ...]:
    widths = ["" if use is None or use.width is None else significant(use.width) for use in (row.off, row.on)]
    off, on = leaderboard.energy_cell(row.off), leaderboard.energy_cell(row.on)
    return code(row.card.name), off, widths[0], on, widths[1], str(row.least.stars), leaderboard.score_cell(row)


def switch_table() -> str:
    """How reasoning is turned off, by group of models."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for card in catalog.cards():
        switch = catalog.switch_of(card.name)
        off = code(json.dumps(dict(switch.off))) if switch.off else "nothing"
        status = "off" if switch.status == "none" else switch.status
        key = (switch.default, status, off, switch.source, switch.date)
        groups.setdefault(key, []).append(card.name)
    rows = (
        (_some(names), default, status.replace("_", " "), off, f"{source}, {date}")
        for (default, status, off, source, date), names in sorted(groups.items(), key=lambda item: item[1][0])
    )
    return table(("models", "default", "least possible", "sent without an opt-in", "source"), rows)


def family_table() -> str:
    """What is sent for each family of models, and what litellm would make of an effort of none."""
    rows: list[tuple[str, ...]] = []
    for family in catalog.families():
        switch, least = catalog.switch_of(family.example), effort.resolve(family.example)
        sent = code(json.dumps(dict(least.fields))) if least.fields else "nothing"
        status = "has no reasoning" if switch.status == "none" else least.status.replace("_", " ")
        default = "off" if switch.default == "none" else switch.default
        note = f"{switch.note}; " if switch.note else ""
        trap = family.trap or ""
        about = f"{note}{switch.source}, {switch.date}"
        rows.append((family.label, code(family.example), default, status, sent, trap, about))
    heads = ("family", "such as", "default", "least", "sent without an opt-in", "litellm's `none`", "note, source")
    return table(heads, rows)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(code(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


# --- settings -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What the documentation says of one setting: in words, an example value, and how the variable spells it."""

    about: str
    example: Any
    env: str
    alone: Mapping[str, Any] | None = None  # other settings that the example needs


KEYS: Mapping[str, Key] = {
    "project": Key(about="What calls are booked on in the ledger.", example="support-bot", env="support-bot"),
    "ladder": Key(
        about="The models that may answer where no model is named, least energy first. An entry is a name, or a table "
        "with `model`, `base_url`, `api_key_env` and `tier`. The default is described below.",
        example=["openai/gpt-5.4-nano", "openai/gpt-5.5"],
        env="openai/gpt-5.4-nano,openai/gpt-5.5",
    ),
    "quality": Key(
        about='How readily a larger rung is used: `"basic"`, `"standard"` or `"high"`. See '
        "[substitution](substitution.md#where-it-starts).",
        example="high",
        env="high",
    ),
    "verify": Key(
        about='`"auto"` holds an answer near the limit of `quality` against its own token probabilities, where they '
        'can be had, and asks the rung above where they are low; `"off"` never does. See '
        "[routing](routing.md#verified-answers).",
        example="off",
        env="off",
    ),
    "opt_in": Key(
        about="Expensive modes that every call may use: `reasoning`, `large`, `long_output`, `semantic_cache`.",
        example=["reasoning"],
        env="reasoning",
        alone={"opt_in_reason": "tax advice is checked by a person"},
    ),
    "opt_in_reason": Key(
        about="Why; the ledger keeps it. `opt_in` needs it.",
        example="tax advice is checked by a person",
        env="tax advice is checked by a person",
    ),
    "opt_in_expires": Key(
        about="The last day (UTC), or the moment, of the opt-in; after it the opt-in is ignored, and calls that would "
        "have used it say so. Without `opt_in` it is an error.",
        example="2027-01-31",
        env="2027-01-31",
        alone={"opt_in": "reasoning", "opt_in_reason": "tax advice is checked by a person"},
    ),
    "strict_opt_in": Key(
        about="An explicit `reasoning_effort` or `thinking` needs the opt-in too; a `max_tokens` above "
        "[greenai's own limit](opt-ins.md#the-length-of-an-answer) is lowered to it.",
        example=True,
        env="true",
    ),
    "without_opt_in": Key(
        about='What a call gets that needs an opt-in nobody gave: `"downgrade"` (less, and one line on its receipt) '
        'or `"refuse"` (`OptInRequired`). Not set, it is `"downgrade"`, and '
        "[asked for once](opt-ins.md#without-an-opt-in).",
        example="refuse",
        env="refuse",
    ),
    "substitute": Key(
        about="`true`: smaller models may answer for every named model; `false`: for none; left out: the rules of "
        "[substitution](substitution.md).",
        example=False,
        env="false",
    ),
    "observe": Key(about="Change nothing, and record what would have been saved.", example=True, env="true"),
    "cache": Key(
        about='`"auto"`, `"off"`, `"read"` (use stored answers, store none), `"refresh"` (store, use none) or '
        '`"semantic"` (`"auto"`, and answers to questions that mean the same: the opt-in `semantic_cache`). See '
        "[the cache](cache.md).",
        example="off",
        env="off",
    ),
    "cache_also": Key(
        about="What is stored besides: `sampled`, answers at a `temperature` above 0; `tool_calls`, answers that call "
        "tools. Default: neither.",
        example=["tool_calls"],
        env="tool_calls",
    ),
    "cache_ttl": Key(
        about="How long a stored answer is valid: a number and a unit of s, m, h, d, w. By default "
        "[as the question says](cache.md#what-is-stored-and-for-how-long).",
        example="1h",
        env="1h",
    ),
    "cache_size": Key(
        about="How large the cache on disk may become: a number and a unit of kB, MB, GB, KiB, MiB, GiB. What was not "
        "used for longest then goes first.",
        example="1GB",
        env="1GB",
    ),
    "cache_url": Key(
        about="A Redis or Valkey that keeps the cache for several machines, in place of the folder in `state_dir`: "
        "`redis://`, `rediss://` (TLS), `unix://` or `valkey://`. It needs the extra `redis`. See "
        "[stores](cache.md#stores).",
        example="redis://127.0.0.1:6379/0",
        env="redis://127.0.0.1:6379/0",
    ),
    "cache_delta": Key(
        about="The limit on the share of wrong answers among those that the [semantic tier](cache.md#semantic-tier) "
        "gives, above 0 and at most 0.5. It holds for this process; what was learned serves any limit.",
        example=0.02,
        env="0.02",
    ),
    "cache_secret_env": Key(
        about="The variable that holds the secret with which stored answers are sealed: the same on every machine that "
        "is to share them, of at least 16 characters. Without it, a random one is made beside the cache.",
        example="CACHE_SECRET",
        env="CACHE_SECRET",
    ),
    "cache_encrypt": Key(
        about="Encrypt stored answers (AES-256-GCM) with a key made of that secret. It needs the extra `encrypt`.",
        example=True,
        env="true",
    ),
    "zone": Key(
        about="The electricity grid of this machine, for [carbon](methodology.md#carbon): a country (`FRA`), a state "
        "or province (`US-CA`), a cloud region (`aws:eu-west-3`, `azure:francecentral`, `gcp:europe-west9`) or "
        "`WORLD`. It also serves for a provider that publishes no place.",
        example="FRA",
        env="FRA",
    ),
    "provider_zones": Key(
        about="Where a provider's models run, by its name; in place of what is published of it.",
        example={"openai": "US-VA"},
        env='{"openai":"US-VA"}',
    ),
    "carbon_source": Key(
        about='Where the intensity of the grid comes from: `"static"`, the yearly mean; `"electricity-maps"`, live, '
        "with a token in the variable `ELECTRICITY_MAPS_TOKEN`, and `:` and one of its own zones where it has another "
        'name for `zone` (`"electricity-maps:US-CAL-CISO"`); `"uk-carbon-intensity"`, live, for `GBR`. A call never '
        "waits for it: until a live figure has come, and where there is none, the yearly mean serves, and the receipt "
        "says so.",
        example="electricity-maps",
        env="electricity-maps",
    ),
    "state_dir": Key(
        about="The folder of ledger and cache; by default greenai's folder in the user's state folder.",
        example="state",
        env="state",
    ),
    "weights_dir": Key(
        about="The folder of local weights; by default in greenai's folder in the user's cache folder.",
        example="weights",
        env="weights",
    ),
    "ledger": Key(
        about='The ledger\'s file, or `":memory:"`; by default `ledger.db` in `state_dir`.',
        example=":memory:",
        env=":memory:",
    ),
    "timeout_s": Key(
        about="The deadline of a whole call in seconds, every rung and retry included.", example=60.0, env="60"
    ),
    "max_retries": Key(about="Tries after the first, for one rung.", example=1, env="1"),
    "max_prompt_bytes": Key(about="The largest prompt, in bytes of text.", example=1_000_000, env="1000000"),
    "watts_per_core": Key(
        about="What one busy processor core of this machine draws, in watts; without it the figure of this processor "
        "or its family, else a stated default ([methodology](methodology.md#on-this-machine)).",
        example=6.5,
        env="6.5",
    ),
    "store_prompts": Key(about="Keep the last user message of each call in the ledger.", example=True, env="true"),
    "local": Key(
        about="How local models run: `slots` (answers at the same time), `context_tokens` (per slot), `threads`; and "
        "when they are unloaded: `keep_alive`, `keep_warm`, `run_at`, also for one model under `models`. See "
        "[when it is unloaded](local-models.md#when-it-is-unloaded).",
        example={"slots": 2},
        env="2",
    ),
    "cards": Key(
        about="What greenai should know of models of your own, or know otherwise of models that it knows. See "
        "[the catalog](catalog.md#cards-of-your-own).",
        example=[{"name": "hosted_vllm/acme/chat-7b", "total_params_b": 7}],
        env='[{"name":"hosted_vllm/acme/chat-7b","total_params_b":7}]',
    ),
    "faq": Key(
        about="Where the project's own answers stand: a folder of .md and .txt files, a .jsonl or a .csv file of "
        "questions and answers; or a table with `path` and `threshold`. See "
        "[FAQ and documents](answerers.md#faq-and-documents).",
        example="docs/faq",
        env="docs/faq",
    ),
    "pick_one": Key(
        about="Which model on this machine is asked first where a request lets one of a closed list be picked: a table "
        "with `model`, whose name begins with `local/`, and `threshold`, the probability from which it answers; by "
        "default no model is asked so. See [One of a closed list](answerers.md#one-of-a-closed-list).",
        example={"model": "local/smollm2-135m"},
        env='{"model":"local/smollm2-135m"}',
    ),
    "distilled": Key(
        about="Task models that `greenai distil` made, each a table: `file`; `mode`: "
        '`"shadow"`, where the large model answers and both are compared, or `"on"`; `audit`, the part of its answers '
        "that the large model gives, too. See [distilled tasks](distil.md).",
        example=[{"file": "department.greenai", "mode": "shadow"}],
        env='[{"file":"department.greenai","mode":"shadow"}]',
    ),
    "projects": Key(
        about="What holds for the calls of one project, by its name: `budget` (a table), `opt_in` with `opt_in_reason` "
        'and `opt_in_expires`, `without_opt_in` (`"downgrade"` or `"refuse"`), `nudges` (switches). In a file this is '
        "`[projects.support-bot]`, in pyproject.toml `[tool.greenai.projects.support-bot]`.",
        example={"support-bot": {"budget": {"calls": "500/day", "timezone": "Europe/Paris"}}},
        env='{"support-bot":{"budget":{"calls":"500/day","timezone":"Europe/Paris"}}}',
    ),
    "unknown_project": Key(
        about="Whether calls may be booked on a project that has no table in `projects`, and so no budget of its own: "
        '`"allow"`, or `"refuse"` (`InvalidRequest` with the names that are close).',
        example="refuse",
        env="refuse",
    ),
    "serve": Key(
        about="How the [gateway](serve.md) answers: `keys` (who may call, and on which project), `pages_key`, "
        "`pass_keys`, `largest_body`, `at_once`, `waiting`, `longest_wait`, `slowest_request`, `slowest_reader`, "
        "`grace`.",
        example={"keys": {"SUPPORT_BOT_KEY": "support-bot"}},
        env='{"keys":{"SUPPORT_BOT_KEY":"support-bot"}}',
    ),
    "nudges": Key(
        about="Switches of the [nudges](nudges.md), `true` or `false` each, and `false` in place of the table for all "
        "of them: `effort`, `output_length`, `batching`, `caching`, `right_sizing`, `timing` are on, `brevity` and "
        "`team_ranking` off. `language` is that of what they say, `order` names those that come first. "
        "`[projects.support-bot.nudges]` says otherwise for one project.",
        example={"brevity": True, "timing": False},
        env='{"brevity":true,"timing":false}',
    ),
    "carbon_forecast": Key(
        about="A CSV file with the hours to come and the grid's intensity in each, by which calls with `urgent=False` "
        "learn of a cleaner hour. See [timing](nudges.md#timing).",
        example="forecast.csv",
        env="forecast.csv",
    ),
    "price_forecast": Key(
        about="A CSV file with the hours to come and what a kWh costs in each (`start`, `price_per_kwh`, `zone` if "
        "wished), by which `client.batch(by=...)` finds the cheapest time where no `carbon_forecast` is set.",
        example="prices.csv",
        env="prices.csv",
    ),
    "provider_batches": Key(
        about="Whether `client.batch` goes through OpenAI's batch API by itself where a job has 24 hours and names "
        'OpenAI\'s models: at half the price. `backend="provider"` does so in any case.',
        example=False,
        env="0",
    ),
    "features": Key(
        about="The budgets of features of the app, by their names: a table `budget` for each.",
        example={"search-summary": {"budget": {"calls": "100/hour"}}},
        env='{"search-summary":{"budget":{"calls":"100/hour"}}}',
    ),
    "budget": Key(
        about="What all projects together may spend, as far as they share one place for budgets: `energy`, `cost`, "
        "`tokens`, `calls`, `reasoning_calls`, `carbon`, each as text such as `50 Wh/day` or a list of them; and how: "
        "`warn_at`, `when_spent`, `timezone`, `eur_usd`, `unknown_cost`, `unknown_energy`, `open_when_broken`. What is "
        "said here of how holds for every budget that says nothing of it. See [budgets](budgets.md).",
        example={"calls": "20000/month", "timezone": "Europe/Paris"},
        env='{"calls":"20000/month","timezone":"Europe/Paris"}',
    ),
    "user_budget": Key(
        about="What each user may spend: a table like `budget`. See [scopes](budgets.md#scopes).",
        example={"calls": "50/hour"},
        env='{"calls":"50/hour"}',
    ),
    "key_budget": Key(
        about="What may be spent with each API key: a table like `budget`. See [scopes](budgets.md#scopes).",
        example={"calls": "1000/hour"},
        env='{"calls":"1000/hour"}',
    ),
    "budget_url": Key(
        about="A Redis or Valkey that keeps the budgets for several machines, in place of the file `budgets.db` in "
        "`state_dir`. It needs the extra `redis`. See [a fleet](budgets.md#a-fleet).",
        example="redis://127.0.0.1:6379/0",
        env="redis://127.0.0.1:6379/0",
    ),
}

SHORT = {"project": "project", "observe": "observe", "timeout_s": "timeout", "max_retries": "max_retries"}
"""Settings that the client's constructor takes as arguments of their own."""


def spellings(name: str) -> tuple[str, str, str, str]:
    """Return one setting's example as an argument, a variable, in greenai.toml and in pyproject.toml."""
    key = KEYS[name]
    given = {name: key.example, **(key.alone or {})}
    short = f"Client({SHORT[name]}={_python(key.example)})" if name in SHORT else None
    argument = short or f"Client(settings={_python(given)})"
    variable = f"GREENAI_{name.upper()}" + ("_SLOTS" if name == "local" else "")
    env = [f'{variable}="{key.env}"' if " " in key.env else f"{variable}={key.env}"]
    env += [f'GREENAI_{other.upper()}="{value}"' for other, value in (key.alone or {}).items()]
    lines = "\n".join(f"{other} = {toml(other, value)}" for other, value in given.items())
    return argument, "\n".join(env), lines, f"[tool.greenai]\n{lines}"


def _python(value: object) -> str:
    return repr(value).replace("'", '"')


def toml(name: str, value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml(key, item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(name, item) for item in value) + "]"
    if name == "opt_in_expires":
        return str(value)
    return json.dumps(value)


def setting_sections() -> str:
    """Every setting with its default and its example in all four places."""
    missing = Settings.model_fields.keys() ^ KEYS.keys()
    if missing:
        raise SystemExit(f"docs/generate.py: KEYS and Settings differ in {', '.join(sorted(missing))}. Describe it.")
    return "\n".join(_setting(name) for name in Settings.model_fields)


def _setting(name: str) -> str:
    argument, env, own, project = spellings(name)
    return (
        f"### {name}\n\n{KEYS[name].about} Default: {_default(name)}.\n\n"
        f"| where | how |\n| --- | --- |\n"
        f"| argument | `{argument}` |\n| variable | {_cell(env)} |\n"
        f"| greenai.toml | {_cell(own)} |\n| pyproject.toml | {_cell(project)} |\n"
    )


def _cell(text: str) -> str:
    return "<br>".join(code(line) for line in text.splitlines())


def _default(name: str) -> str:
    if name in ("state_dir", "weights_dir"):
        return "that folder"
    if Settings.model_fields[name].default_factory is not None:
        return "none"
    default = Settings.model_fields[name].default
    if isinstance(default, LocalSettings):
        given = {field: getattr(default, field) for field in LocalSettings.model_fields}
        values = {field: value for field, value in given.items() if value not in (None, {})}
        return ", ".join(f"{field} {code(_python(value))}" for field, value in values.items())
    if default is None or isinstance(default, (BudgetTable, NudgeTable, ServeTable)):
        return "not set"
    if isinstance(default, frozenset) or default == ():
        return "none"
    return code(json.dumps(default))


def ladder_table() -> str:
    """The ladder of settings that name none."""
    rows = [(f"`{variable}` is set", f"`{small}` < `{large}`") for variable, small, large in _DEFAULT_LADDERS]
    return table(("first that applies", "ladder"), [*rows, ("none of them", code(_LOCAL_MODEL))])


def ladder_entry_list() -> str:
    """The keys of a ladder's table."""
    return "Keys of an entry: " + ", ".join(code(name) for name in LadderEntry.model_fields) + ".\n"


# --- command line and errors --------------------------------------------------------------


def command_sections() -> str:
    """Every command with its arguments and options."""
    return "\n".join(_commands(get_command(app), "greenai"))


def _commands(command: Any, path: str) -> Iterable[str]:
    for name in command.commands:
        sub, full = command.commands[name], f"{path} {name}"
        if hasattr(sub, "commands"):
            yield from _commands(sub, full)
            continue
        rows = [(_names(p), _about(p)) for p in sub.params if p.name != "help"]
        listed = "\n" + table(("argument or option", "meaning"), rows) if rows else ""
        yield f"### {full}\n\n{_sentence(sub.help)}\n{listed}"


def _sentence(text: str) -> str:
    return " ".join(text.split())


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return code(parameter.name.upper())
    value = "" if parameter.is_flag else f" {(parameter.metavar or parameter.name).upper()}"
    spelled = [*parameter.opts, *parameter.secondary_opts]
    return ", ".join(code(f"{option}{value}") for option in spelled)


def _about(parameter: Any) -> str:
    return getattr(parameter, "help", None) or ""


def error_tree() -> str:
    """The tree of errors.py, as that module draws it."""
    drawn = (errors.__doc__ or "").split("\n\n")[1]
    return "```text\n" + "\n".join(line.removeprefix("    ") for line in drawn.splitlines()) + "\n```\n"


# --- writing ------------------------------------------------------------------------------

PARTS: Mapping[str, Callable[[], str]] = {
    "coefficients": coefficient_table,
    "stars": star_table,
    "constants": constant_table,
    "world": world_sentence,
    "sites": site_table,
    "hardware": hardware_table,
    "grids": grid_table,
    "thresholds": threshold_table,
    "size-sources": size_source_table,
    "switches": switch_table,
    "families": family_table,
    "models": model_table,
    "settings": setting_sections,
    "ladders": ladder_table,
    "ladder-entry": ladder_entry_list,
    "commands": command_sections,
    "errors": error_tree,
    **accuracy_tables.parts(table),
    **classifier_tables.parts(table),
    **gpus_example.parts(),
    **replay_tables.parts(table),
}


def current(page: str) -> str:
    """Return the text of a page with its generated parts made anew."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{PARTS[m['name']]()}\n{m[3]}", page)


def pages() -> list[Path]:
    """Return the pages of the documentation."""
    return sorted(DOCS.rglob("*.md"))


def stale() -> list[Path]:
    """Return the pages whose generated parts are not current."""
    return [page for page in pages() if current(page.read_text("utf-8")) != page.read_text("utf-8")]


def main() -> None:
    """Write the generated parts of the documentation; with `--check`, only name the stale pages."""
    old, check = stale(), "--check" in sys.argv[1:]
    for page in old:
        sys.stdout.write(f"{page.relative_to(DOCS)} is stale\n")
        if not check:
            page.write_text(current(page.read_text("utf-8")), "utf-8")
    if check and old:
        sys.exit("Run: python docs/generate.py")


if __name__ == "__main__":
    main()
