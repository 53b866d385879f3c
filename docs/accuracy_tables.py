"""The tables of accuracy.md, from errors.json (written by the fit) and assets/accuracy.json (by the benchmark)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import greenai.meters
from greenai import catalog
from greenai.cli import leaderboard
from greenai.units import significant

DATA = Path(__file__).parent / "assets" / "accuracy.json"
ERRORS = Path(greenai.meters.__file__).with_name("errors.json")

Table = Callable[[Sequence[str], Iterable[Sequence[object]]], str]

UNITS = {"energy_wh": "Wh", "co2e_g": "g CO2e", "water_ml": "mL water"}

GOALS = {
    "known_deployment": "known deployment",
    "batch_hidden": "batch hidden, hardware known, 31 to 128 running requests",
    "batch_and_hardware_hidden": "batch and hardware hidden, 31 to 128 running requests",
    "interval_batch_hidden": "90% interval, batch hidden, 16 to 256 running requests",
    "interval_engine_known": "90% interval, engine and precision known, 16 to 256 running requests",
    "transfer_a100": "transfer to A100 and an older vLLM, one scalar",
    "transformers_batch_1": "transformers at batch 1",
}


def parts(table: Table) -> Mapping[str, Callable[[], str]]:
    """Return the generated parts of the page by name; `table` writes Markdown."""
    return {
        "accuracy-run": run_sentence,
        "accuracy-goals": lambda: goal_table(table),
        "accuracy-missed": missed_sentences,
        "accuracy-choices": choice_sentences,
        "accuracy-peers": lambda: peer_table(table, "known_deployment"),
        "accuracy-hidden": lambda: hidden_table(table),
        "accuracy-intervals": lambda: interval_table(table),
        "accuracy-elsewhere": lambda: elsewhere_table(table),
        "accuracy-families": lambda: family_table(table),
        "accuracy-parts": lambda: part_table(table),
        "accuracy-widths": lambda: width_table(table),
        "accuracy-anchors": lambda: anchor_table(table),
        "accuracy-own-figures": own_figures_sentence,
        "accuracy-reasoning": reasoning_sentence,
    }


@cache
def data() -> dict[str, Any]:
    """Return what the benchmark wrote."""
    loaded: dict[str, Any] = json.loads(DATA.read_text("utf-8"))
    return loaded


@cache
def errors() -> dict[str, Any]:
    """Return what the fit wrote."""
    loaded: dict[str, Any] = json.loads(ERRORS.read_text("utf-8"))
    return loaded


def block(name: str) -> dict[str, Any]:
    """Return one comparison of the benchmark."""
    return next(one for one in data()["blocks"] if one["name"] == name)


def percent(share: float | None) -> str:
    """Return a share as people read it: 12.6%, 97%."""
    return "" if share is None else f"{share:.0%}" if share >= 0.995 else f"{share * 100:.3g}%"


def times(factor: float | None) -> str:
    """Return a factor as people read it: 1.43."""
    return "" if factor is None else f"{factor:.3g}"


# --- the parts ----------------------------------------------------------------------------


def run_sentence() -> str:
    """Say which version was compared, and when."""
    return f"All figures on this page are of method `{data()['method']}` and of one run, {data()['date']}.\n"


def goal_table(table: Table) -> str:
    """What greenai set itself, and what it reached."""
    rows = [
        (title, wanted(name, limit), found(name, block(key)["lines"][0][name]), "yes" if met else "**no**")
        for key, title in GOALS.items()
        for name, limit, met in _goals(block(key))
    ]
    inside = data()["anchors_inside"]
    count = sum(inside.values())
    rows.append(("published figures inside the 90% interval", "8 of 10", f"{count} of {len(inside)}", _yes(count >= 8)))
    return table(("what", "goal", "found", "met"), rows)


def _goals(one: Mapping[str, Any]) -> Iterable[tuple[str, Any, bool]]:
    return ((name, limit, one["met"][name]) for name, limit in one["targets"].items())


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"


def wanted(name: str, limit: Any) -> str:
    """Return a goal in words."""
    if name == "coverage":
        return f"covers {percent(limit[0])} to {percent(limit[1])}"
    if name == "within_two":
        return f"at least {percent(limit)} within a factor of two"
    if name == "median_width":
        return f"median width at most {times(limit)}"
    return f"median error at most {percent(limit)}"


def found(name: str, value: float) -> str:
    """Return what was found."""
    return times(value) if name == "median_width" else percent(value)


def missed_sentences() -> str:
    """Why one goal is met with less known, and one missed with more."""
    known, hidden = (block(name)["lines"][0] for name in _HIDDEN)
    within = _with_batch(_HIDDEN[0], 76)["within_two"]
    moves = ", ".join(f"with {batch} they are {_both(batch)}" for batch in (64, 76, 96))
    said = (
        f"**The goal that is missed.** The median error is {percent(known['median_error'])} with the hardware known,",
        f"and {percent(hidden['median_error'])} with it hidden, as if to know more made it worse. That means nothing:",
        f"both take one batch, 72, for all rows with 31 to 128 running requests. Its choice moves both more: {moves}.",
        "With 76 both medians would meet their goal, and the share within a factor of two, hardware known, would miss",
        f"its own ({percent(within)}). The batch stays at 72: moved until a goal is met, it would show nothing.",
        f"Without any one row the comparison gives {_ends(known['one_row_less'])} and {_ends(hidden['one_row_less'])},",
        f"any one family {_ends(known['one_family_less'])} and {_ends(hidden['one_family_less'])}. Read both as",
        "a quarter.",
    )
    return " ".join(said) + "\n"


def _with_batch(name: str, batch: int) -> Mapping[str, Any]:
    return next(line for line in block(name)["lines"] if line["told"] == f"batch taken as {batch}")


def _both(batch: int) -> str:
    return " and ".join(percent(_with_batch(name, batch)["median_error"]) for name in _HIDDEN)


def choice_sentences() -> str:
    """What the errors are with two choices undone that were made with all families in sight."""
    wide, wider = (errors()[f"known_deployment_priors_{n}_times_wider"]["median_error"] for n in (3, 10))
    nested = errors()["batch_hidden_31_to_128_batch_of_the_others"]
    said = (
        "Two choices can be undone. With priors 3 and 10 times as wide, the median error with a known deployment is",
        f"{percent(wide)} and {percent(wider)}. With the hidden batch chosen for each family on the other families",
        f"alone, it is {percent(nested['median_error'])}, and {percent(nested['within_two'])} of the rows are within a",
        "factor of two.",
    )
    return " ".join(said) + "\n"


def _ends(limits: Sequence[float]) -> str:
    return f"{percent(limits[0])} to {percent(limits[1])}"


def peer_table(table: Table, name: str) -> str:
    """One comparison, every estimator."""
    return table(_HEADS, (_line(line) for line in block(name)["lines"]))


_HEADS = ("estimator", "told", "rows", "median error", "within a factor of two", "nine in ten within a factor of")


def _line(line: Mapping[str, Any]) -> tuple[object, ...]:
    if "missing" in line:
        return line["name"], line["told"], line["missing"], "", "", ""
    errors = percent(line["median_error"]), percent(line["within_two"]), times(line["p90_fold"])
    return line["name"], line["told"], line["rows"], *errors


def hidden_table(table: Table) -> str:
    """The batch hidden, both views."""
    return "\n".join(f"{block(n)['title']}:\n\n{peer_table(table, n)}" for n in _HIDDEN)


_HIDDEN = ("batch_hidden", "batch_and_hardware_hidden")


def interval_table(table: Table) -> str:
    """How many rows the interval holds, and how wide it is."""
    names = ("known_deployment", "interval_batch_hidden", "interval_engine_known", "interval_api_view")
    rows = [
        (line["told"], line["rows"], percent(line["coverage"]), times(line["median_width"]))
        for line in (block(name)["lines"][0] for name in names)
    ]
    return table(("known", "rows", "rows inside", "median of high over low"), rows)


def elsewhere_table(table: Table) -> str:
    """Other engines, other GPUs, pictures."""
    names = ("transfer_a100", "transfer_h100", "transformers_batch_1", "image_chat")
    return "\n".join(f"{block(name)['title']}:\n\n{peer_table(table, name)}" for name in names)


def family_table(table: Table) -> str:
    """Errors by family: greenai's from the fit's own file, EcoLogits' from the benchmark."""
    rows = []
    for name, own in errors()["families"].items():
        other, api = data()["families"][name]["EcoLogits"], data()["families"][name]["api_view"]
        figures = percent(own["median_error"]), percent(own["within_two"]), times(own["median_ratio"])
        peer = percent(other.get("median_error")), percent(other.get("within_two"))
        rows.append((name, own["rows"], *figures, *peer, times(api["median_width"])))
    rows.sort(key=lambda row: -errors()["families"][row[0]]["median_error"])
    heads = ("family", "rows", "median error", "within two", "predicted over measured, median")
    return table((*heads, "EcoLogits, median error", "within two", "width without a deployment"), rows)


