"""Write greenai/catalog/schema.json: the JSON Schema of models.json, of one card, and of an entry of `cards`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[2] / "greenai" / "catalog" / "schema.json"
DAY = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
TEXT = {"type": "string", "minLength": 1}
MODEL = {"type": "string", "pattern": r"^[^/\s]+/\S+$"}
POSITIVE = {"type": "number", "exclusiveMinimum": 0}
MONEY = {"type": "number", "minimum": 0}
RATE = {
    "description": "Input, cached input and output, in US dollars per million tokens.",
    "type": "array",
    "prefixItems": [MONEY, {"anyOf": [MONEY, {"type": "null"}]}, MONEY],
    "minItems": 3,
    "maxItems": 3,
}


def table(properties: dict[str, Any], required: list[str], about: str) -> dict[str, Any]:
    return {
        "description": about,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def maybe(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def size(about: str) -> dict[str, Any]:
    three = {"type": "array", "items": POSITIVE, "minItems": 3, "maxItems": 3}
    return {"description": f"{about}, in 1e9: low, median, high; null where nobody states it.", **maybe(three)}


def switch() -> dict[str, Any]:
    properties = {
        "default": {"enum": ["on", "off", "none", "unknown"]},
        "status": {"enum": ["off", "lowest", "always_on", "none", "unknown"]},
        "off": {"description": "The provider's native fields that turn reasoning off.", "type": "object"},
        "on": {"type": "object"},
        "source": TEXT,
        "date": DAY,
        "note": TEXT,
    }
    return table(properties, ["default", "status", "source", "date"], "How a model's reasoning is turned off, and on.")


def family() -> dict[str, Any]:
    properties = {
        "label": TEXT,
        "providers": {"description": "`*` is every provider.", "type": "array", "items": TEXT, "minItems": 1},
        "name": {"description": "A regular expression, searched in the lower-case name.", **TEXT},
        "switch": {"description": "A key of `switches`.", **TEXT},
        "example": MODEL,
        "trap": {"description": "What litellm makes of an effort of none.", **TEXT},
    }
    about = "How reasoning is turned off where a model has no card; the first that fits counts."
    return table(properties, ["label", "providers", "name", "switch", "example"], about)


def price() -> dict[str, Any]:
    services = {"type": "object", "additionalProperties": RATE}
    properties = {
        "input": MONEY,
        "cached_input": maybe(MONEY),
        "output": MONEY,
        "reasoning_output": MONEY,
        "services": services,
        "long_from_tokens": {"type": "integer", "minimum": 1},
        "long": services,
        "source": TEXT,
        "date": DAY,
    }
    about = "List prices in US dollars per million tokens."
    return table(properties, ["input", "cached_input", "output", "source", "date"], about)


def quality() -> dict[str, Any]:
    properties = {
        "score": {"type": "number", "minimum": 0, "maximum": 100},
        "reasoning": {"enum": ["off", "on"]},
        "name": TEXT,
        "source": TEXT,
        "date": DAY,
    }
    return table(properties, list(properties), "A published score of the model.")


def card() -> dict[str, Any]:
    names = {"type": "array", "items": TEXT, "uniqueItems": True}
    properties = {
        "name": {"description": "provider/name, as litellm spells it.", **MODEL},
        "provider": TEXT,
        "aliases": names,
        "dated": {"description": "A snapshot that names its date.", "type": "boolean"},
        "same_as": {"description": "The card whose model this is: a snapshot's, or another host's.", **MODEL},
        "tier": {"enum": ["small", "large"]},
        "ladder": {"description": "Siblings at the provider, least estimated energy first.", **names},
        "total_params_b": size("Parameters"),
        "active_params_b": size("Parameters used per token"),
        "shared_params_b": {"description": "Parameters that every token uses, in 1e9.", **POSITIVE},
        "moe": {"type": "boolean"},
        "params_source": TEXT,
        "params_date": DAY,
        "layers": {"type": "integer", "minimum": 1},
        "kv_gb_per_1k_tokens": {"description": "At 16 bits.", **maybe(POSITIVE)},
        "bytes_per_weight": {"description": "As usually served.", **POSITIVE},
        "hybrid": {"description": "Most layers keep a fixed state in place of a cache.", "type": "boolean"},
        "context_tokens": maybe({"type": "integer", "minimum": 1}),
        "capabilities": {"type": "array", "items": {"enum": ["audio", "json_schema", "tools", "vision"]}},
        "reasoning": {"description": "A key of `switches`.", **TEXT},
        "price": {"$ref": "#/$defs/price"},
        "quality": {"type": "array", "items": {"$ref": "#/$defs/quality"}},
        "default_system": TEXT,
        "defaults": {"type": "object"},
        "note": TEXT,
    }
    required = [
        *("name", "provider", "aliases", "dated", "tier", "ladder", "total_params_b", "active_params_b", "moe"),
        *("params_source", "params_date", "kv_gb_per_1k_tokens", "reasoning", "capabilities"),
    ]
    return table(properties, required, "What is known of one model.")


def own_card() -> dict[str, Any]:
    """Return the schema of an entry of the setting `cards`, which greenai's own validation is made from."""
    from greenai.settings.cards import CardEntry

    made: dict[str, Any] = CardEntry.model_json_schema(ref_template="#/$defs/own_{model}")
    return made


def schema() -> dict[str, Any]:
    """Return the whole schema."""
    own = own_card()
    definitions = {f"own_{name}": part for name, part in own.pop("$defs", {}).items()}
    properties = {
        "version": TEXT,
        "written_by": TEXT,
        "switches": {"type": "object", "additionalProperties": {"$ref": "#/$defs/switch"}},
        "families": {"type": "array", "items": {"$ref": "#/$defs/family"}},
        "cards": {"type": "array", "items": {"$ref": "#/$defs/card"}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "greenai's model catalog",
        **table(properties, list(properties), "greenai/catalog/models.json"),
        "$defs": {
            "card": card(),
            "switch": switch(),
            "family": family(),
            "price": price(),
            "quality": quality(),
            "own_card": own,
            **definitions,
        },
    }


def text() -> str:
    return json.dumps(schema(), ensure_ascii=False, indent=1) + "\n"
