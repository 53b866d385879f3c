"""Conversion of one amount between two units of one kind, computed with exact fractions and checked with pint.

This is the only door to pint, which is imported at the first question that parses as a conversion.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

from greenai.answerers.numerals import decimal_text

if TYPE_CHECKING:
    from greenai.answerers.unit_table import Unit

DIGITS = 6
"""Significant digits of an amount that has no short decimal form."""


def convert(value: Fraction, source: Unit, target: Unit) -> Fraction | None:
    """Return `value` of `source` in `target`; None where there is no such amount, or where pint finds another."""
    base = value * source.factor + source.offset
    if source.kind != target.kind or (source.kind == "temperature" and base < 0):
        return None
    converted = (base - target.offset) / target.factor
    return converted if converted == _by_pint(value, source.pint, target.pint) else None


def amount(value: Fraction, unit: Unit) -> tuple[str, bool]:
    """Return an amount as text, and whether it is exact."""
    text, exact = decimal_text(value, DIGITS)
    return f"{text} {unit.label.replace('(s)', '' if value == 1 else 's')}", exact


def _by_pint(value: Fraction, source: str, target: str) -> Fraction | None:
    registry = _registry()
    quantity = registry.Quantity(value, registry.parse_units(source)).to(registry.parse_units(target))
    return Fraction(quantity.magnitude)


@cache
def _registry() -> Any:
    import pint

    exact: Any = Fraction  # its annotation says float, and its documentation that fractions may be used
    registry: Any = pint.UnitRegistry(non_int_type=exact)
    registry.define("international_acre = 4840 * yard ** 2")  # pint's own is the survey acre, 4 in a million larger
    registry.define("calendar_decade = 10 * year")  # its decade is a logarithmic unit
    return registry