_PARTS = {"lm-arena-chat": "chat", "gpqa": "hard questions with reasoning (GPQA)", "sourcegraph-fim": "code completion"}


def part_table(table: Table) -> str:
    """Errors by task and by GPU."""
    rows = [
        (_PARTS.get(name, name), one["rows"], percent(one["median_error"]), percent(one["within_two"]))
        for name, one in data()["parts"].items()
    ]
    return table(("task or GPU", "rows", "median error", "within two"), rows)


def width_table(table: Table) -> str:
    """How wide the API view is over the catalog, by how the size is known. Each model counts once."""
    models = leaderboard.standings(leaderboard.chosen())
    remote = [one for one in models if one.card.provider != "local"]
    sized = [one for one in remote if one.card.total_params_b is not None]
    rows = []
    for kind in ("published", "the name alone, 10% either way", "assumed"):
        some = [one for one in sized if _size_known(one.card) == kind]
        off = [one.off.width for one in some if one.off is not None and one.off.width is not None]
        on = [one.on.width for one in some if one.on is not None and one.on.width is not None]
        rows.append((kind, len(some), _spread(off), _spread(on)))
    said = (
        f"{len(sized)} of the catalog's {len(models)} models: {len(remote) - len(sized)} have no size, and",
        f"{len(models) - len(remote)} runs on this machine. A model counts once, under its maker's name where that",
        f"serves it; the catalog's {len(catalog.cards())} cards hold dated snapshots and other hosts of it too.",
    )
    heads = ("size", "models", "reasoning off: median (10th to 90th percentile)", "reasoning on")
    return " ".join(said) + "\n\n" + table(heads, rows)


