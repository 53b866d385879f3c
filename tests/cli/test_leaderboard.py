"""The leaderboard: what one standard request takes on each model, its order, its Pareto line."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from greenai import catalog, receipts
from greenai.catalog import Card, Price, Quality, Range, Switch, find
from greenai.cli import leaderboard
from greenai.meters import stars
from greenai.meters.physics import estimate

if TYPE_CHECKING:
    from conftest import Shell  # type: ignore[attr-defined]


def card(name: str, size_b: float | None, *, status: Any = "off", off: float | None = None, **fields: Any) -> Card:
    size = None if size_b is None else Range(low=size_b, mid=size_b, high=size_b)
    score = () if off is None else (Quality(score=off, reasoning="off", name="test", source="s", date="2026-11-21"),)
    return Card(
        name=name,
        provider=name.partition("/")[0],
        total_params_b=size,
        active_params_b=size,
        params_source="a test",
        reasoning=Switch(status=status),
        quality=score,
        **fields,
    )


def named(name: str) -> Card:
    found = find(name)
    assert found is not None
    return found


def test_the_standard_request_is_modelled_with_reasoning_off_and_on() -> None:
    model = named("gpt-5.4-nano")
    row = leaderboard.standing(model)
    assert row.off is not None
    assert row.on is not None
    assert row.off.energy == estimate(model, input_tokens=300, output_tokens=300)
    more = estimate(model, input_tokens=300, output_tokens=300 + receipts.DEFAULT_THINKING_TOKENS)
    assert row.on.energy.energy_j == more.energy_j
    assert row.off.stars == stars.grade(row.off.energy)
    assert row.least is row.off
    low, high = row.off.energy.low_j, row.off.energy.high_j
    assert low is not None
    assert high is not None
    assert row.off.width == pytest.approx(high / low)


def test_a_model_without_a_mode_has_none_there() -> None:
    always = leaderboard.standing(named("deepseek/deepseek-r1"))
    never = leaderboard.standing(named("gpt-4o"))
    assert (always.off, never.on) == (None, None)
    assert always.least is always.on
    assert never.least is never.off


def test_an_unknown_size_is_unknown_energy_and_comes_last() -> None:
    rows = leaderboard.standings([card("a/unknown", None), card("a/known", 7)])
    assert [row.card.name for row in leaderboard.ranked(rows, "energy")] == ["a/known", "a/unknown"]
    unknown = leaderboard.as_dict(rows[0])["reasoning_off"]
    assert (unknown["energy_j"], unknown["high_over_low"], unknown["stars"], unknown["evidence"]) == (
        None,
        None,
        None,
        "unknown",
    )
    assert leaderboard.energy_cell(rows[0].off) == "unknown"


def test_the_pareto_line_holds_what_nothing_beats() -> None:
    rows = leaderboard.standings(
        [
            card("a/small", 1, off=40),
            card("a/worse-and-larger", 2, off=39),
            card("a/equal-score-but-larger", 3, off=40),
            card("a/middle", 4, off=60),
            card("a/twin-of-middle", 4, off=60),
            card("a/weaker-twin", 4, off=50),
            card("a/no-score", 0.1),
            card("a/large", 70, off=61),
            card("a/no-size", None, off=99),
        ]
    )
    line = [row.card.name for row in rows if row.off and row.off.on_pareto_line]
    assert line == ["a/small", "a/middle", "a/twin-of-middle", "a/large"]


def test_no_model_of_the_catalog_beats_one_on_its_pareto_line() -> None:
    rows = leaderboard.standings(leaderboard.chosen(scored=True))
    for mode in ("off", "on"):
        allowed = [row for row in rows if mode == "on" or row.card.reasoning.status != "lowest"]
        uses = [use for row in allowed if (use := getattr(row, mode)) and use.score is not None]
        points = [(use.energy.energy_j, use.score) for use in uses if use.energy.energy_j is not None]
        assert any(use.on_pareto_line for use in uses)
        for use in uses:
            if use.energy.energy_j is None:
                continue
            beaten = any(
                energy <= use.energy.energy_j
                and score >= use.score
                and (energy, score) != (use.energy.energy_j, use.score)
                for energy, score in points
            )
            assert use.on_pareto_line is not beaten


def test_orders() -> None:
    cheap = Price(input=1, cached_input=None, output=1, source="s", date="2026-11-21")
    rows = leaderboard.standings(
        [card("a/b", 7, off=50, price=cheap), card("a/a", 70, off=60), card("a/c", 1, price=None)]
    )
    order = {name: [row.card.name for row in leaderboard.ranked(rows, name)] for name in leaderboard.ORDERS}
    assert order == {
        "energy": ["a/c", "a/b", "a/a"],
        "name": ["a/a", "a/b", "a/c"],
        "price": ["a/b", "a/a", "a/c"],
        "quality": ["a/a", "a/b", "a/c"],
    }
    assert rows[0].usd == pytest.approx(600 / 1e6)


def test_each_model_stands_there_once() -> None:
    names = [card.name for card in leaderboard.chosen()]
    assert "zai/glm-5" in names
    assert "hosted_vllm/zai-org/GLM-5" not in names
    assert not [name for name in names if name.startswith(("azure/", "deepinfra/", "vertex_ai/"))]
    assert "openai/gpt-5.5-2026-04-23" not in names
    assert "azure/gpt-5.5" in [card.name for card in leaderboard.chosen(provider="azure")]
    assert len(leaderboard.chosen(every=True)) == len(catalog.cards())


# --- on the command line ------------------------------------------------------------------


def test_sorting_prints_the_leaderboard(shell: Shell) -> None:
    out = shell("models", "--sort", "energy", "--provider", "anthropic")
    assert (out.exit_code, out.stderr) == (0, "")
    lines = [line for line in out.stdout.splitlines() if line.startswith(" anthropic/")]
    assert lines[0].startswith((" anthropic/claude-haiku-5-5", " anthropic/claude-haiku-4-5"))
    assert "★★★★☆ (" in lines[0]
    assert "EcoLogits 0.11.3 assumption" in lines[0]
    assert "Standard request: 300 input and 300 output tokens; with reasoning on 543 (181 to 1,629) more" in out.stdout
    assert "LiveBench, mean of six categories" in out.stdout
    assert "◆" in lines[0] + lines[1]


def test_json_has_the_interval_and_its_width(shell: Shell) -> None:
    data = shell.json("models", "list", "--sort", "energy", "--provider", "openai")
    assert data["standard_request"] == {"input_tokens": 300, "output_tokens": 300, "reasoning_tokens_when_on": 543}
    energies = [(row["reasoning_off"] or row["reasoning_on"])["energy_j"] for row in data["models"]]
    known = [math.inf if energy is None else energy for energy in energies]
    assert known == sorted(known)
    for row in data["models"]:
        for mode in ("reasoning_off", "reasoning_on"):
            if row[mode] and row[mode]["energy_j"] is not None:
                assert row[mode]["high_over_low"] == pytest.approx(row[mode]["high_j"] / row[mode]["low_j"])
                assert row[mode]["stars_worst"] <= row[mode]["stars"] <= row[mode]["stars_best"]
    assert {row["params_source"] for row in data["models"]} >= {
        "EcoLogits 0.11.3 assumption, ecologits/data/models.json"
    }


def test_csv_has_a_line_for_each_model(shell: Shell) -> None:
    out = shell("models", "--csv", "--sort", "name", "--provider", "zai")
    rows = list(csv.DictReader(io.StringIO(out.stdout)))
    assert [row["name"] for row in rows] == sorted(card.name for card in leaderboard.chosen(provider="zai"))
    assert float(rows[0]["off_energy_j"]) > 0
    assert float(rows[0]["off_high_over_low"]) == pytest.approx(
        float(rows[0]["off_high_j"]) / float(rows[0]["off_low_j"])
    )
    assert float(rows[0]["usd_per_request"]) > 0


def test_csv_has_the_same_columns_whatever_the_rows() -> None:
    never, always = card("a/never", 7, status="none"), card("a/always", 7, status="always_on")
    both = card("a/both", 7, off=50, price=Price(input=1, cached_input=None, output=1, source="s", date="2026-11-21"))
    heads = {
        leaderboard.as_csv(leaderboard.standings(rows)).splitlines()[0] for rows in ([never], [always], [both], [])
    }
    use = "energy_j low_j high_j high_over_low evidence method stars stars_worst stars_best stars_scale score is_pareto"
    assert heads == {
        ",".join(
            [
                *("name", "tier"),
                *(f"off_{key}" for key in use.split()),
                *(f"on_{key}" for key in use.split()),
                *("usd_per_request", "params_source", "params_date"),
            ]
        )
    }
    row = next(csv.DictReader(io.StringIO(leaderboard.as_csv(leaderboard.standings([never])))))
    assert (row["on_energy_j"], row["usd_per_request"]) == ("", "")


def test_csv_and_json_exclude_each_other(shell: Shell) -> None:
    out = shell("models", "--csv", "--json")
    assert (out.exit_code, out.stdout) == (2, "")
    assert "--csv and --json: choose one of them." in out.stderr


def test_it_begins_with_scored_local_and_own_models(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENAI_LADDER", "openai/gpt-4o-mini,openai/gpt-5.5")
    assert named("openai/gpt-4o-mini").quality == ()
    names = [row["name"] for row in shell.json("models", "--sort", "energy")["models"]]
    scored = {card.name for card in leaderboard.chosen(scored=True)}
    assert {*names} == scored | {"local/smollm2-135m", "openai/gpt-4o-mini", "openai/gpt-5.5"}
    assert len(names) == len({*names}) < 100
    text = shell("models", "--sort", "energy").stdout
    assert (
        f"{len(names)} of the catalog's {len(catalog.cards()):,} models: of those with a public score, the ladder's, "
        "local ones and cards of your own. With --all it ranks every one, dated snapshots and other hosts among them."
    ) in text


def test_all_ranks_every_one(shell: Shell) -> None:
    assert len(shell.json("models", "--sort", "name", "--all")["models"]) == len(catalog.cards())


def test_limit_and_what_is_left_out(shell: Shell) -> None:
    out = shell("models", "--sort", "energy", "--provider", "perplexity", "--limit", "3").stdout
    assert f"3 of the catalog's {len(catalog.cards()):,} models." in out
    assert "No public score in the catalog for these models." in out
    assert len(shell.json("models", "--sort", "energy", "--limit", "3")["models"]) == 3
    every = shell.json("models", "--sort", "energy", "--limit", "0")
    assert every == shell.json("models", "--sort", "energy")


@pytest.mark.parametrize("order", list(leaderboard.ORDERS))
@pytest.mark.parametrize("width", [24, 40, 60, 80, 100, 119, 140, 200])
def test_no_figure_and_no_name_is_cut(width: int, order: str) -> None:
    rows = leaderboard.ranked(leaderboard.standings(leaderboard.chosen()), order)
    out = io.StringIO()
    Console(file=out, width=width).print(leaderboard.as_table(rows, width, order))
    assert "…" not in out.getvalue()
    assert max(len(line) for line in out.getvalue().splitlines()) <= width


@pytest.mark.parametrize(
    ("width", "order", "heads"),
    [
        (50, "energy", "model, off, mWh"),
        (80, "energy", "model, stars, off, mWh"),
        (80, "price", "model, off, mWh, $ per 1,000"),
        (80, "quality", "model, off, mWh, score"),
        (100, "energy", "model, stars, off, mWh, on, mWh"),
        (130, "energy", "model, stars, off, mWh, on, mWh, score"),
        (
            200,
            "energy",
            "model, stars, mWh, reasoning off, mWh, reasoning on, $ per 1,000, score, source of the size",
        ),
    ],
)
def test_a_narrow_terminal_has_fewer_columns(width: int, order: str, heads: str) -> None:
    table = leaderboard.as_table(leaderboard.standings(leaderboard.first(())), width, order)
    assert ", ".join(str(column.header) for column in table.columns) == heads


def test_a_model_that_always_reasons_keeps_its_figure() -> None:
    row = leaderboard.standing(card("a/always", 7, status="always_on"))
    (narrow,) = (column for column in leaderboard.as_table([row], 50).columns if column.header == "off, mWh")
    assert [str(cell) for cell in narrow.cells] == [f"on: {leaderboard.energy_cell(row.on)}"]


def test_wrong_words(shell: Shell) -> None:
    wrong = shell("models", "--sort", "size")
    assert wrong.exit_code == 2
    assert "--sort size: use one of energy, name, price, quality." in wrong.stderr
    assert shell.error("models", "--scored", "--provider", "perplexity") == (
        "UnknownModel",
        "No model of perplexity has a public quality score. Leave out --scored.",
    )


@pytest.mark.parametrize("more", [(), ("--sort", "energy"), ("--all",), ("--scored",)])
def test_an_unknown_provider_is_an_error_in_the_list_too(shell: Shell, more: tuple[str, ...]) -> None:
    kind, message = shell.error("models", "--provider", "opnai", *more)
    assert (kind, message) == ("UnknownModel", "The catalog has no provider opnai. Did you mean openai?")
    assert shell.error("models", "--provider", "zzzz", *more)[1].startswith(
        "The catalog has no provider zzzz. It has anthropic, azure,"
    )


def test_an_own_card_stands_in_the_leaderboard(shell: Shell, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "_own", {})
    (tmp_path / "greenai.toml").write_text('[[cards]]\nname = "acme/chat"\ntotal_params_b = 0.001\n')
    first = shell.json("models", "--sort", "energy", "--limit", "1")["models"][0]
    assert (first["name"], first["params_source"]) == ("acme/chat", "stated in the app's settings")
    assert shell.json("models", "show", "acme/chat")["total_params_b"] == {"low": 0.001, "mid": 0.001, "high": 0.001}
