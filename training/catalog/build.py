"""Write greenai/catalog/models.json from the hand-kept *.toml beside this file and litellm's packaged price map.

    python training/catalog/build.py [--check]

Prices, context lengths, capabilities: litellm's map (MIT), as packaged in the installed release: no network.
Sizes, siblings, switches: the TOML files. An undisclosed size is EcoLogits' published assumption (package 0.11.3,
ecologits/data/models.json): its active range is kept as it is, with the geometric mean as the median; its total is
a single guess, so it is widened here by a factor of two each way. A size that only the model's name states is
rounded there, so it is widened by ROUNDING. Quality scores: quality.csv, see quality.py. `--check` fails if the
file on disk is stale.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import schema
from quality import add_scores

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TARGET = ROOT / "greenai" / "catalog" / "models.json"
DATE = "2026-11-21"
ECOLOGITS = "EcoLogits 0.11.3 assumption, ecologits/data/models.json"
REFERENCE_TOKENS = 300
CAPABILITIES = {
    "tools": "supports_function_calling",
    "vision": "supports_vision",
    "json_schema": "supports_response_schema",
    "audio": "supports_audio_input",
}
UNPRICED = ("local", "hosted_vllm")
COPIED = (
    "context_tokens",
    "shared_params_b",
    "layers",
    "bytes_per_weight",
    "hybrid",
    "default_system",
    "defaults",
    "note",
)
ROUNDING = 1.1  # assumption: "8B" may stand for 7.3 to 8.8
SIZE_IN_NAME = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)([BTM])(?:-A(\d+(?:\.\d+)?)B)?(?![a-z0-9])", re.IGNORECASE)
BILLIONS = {"t": 1000.0, "b": 1.0, "m": 0.001}
SMALL_B = 30.0  # of a group: "small" up to so many active parameters, and up to 100 in total
AT_ANY_HOST = ("none", "always-on")  # what the weights can do does not depend on who serves them
HUB_HOSTS = ("together_ai", "deepinfra", "fireworks_ai", "nebius", "hyperbolic", "baseten", "novita")


def price_map() -> tuple[dict[str, Any], str]:
    """Return litellm's packaged price map and how to cite it, without importing litellm (seconds)."""
    package = distribution("litellm")
    path = package.locate_file("litellm/model_prices_and_context_window_backup.json")
    citation = f"litellm {package.version} (MIT), model_prices_and_context_window_backup.json"
    prices: dict[str, Any] = json.loads(Path(str(path)).read_text(encoding="utf-8"))
    return prices, citation