def _size_known(card: catalog.Card) -> str:
    total, active = card.total_params_b, card.active_params_b
    if total is not None and total.low == total.high and (active is None or active.low == active.high):
        return "published"
    return "the name alone, 10% either way" if card.params_source.startswith("the model's own name") else "assumed"


def _spread(widths: Sequence[float]) -> str:
    low, mid, high = (significant(_quantile(widths, q), 2) for q in (0.1, 0.5, 0.9))
    return f"{mid} ({low} to {high})"


def _quantile(values: Sequence[float], q: float) -> float:
    return sorted(values)[min(int(q * len(values)), len(values) - 1)]


def anchor_table(table: Table) -> str:
    """Published figures beside greenai's."""
    rows = []
    for a in data()["anchors"]:
        tokens = f"{a['input_tokens']:,}" + (f" ({a['cached_tokens']:,} cached)" if a["cached_tokens"] else "")
        tokens += f" in, {a['output_tokens']:,} out" + (f", {a['requests']} times" if a["requests"] > 1 else "")
        own = f"{_number(a['median'])} ({_number(a['low'])} to {_number(a['high'])})"
        published = f"{_number(a['published'])} {UNITS[a['quantity']]}"
        model = f"`{a['model']}`" if "/" in a["model"] else a["model"]
        rows.append(
            (
                *(a["item"], a["kind"], a["boundary"], model, f"{tokens}; {a['tokens']}", published, own),
                *(significant(a["median"] / a["published"], 2), _yes(a["inside"])),
            )
        )
    heads = ("figure", "kind", "boundary", "model taken", "tokens", "published", "greenai, 90% interval")
    return table((*heads, "median / published", "inside"), rows)


def own_figures_sentence() -> str:
    """How far greenai's median is from the energy that providers gave themselves."""
    some = [a for a in data()["anchors"] if a["quantity"] == "energy_wh" and a["kind"] in ("measured", "statement")]
    ratios = [a["median"] / a["published"] for a in some]
    width = min(a["high"] / a["low"] for a in some)
    return (
        f"**Two providers gave the energy of a request themselves**, Google (measured) and OpenAI (stated, no method). "
        f"greenai's median is {significant(min(ratios), 2)} to {significant(max(ratios), 2)} times their figures. They "
        f"lie inside, but the interval is {significant(width, 2)} times wide: lying inside that is no confirmation.\n"
    )


def _number(value: float) -> str:
    return significant(value, 3)


def reasoning_sentence() -> str:
    """How many tokens the figure for o3 would stand for."""
    tokens = data()["o3_tokens_of_33_wh"]
    return f"greenai's median reaches 33 Wh at {tokens:,} output tokens, in place of the 1,500 of the paper.\n"
