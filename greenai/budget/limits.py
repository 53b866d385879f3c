"""A budget: how much of one quantity, in which window, read from a text such as "50 Wh/day".

    amount unit / window          "50 Wh/day", "5 USD/month", "200 g CO2e/week", "20 reasoning calls/day"
    amount unit / length rolling  "1 kWh/30d rolling": the last 30 days, at any moment
    amount unit                   "0.5 Wh": in all, for a run

What cannot be read is refused: no slip of the pen means "no limit".
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import Self
from zoneinfo import ZoneInfo, available_timezones

from greenai.budget.amounts import MOST_PARTS, UNITS, Unit, from_parts, whole_parts
from greenai.budget.windows import CALENDAR, Kind, Window
from greenai.errors import InvalidRequest
from greenai.units import JOULES_PER_WH, significant

__all__ = ["Budget"]

# Written as -> (quantity, how many of its units one is, how it is shown). Upper and lower case differ: mWh and MWh.
_UNITS: dict[str, tuple[Unit, float, str]] = {
    "J": ("energy_j", 1.0, "J"),
    "kJ": ("energy_j", 1e3, "kJ"),
    "MJ": ("energy_j", 1e6, "MJ"),
    "mWh": ("energy_j", JOULES_PER_WH / 1e3, "mWh"),
    "Wh": ("energy_j", JOULES_PER_WH, "Wh"),
    "kWh": ("energy_j", JOULES_PER_WH * 1e3, "kWh"),
    "MWh": ("energy_j", JOULES_PER_WH * 1e6, "MWh"),
    "USD": ("usd", 1.0, "USD"),
    "EUR": ("usd", math.nan, "EUR"),
    **dict.fromkeys(("g", "g CO2", "g CO2e", "gCO2", "gCO2e"), ("carbon_g", 1.0, "g CO2e")),
    **dict.fromkeys(("kg", "kg CO2", "kg CO2e", "kgCO2", "kgCO2e"), ("carbon_g", 1e3, "kg CO2e")),
    **dict.fromkeys(("token", "tokens"), ("tokens", 1.0, "tokens")),
    **dict.fromkeys(("call", "calls"), ("calls", 1.0, "calls")),
    **dict.fromkeys(
        ("reasoning call", "reasoning calls", "reasoning_calls"), ("reasoning_calls", 1.0, "reasoning calls")
    ),
}
_LISTED = "J, kJ, MJ, mWh, Wh, kWh, MWh, USD, EUR, g CO2e, kg CO2e, tokens, calls or reasoning calls"
_COUNTED: dict[Unit, str] = {"tokens": "tokens", "calls": "calls", "reasoning_calls": "reasoning calls"}
_WANTED: dict[Unit, tuple[str, str]] = {
    "energy_j": ("energy, in J, Wh or kWh", "50 Wh/day"),
    "usd": ("money, in USD or EUR", "5 USD/day"),
    "carbon_g": ("carbon, in g or kg CO2e", "200 g/week"),
    "tokens": ("tokens", "100000 tokens/day"),
    "calls": ("calls", "500 calls/day"),
    "reasoning_calls": ("reasoning calls", "20 reasoning calls/day"),
}

_LENGTHS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("week", "weeks"), 7 * 86_400),
}
_SHORT: dict[Kind, str] = {"minute": "min", "hour": "h", "day": "d"}
_WINDOWS = "minute, hour, day, week, month, or a length that rolls, such as 30d rolling"
_LEAST_S, _MOST_S = 10, 400 * 86_400

_SIGNS = {"$": "USD", "€": "EUR"}
_SIGN_FIRST = re.compile(r"\s*(?P<sign>[$€])\s*(?P<number>[0-9.]+)\s*(?P<rest>/.*)?")
_THOUSANDS = {"k": 1e3, "K": 1e3, "m": 1e6, "M": 1e6, "B": 1e9, "bn": 1e9, "million": 1e6, "thousand": 1e3}
_ZONES = {  # what is no name of the IANA list, or only one without its summer time
    **dict.fromkeys(("PST", "PDT", "PT"), "America/Los_Angeles"),
    **dict.fromkeys(("MDT", "MT"), "America/Denver"),
    **dict.fromkeys(("CST", "CDT", "CT"), "America/Chicago or Asia/Shanghai"),
    **dict.fromkeys(("EDT", "ET"), "America/New_York"),
    "BST": "Europe/London",
    "CEST": "Europe/Berlin or Europe/Paris",
    "EEST": "Europe/Athens",
    "MSK": "Europe/Moscow",
    "IST": "Asia/Kolkata",
    "SGT": "Asia/Singapore",
    "JST": "Asia/Tokyo",
    **dict.fromkeys(("AEST", "AEDT"), "Australia/Sydney"),
}

_TEXT = re.compile(
    r"\s*(?P<number>[+-]?(?:[0-9.,_]+(?:[eE][+-]?[0-9]+)?|nan\b|inf\w*))\s*(?P<unit>(?!per\b)[^\W\d_][^/]*?|[$€])?"
    r"\s*(?:(?:/|\bper\b)\s*(?P<window>.*?))?\s*"
)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LENGTH = re.compile(r"(?P<count>[0-9]+)?\s*(?P<unit>[a-z]+)\s+rolling")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much of one quantity may be used in one window. Two budgets of one window share what is counted.

    Attributes:
        unit: which quantity, by its name in `Amount`.
        limit: how much, in that quantity's unit: joules, US dollars, grams, or a count.
        window: for how long.
        timezone: whose midnights a calendar window has, as an IANA name.
        text: as it was written.
        symbol: the unit in which it was written, such as "Wh".
        scale: how many of the quantity's units one of `symbol` is.
    """

    unit: Unit
    limit: float
    window: Window
    timezone: str
    text: str
    symbol: str
    scale: float

    @classmethod
    def parse(cls, text: str, *, unit: Unit | None = None, timezone: str = "UTC", eur_usd: float | None = None) -> Self:
        """Read a budget.

        Args:
            text: an amount, its unit and a window: "50 Wh/day", "5 USD/month", "1 kWh/30d rolling", "0.5 Wh".
            unit: the quantity that it must be of, by its name in `Amount`; counts may then leave their unit out.
            timezone: an IANA name such as "Europe/Paris".
            eur_usd: how many US dollars a euro is; needed for EUR.

        Raises:
            InvalidRequest: it is no budget; also a ValueError. The message says what to write.
        """
        if unit is not None and unit not in UNITS:
            raise InvalidRequest(f"unit={unit!r} is no quantity of Amount. Write one of: {', '.join(UNITS)}.")
        number, written, window = _split(text)
        found, scale, symbol = _unit(text, written, unit)
        if symbol == "EUR":
            scale = _rate(text, eur_usd)
        limit = _limit(text, number, found, scale, symbol)
        return cls(
            unit=found,
            limit=limit,
            window=Window(kind="total") if window is None else _window(text, window),
            timezone=_timezone(text, timezone),
            text=text.strip(),
            symbol=symbol,
            scale=scale,
        )

    @property
    def named(self) -> str:
        """What it is called, its unit included, such as "20 calls/day" where "20/day" was written."""
        if self.symbol in self.text:
            return self.text
        return self.text.replace(self.text.partition("/")[0].partition(" per ")[0], self.shown(self.limit), 1)

    def shown(self, value: float) -> str:
        """Format an amount of this budget's quantity in the unit in which it was written."""
        amount = value / self.scale
        if self.unit in _COUNTED:
            return f"{amount:.0f} {self.symbol.removesuffix('s') if amount == 1 else self.symbol}"
        return f"{significant(amount, 4)} {self.symbol}"


