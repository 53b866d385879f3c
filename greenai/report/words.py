"""How a report says things: names of outcomes and stages, amounts with what is unknown of them, moments, shares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from greenai.units import format_energy, format_interval, format_mass, significant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from greenai.report.aggregate import Rates, Report
    from greenai.report.amounts import Amounts, Group

__all__ = [
    "EVIDENCE", "NONE", "OUTCOMES", "STAGES", "baseline", "between", "carbon", "clean", "count", "day", "energy",
    "evidence", "figures", "masses", "model", "moment", "money", "notes", "outcome", "rates", "share", "top", "unknown",
    "water",
]  # fmt: skip

NONE = "(none)"
OUTCOMES = {
    "cache": "cache",
    "semantic_cache": "semantic cache",
    "answerer": "tool or function",
    "lookup_needed": "live data missing",
    "task_model": "task model",
    "small": "small model",
    "large": "large model",
    "failed": "failed",
    "refused": "refused",
}
EVIDENCE = {
    "provider_reported": "reported by the provider",
    "measured": "measured",
    "measured_shared": "measured, shared with others",
    "modelled_known_deployment": "modelled, deployment known",
    "modelled_api": "modelled, deployment unknown",
    "unknown": "unknown",
}
STAGES = {
    "cache": "Cache",
    "answerer": "Without a language model",
    "small": "Small model",
    "large": "Large model",
    "reasoning": "With reasoning",
    "failed": "Failed",
    "refused": "Refused, nothing was sent",
}
# Control characters steer terminals, marks of direction make text read as something else, and half a surrogate pair
# cannot be written.
_UNSAFE = dict.fromkeys(
    (
        *range(32),
        *range(127, 160),
        0x200E,
        0x200F,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *range(0xD800, 0xE000),
    ),
    "\N{REPLACEMENT CHARACTER}",
)


def clean(text: object) -> str:
    """Return a name from the ledger as text that steers neither a terminal nor the direction of what follows it."""
    return NONE if text is None else str(text).translate(_UNSAFE)


def outcome(name: str | None) -> str:
    """Return an outcome in words."""
    return OUTCOMES.get(name or "", clean(name))


def evidence(name: str | None) -> str:
    """Return what a figure rests on in words."""
    return EVIDENCE.get(name or "", clean(name))


def model(name: str | None) -> str:
    """Return a model's name; a call that failed or was refused has none."""
    return "(no answer)" if name is None else clean(name)


def count(number: float, noun: str = "") -> str:
    """Return a count with thousands apart, and what is counted."""
    text = f"{number:,.0f}"
    if not noun:
        return text
    return f"{text} {noun}" if number == 1 else f"{text} {noun}s"


