"""Write greenai/meters/sites.json: what is published of each provider's data centres.

    pip download --no-deps ecologits==0.11.3 -d DIR
    python training/energy/sites.py DIR/ecologits-0.11.3-py3-none-any.whl

The figures are facts from EcoLogits' table of providers (package 0.11.3, MPL-2.0); none of its code is used. A figure
stated as one number is a fleet's mean, so it gets a spread here, which is an assumption. Market-based carbon is there
only where the provider itself published it for its inference.
"""

from __future__ import annotations

import ast
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[2] / "greenai" / "meters" / "sites.json"
DATE = "2026-11-21"
MODULE = "ecologits/tracers/utils.py"
SOURCE = f"EcoLogits 0.11.3, {MODULE}, PROVIDER_CONFIG_MAP"
NAMES = {
    "anthropic": ["anthropic"],
    "cohere": ["cohere", "cohere_chat"],
    "google_genai": ["gemini", "vertex_ai"],
    "huggingface_hub": ["huggingface"],
    "mistralai": ["mistral", "codestral"],
    "openai": ["openai"],
}
"""EcoLogits' names of providers, and litellm's, which are greenai's."""

PUE_SPREAD = 1.5
"""Factor each way on what a facility takes beyond its machines, around a stated figure. Assumption."""

DEFAULT_PUE = {
    "value": 1.2,
    "low": 1.1,
    "high": 1.4,
    "source": "assumption for a site that states none: 1.09 to 1.20 are stated by those that do, 1.4 for other sites",
    "date": DATE,
}
# The paper's better-known 0.03 g also counts scopes 1 and 3, making the hardware among them: not electricity alone.
MARKET = {
    "google_genai": {
        "g_per_kwh": 95.8,
        "source": "0.023 g CO2e of scope 2, market-based, over 0.24 Wh of the median Gemini Apps prompt, "
        "arXiv 2508.15734",
        "year": 2025,
        "date": DATE,
    }
}


def stated(node: ast.expr) -> list[float]:
    """Return a number, or the ends of a `RangeValue(min=, max=)`, as a list."""
    if isinstance(node, ast.Call):
        return [float(ast.literal_eval(k.value)) for k in node.keywords]
    return [float(ast.literal_eval(node))]


def providers(wheel: Path) -> dict[str, dict[str, Any]]:
    """Return EcoLogits' table by provider: `location`, `pue` and `wue` as stated."""
    tree = ast.parse(zipfile.ZipFile(wheel).read(MODULE))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PROVIDER_CONFIG_MAP":
            table = node.value
            break
    else:
        raise SystemExit(f"{MODULE} has no PROVIDER_CONFIG_MAP. Is this EcoLogits 0.11.3?")
    assert isinstance(table, ast.Dict)
    found: dict[str, dict[str, Any]] = {}
    for key, call in zip(table.keys, table.values, strict=True):
        fields = {k.arg: k.value for k in call.keywords}  # type: ignore[attr-defined]
        found[ast.literal_eval(key)] = {  # type: ignore[arg-type]
            "zone": ast.literal_eval(fields["datacenter_location"]),
            "pue": stated(fields["datacenter_pue"]),
            "wue": stated(fields["datacenter_wue"]),
        }
    return found


def interval(low: float, high: float, spread: float) -> dict[str, float]:
    """Return the middle of a stated range with its ends moved out by `spread`."""
    ends = {"low": round(low / spread, 4), "high": round(high * spread, 4)}
    return {"value": round((low + high) / 2, 4), **ends}


def row(name: str, stated_row: dict[str, Any]) -> dict[str, Any]:
    """Return one provider's entry."""
    over = interval(min(stated_row["pue"]) - 1, max(stated_row["pue"]) - 1, PUE_SPREAD)
    wue = stated_row["wue"]
    return {
        "zone": stated_row["zone"],
        "pue": {key: round(1 + value, 4) for key, value in over.items()},
        "wue_l_per_kwh": {"value": round(sum(wue) / len(wue), 4), "low": min(wue), "high": max(wue)},
        "source": SOURCE,
        "date": DATE,
        "market": MARKET.get(name),
    }


def main() -> None:
    table = providers(Path(sys.argv[1]))
    rows = {alias: row(name, table[name]) for name in sorted(table) for alias in NAMES[name]}
    head = json.dumps({"written_by": "training/energy/sites.py", "default_pue": DEFAULT_PUE})[:-1]
    body = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(rows.items()))
    TARGET.write_text(f'{head},\n "providers": {{\n  {body}\n }}}}\n', encoding="utf-8")
    print(f"{TARGET.name}: {len(rows)} names of {len(table)} providers")


if __name__ == "__main__":
    main()