def _split(text: object) -> tuple[str, str | None, str | None]:
    if not isinstance(text, str):
        raise InvalidRequest(f'A budget is a text such as "50 Wh/day", not {text!r}.')
    found = _TEXT.fullmatch(text)
    if found is None or not found["number"]:
        sign = _SIGN_FIRST.fullmatch(text)
        hint = "" if sign is None else f' Did you mean "{sign["number"]} {_SIGNS[sign["sign"]]}{sign["rest"] or ""}"?'
        raise InvalidRequest(f'"{text}" is no budget.{hint} Write an amount, a unit and a window, such as "50 Wh/day".')
    return found["number"], found["unit"], found["window"]


def _unit(text: str, written: str | None, wanted: Unit | None) -> tuple[Unit, float, str]:
    if written is None:
        if wanted in _COUNTED:
            return wanted, 1.0, _COUNTED[wanted]
        example = "50 Wh/day" if wanted is None else _WANTED[wanted][1]
        raise InvalidRequest(f'"{text}" has no unit. Write one of {_LISTED}, such as "{example}".')
    name = " ".join(written.split())
    if name not in _UNITS:
        raise InvalidRequest(
            f'"{text}" has the unknown unit "{name}".{_unit_hint(text, name, wanted)} Write one of {_LISTED}.'
        )
    found = _UNITS[name]
    if wanted is not None and found[0] != wanted:
        what, example = _WANTED[wanted]
        raise InvalidRequest(
            f'"{text}" is a budget of {_WANTED[found[0]][0].split(",")[0]}; here it must be of {what}. '
            f'Write for example "{example}".'
        )
    return found