def share(part: float, whole: float) -> str:
    """Return a share in per cent; of nothing there is none."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    if part == whole or not part:
        return f"{percent:.0f}%"
    if percent < 0.05 or percent > 99.5:
        return "<0.1%" if percent < 0.05 else ">99.5%"
    return f"{percent:.1f}%" if percent < 10 else f"{percent:.0f}%"


def energy(amounts: Amounts) -> str:
    """Return the known energy of calls."""
    return format_energy(amounts.energy_j)


def between(low_j: float | None, high_j: float | None) -> str:
    """Return an interval of energy; empty where there is none."""
    return "" if low_j is None or high_j is None else format_interval(low_j, high_j)


def unknown(amounts: Amounts) -> str:
    """Say how many calls are in no sum, because their energy is unknown; empty where there are none."""
    return f"{count(amounts.energy_unknown)} unknown" if amounts.energy_unknown else ""


def carbon(amounts: Amounts) -> str:
    """Return the known carbon of calls."""
    return format_mass(amounts.carbon_g)


def water(amounts: Amounts) -> str:
    """Return the known water of calls."""
    if amounts.water_ml is None:
        return "unknown"
    litres = amounts.water_ml / 1000
    return f"{significant(litres)} l" if litres >= 1 else f"{significant(amounts.water_ml)} ml"


def money(amounts: Amounts) -> str:
    """Return the known cost of calls."""
    if amounts.cost_usd is None:
        return "unknown"
    return f"{amounts.cost_usd:,.2f} USD" if amounts.cost_usd >= 1 else f"{significant(amounts.cost_usd)} USD"


def moment(seconds: float | None) -> str:
    """Return a moment in UTC, to the second; a dash where there is none."""
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def masses(amounts: Amounts) -> str:
    """Return the interval of carbon; a dash where there is none."""
    low, high = amounts.carbon_low_g, amounts.carbon_high_g
    return "-" if low is None or high is None else f"{format_mass(low)} to {format_mass(high)}"


def baseline(group: Group) -> str:
    """Return what a group of calls was compared with."""
    named, observed = group.key
    against = "baseline not kept (an older row)" if named is None else clean(named)
    return f"only observed: {against}" if observed else against


def rates(found: Rates) -> tuple[tuple[str, int, int], ...]:
    """Return each rate in words, with how many calls of how many."""
    said = [
        ("used an opt-in to an expensive mode", found.opted_in, found.calls),
        ("a first answer discarded, the rung above asked", found.discarded, found.calls),
        ("asked again one rung up by the app", found.escalated, found.calls),
    ]
    if found.asked:
        said.append(("the same asked again within five minutes", found.asked_again, found.asked))
    return tuple(said)


def day(seconds: float, *, hours: bool) -> str:
    """Return the day, and with `hours` the hour, in which a step of time begins (UTC)."""
    begin = datetime.fromtimestamp(seconds, UTC)
    return f"{begin:%d %b %H:00}" if hours else f"{begin:%d %b}"


def figures(report: Report) -> str:
    """Return the rows that every figure of a report rests on, in a sentence."""
    rows = report.rows
    project = "" if report.span.project is None else f" of the project {clean(report.span.project)}"
    return (
        f"{count(rows.calls, 'call')} and {count(rows.attempts, 'attempt')}{project} in {clean(rows.path)}, "
        f"the first at {moment(rows.first)}, the last at {moment(rows.last)}."
    )


def notes(report: Report) -> tuple[str, ...]:
    """Say how the sums are made and what is in none of them."""
    total, besides = report.total, report.unanswered
    unknown_of = f"{count(total.energy_unknown, 'call')} of {count(total.calls)} with unknown energy"
    own = f"greenai itself took {format_energy(total.overhead_j)}"
    said = [
        f"{unknown_of}: in no sum, never taken as 0.",
        "The ends of intervals are sums of ends: what makes one figure too high makes the others so too.",
        "A call's energy counts every attempt, discarded ones too, and is booked on the model that answered.",
        f"{own}: of a call that no model answered that is the energy above, of others it comes on top.",
    ]
    if besides.attempts:
        known = (
            f"{format_energy(besides.energy_j)} known of {count(besides.energy_known)}"
            if besides.energy_known
            else "what they took is unknown"
        )
        others = "the others" if besides.energy_known else "that is"
        bound = f"; {others} at most {format_energy(besides.high_j)}, as far as bounds go" if besides.high_j else ""
        said.append(
            f"Besides, {count(besides.attempts, 'attempt')} of calls that failed, were cancelled or have no energy: "
            f"{known}{bound}. They are in no figure above."
        )
    if missing := total.energy_known - total.carbon_known:
        said.append(f"Carbon is unknown for {count(missing)} of the calls whose energy is known.")
    if missing := total.energy_known - total.water_known:
        said.append(f"Water is unknown for {count(missing)} of the calls whose energy is known.")
    if missing := total.calls - total.cost_known:
        said.append(f"The cost is unknown for {count(missing, 'call')}.")
    return tuple(said)


def top(groups: Iterable[Group], most: int) -> tuple[list[Group], list[Group]]:
    """Part groups into the first ones, which are shown, and the rest, if that is more than one."""
    listed = list(groups)
    return (listed, []) if len(listed) <= most + 1 else (listed[:most], listed[most:])
