"""What tokens cost at list price."""

from __future__ import annotations

from typing import Any

import pytest

from greenai.catalog import Price, Rate, cards, find
from greenai.meters import cost
from greenai.values import Usage

MILLION = 1_000_000
PRICE = Price(
    input=5.0,
    cached_input=0.5,
    output=30.0,
    source="somebody",
    date="2026-11-21",
    services={"batch": Rate(2.5, 0.25, 15.0), "flex": Rate(2.5, None, 15.0)},
    long_from_tokens=272_000,
    long={"standard": Rate(10.0, 1.0, 45.0)},
)


def usage(sent: int | None = 1000, got: int | None = 100, **named: Any) -> Usage:
    return Usage(input_tokens=sent, output_tokens=got, **named)


def test_fresh_cached_and_generated_tokens_each_have_their_price() -> None:
    assert cost.usd(PRICE, usage(1000, 100, cached_tokens=400)) == pytest.approx(
        (600 * 5.0 + 400 * 0.5 + 100 * 30.0) / MILLION
    )


def test_batch_and_flex_have_their_own_and_without_a_discount_a_cached_token_is_a_fresh_one() -> None:
    assert cost.usd(PRICE, usage(1000, 100, cached_tokens=400), "batch") == pytest.approx(
        (600 * 2.5 + 400 * 0.25 + 100 * 15.0) / MILLION
    )
    assert cost.usd(PRICE, usage(1000, 100, cached_tokens=400), "flex") == pytest.approx(
        (1000 * 2.5 + 100 * 15.0) / MILLION
    )


def test_a_long_prompt_has_the_long_price_for_all_of_it() -> None:
    assert cost.usd(PRICE, usage(272_000, 0)) == pytest.approx(272_000 * 5.0 / MILLION)
    assert cost.usd(PRICE, usage(272_001, 100)) == pytest.approx((272_001 * 10.0 + 100 * 45.0) / MILLION)


def test_reasoning_has_its_own_price_where_one_is_listed() -> None:
    price = Price(input=0.05, cached_input=None, output=0.2, reasoning_output=0.5, source="somebody", date="2026-11-21")
    assert cost.usd(price, usage(0, 100, reasoning_tokens=80)) == pytest.approx((20 * 0.2 + 80 * 0.5) / MILLION)
    assert cost.usd(PRICE, usage(0, 100, reasoning_tokens=80)) == pytest.approx(100 * 30.0 / MILLION)


@pytest.mark.parametrize(
    ("price", "tokens", "service"),
    [
        (None, usage(), "standard"),
        (PRICE, usage(sent=None), "standard"),
        (PRICE, usage(got=None), "standard"),
        (PRICE, usage(), "priority"),
        (PRICE, usage(), None),
        (PRICE, usage(300_000, 1), "batch"),
    ],
    ids=["no price", "no input", "no output", "service not listed", "service without a price", "long and not listed"],
)
def test_what_is_not_listed_is_unknown(price: Price | None, tokens: Usage, service: str | None) -> None:
    assert cost.usd(price, tokens, service) is None


@pytest.mark.parametrize(
    ("arguments", "service"),
    [
        ({}, "standard"),
        ({"service_tier": None}, "standard"),
        ({"service_tier": "auto"}, "standard"),
        ({"service_tier": "default"}, "standard"),
        ({"service_tier": "flex"}, "flex"),
        ({"service_tier": "batch"}, "batch"),
        ({"service_tier": "priority"}, "priority"),
        ({"service_tier": "scale"}, None),
        ({"service_tier": ["flex"]}, None),
    ],
)
def test_the_service_is_what_the_request_asks_for(arguments: dict[str, Any], service: str | None) -> None:
    assert cost.service(arguments) == service


def test_a_model_on_this_machine_costs_nothing_and_an_unknown_one_nobody_knows_what() -> None:
    assert cost.of("local/smollm2-135m", usage()) == 0.0
    assert cost.of("nobody/nothing", usage()) is None
    assert cost.of("openai/gpt-5.5", usage()) == pytest.approx((1000 * 5.0 + 100 * 30.0) / MILLION)


def test_the_catalogs_other_services_are_listed_and_batch_is_never_dearer() -> None:
    priced = [card.price for card in cards() if card.price is not None]
    assert sum("batch" in price.services for price in priced) >= 30
    for price in priced:
        for rates in (price.services, price.long):
            writes = price.output > 0  # an embedding model writes nothing
            assert all(rate.input > 0 and (rate.output > 0) == writes for rate in rates.values())
        batch = price.services.get("batch")
        assert batch is None or (batch.input <= price.input and batch.output <= price.output)
        assert (price.long_from_tokens is None) == (not price.long)


def test_the_discount_of_the_flex_service_reaches_the_catalog() -> None:
    card = find("openai/gpt-5.5")
    assert card is not None
    assert card.price is not None
    assert card.price.rate("flex") == Rate(2.5, 0.25, 15.0)
    assert card.price.rate("standard", 300_000) == Rate(10.0, 1.0, 45.0)
