"""GET /v1/models: the ladder, the models on this machine, and those that the catalog knows of configured providers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from greenai import catalog
from greenai.local import weights

if TYPE_CHECKING:
    from greenai.session import Session

__all__ = ["models"]

AUTO = "auto"

_KEYS = {"gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY")}
"""The variables of those providers whose key is not called like them."""


def models(session: Session) -> list[dict[str, Any]]:
    """Return the models that a caller may name, as openai lists them; `auto` is the ladder of the settings."""
    seen: dict[str, str] = {}
    for name, owner in _named(session):
        seen.setdefault(name, owner)
    return [{"id": name, "object": "model", "created": 0, "owned_by": owner} for name, owner in seen.items()]


def _named(session: Session) -> Iterator[tuple[str, str]]:
    settings, ladder = session.resources.settings, session.resources.steps.ladder
    if session.config.endpoint is None or settings.ladder is not None:
        yield AUTO, "greenai"
        for rung in ladder:
            yield rung.model, rung.provider
    for found in weights.installed(settings.weights_dir):
        yield f"local/{found.name}", "local"
    if session.config.endpoint is not None:
        return  # what that server has, nobody told
    env = session.resources.outside.env
    for card in catalog.cards():
        if any(env.get(name) for name in _KEYS.get(card.provider, (f"{card.provider.upper()}_API_KEY",))):
            yield card.name, card.provider
