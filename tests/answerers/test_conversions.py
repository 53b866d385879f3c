"""Amounts in other units: exact by the units' definitions, silent where a unit or a question has two meanings."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.answerers import conversions, unit_table
from greenai.answerers.measures import convert
from greenai.answerers.wording import question_of

ANSWERED = {
    "12 feet in meters": ("3.6576 m", "12 ft = 3.6576 m"),
    "How many ounces are in 2 cups?": ("16 US fl oz", "2 US cups = 16 US fl oz"),
    "How many ounces are in a pound?": ("16 oz", "1 lb = 16 oz"),
    "Convert 350 degrees Fahrenheit to Celsius, please": ("about 176.667 °C", "350 °F ≈ 176.667 °C"),
    "-40 c in f": ("-40 °F", "-40 °C = -40 °F"),
    "what's 5'10\" in cm?": ("177.8 cm", "5'10\" = 177.8 cm"),
    "how many minutes in 2 hours and 15 minutes": ("135 min", "2 hours and 15 minutes = 135 min"),
    "how do you convert pounds to grams": ("1 lb = 453.59237 g", "1 lb = 453.59237 g"),
    "how do you convert celsius to fahrenheit?": ("°F = °C * 9/5 + 32", "°F = °C * 9/5 + 32, so 300 °C = 572 °F"),
    "what is a quarter mile in feet": ("1320 ft", "0.25 mi = 1320 ft"),
    "convert two and a half hours to minutes": ("150 min", "2.5 h = 150 min"),
    "12 feet is equal to how many inches": ("144 in", "12 ft = 144 in"),
    "5 in in cm": ("12.7 cm", "5 in = 12.7 cm"),
    "one acre in square feet": ("43560 ft²", "1 acre = 43560 ft²"),
    "convert 200 celsius celsius into fahrenheit": ("392 °F", "200 °C = 392 °F"),
    "30 celcius to farenheit": ("86 °F", "30 °C = 86 °F"),
    "How many days in a year?": ("365 days, or 366 in a leap year", "1 year = 365 days, or 366 in a leap year"),
    "how many weeks are there in a year": (
        "52 weeks and 1 day, or 52 weeks and 2 days in a leap year",
        "1 year = 365 days, or 366 in a leap year",
    ),
    "how many months in 2 years": ("24 months", "2 years = 24 months"),
    "how many MB in a GB": ("1000 MB (1 kB is 1000 bytes here, and 1 KiB is 1024)", "1 GB = 1000 MB"),
    "how many MiB in a GiB": ("1024 MiB", "1 GiB = 1024 MiB"),
    "How many liters are in 10 imperial gallons?": ("45.4609 l", "10 imperial gal = 45.4609 l"),
    "what's 180 cm in feet and inches": ("about 5 ft 10.8661 in", "180 cm ≈ 5 ft 10.8661 in"),
    "convert 100 minutes to hours and minutes": ("1 h 40 min", "100 min = 1 h 40 min"),
    "72 degrees Fahrenheit equals what in Celsius": ("about 22.2222 °C", "72 °F ≈ 22.2222 °C"),
    "60 mph in km/h": ("96.56064 km/h", "60 mph = 96.56064 km/h"),
}

REFUSED = [
    "5 tons in kg",
    "how many calories in joules",
    "convert 5 pounds to dollars",
    "convert 1 cup to pounds",
    "how many weeks are in 3 months",
    "how many days in 2 years",
    "how many Mb in a GB",
    "-1 kelvin to celsius",
    "how many feet does a dog have",
    "how many cups in a bra",
    "how many crows are in 10 murders",
    "change in temperature of 5 degrees celsius to fahrenheit",
    "5 in to in",
    "what's 10 inches in centimeters and millimeters",
    "6 feet in feet and inches",
    "ounces in cup",
    "5 feet 14 inches in cm",
    "convert 1,5 km to m",
    "the plank is 12 feet long",
    "I ran 5 miles in 40 minutes",
    "5 minutes to midnight",
    "convert 007 km to m",
    "how many seconds does it take to run 100 meters",
]


@pytest.mark.parametrize(("text", "expected"), ANSWERED.items())
def test_conversion_is_answered(text: str, expected: tuple[str, str]) -> None:
    found = conversions.answer(question_of(text))
    assert found is not None
    assert (found.text, found.working) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    assert conversions.answer(question_of(text)) is None


UNITS = sorted({u for units in unit_table._names().values() for u in units}, key=lambda u: (u.kind, u.label))
PAIRS = [(a, b) for a in UNITS for b in UNITS if a.kind == b.kind and a != b]
NAMES = {u: sorted(n for n, us in unit_table._names().items() if us == (u,)) for u in UNITS}
# By definition, from other sources than the table's factors.
SIZES = {
    ("mi", "ft"): 5280, ("mi", "yd"): 1760, ("yd", "ft"): 3, ("US gal", "US qt"): 4, ("US gal", "in³"): 231,
    ("US cup(s)", "US tbsp"): 16, ("US fl oz", "US tsp"): 6, ("lb", "oz"): 16, ("st", "lb"): 14,
    ("imperial gal", "imperial pt"): 8, ("imperial pt", "imperial fl oz"): 20, ("acre(s)", "ft²"): 43560,
    ("mi²", "acre(s)"): 640, ("week(s)", "h"): 168, ("short ton(s)", "lb"): 2000, ("long ton(s)", "lb"): 2240,
    ("GiB", "KiB"): 1048576, ("Gbit", "bit(s)"): 10**9, ("GB", "Mbit"): 8000, ("kWh", "kJ"): 3600,
    ("millennia", "year(s)"): 1000, ("nautical mile(s)", "m"): 1852, ("m³", "l"): 1000, ("km²", "ha"): 100,
}  # fmt: skip


@pytest.mark.parametrize(("pair", "size"), SIZES.items(), ids=str)
def test_sizes_are_those_of_the_definitions(pair: tuple[str, str], size: int) -> None:
    units = {u.label: u for u in UNITS}
    assert convert(Fraction(1), units[pair[0]], units[pair[1]]) == size


def test_every_pair_agrees_with_pint() -> None:
    assert [(a.label, b.label) for a, b in PAIRS if convert(Fraction(500), a, b) is None] == []


@given(pair=st.sampled_from(PAIRS), value=st.integers(0, 10**6), decimals=st.integers(0, 3), data=st.data())
@settings(max_examples=300, deadline=None)
def test_answer_is_the_ratio_of_the_factors(
    pair: tuple[object, object], value: int, decimals: int, data: st.DataObject
) -> None:
    source, target = pair
    assert isinstance(source, unit_table.Unit)
    assert isinstance(target, unit_table.Unit)
    if not NAMES[source] or not NAMES[target]:
        return
    amount = Fraction(value, 10**decimals)
    a, b = data.draw(st.sampled_from(NAMES[source])), data.draw(st.sampled_from(NAMES[target]))
    found = conversions.answer(question_of(f"convert {float(amount):.{decimals}f} {a} to {b}"))
    assert found is not None
    expected = float((amount * source.factor + source.offset - target.offset) / target.factor)
    number = found.text.removeprefix("about ").split()[0]
    assert float(number) == pytest.approx(expected, rel=1e-5)