def size(row: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that state a model's size."""
    if "size" in row:
        return {
            "total_params_b": None,
            "active_params_b": None,
            "moe": False,
            "params_source": row["size"],
            "params_date": DATE,
        }
    active = row["dense"] if "dense" in row else row["active"]
    total = spread(row.get("total", active))
    if "total" in row and isinstance(active, list) and not isinstance(row["total"], list):
        total = [row["total"] / 2, row["total"], row["total"] * 2]
    note = f": {row['size_note']}" if "size_note" in row else ""
    return {
        "total_params_b": total,
        "active_params_b": spread(active),
        "moe": "total" in row,
        "params_source": row["size_source"] + note,
        "params_date": row.get("size_date", DATE),
    }


def spread(value: float | list[float]) -> list[float]:
    """Return low, median and high of a point or of a [low, high] pair."""
    if not isinstance(value, list):
        return [value] * 3
    if len(value) == 3:
        return value
    low, high = value
    return [low, round(math.sqrt(low * high), 3), high]


def kv_gb_per_1k(row: dict[str, Any]) -> float | None:
    """Return GB of 16-bit keys and values per 1,000 tokens from `kv = [key-value heads, head size]` or `kv_gb`."""
    if "kv" not in row:
        return float(row["kv_gb"]) if "kv_gb" in row else None
    heads, width = row["kv"]
    return float(round(2 * row["layers"] * heads * width * 2 * 1000 / 1e9, 6))


def from_map(entry: dict[str, Any] | None, citation: str) -> dict[str, Any]:
    """Return price, context and capabilities that the price map states."""
    if entry is None:
        return {"capabilities": []}
    found: dict[str, Any] = {
        "context_tokens": entry.get("max_input_tokens"),
        "capabilities": sorted(name for name, key in CAPABILITIES.items() if entry.get(key)),
    }
    if entry.get("input_cost_per_token"):
        found["price"] = price(entry, f"{citation}; {entry.get('source', 'no page named')}")
    return found


SERVICES = {"batch": "_batches", "flex": "_flex", "priority": "_priority"}
LONG = re.compile(r"input_cost_per_token(_above_(\d+)k_tokens)")


def price(entry: dict[str, Any], source: str) -> dict[str, Any]:
    """Return the list prices that the price map states: standard, by service, and for long prompts."""
    tiers = sorted((int(m[2]), m[1]) for key in entry if (m := LONG.fullmatch(key)))
    standard = rate(entry, "")
    assert standard is not None
    named = dict(zip(("input", "cached_input", "output"), standard, strict=True))
    thought = entry.get("output_cost_per_reasoning_token")
    found: dict[str, Any] = {**named, "source": source, "date": DATE}
    if thought is not None and thought != entry["output_cost_per_token"]:
        found["reasoning_output"] = per_million(thought)
    if services := rates(entry, SERVICES):
        found["services"] = services
    if tiers:
        # A second tier is left out: only the first threshold can be stated, and no model of the catalog has two.
        thousands, infix = tiers[0]
        found["long_from_tokens"] = thousands * 1000
        found["long"] = rates(entry, {"standard": infix, **{s: infix + end for s, end in SERVICES.items()}})
    return found


def rates(entry: dict[str, Any], endings: dict[str, str]) -> dict[str, list[float | None]]:
    """Return the rates that are listed, by service; `endings` are those of the map's keys."""
    return {service: found for service, end in endings.items() if (found := rate(entry, end)) is not None}


def rate(entry: dict[str, Any], end: str) -> list[float | None] | None:
    """Return input, cached input and output per million of the keys that end so; None where they are not listed."""
    cost, output = entry.get(f"input_cost_per_token{end}"), entry.get(f"output_cost_per_token{end}")
    if cost is None or output is None:
        return None
    cached = entry.get(f"cache_read_input_token_cost{end}")
    return [per_million(cost), None if cached is None else per_million(cached), per_million(output)]


def per_million(price: float) -> float:
    return round(price * 1e6, 6)


def rows_in(file: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the [[card]] tables of a file, and one such table for each name of its [[group]] tables."""
    rows: list[dict[str, Any]] = list(file.get("card", ()))
    for group in file.get("group", ()):
        shared = {key: value for key, value in group.items() if key not in ("names", "sizes")}
        stated = {
            name: {"dense": size} if not isinstance(size, list) else dict(zip(("total", "active"), size, strict=True))
            for name, size in group.get("sizes", {}).items()
        }
        named = {name: size_in(name) for name in group.get("names", ())}
        rows += [{"name": name, **shared, **found, "tier": tier_of(found)} for name, found in (stated | named).items()]
    return rows


def size_in(name: str) -> dict[str, Any]:
    """Return the size that a model's name states, such as 30B-A3B, with room for its rounding."""
    match = SIZE_IN_NAME.search(name.rpartition("/")[2])
    if match is None:
        raise SystemExit(f"{name} states no size. Put it under [group.sizes].")
    number, unit, active = match.groups()
    total = float(number) * BILLIONS[unit.lower()]
    note = f"{match[0]}, rounded, so {ROUNDING - 1:.0%} either way is allowed for (assumption)"
    sizes = {"total": around(total), "active": around(float(active))} if active else {"dense": around(total)}
    return {**sizes, "size_note": note}


def around(value: float) -> list[float]:
    return [round(value / ROUNDING, 4), value, round(value * ROUNDING, 4)]


def tier_of(sizes: dict[str, Any]) -> str:
    """Return the tier of a model whose TOML names none."""
    active, total = (spread(sizes.get(key, sizes.get("dense")))[1] for key in ("active", "total"))
    return "small" if active <= SMALL_B and total <= 100 else "large"


def rows_of(file: dict[str, Any], row: dict[str, Any], prices: dict[str, Any], citation: str) -> list[dict[str, Any]]:
    """Return the card of one [[card]] table, one for each of its dated snapshots and one for each of its hosts."""
    row = {"size_source": file.get("size_source", ECOLOGITS), **row}
    provider, ladders = file["provider"], file.get("ladders", {})
    bare = [] if file.get("no_bare_names") else [row["name"]]
    first = card_of(f"{provider}/{row['name']}", row, prices, citation)
    first["aliases"] = [*bare, *row.get("more", ())]
    first["ladder"] = [f"{provider}/{name}" for name in ladders.get(row.get("ladder"), ())]
    made = [first]
    for name in row.get("dated", ()):
        card = card_of(f"{provider}/{name}", row, prices, citation)
        made.append(card | {"dated": True, "aliases": [name] if bare else [], "same_as": first["name"]})
    for name in hub_hosts(file, row, prices):
        card = card_of(name, row, prices, citation)
        own = row.get("reasoning", "unknown")
        switch = row.get("host_reasoning", own if own in AT_ANY_HOST else "unknown")
        made.append(card | {"reasoning": switch, "same_as": first["name"]})
    return [*made, *hosted(file, row, prices, citation)]


def hub_hosts(file: dict[str, Any], row: dict[str, Any], prices: dict[str, Any]) -> list[str]:
    """Return the hosts that a row names, and those that list exactly its hub name in the price map."""
    found = list(row.get("hosts", ()))
    if file["provider"] == "hosted_vllm":
        name = row["name"]
        spelled = [f"{host}/{name.lower() if host == 'novita' else name}" for host in HUB_HOSTS]
        slug = re.sub(r"(?<=\d)\.(?=\d)", "p", name.rpartition("/")[2].lower())
        spelled.append(f"fireworks_ai/accounts/fireworks/models/{slug}")
        found += [key for key in spelled if prices.get(key, {}).get("mode") == "chat" and key not in found]
    return found


def hosted(file: dict[str, Any], row: dict[str, Any], prices: dict[str, Any], citation: str) -> list[dict[str, Any]]:
    """Return the cards of a closed model at the clouds that resell it, wherever the price map has a row."""
    made: list[dict[str, Any]] = []
    for pattern in file.get("hosted", ()):
        siblings = file.get("ladders", {}).get(row.get("ladder"), ())
        names = [(row["name"], False), *((name, True) for name in row.get("dated", ()))]
        for name, dated in names:
            full = pattern.format(name)
            if entry_of(full, prices) is None:
                continue
            # On Azure a name is a deployment's, which its owner chose: no sibling can be taken for granted there.
            ladder = [] if dated or full.startswith("azure") else [pattern.format(sibling) for sibling in siblings]
            card = card_of(full, row, prices, citation) | {
                "dated": dated,
                "same_as": f"{file['provider']}/{row['name']}",
            }
            made.append(card | {"ladder": [key for key in ladder if entry_of(key, prices) is not None]})
    return made


def entry_of(name: str, prices: dict[str, Any]) -> dict[str, Any] | None:
    """Return the price map's row of `provider/name`, which may stand there without the provider."""
    provider, _, bare = name.partition("/")
    found: dict[str, Any] | None = prices.get(name)
    if found is None and str(prices.get(bare, {}).get("litellm_provider")).startswith(provider):
        found = prices[bare]
    return found


def card_of(name: str, row: dict[str, Any], prices: dict[str, Any], citation: str) -> dict[str, Any]:
    """Return the card of `name` as models.json holds it, without aliases and siblings."""
    provider = name.partition("/")[0]
    entry = entry_of(name, prices)
    if entry is None and provider not in UNPRICED:
        raise SystemExit(f"The price map has no row for {name}. Correct the name in the TOML, or drop it.")
    return {
        "name": name,
        "provider": provider,
        "aliases": [],
        "dated": False,
        "tier": row.get("tier", "large"),
        "ladder": [],
        **size(row),
        "kv_gb_per_1k_tokens": kv_gb_per_1k(row),
        "reasoning": row.get("reasoning", "unknown"),
        **from_map(entry, citation),
        **{key: row[key] for key in COPIED if key in row},
    }


def host_ladders(cards: list[dict[str, Any]], families: list[list[str]]) -> None:
    """Make siblings of the weights of one family at one host; a server of one's own holds one model, so none there."""
    family_of = {f"hosted_vllm/{name}": n for n, family in enumerate(families) for name in family}
    siblings: dict[tuple[str, int], list[str]] = {}
    for card in cards:
        if (family := family_of.get(card.get("same_as", ""))) is not None:
            siblings.setdefault((card["provider"], family), []).append(card["name"])
    for card in cards:
        if (family := family_of.get(card.get("same_as", ""))) is not None:
            card["ladder"] = siblings[card["provider"], family]


def order_ladders(cards: list[dict[str, Any]]) -> None:
    """Put each card among its siblings, in the order of estimated energy; the estimator is greenai's own."""
    from greenai.catalog import Card, Range
    from greenai.meters.physics import estimate

    energy: dict[str, float] = {}
    for row in cards:
        keep = (
            "shared_params_b",
            "layers",
            "kv_gb_per_1k_tokens",
            "bytes_per_weight",
            "hybrid",
            "moe",
            "name",
            "provider",
        )
        fields: dict[str, Any] = {key: row[key] for key in keep if key in row}
        for key in ("total_params_b", "active_params_b"):
            fields[key] = row[key] and Range(**dict(zip(("low", "mid", "high"), row[key], strict=True)))
        reading = estimate(Card(**fields), input_tokens=REFERENCE_TOKENS, output_tokens=REFERENCE_TOKENS)
        energy[row["name"]] = math.inf if reading.energy_j is None else reading.energy_j
    for row in cards:
        own = row["name"]
        # At equal energy the model itself comes last, so that its siblings count as smaller.
        ranked = sorted((energy[name], name == own, name) for name in {own, *row["ladder"]})
        row["ladder"] = [name for _, _, name in ranked]


def families_in(file: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the [[family]] tables of a file, with the patterns that their `name` refers to."""
    patterns = file.get("patterns", {})
    return [{**row, "name": patterns.get(row["name"], row["name"])} for row in file.get("family", ())]


def check(cards: list[dict[str, Any]], switches: dict[str, Any], rules: list[dict[str, Any]]) -> None:
    """Refuse a catalog in which one name means two models, or that refers to something absent."""
    for rule in rules:
        re.compile(rule["name"])
        if rule["switch"] not in switches:
            raise SystemExit(f"{rule['label']} names the switch {rule['switch']!r}, which no file defines.")
    seen: dict[str, str] = {}
    names = {card["name"] for card in cards}
    for card in cards:
        for key in (card["name"], *card["aliases"]):
            if seen.setdefault(key, card["name"]) != card["name"]:
                raise SystemExit(f"{key!r} names both {seen[key]} and {card['name']}. Remove one alias.")
        if missing := [name for name in card["ladder"] if name not in names]:
            raise SystemExit(f"The ladder of {card['name']} names {missing}, which have no card.")
        if card["reasoning"] not in switches:
            raise SystemExit(f"{card['name']} names the switch {card['reasoning']!r}, which no file defines.")


def build() -> str:
    """Return the text of models.json."""
    prices, citation = price_map()
    switches: dict[str, Any] = {}
    cards: list[dict[str, Any]] = []
    families: list[list[str]] = []
    rules: list[dict[str, Any]] = []
    for path in sorted(HERE.glob("*.toml")):
        file = tomllib.loads(path.read_text(encoding="utf-8"))
        switches.update({key: {"date": DATE, **row} for key, row in file.get("switches", {}).items()})
        if "provider" in file:
            cards += [card for row in rows_in(file) for card in rows_of(file, row, prices, citation)]
        families += file.get("families", [])
        rules += families_in(file)
    host_ladders(cards, families)
    add_scores(cards)
    order_ladders(cards)
    check(cards, switches, rules)
    head = {"version": f"catalog-{DATE.replace('-', '.')}", "written_by": "training/catalog/build.py"}
    lines = ",\n  ".join(json.dumps(card, ensure_ascii=False) for card in cards)
    table = ",\n  ".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in sorted(switches.items()))
    listed = ",\n  ".join(json.dumps(rule) for rule in rules)
    parts = f'"switches": {{\n  {table}\n }},\n "families": [\n  {listed}\n ],\n "cards": [\n  {lines}\n ]'
    return f"{json.dumps(head)[:-1]},\n {parts}\n}}\n"


def validate(text: str) -> None:
    """Hold models.json to its schema, where the package jsonschema is at hand."""
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        return
    for error in Draft202012Validator(schema.schema()).iter_errors(json.loads(text)):
        raise SystemExit(f"models.json breaks its schema at {error.json_path}: {error.message}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write greenai/catalog/models.json and schema.json.")
    parser.add_argument("--check", action="store_true", help="fail if a file on disk is stale")
    sys.path.insert(0, str(ROOT))
    text = build()
    validate(text)
    files = {TARGET: text, schema.TARGET: schema.text()}
    if parser.parse_args().check:
        if stale := [path.name for path, new in files.items() if path.read_text(encoding="utf-8") != new]:
            raise SystemExit(f"{', '.join(stale)}: stale. Run: python training/catalog/build.py")
        return
    for path, new in files.items():
        path.write_text(new, encoding="utf-8")
    made = json.loads(text)["cards"]
    models = {card["name"].rpartition("/")[2].lower() for card in made if "same_as" not in card}
    print(f"{TARGET.name}: {len(made)} cards of {len(models)} models, {len(text)} bytes")


if __name__ == "__main__":
    main()
