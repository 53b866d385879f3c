"""How an audit says things: ways of answering, amounts with their intervals, and what a figure rests on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from greenai.audit.finding import Taken
from greenai.report.words import clean, count, moment, share
from greenai.units import format_energy, format_interval, format_mass, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greenai.audit.audited import Audited
    from greenai.audit.finding import Finding, Group, Risk, Span, Sufficed
    from greenai.audit.values import Source

__all__ = [
    "SUFFICED", "WASTED", "avoidable", "calls", "cost", "energy", "g_per_kwh", "group", "in_no_group", "in_short",
    "interval", "judged", "lacking", "mass", "none_found", "part", "period", "rests_on", "risk", "sources", "sufficed",
    "taken", "twice", "unjudgeable", "unread", "unsaid", "waiting",
]  # fmt: skip

SUFFICED = {
    "repeat": "a repeat: the cache",
    "near_repeat": "a near repeat: the semantic cache",
    "deterministic": "computed, without a model",
    "lookup": "live data, looked up",
    "task_model": "a task model",
    "small": "a small model",
    "large": "a large model",
    "reasoning": "a large model with reasoning",
    "failed": "failed",
    "unjudged": "not judged",
}
WASTED = {
    "reasoning": "reasoning with little to gain",
    "truncated": "answers cut off",
    "long_output": "answers far longer than usual",
    "prefix": "prefixes that a cache would serve",
    "retries": "retries",
    "tools": "tools that are never called",
    "choices": "further answers to one call",
    "not_json": "asked for JSON, and are none",
    "unused": "features that nobody uses",
    "always_on": "asked day and night",
    "history": "old turns sent again",
    "little_used": "answers of which little is used",
}
IN_SHORT = {
    "energy": "tokens and model sizes",
    "carbon": "the grid's mean of a year",
    "cost": "the log's own or list prices",
    "repeat": "by the exact cache's rules",
    "near_repeat": "the semantic cache on calls in a row",
    "deterministic": "tools tried on a sample",
    "lookup": "the classifier",
    "task_model": "until distil measures it",
    "small": "the classifier",
    "large": "what is left of it",
    "reasoning": "the classifier",
    "routed": "the classifier",
    "import": "the sum of its parts",
    "taken_as": "names without a date",
    "waste_reasoning": "the classifier",
    "waste_truncated": "none to all of it lost",
    "waste_long_output": "beyond 4 times the median",
    "waste_prefix": "1,024 tokens again within 5 minutes",
    "waste_retries": "failed, and made again",
    "waste_tools": "a token for 4 characters",
    "waste_choices": "none to all of the further ones",
    "waste_not_json": "none to all of it lost",
    "waste_unused": "as the app told",
    "waste_always_on": "nobody reads it by night",
    "waste_history": "none to all of the older turns",
    "waste_little_used": "none to all of what no later prompt has",
}
MOST_MISSING = 6


def sufficed(row: Sufficed) -> str:
    """Return a way of answering; of a small model also which one."""
    names = [clean(name.rpartition("/")[2]) for name in row.models]
    if not names:
        return SUFFICED[row.by]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{SUFFICED[row.by]} ({names[0]}{more})"


def unjudgeable(group: Group) -> str:
    """Say why nothing is known of what would have sufficed; empty where something is."""
    if group.judged:
        return ""
    if group.unjudged:
        return "What would have sufficed is not known: the log has the prompt of no call that was answered."
    return "What would have sufficed is not known: no call was answered."


def avoidable(group: Group) -> str:
    """Return the share of the judged calls for which less would have sufficed."""
    return part(group.avoidable if group.judged else None)


def judged(group: Group, of: Taken) -> Taken:
    """Return what these calls could have taken, or would have saved; nothing is known where none was judged."""
    return of if group.judged else Taken(energy_unknown=of.energy_unknown, cost_unknown=of.cost_unknown)


def group(of: Group, most: int) -> str:
    """Return what a group is called, in so many characters; of several templates also how many they are."""
    name = clean(of.name)
    if of.templates > 1:  # an id is of one of them only
        name = re.sub(r"^(#\d+)( [0-9a-f]{6}\b)? ?", rf"\1 and {of.templates - 1} more: ", name)
    return name if len(name) <= most else f"{name[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


# --- amounts --------------------------------------------------------------------------------


def in_no_group(whole: Group, groups: Sequence[Group]) -> tuple[str, ...]:
    """Return how many calls are in none of the groups, with their part of the energy; nothing where all are in one."""
    left = whole.calls - sum(one.calls for one in groups)
    if left <= 0:
        return ()
    every = 0.0 if whole.was.energy_j is None else whole.was.energy_j.mid
    told = sum(one.was.energy_j.mid for one in groups if one.was.energy_j is not None)
    of = f" ({share(max(every - told, 0.0), every)} of the energy)" if every else ""
    by = groups[0].by if groups else "group"
    why = "have no time" if by == "hour" else f"are of another {by}, or of none"
    return (f"{count(left, 'call')}{of} {why}: in no row",)


def energy(span: Span | None) -> str:
    """Return joules with their interval."""
    return "unknown" if span is None else _with(format_energy(span.mid), interval(span, format_energy, format_interval))


def mass(span: Span | None) -> str:
    """Return grams with their interval."""
    return "unknown" if span is None else _with(format_mass(span.mid), interval(span, format_mass, _mass_interval))


def g_per_kwh(took: Taken) -> str:
    """Return grams of CO2 equivalent for a kWh of what was taken."""
    if took.carbon_g is None or took.energy_j is None or not took.energy_j.mid:
        return "unknown"
    return f"{took.carbon_g.mid / took.energy_j.mid * 3.6e6:.0f}"


def cost(span: Span | None) -> str:
    """Return dollars with their interval."""
    return "unknown" if span is None else _with(_usd(span.mid), interval(span, _usd, _usd_interval))


def calls(span: Span) -> str:
    """Return how many calls, with the interval."""
    return _with(count(span.mid), interval(span, count))


def part(span: Span | None) -> str:
    """Return a share in per cent with its interval."""
    return "unknown" if span is None else _with(_percent(span.mid), interval(span, _percent, _percent_interval))


def interval(span: Span, form: Callable[[float], str], ends: Callable[[float, float], str] | None = None) -> str:
    """Return the two ends; empty where they are the same, or are written alike."""
    low, high = form(span.low), form(span.high)
    if low == high:
        return ""
    return f"{low} to {high}" if ends is None else ends(span.low, span.high)


def _with(middle: str, ends: str) -> str:
    return f"{middle} ({ends})" if ends else middle


def _mass_interval(low: float, high: float) -> str:
    """Return two masses; one unit where both have the same."""
    first, last = format_mass(low), format_mass(high)
    amount, _, unit = first.partition(" ")
    return f"{amount} to {last}" if last.endswith(f" {unit}") else f"{first} to {last}"


def _usd(amount: float) -> str:
    return f"{amount:,.2f} USD" if abs(amount) >= 0.1 else f"{significant(amount)} USD"


def _usd_interval(low: float, high: float) -> str:
    return f"{_usd(low).removesuffix(' USD')} to {_usd(high)}"


def _percent(amount: float) -> str:
    return share(amount, 1.0)


def taken(what: Taken) -> tuple[tuple[str, str], ...]:
    """Return energy, carbon and cost by name, each with its interval."""
    return (("energy", energy(what.energy_j)), ("carbon", mass(what.carbon_g)), ("cost", cost(what.cost_usd)))


def _percent_interval(low: float, high: float) -> str:
    return f"{_percent(low).removesuffix('%')} to {_percent(high)}"


def waiting(finding: Finding) -> tuple[str, ...]:
    """Say what calls that nobody waits for would have emitted less at better hours; nothing without hours."""
    found = finding.waiting
    if found is None:
        return ()
    some = found.calls.low < found.calls.mid
    sure = f", {count(found.calls.low)} of them by the service that they asked for" if some else ""
    hour = f"{found.hour:02}:00 UTC"
    best = f"at the best of the 24 hours after each {_percent(found.best_share)}: {mass(found.saved_g)} less."
    return (
        f"Nobody may wait for {count(found.calls.mid, 'call')}{sure}; they emitted {mass(found.was_g)}.",
        f"At the next {hour}, on average the best hour, it would have been {_percent(found.share)} less, {best}",
        'client.batch(requests, by="1d") waits for such an hour, where carbon_forecast names the hours to come.',
    )


# --- what a figure rests on -----------------------------------------------------------------


def risk(found: Risk | None) -> str:
    """Return the share of answers that would have been worse, and how that is known; empty where nothing says so."""
    if found is None:
        return ""
    how = f"measured on {count(found.compared)}" if found.evidence == "measured" else found.evidence
    return f"{part(found.share)}, {how}"


def rests_on(finding: Finding, key: str) -> str:
    """Return an assumption in full, with its worth; a key that the finding does not explain is given as it is."""
    found = next((assumption for assumption in finding.assumptions if assumption.key == key), None)
    return clean(key) if found is None else f"{found.evidence.capitalize()}: {clean(found.text)}"


def in_short(finding: Finding, key: str) -> str:
    """Return an assumption in a few words, after its worth."""
    found = next((assumption for assumption in finding.assumptions if assumption.key == key), None)
    if found is None:
        return clean(key)
    said = (
        f"the grid's hours by {clean(finding.grid_hours)}"
        if key == "carbon" and finding.grid_hours
        else IN_SHORT.get(key)
    )
    return found.evidence if said is None else f"{found.evidence}: {said}"


# --- the files ------------------------------------------------------------------------------


def period(first: float | None, last: float | None) -> str:
    """Return the days of the first and the last call; empty where the log does not say."""
    if first is None or last is None:
        return ""
    begin, end = moment(first)[:10], moment(last)[:10]
    return begin if begin == end else f"{begin} to {end}"


def none_found(audited: Audited) -> str:
    """Return that no call was found; where calls were read, why none of them was looked at."""
    rows = sum(source.rows for source in audited.sources)
    asked = (audited.since, audited.until)
    if not rows or asked == (None, None):
        return "No call was found in what was read."
    since, until = ("" if at is None else moment(at) for at in asked)
    span = [f"from {since} on"] if since else []
    span += [f"before {until}"] if until else []
    of = "" if audited.project is None else f"of the project {clean(audited.project)}, and "
    names = " or ".join(name for name, at in zip(("--since", "--until"), asked, strict=True) if at is not None)
    return f"None of the {count(rows, 'call')} in what was read is {of}{' and '.join(span)}. Take another {names}."


def sources(read: tuple[Source, ...]) -> tuple[str, ...]:
    """Say of each file how it was read."""
    return tuple(_left(source) if source.left_out is not None else _read(source) for source in read)


def _left(source: Source) -> str:
    return f"{clean(source.path)}: left out: {clean(source.left_out or '')}"


def _read(source: Source) -> str:
    other = f", {count(source.skipped, 'row')} of something else" if source.skipped else ""
    how = f"{clean(source.format)} ({clean(source.reason)})"
    return f"{clean(source.path)}: {count(source.rows, 'call')}, read as {how}{other}"


def twice(records: int, folded: int = 0) -> tuple[str, ...]:
    """Say how many records stand in the log more than once, and how many spans are around that of a call."""
    said = f"{count(records, 'record')} of calls that stand in it before: each call is counted once."
    around = f"{count(folded, 'span')} around the span of a call: the innermost that has tokens is counted."
    return (*([said] if records else ()), *([around] if folded else ()))


def unread(read: tuple[Source, ...], most: int = 3) -> tuple[str, ...]:
    """Say which files of folders were left out, how many lines could not be read, where the first stand, and why."""
    left = [source for source in read if source.left_out is not None]
    told = [_left(source) for source in left[:most]]
    if len(left) > most:
        told.append(f"and {count(len(left) - most, 'more file')} left out")
    total = sum(source.malformed_count for source in read)
    if not total:
        return tuple(told)
    first = [bad for source in read for bad in source.malformed][:most]
    said = [f"{count(total, 'line')} could not be read and {'is' if total == 1 else 'are'} in no figure:"]
    said += [f"  {clean(bad.where)}: {clean(bad.why)}" for bad in first]
    if total > len(first):
        said.append(f"  and {count(total - len(first))} more")
    return (*told, *said)


def lacking(read: tuple[Source, ...]) -> tuple[str, ...]:
    """Return what the logs do not tell, by name."""
    return tuple(dict.fromkeys(clean(missing.field) for source in read for missing in source.missing))


def unsaid(read: tuple[Source, ...], most: int = MOST_MISSING) -> tuple[str, ...]:
    """Say what the logs do not tell, and what that costs; once for all files that lack the same."""
    lacking = {f"{clean(missing.field)}: {clean(missing.costs)}": None for source in read for missing in source.missing}
    said = list(lacking)
    return tuple(said if len(said) <= most + 1 else [*said[:most], f"and {len(said) - most} more"])
