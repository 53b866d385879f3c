"""Write greenai/catalog/models.json from the hand-kept *.toml beside this file and litellm's packaged price map.

    python training/catalog/build.py [--check]

Prices, context lengths, capabilities: litellm's map (MIT), as packaged in the installed release: no network.
Sizes, siblings, switches: the TOML files. An undisclosed size is EcoLogits' published assumption (package 0.11.3,
ecologits/data/models.json): its active range is kept as it is, with the geometric mean as the median; its total is
a single guess, so it is widened here by a factor of two each way. `--check` fails if the file on disk is stale.
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
COPIED = ("context_tokens", "layers", "bytes_per_weight", "hybrid", "default_system", "defaults", "note")


def price_map() -> tuple[dict[str, Any], str]:
    """Return litellm's packaged price map and how to cite it, without importing litellm (seconds)."""
    package = distribution("litellm")
    path = package.locate_file("litellm/model_prices_and_context_window_backup.json")
    citation = f"litellm {package.version} (MIT), model_prices_and_context_window_backup.json"
    prices: dict[str, Any] = json.loads(Path(str(path)).read_text(encoding="utf-8"))
    return prices, citation


def size(row: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that state a model's size."""
    active = row["dense"] if "dense" in row else row["active"]
    total = spread(row.get("total", active))
    if "total" in row and isinstance(active, list):
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
        made.append(card | {"dated": True, "aliases": [name] if bare else []})
    for name in row.get("hosts", ()):
        card = card_of(name, row, prices, citation)
        made.append(card | {"reasoning": row.get("host_reasoning", "unknown")})
    return made


def card_of(name: str, row: dict[str, Any], prices: dict[str, Any], citation: str) -> dict[str, Any]:
    """Return the card of `name` as models.json holds it, without aliases and siblings."""
    provider, _, bare = name.partition("/")
    entry = prices.get(name)
    if entry is None and prices.get(bare, {}).get("litellm_provider") == provider:
        entry = prices[bare]
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


def order_ladders(cards: list[dict[str, Any]]) -> None:
    """Put each card among its siblings, in the order of estimated energy; the estimator is greenai's own."""
    from greenai.catalog import Card, Range
    from greenai.meters.physics import estimate

    energy: dict[str, float] = {}
    for row in cards:
        keep = ("layers", "kv_gb_per_1k_tokens", "bytes_per_weight", "hybrid", "moe", "name", "provider")
        fields: dict[str, Any] = {key: row[key] for key in keep if key in row}
        for key in ("total_params_b", "active_params_b"):
            low, mid, high = row[key]
            fields[key] = Range(low=low, mid=mid, high=high)
        reading = estimate(Card(**fields), input_tokens=REFERENCE_TOKENS, output_tokens=REFERENCE_TOKENS)
        energy[row["name"]] = math.inf if reading.energy_j is None else reading.energy_j
    for row in cards:
        own = row["name"]
        # At equal energy the model itself comes last, so that its siblings count as smaller.
        ranked = sorted((energy[name], name == own, name) for name in {own, *row["ladder"]})
        row["ladder"] = [name for _, _, name in ranked]


def check(cards: list[dict[str, Any]], switches: dict[str, Any]) -> None:
    """Refuse a catalog in which one name means two models, or that refers to something absent."""
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
    for path in sorted(HERE.glob("*.toml")):
        file = tomllib.loads(path.read_text(encoding="utf-8"))
        switches.update({key: {"date": DATE, **row} for key, row in file.get("switches", {}).items()})
        if "provider" in file:
            cards += [card for row in file.get("card", ()) for card in rows_of(file, row, prices, citation)]
    order_ladders(cards)
    check(cards, switches)
    head = {"version": f"catalog-{DATE.replace('-', '.')}", "written_by": "training/catalog/build.py"}
    lines = ",\n  ".join(json.dumps(card, ensure_ascii=False) for card in cards)
    table = ",\n  ".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in sorted(switches.items()))
    return f'{json.dumps(head)[:-1]},\n "switches": {{\n  {table}\n }},\n "cards": [\n  {lines}\n ]\n}}\n'


def main() -> None:
    parser = argparse.ArgumentParser(description="Write greenai/catalog/models.json.")
    parser.add_argument("--check", action="store_true", help="fail if the file on disk is stale")
    sys.path.insert(0, str(ROOT))
    text = build()
    if parser.parse_args().check:
        if TARGET.read_text(encoding="utf-8") != text:
            raise SystemExit("models.json is stale. Run: python training/catalog/build.py")
        return
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET.name}: {len(json.loads(text)['cards'])} cards, {len(text)} bytes")


if __name__ == "__main__":
    main()
