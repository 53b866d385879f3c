"""Conversions and formatting of quantities: the only place where joules become watt-hours."""

from __future__ import annotations

JOULES_PER_WH = 3600.0

_WH_PREFIXES = ((1e3, "kWh"), (1.0, "Wh"), (1e-3, "mWh"), (1e-6, "µWh"), (1e-9, "nWh"))


def wh_from_j(energy_j: float) -> float:
    """Convert joules to watt-hours."""
    return energy_j / JOULES_PER_WH


def kwh_from_j(energy_j: float) -> float:
    """Convert joules to kilowatt-hours."""
    return energy_j / (1000 * JOULES_PER_WH)


def j_from_wh(energy_wh: float) -> float:
    """Convert watt-hours to joules."""
    return energy_wh * JOULES_PER_WH


def significant(value: float, digits: int = 2) -> str:
    """Format `value` with `digits` significant digits and no exponent."""
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    if "e" in text:
        return f"{float(text):.12f}".rstrip("0").rstrip(".") if abs(value) < 1 else f"{float(text):.0f}"
    return text


def format_energy(energy_j: float | None, digits: int = 2) -> str:
    """Format joules for people, in the watt-hour unit that needs the fewest digits; unknown is said."""
    if energy_j is None:
        return "unknown"
    energy_wh = wh_from_j(energy_j)
    for scale, unit in _WH_PREFIXES:
        if abs(energy_wh) >= scale * _rounds_up(digits):
            return f"{significant(energy_wh / scale, digits)} {unit}"
    return f"{significant(energy_wh / 1e-9, digits)} nWh" if energy_wh else "0 Wh"


def _rounds_up(digits: int) -> float:
    """Return the share of a unit from which an amount is written as 1 of it: 999.6 mWh are 1 Wh, not 1000 mWh."""
    return 1 - 0.5 * 10.0**-digits


def format_interval(low_j: float | None, high_j: float | None, digits: int = 2) -> str:
    """Format an interval given in joules, for people; one unit where both ends have the same."""
    if low_j is None or high_j is None:
        return "interval unknown"
    low, high = format_energy(low_j, digits), format_energy(high_j, digits)
    amount, _, unit = low.partition(" ")
    return f"{amount} to {high}" if high.endswith(f" {unit}") else f"{low} to {high}"


_MASSES = ((1e3, "kg"), (1.0, "g"), (1e-3, "mg"), (1e-6, "µg"), (1e-9, "ng"))


def format_mass(grams: float | None) -> str:
    """Format grams for people; unknown is said."""
    if grams is None:
        return "unknown"
    scale, unit = next(((s, u) for s, u in _MASSES if abs(grams) >= s * _rounds_up(2)), _MASSES[-1])
    return f"{significant(grams / scale)} {unit}" if grams else "0 g"


# From so many seconds on, in this unit: two of it at least, rounded, so that 29.97 days are "30 days".
_DURATIONS = ((47.5 * 3600, 86_400, "days"), (119.5 * 60, 3600, "h"), (180, 60, "min"))


def format_duration(seconds: float) -> str:
    """Format seconds in the unit in which they are a small number, from milliseconds to days."""
    if seconds < 1:
        return f"{significant(seconds * 1e3)} ms"
    for least, unit_s, unit in _DURATIONS:
        if seconds >= least:
            return f"{round(seconds / unit_s)} {unit}"
    return f"{significant(seconds, 3)} s"


def format_bytes(count: float) -> str:
    """Format a number of bytes with a decimal prefix."""
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count:.0f} B"
