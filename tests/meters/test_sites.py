"""What is published of providers' sites."""

from __future__ import annotations

import pytest

from greenai.catalog import cards
from greenai.meters import carbon, sites


def test_a_stated_pue_lies_in_its_range() -> None:
    assert sites.pue("openai") == (1.2, 1.1333, 1.3)


@pytest.mark.parametrize("provider", [None, "hosted_vllm", "nobody"])
def test_a_provider_that_states_nothing_gets_the_default(provider: str | None) -> None:
    assert sites.pue(provider) == (1.2, 1.1, 1.4)
    assert sites.find(provider) is None


def test_every_row_is_whole() -> None:
    known = {card.provider for card in cards()}
    for provider in ("anthropic", "gemini", "mistral", "openai"):
        site = sites.find(provider)
        assert provider in known
        assert site is not None
        assert 1 < site.pue.low < site.pue.value < site.pue.high < 1.5
        assert 0 < site.wue_l_per_kwh.low <= site.wue_l_per_kwh.value <= site.wue_l_per_kwh.high < 2
        assert carbon.zone(site.zone).code == site.zone
        assert "EcoLogits 0.11.3" in site.source


def test_market_based_carbon_is_there_only_where_it_is_published() -> None:
    google, openai = sites.find("gemini"), sites.find("openai")
    assert google is not None
    assert openai is not None
    assert google.market is not None
    assert google.market.g_per_kwh == 95.8
    assert "scope 2, market-based" in google.market.source
    assert openai.market is None
