"""What tokens cost at list price, in US dollars. Pure functions over the catalog's prices; None is unknown, never 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenai.catalog import find

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenai.catalog import Price
    from greenai.values import Attempt, Usage

__all__ = ["of", "of_attempt", "service", "usd"]

STANDARD = "standard"
SERVICES: Mapping[object, str] = {
    **dict.fromkeys((None, "auto", "default"), STANDARD),
    **{name: name for name in ("batch", "flex", "priority")},
}
"""openai's `service_tier` by the service whose price holds; another one, such as bought capacity, has no list price."""


def service(arguments: Mapping[str, Any], answered: str | None = None) -> str | None:
    """Return the service whose prices hold: what the provider `answered`, else what the request asks for.

    Both are openai's `service_tier`; None for a service without a list price. "auto" is taken as the standard one where
    the provider does not say: what it means is set in the provider's project.
    """
    asked = arguments.get("service_tier") if answered is None else answered
    return SERVICES.get(asked) if asked is None or isinstance(asked, str) else None


def of(model: str, usage: Usage, service: str | None = STANDARD) -> float | None:
    """Return what these tokens of `model` cost: nothing on this machine, None where price or tokens are unknown."""
    if model.startswith("local/"):
        return 0.0
    card = find(model)
    return usd(card.price if card is not None else None, usage, service)


def of_attempt(attempt: Attempt) -> float | None:
    """Return what one attempt costs at list price: nothing on this machine, None where unknown."""
    return of(attempt.model, attempt.usage, attempt.service)


def usd(price: Price | None, usage: Usage, service: str | None = STANDARD) -> float | None:
    """Return the price of these tokens; None where the tokens, the price or that service's price are unknown.

    A cached token costs as much as a fresh one where no discount is listed.
    """
    if price is None or service is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    rate = price.rate(service, usage.input_tokens)
    if rate is None:
        return None
    cached = min(usage.cached_tokens or 0, usage.input_tokens)
    cached_price = rate.input if rate.cached_input is None else rate.cached_input
    thought = 0 if price.reasoning_output is None else min(usage.reasoning_tokens or 0, usage.output_tokens)
    output = (usage.output_tokens - thought) * rate.output + thought * (price.reasoning_output or 0.0)
    return ((usage.input_tokens - cached) * rate.input + cached * cached_price + output) / 1e6