def _unit_hint(text: str, name: str, wanted: Unit | None) -> str:
    short, _, rest = name.partition(" ")
    if short in _THOUSANDS and (_UNITS.get(rest, (wanted,))[0] in _COUNTED):
        number, _, window = text.partition(name)
        count = _NUMBER.fullmatch(number.strip()) and float(number) * _THOUSANDS[short]
        return f' Did you mean "{count:.0f}{" " if rest else ""}{rest}{window}"?' if count else ""
    close = [_SIGNS[name]] if name in _SIGNS else [known for known in _UNITS if known.lower() == name.lower()]
    close = close or difflib.get_close_matches(name, _UNITS, cutoff=0.5)
    return f" Did you mean {' or '.join(close)}?" if close else ""


def _rate(text: str, eur_usd: object) -> float:
    if eur_usd is None:
        raise InvalidRequest(
            f'"{text}" is in euros, and prices are in US dollars: state the rate with eur_usd, '
            "how many US dollars a euro is, or write the budget in USD."
        )
    if isinstance(eur_usd, bool) or not isinstance(eur_usd, (int, float)) or not 0 < eur_usd < math.inf:
        raise InvalidRequest(f"eur_usd={eur_usd!r} is no rate: how many US dollars a euro is, such as 1.1.")
    return float(eur_usd)


def _limit(text: str, number: str, unit: Unit, scale: float, symbol: str) -> float:
    if _NUMBER.fullmatch(number) is None:
        raise InvalidRequest(
            f'"{text}" has the number "{number}", which cannot be read. Write digits, with a point for decimals and '
            "nothing between thousands, such as 1500.5."
        )
    limit = float(number) * scale
    least = from_parts(1, unit)
    if 0 < limit < least:
        least_shown = f"{significant(least / scale)} {_COUNTED.get(unit) or symbol}".removesuffix("s")
        raise InvalidRequest(f'"{text}" is less than can be counted. Write {least_shown} at least.')
    if not limit >= least:
        raise InvalidRequest(
            f'"{text}" would allow nothing: a budget is larger than 0. To allow no call at all, leave the model out of '
            "the ladder; for no limit, leave the budget out."
        )
    if not limit < math.inf or whole_parts(limit, unit) >= MOST_PARTS:
        raise InvalidRequest(f'"{text}" is more than can be counted. For no limit, leave the budget out.')
    if unit in _COUNTED and not limit.is_integer():
        raise InvalidRequest(f'"{text}" counts {_COUNTED[unit]}, which are whole. Write {max(round(limit), 1)}.')
    return limit


def _window(text: str, written: str) -> Window:
    name = " ".join(written.lower().split())
    kind: Kind | None = next((known for known in CALENDAR if name in (known, _SHORT.get(known))), None)
    if kind is not None:
        return Window(kind=kind)
    found = _LENGTH.fullmatch(name)
    length_s = 0 if found is None else int(found["count"] or 1) * _LENGTHS.get(found["unit"], 0)
    if length_s:
        if not _LEAST_S <= length_s <= _MOST_S:
            raise InvalidRequest(f'"{text}" rolls over {length_s} s. Write 10 s at least and 400 days at most.')
        return Window(kind="rolling", length_s=length_s)
    length = _LENGTH.fullmatch(f"{name} rolling")
    plain = name.removeprefix("1 ").removesuffix("s")
    if plain in CALENDAR:
        hint = f" Did you mean {plain}?"
    elif length is not None and length["unit"] in _LENGTHS:
        hint = f' A length rolls: write "{name} rolling".'
    else:
        close = difflib.get_close_matches(name, CALENDAR)
        hint = f" Did you mean {close[0]}?" if close else ""
    raise InvalidRequest(f'"{text}" has the unknown window "{written}".{hint} Write one of: {_WINDOWS}.')


def _timezone(text: str, name: object) -> str:
    try:
        return ZoneInfo(str(name)).key
    except (KeyError, ValueError, OSError):  # also a folder's name, and a path
        known = available_timezones()
        close = [zone for zone in known if zone.lower() == str(name).lower()]
        close = close or [zone for short, zone in _ZONES.items() if short == str(name).upper()]
        close = close or difflib.get_close_matches(str(name), sorted(known))
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise InvalidRequest(
            f'"{text}": {name!r} is no time zone.{hint} Write a name of the IANA list, such as "Europe/Paris" or "UTC".'
        ) from None
