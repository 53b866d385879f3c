"""Names of models as logs have them: dates and routers that no card has, and what is none of the catalog's."""

from __future__ import annotations

import pytest
from audit_logs import LARGE, call, reads

from greenai.audit.advice import audited
from greenai.audit.columns import columns
from greenai.audit.models import card_of

SONNET = "anthropic/claude-sonnet-4-5"


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("openai/gpt-5.5", LARGE),
        ("openai/gpt-5.5-2026-04-23", "openai/gpt-5.5-2026-04-23"),  # it has a card of its own
        ("openai/gpt-5.5-2026-11-30", LARGE),
        ("gpt-5.5-20261130", LARGE),
        ("gpt-5.5-1130", LARGE),
        ("gpt-5.5-latest", LARGE),
        ("openrouter/openai/gpt-5.5-2026-11-30", LARGE),
        ("litellm_proxy/gpt-5.5", LARGE),
        ("anthropic/claude-sonnet-4-5-latest", SONNET),
        ("vertex_ai/claude-sonnet-4-5@20251201", "vertex_ai/claude-sonnet-4-5"),
        ("bedrock/apac.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("models/gemini-2.5-flash", "gemini/gemini-2.5-flash"),
        ("google/gemini-2.5-flash", "gemini/gemini-2.5-flash"),
    ],
)
def test_a_date_or_a_router_before_a_name_is_left_out(name: str, card: str) -> None:
    found = card_of(name)
    assert found is not None
    assert found.name == card


@pytest.mark.parametrize(
    "name",
    [
        "openai/gpt-5.5-2026-13-01",  # no date
        "openai/gpt-5.5-9999",
        "openai/gpt-5.5-turbo",
        "mistral/mistral-large-2411",  # a year and a month: another size than the latest
        "endpoint/gpt-5.5-2026-11-30",  # a server of somebody's own
        "ollama/gpt-5.5",
        "ours/openai/gpt-5.5",
        "",
    ],
)
def test_what_is_no_name_of_the_catalog_has_no_card(name: str) -> None:
    assert card_of(name) is None


def test_such_calls_have_an_energy_and_the_finding_says_what_they_were_taken_as() -> None:
    log = [
        *(call(f"Why is number {n} odd?", at=n, model="openai/gpt-5.5-2026-11-30") for n in range(3)),
        *(call(f"Why is {n} even?", at=n, model="openrouter/openai/gpt-5.5") for n in range(2)),
        call("Why?", model="ours/secret"),
    ]
    found = audited(columns(log), reads(log), in_a_row=0)
    same = [call(f"Why is number {n} odd?", at=n) for n in range(3)]
    exact = audited(columns(same), reads(same), in_a_row=0)
    assert found.whole.was.energy_unknown == 1
    dated = next(group for group in found.models if group.name.endswith("11-30"))
    assert dated.was.energy_j is not None
    assert exact.whole.was.energy_j is not None
    assert dated.was.energy_j.mid == pytest.approx(exact.whole.was.energy_j.mid)
    assert dated.was.cost_usd == exact.whole.was.cost_usd
    assert dated.avoidable.mid == pytest.approx(exact.whole.avoidable.mid, abs=0.05)
    assert found.assumption("taken_as").text == (
        "Names that the catalog has not are taken as the model without its date or who handed it on: "
        "openai/gpt-5.5-2026-11-30 as openai/gpt-5.5 (3 calls), openrouter/openai/gpt-5.5 as openai/gpt-5.5 (2 calls). "
        "Size and price of another date may differ."
    )
    assert "taken_as" not in [one.key for one in exact.assumptions]
