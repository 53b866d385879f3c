"""Reading a budget: what is meant, and what is refused with the way to write it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.budget import UNITS, Amount, Budget, Unit
from greenai.errors import InvalidRequest

UNIT_LIST = "J, kJ, MJ, mWh, Wh, kWh, MWh, USD, EUR, g CO2e, kg CO2e, tokens, calls or reasoning calls"
WINDOW_LIST = "minute, hour, day, week, month, or a length that rolls, such as 30d rolling"


@pytest.mark.parametrize(
    ("text", "given", "unit", "limit", "window"),
    [
        ("50 Wh/day", {}, "energy_j", 180_000, "day:UTC"),
        ("50Wh/day", {}, "energy_j", 180_000, "day:UTC"),
        (" 50  Wh  per  Day ", {}, "energy_j", 180_000, "day:UTC"),
        ("50 Wh/day", {"timezone": "Europe/Paris"}, "energy_j", 180_000, "day:Europe/Paris"),
        ("7 J/min", {}, "energy_j", 7, "minute:UTC"),
        ("1.5 kJ/hour", {}, "energy_j", 1500, "hour:UTC"),
        ("2 MJ", {}, "energy_j", 2_000_000, "total"),
        ("500 mWh/h", {}, "energy_j", 1800, "hour:UTC"),
        ("1 kWh/30d rolling", {}, "energy_j", 3_600_000, "rolling:2592000"),
        ("1 kWh/2 weeks rolling", {}, "energy_j", 3_600_000, "rolling:1209600"),
        ("1 kWh/day rolling", {}, "energy_j", 3_600_000, "rolling:86400"),
        ("1 MWh/month", {}, "energy_j", 3_600_000_000, "month:UTC"),
        ("0.5 Wh", {}, "energy_j", 1800, "total"),
        ("5 USD/day", {"unit": "usd"}, "usd", 5, "day:UTC"),
        ("5 EUR/day", {"eur_usd": 1.1}, "usd", 5.5, "day:UTC"),
        ("200 g/week", {}, "carbon_g", 200, "week:UTC"),
        ("200 gCO2e/week", {}, "carbon_g", 200, "week:UTC"),
        ("2 kg CO2e/month", {}, "carbon_g", 2000, "month:UTC"),
        ("1e5 tokens/day", {}, "tokens", 100_000, "day:UTC"),
        ("1 call/minute", {}, "calls", 1, "minute:UTC"),
        ("20 reasoning calls/day", {}, "reasoning_calls", 20, "day:UTC"),
        ("20/day", {"unit": "reasoning_calls"}, "reasoning_calls", 20, "day:UTC"),
        ("20", {"unit": "calls"}, "calls", 20, "total"),
    ],
)
def test_budgets_are_read(text: str, given: dict[str, Any], unit: str, limit: float, window: str) -> None:
    budget = Budget.parse(text, **given)
    assert (budget.unit, budget.limit, budget.window.key(budget.timezone)) == (unit, limit, window)
    assert budget.text == text.strip()


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("", {}, '"" is no budget. Write an amount, a unit and a window, such as "50 Wh/day".'),
        ("unlimited", {}, '"unlimited" is no budget. Write an amount, a unit and a window, such as "50 Wh/day".'),
        ("Wh/day", {}, '"Wh/day" is no budget. Write an amount, a unit and a window, such as "50 Wh/day".'),
        (None, {}, 'A budget is a text such as "50 Wh/day", not None.'),
        (50, {}, 'A budget is a text such as "50 Wh/day", not 50.'),
        ("50 Hw/day", {}, f'"50 Hw/day" has the unknown unit "Hw". Write one of {UNIT_LIST}.'),
        ("50 wh/day", {}, f'"50 wh/day" has the unknown unit "wh". Did you mean Wh? Write one of {UNIT_LIST}.'),
        (
            "50 MWH/day",
            {},
            f'"50 MWH/day" has the unknown unit "MWH". Did you mean mWh or MWh? Write one of {UNIT_LIST}.',
        ),
        ("5 $/day", {}, f'"5 $/day" has the unknown unit "$". Did you mean USD? Write one of {UNIT_LIST}.'),
        ("20/day", {}, f'"20/day" has no unit. Write one of {UNIT_LIST}, such as "50 Wh/day".'),
        ("20/day", {"unit": "usd"}, f'"20/day" has no unit. Write one of {UNIT_LIST}, such as "5 USD/day".'),
        (
            "50 Wh/day",
            {"unit": "usd"},
            '"50 Wh/day" is a budget of energy; here it must be of money, in USD or EUR. Write for example "5 USD/day".',
        ),
        (
            "20 calls/day",
            {"unit": "reasoning_calls"},
            (
                '"20 calls/day" is a budget of calls; here it must be of reasoning calls. '
                'Write for example "20 reasoning calls/day".'
            ),
        ),
        (
            "50 Wh/day",
            {"unit": "energy"},
            (
                "unit='energy' is no quantity of Amount. "
                "Write one of: energy_j, usd, tokens, calls, reasoning_calls, carbon_g."
            ),
        ),
        (
            "-5 Wh/day",
            {},
            (
                '"-5 Wh/day" would allow nothing: a budget is larger than 0. To allow no call at all, leave the model out of '
                "the ladder; for no limit, leave the budget out."
            ),
        ),
        (
            "0 USD/day",
            {},
            (
                '"0 USD/day" would allow nothing: a budget is larger than 0. To allow no call at all, leave the model out of '
                "the ladder; for no limit, leave the budget out."
            ),
        ),
        (
            "nan Wh/day",
            {},
            (
                '"nan Wh/day" has the number "nan", which cannot be read. Write digits, with a point for decimals and '
                "nothing between thousands, such as 1500.5."
            ),
        ),
        (
            "1,000 Wh/day",
            {},
            (
                '"1,000 Wh/day" has the number "1,000", which cannot be read. Write digits, with a point for decimals and '
                "nothing between thousands, such as 1500.5."
            ),
        ),
        ("1e99 Wh/day", {}, '"1e99 Wh/day" is more than can be counted. For no limit, leave the budget out.'),
        ("1e999 Wh/day", {}, '"1e999 Wh/day" is more than can be counted. For no limit, leave the budget out.'),
        (
            "0.0000000001 g/hour",
            {},
            '"0.0000000001 g/hour" is less than can be counted. Write 0.000000001 g CO2e at least.',
        ),
        ("0.5 calls/day", {}, '"0.5 calls/day" is less than can be counted. Write 1 call at least.'),
        (
            "$5/hour",
            {},
            (
                '"$5/hour" is no budget. Did you mean "5 USD/hour"? Write an amount, a unit and a window, such as '
                '"50 Wh/day".'
            ),
        ),
        ("5 €/day", {}, f'"5 €/day" has the unknown unit "€". Did you mean EUR? Write one of {UNIT_LIST}.'),
        (
            "1M/hour",
            {"unit": "tokens"},
            f'"1M/hour" has the unknown unit "M". Did you mean "1000000/hour"? Write one of {UNIT_LIST}.',
        ),
        (
            "1.5M tokens/hour",
            {},
            f'"1.5M tokens/hour" has the unknown unit "M tokens". Did you mean "1500000 tokens/hour"? Write one of {UNIT_LIST}.',
        ),
        (
            "5 kWh/days",
            {},
            f'"5 kWh/days" has the unknown window "days". Did you mean day? Write one of: {WINDOW_LIST}.',
        ),
        (
            "50 Wh/day",
            {"timezone": "PST"},
            (
                "\"50 Wh/day\": 'PST' is no time zone. Did you mean America/Los_Angeles? "
                'Write a name of the IANA list, such as "Europe/Paris" or "UTC".'
            ),
        ),
        ("1.5 calls/day", {}, '"1.5 calls/day" counts calls, which are whole. Write 2.'),
        (
            "50 Wh/fortnight",
            {},
            f'"50 Wh/fortnight" has the unknown window "fortnight". Write one of: {WINDOW_LIST}.',
        ),
        (
            "50 Wh/dya",
            {},
            f'"50 Wh/dya" has the unknown window "dya". Did you mean day? Write one of: {WINDOW_LIST}.',
        ),
        ("50 Wh/", {}, f'"50 Wh/" has the unknown window "". Write one of: {WINDOW_LIST}.'),
        (
            "50 Wh/30d",
            {},
            f'"50 Wh/30d" has the unknown window "30d". A length rolls: write "30d rolling". Write one of: {WINDOW_LIST}.',
        ),
        (
            "50 Wh/1s rolling",
            {},
            '"50 Wh/1s rolling" rolls over 1 s. Write 10 s at least and 400 days at most.',
        ),
        (
            "5 EUR/day",
            {},
            (
                '"5 EUR/day" is in euros, and prices are in US dollars: state the rate with eur_usd, how many US dollars a '
                "euro is, or write the budget in USD."
            ),
        ),
        (
            "5 EUR/day",
            {"eur_usd": float("nan")},
            "eur_usd=nan is no rate: how many US dollars a euro is, such as 1.1.",
        ),
        (
            "50 Wh/day",
            {"timezone": "Europe/Pari"},
            (
                "\"50 Wh/day\": 'Europe/Pari' is no time zone. Did you mean Europe/Paris or Europe/Madrid or Europe/Zurich? "
                'Write a name of the IANA list, such as "Europe/Paris" or "UTC".'
            ),
        ),
        (
            "50 Wh/day",
            {"timezone": "../../etc/passwd"},
            (
                "\"50 Wh/day\": '../../etc/passwd' is no time zone. "
                'Write a name of the IANA list, such as "Europe/Paris" or "UTC".'
            ),
        ),
    ],
)
def test_slips_are_refused(text: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Budget.parse(text, **given)
    assert str(refused.value) == message
    assert isinstance(refused.value, ValueError)


@given(st.text(max_size=40))
def test_no_text_means_no_limit(text: str) -> None:
    try:
        budget = Budget.parse(text)
    except InvalidRequest:
        return
    assert 0 < budget.limit < float("inf")


@given(
    st.from_regex(r"-?[0-9]{1,5}(\.[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["J", "Wh", "kWh", "USD", "g", "tokens", "calls"]),
    st.sampled_from(["/minute", "/day", "/month", "/30d rolling", ""]),
)
def test_a_budget_is_as_large_as_it_says(number: str, unit: str, window: str) -> None:
    try:
        budget = Budget.parse(f"{number} {unit}{window}")
    except InvalidRequest:
        assert float(number) <= 0 or (unit in ("tokens", "calls") and not float(number).is_integer())
        return
    assert budget.limit == pytest.approx(float(number) * budget.scale)
    assert budget.shown(budget.limit).split()[1].rstrip("s") == budget.symbol.split()[0].rstrip("s")


def test_amounts_add_up() -> None:
    one = Amount(energy_j=1.5, usd=0.25, tokens=10, calls=1, reasoning_calls=0, carbon_g=0.125)
    two = one + one
    assert two == Amount(energy_j=3, usd=0.5, tokens=20, calls=2, carbon_g=0.25)
    assert two - one == one
    assert one - two == Amount()
    assert two.covers(one)
    assert not one.covers(two)
    assert [two.of(unit) for unit in UNITS] == [3, 0.5, 20, 2, 0, 0.25]


@pytest.mark.parametrize(
    ("text", "unit", "named"),
    [
        ("20/day", "reasoning_calls", "20 reasoning calls/day"),
        ("1/day", "calls", "1 call/day"),
        ("1000000 per month", "tokens", "1000000 tokens per month"),
        ("10/30d rolling", "calls", "10 calls/30d rolling"),
        ("50 Wh/day", None, "50 Wh/day"),
        ("2 calls", None, "2 calls"),
    ],
)
def test_its_name_has_its_unit(text: str, unit: Unit | None, named: str) -> None:
    assert Budget.parse(text, unit=unit).named == named
