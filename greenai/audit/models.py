"""Which card of the catalog a name in a log means: exactly that name, else without a date or who handed it on.

The catalog finds a name exactly or not at all. Logs have more: a snapshot of a date that no card has, a name behind a
router. Such a name is taken as the undated one, if that has a card, and the finding says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from greenai.audit.finding import Assumption
from greenai.catalog import Card, find
from greenai.report.words import count

__all__ = ["assumption", "card_of"]

MOST_NAMED = 6
# -2026-04-23, -20260423, @20260423, -0423 (month and day), -latest, @default
_DATE = re.compile(
    r"[-@]((19|20)\d\d-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])|(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])|latest|default)$"
)
_REGION = re.compile(r"^(apac|au|eu|global|jp|us|us-gov)\.")
_HANDED_ON = frozenset(
    (
        "aws", "azure", "azure_ai", "azure_openai", "bedrock", "bedrock_converse", "cloudflare", "gemini", "github",
        "github_copilot", "google", "google_genai", "google_vertexai", "googleai", "helicone", "litellm",
        "litellm_proxy", "models", "openrouter", "portkey", "requesty", "vercel", "vercel_ai_gateway", "vertex_ai",
    )
)  # fmt: skip
"""Who stands before a model's own name: clouds and routers that serve models of others. What a server of somebody's
own calls its models (`endpoint/`, `hosted_vllm/`, `ollama/`) may be anything."""


@lru_cache(maxsize=4096)
def card_of(name: str) -> Card | None:
    """Return the card of a name of a log; None where there is none of it without its date either."""
    return next((card for spelt in _spelt(name) if (card := find(spelt)) is not None), None)


def _spelt(name: str) -> Iterator[str]:
    """Yield a name as it is, and then with less and less of what is not the model's own."""
    yield name
    if name.startswith("endpoint/"):
        return
    yield _DATE.sub("", name)
    before, slash, rest = name.partition("/")
    if slash and before in _HANDED_ON:
        yield from _spelt(rest)
        yield f"{before}/{_REGION.sub('', rest)}"
        yield _REGION.sub("", rest)


def assumption(calls: Mapping[str, int]) -> Assumption | None:
    """Return what is assumed of names that no card has; None where all that are known have one.

    Args:
        calls: how many calls a log has, by the name of their model.
    """
    taken = {
        name: card.name for name in sorted(calls, key=lambda name: (-calls[name], name))
        if find(name) is None and (card := card_of(name)) is not None
    }  # fmt: skip
    if not taken:
        return None
    said = [f"{name} as {card} ({count(calls[name], 'call')})" for name, card in [*taken.items()][:MOST_NAMED]]
    more = f", and {len(taken) - MOST_NAMED} more" if len(taken) > MOST_NAMED else ""
    return Assumption(
        key="taken_as",
        text=f"Names that the catalog has not are taken as the model without its date or who handed it on: "
        f"{', '.join(said)}{more}. Size and price of another date may differ.",
        evidence="assumed",
    )
