"""The kinds of values that a setting may have, each with what a message says where it is of another kind."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

__all__ = [
    "CACHE_URL",
    "CARBON_SOURCE",
    "FEATURE",
    "MODEL",
    "ONE_LINE",
    "PROVIDERS",
    "UPPER",
    "URL",
    "VARIABLE",
    "ZONE",
    "Place",
    "duration_s",
    "entry",
    "place",
    "shown",
    "size_bytes",
    "split",
]

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")


def duration_s(text: str | float) -> float:
    """Convert a duration such as "24h", "90s" or "1.5 d" to seconds; a bare number is seconds.

    Raises:
        ValueError: it is no duration, negative or not finite.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        seconds = float(text)
    else:
        match = _DURATION.fullmatch(str(text).strip())
        if match is None:
            raise ValueError('it must be a number and a unit, such as "24h"')
        seconds = float(match[1]) * _UNITS[match[2]]
    if not 0 <= seconds < 1e10:
        raise ValueError("it must be between 0 and 300 years")
    return seconds


_SIZES = {
    "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?b)", re.IGNORECASE)


def size_bytes(text: str | float) -> int:
    """Convert a size such as "256MB", "1.5 GB" or "512 MiB" to bytes; a bare number is bytes.

    Raises:
        ValueError: it is no size, or under 1 MB.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        count = float(text)
    else:
        match = _SIZE.fullmatch(str(text).strip())
        unit = _SIZES.get(match[2].lower()) if match else None
        if match is None or unit is None:
            raise ValueError('it must be a number and a unit, such as "256MB"')
        count = float(match[1]) * unit
    if not 1e6 <= count <= 1e15:
        raise ValueError("it must be between 1 MB and 1000 TB")
    return int(count)


def split(value: object) -> object:
    """Read a list that is written as text with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def entry(value: object) -> object:
    """Read a model's name as an entry of the ladder."""
    return {"model": value} if isinstance(value, str) else value


def place(value: object) -> object:
    """Read a path as the settings of the FAQ."""
    return value if isinstance(value, Mapping) or value is None or hasattr(value, "path") else {"path": value}


def _absolute(path: Path) -> Path:
    """Return a path that means the same after the process has changed its folder."""
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("this user has no home folder, so ~ means nothing") from error


Place = Annotated[Path, AfterValidator(_absolute)]


def shown(value: object) -> str:
    """Return a value as a message shows it: as JSON, and not too long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def like(pattern: str, must: str) -> AfterValidator:
    """Hold a text to `pattern`; `must` says in words what it has to be, for nobody should read the pattern."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise ValueError(must)
        return value

    return AfterValidator(check)


MODEL = like(r"[^/\s]+/\S+", 'it must be provider/name, for example "openai/gpt-5.5"')
URL = like(r"https?://\S+", 'it must begin with http:// or https://, for example "http://127.0.0.1:8000/v1"')
CACHE_URL = like(
    r"(rediss?|valkeys?)://\S+|unix:/\S+",
    "it must be the address of a Redis or Valkey: redis://, rediss://, unix:// or valkey://, and after it the server, "
    'for example "redis://127.0.0.1:6379/0"',
)
VARIABLE = like(
    r"[A-Za-z_][A-Za-z0-9_]*",
    'it must be the name of a variable, for example "OPENAI_API_KEY"; the key itself is never set here',
)
FEATURE = like(
    r"[\w][\w./-]{0,99}", 'it must be a name of up to 100 letters, digits and _ - . /, such as "search_summary"'
)
ONE_LINE = like(r"[^\x00-\x1f\x7f]+", "it must be one line without control characters")
# Which grids there are is for meters.carbon, which also suggests one to somebody who writes a name.
ZONE = like(
    r"[^\W\d_][\w :,.()'&-]{1,60}",
    'it must be a country such as "FRA", a state or province such as "US-CA", a cloud region such as "aws:eu-west-3", '
    "or WORLD",
)
CARBON_SOURCE = like(
    r"static|uk-carbon-intensity|electricity-maps(:[A-Za-z0-9-]+)?",
    'it must be "static", "electricity-maps" or "uk-carbon-intensity"',
)
UPPER = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)

PROVIDERS = frozenset(
    (
        "anthropic", "azure", "azure_ai", "baseten", "bedrock", "cerebras", "codestral", "cohere", "cohere_chat",
        "dashscope", "deepinfra", "deepseek", "endpoint", "fireworks_ai", "gemini", "groq", "hosted_vllm",
        "huggingface", "hyperbolic", "local", "minimax", "mistral", "moonshot", "nebius", "novita", "openai",
        "perplexity", "together_ai", "vertex_ai", "xai", "zai",
    )
)  # fmt: skip
"""Whose models the catalog has, or who has published its sites, with `endpoint` and `local`. The catalog lies above."""
