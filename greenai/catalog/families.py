"""Families of models: how reasoning is turned off where a model has no card. This module reads nothing.

A name says which weights answer, a provider which field its interface knows: a row needs both. Of an address that
somebody else's server answers at, only what its name or port gives away is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from greenai import hosts

__all__ = ["OWN_NAMES", "Family", "first", "named_by"]

# Providers whose rows know models by names of their own: a name without a provider can be looked up there.
OWN_NAMES = ("openai", "anthropic", "gemini", "deepseek", "mistral", "zai", "moonshot", "xai", "minimax")

# The ports that these programs take if nobody says otherwise.
_PORTS = {11434: "ollama_v1", 1234: "lm_studio"}

# Providers whose own interface differs from what they answer at an address that ends in /v1.
_COMPATIBLE = {"ollama": "ollama_v1", "ollama_chat": "ollama_v1"}

_POINT = re.compile(r"(?<=\d)p(?=\d)")  # Fireworks writes qwen3p5


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One row: the providers (`*` is every one), a pattern of the name, and the key of the switch.

    `example` is a model that it fits, `trap` what litellm makes of an effort of none there.
    """

    label: str
    providers: tuple[str, ...]
    name: str
    switch: str
    example: str
    trap: str | None = None

    def fits(self, provider: str, name: str) -> bool:
        """Say whether a provider's model of this lower-case name belongs here."""
        return (provider in self.providers or "*" in self.providers) and re.search(self.name, name) is not None


def first(families: Iterable[Family], provider: str, name: str) -> Family | None:
    """Return the first family that fits, or None."""
    plain = _POINT.sub(".", name.lower())
    return next((family for family in families if family.fits(provider, plain)), None)


@lru_cache(maxsize=1024)
def named_by(base_url: str | None, provider: str = "endpoint") -> str:
    """Return whose interface answers at an address, as far as its domain or its port tells; else `provider`."""
    if base_url is None:
        return provider
    if provider != "endpoint":
        return _COMPATIBLE.get(provider, provider)
    return hosts.provider_of(base_url) or _PORTS.get(hosts.port_of(base_url) or 0, provider)
