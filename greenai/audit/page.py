"""An audit as one HTML file: no script, no request, no text of a call unless asked for. Assumptions stand at figures.

All names are escaped. A template is shown by its skeleton, in which what varies is left out.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from greenai.audit import check_words, pictures, wording
from greenai.report.frame import cards, document, figure, section
from greenai.report.tables import Table, bar, cell, html
from greenai.report.words import clean, count, share
from greenai.units import format_energy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from greenai.audit.audited import Audited
    from greenai.audit.finding import Change, Finding, Group, Risk, Sufficing, Taken

__all__ = ["page"]

MOST_ROWS = 20
NAME_CHARS = 120
PLACES = {"code": "# your code", "shell": "# in a shell"}
WIDE, NARROW = 860, 312


def page(audited: Audited, *, made: float) -> str:
    """Return the audit as HTML; `made` is when, in seconds since 1970."""
    whose = "" if audited.project is None else f" of {clean(audited.project)}"
    parts = (
        (_changes, _checked, _flow, _sufficing, _pareto, _templates, _projects, _models, _hours, _wastes, _basis)
        if audited.finding.whole.calls
        else ()
    )
    return document(
        f"What your calls could have been{whose}",
        head=_lead(audited) + (_cards(audited.finding) if audited.finding.whole.calls else ""),
        body="".join(part(audited) for part in (*parts, _files)),
        made=made,
        again="The same figures as data: <code>greenai audit --json</code>.",
    )


def _lead(audited: Audited) -> str:
    whole = audited.finding.whole
    if not whole.calls:
        return f'<p class="lead">{escape(wording.none_found(audited))}</p>'
    span = wording.period(audited.finding.first, audited.finding.last)
    why = wording.unjudgeable(whole)
    known = f"For {wording.part(whole.avoidable)} of the other {count(whole.judged)}, less would have sufficed."
    said = (
        f"{f'{span}. ' if span else ''}{count(whole.calls, 'call')}, of which {count(whole.failed)} failed and "
        f"{count(whole.unjudged)} could not be judged. {why or known} In brackets: 90% intervals."
    )
    return f'<p class="lead">{escape(said)}</p>'


def _cards(finding: Finding) -> str:
    whole = finding.whole
    shown = [
        ("Calls", count(whole.calls), f"{count(whole.failed)} failed"),
        ("Less would have sufficed", *_apart(wording.avoidable(whole))),
        ("Energy saved", *_apart(wording.part(whole.saved_share if whole.judged else None))),
    ]
    could_be, saved = (wording.judged(whole, of) for of in (whole.could_be, whole.saved))
    taken = zip(*map(wording.taken, (whole.was, could_be, saved)), strict=True)
    rows = [[cell(was[0]), *map(_figure, (was[1], could[1], less[1]))] for was, could, less in taken]
    notes = [_basis_of(finding, key) for key in ("energy", "carbon", "cost")]
    heads = ("all calls", "were", "could have been", "saved")
    table = html(Table(caption="As it was, and as it could have been", heads=heads, rows=rows, notes=notes))
    return cards(shown) + table + "".join(map(_rests, _unknowns(whole.was, finding)))


def _apart(said: str) -> tuple[str, str]:
    """Part a figure from its interval."""
    middle, _, ends = said.partition(" (")
    return middle, ends.removesuffix(")")


def _figure(said: str) -> str:
    """Return a figure as a cell, its interval below it."""
    middle, ends = _apart(said)
    return f"{cell(middle)}<br><small>{cell(ends)}</small>" if ends else cell(middle)


def _basis_of(finding: Finding, key: str) -> str:
    """Return what all figures of a kind rest on; empty where the finding does not say."""
    known = any(assumption.key == key for assumption in finding.assumptions)
    return wording.rests_on(finding, key) if known else ""


def _unknowns(was: Taken, finding: Finding) -> Sequence[str]:
    """Say what is in no sum, and what could have been rests on."""
    said = [rests for key in ("smaller_model",) if (rests := _basis_of(finding, key))]
    if was.energy_unknown:
        said.append(f"The energy of {count(was.energy_unknown, 'call')} is unknown: in no sum, never taken as 0.")
    if was.cost_unknown:
        said.append(f"The cost of {count(was.cost_unknown, 'call')} is unknown: in no sum.")
    return said


def _rests(text: str) -> str:
    return f'<p class="rests">{escape(text)}</p>'


# --- what to change -------------------------------------------------------------------------


def _changes(audited: Audited) -> str:
    finding = audited.finding
    if not finding.changes:
        return ""
    items = "".join(_change(change, finding) for change in finding.changes[:MOST_ROWS])
    note = (
        "What saves most for a line of change stands first. Savings overlap: each is told as if it were the only one."
    )
    return section("changes", "What to change", f'<ol class="changes">{items}</ol>', note)


def _change(change: Change, finding: Finding) -> str:
    worse = _worse(change.risk)
    saved = ", ".join(said for _, said in wording.taken(change.saved) if said != "unknown") or "an unknown amount"
    lines = "\n".join(clean(line) for line in change.lines)
    return (
        f"<li><strong>{escape(clean(change.what))}</strong>"
        f"<p>{escape(f'Saves {saved} on {wording.calls(change.calls)} calls.{worse}')}</p>"
        f"<pre>{escape(PLACES.get(change.place, f'# {change.place}'))}\n{escape(lines)}</pre>"
        f"{_rests(wording.rests_on(finding, change.assumption))}</li>"
    )


def _worse(risk: Risk | None) -> str:
    return "" if risk is None else f" Answers that would be worse: {wording.risk(risk)}."


# --- what a check measured ------------------------------------------------------------------


def _checked(audited: Audited) -> str:
    """Return what was measured beside what had been estimated, for each way of answering that was tried."""
    check = audited.check
    if check is None:
        return ""
    tried: list[tuple[Sufficing, str, int, int, Risk | None]] = [
        (rung.by, rung.name, rung.compared, rung.differ, rung.risk) for rung in check.rungs
    ]
    if check.compared:
        tried.append(("small", ", ".join(check.models), check.compared, check.worse, check.risk))
    rows = [
        [
            cell(f"{wording.SUFFICED[by]}: {clean(name)}"), cell(count(compared)), cell(count(differ)),
            _figure(wording.part(risk.share)), _figure(_estimate(audited, by)),
            cell("yes" if by in check.measured else "no"),
        ]
        for by, name, compared, differ, risk in tried
        if risk is not None
    ]  # fmt: skip
    said = "".join(_rests(line.strip()) for line in check_words.found(check)) if check.planned else ""
    if not rows and not said:
        return ""
    heads = ("tried", "compared", "said otherwise", "measured", "estimated before", "takes its place")
    note = (
        "Answers beside those of the log, which are taken to be right. A measured share takes the place of the "
        f"estimated one where enough was compared. Asking took {format_energy(check.energy_j)}."
    )
    table = html(Table(caption="What the check measured", heads=heads, rows=rows)) if rows else ""
    return section("check", "What the check measured", table + said, note)


def _estimate(audited: Audited, by: Sufficing) -> str:
    known = audited.estimated.get(by)
    return "unknown" if known is None else wording.part(known.share)


# --- pictures -------------------------------------------------------------------------------


def _flow(audited: Audited) -> str:
    finding = audited.finding
    wide = pictures.flow(finding, width=WIDE, name="wide-flow")
    if not wide:
        return ""
    found = pictures.flows(finding)
    whole = sum(found.values())
    rows = [
        [cell(model), cell(wording.SUFFICED[way]), cell(count(calls)), cell(share(calls, whole))]
        for (model, way), calls in sorted(found.items(), key=lambda flow: -flow[1])
    ]
    heads = ("answered by", "would have sufficed", "calls", "share")
    table = html(
        Table(caption="Calls by model and by what would have sufficed", heads=heads, rows=rows, texts=frozenset((1,)))
    )
    note = (
        "From the model that answered (left) to what would have sufficed (right); a band is as thick as the calls. "
        "Shares are of all calls, those that failed too. "
        "Middles of estimates: their intervals and assumptions stand in the next table."
    )
    narrow = pictures.flow(finding, width=NARROW, name="narrow-flow")
    return section("flow", "The flow of calls", figure(wide + narrow, table), note)


def _pareto(audited: Audited) -> str:
    finding = audited.finding
    wide = pictures.pareto(finding, width=WIDE, height=340, name="wide-pareto")
    if not wide or not finding.whole.judged:
        return ""
    narrow = pictures.pareto(finding, width=NARROW, height=280, name="narrow-pareto")
    found, by = pictures.steps(finding), {str(row.by): row for row in finding.whole.sufficed}
    rows = [
        [
            cell(f"{number} {wording.SUFFICED.get(step.way, 'as it was')}"), cell(format_energy(step.energy_j)),
            cell(share(step.worse, 1)), cell(f"{share(step.low, 1)} to {share(step.high, 1)}"),
        ]
        for number, step in enumerate(found)
    ]  # fmt: skip
    notes = [wording.rests_on(finding, by[step.way].assumption) if step.way in by else "" for step in found]
    heads = ("up to and with", "energy of all", "worse answers", "90% interval")
    table = html(Table(caption="Energy against worse answers", heads=heads, rows=rows, notes=notes))
    note = (
        "From the right, as it was, to the left: each point adds one way of answering, the one with the least risk per "
        "energy first. Upwards: the share of answers that would be worse; lines are sums of the ends of 90% intervals. "
        "Ways whose risk is not known are not drawn."
    )
    legend = [
        (f"a-{step.way or 'model'}", f"{number} {wording.SUFFICED.get(step.way, 'as it was')}")
        for number, step in enumerate(found)
    ]
    return section("pareto", "Energy against worse answers", figure(wide + narrow, table, legend), note)


# --- tables ---------------------------------------------------------------------------------


def _sufficing(audited: Audited) -> str:
    finding = audited.finding
    if not finding.whole.judged:
        return ""
    rows = [
        [
            bar(wording.sufficed(row), row.calls.mid, finding.whole.calls),
            *map(_figure, (wording.calls(row.calls), wording.part(row.share), wording.energy(row.was.energy_j),
            wording.energy(row.could_be.energy_j))),
        ]
        for row in finding.whole.sufficed
    ]  # fmt: skip
    notes = [f"{wording.rests_on(finding, row.assumption)}{_worse(row.risk)}" for row in finding.whole.sufficed]
    heads = ("would have sufficed", "calls", "share", "energy was", "could be")
    table = Table(caption="Calls by what would have sufficed", heads=heads, rows=rows, notes=notes)
    note = (
        "Each call is counted once, under what takes the least energy. Where an estimate gives several ways a chance, "
        "a call counts as that share under each."
    )
    return section("sufficing", "What would have sufficed", html(table), note)


def _groups(audited: Audited, name: str, title: str, groups: Sequence[Group], note: str = "") -> str:
    if not groups:
        return ""
    whole = audited.finding.whole.was.energy_j
    energy = None if whole is None else whole.mid
    rows = [_group_row(group, energy, audited) for group in groups[:MOST_ROWS]]
    heads = (groups[0].by, "calls", "less sufficed (of the calls)", "energy was", "could be", "cost was", "could be")
    said = f"{note} " if note else ""
    if len(groups) > MOST_ROWS:
        said += f"The first {MOST_ROWS}, those that take most first; --json has {count(len(groups))}. "
    said += "".join(f"{left}." for left in wording.in_no_group(audited.finding.whole, groups))
    keys = dict.fromkeys(row.assumption for group in groups for row in group.sufficed if row.calls.mid)
    rests = "".join(_rests(wording.rests_on(audited.finding, key)) for key in keys)
    below = f"<details><summary>What these figures rest on</summary>{rests}</details>" if rests else ""
    return section(name, title, html(Table(caption=title, heads=heads, rows=rows)) + below, said.strip())


def _group_row(group: Group, whole: float | None, audited: Audited) -> list[str]:
    energy, could_be = group.was.energy_j, wording.judged(group, group.could_be)
    name = bar(wording.group(group, NAME_CHARS), None if energy is None else energy.mid, whole)
    if (text := audited.texts.get(group.name)) is not None:
        name += f"<br><small>{cell(clean(text))}</small>"
    return [
        name, cell(count(group.calls)), _figure(wording.avoidable(group)),
        *map(_figure, map(wording.energy, (group.was.energy_j, could_be.energy_j))),
        *map(_figure, map(wording.cost, (group.was.cost_usd, could_be.cost_usd))),
    ]  # fmt: skip


def _templates(audited: Audited) -> str:
    texts = "With a prompt of each, as was asked for." if audited.texts else "Skeletons: what varies is left out."
    return _groups(audited, "templates", "The templates that take most", audited.finding.templates, texts)


def _projects(audited: Audited) -> str:
    return _groups(audited, "projects", "By project", audited.finding.projects)


def _models(audited: Audited) -> str:
    return _groups(audited, "models", "By model", audited.finding.models)


def _hours(audited: Audited) -> str:
    said = " ".join(wording.waiting(audited.finding))
    return _groups(audited, "hours", "By hour of the day (UTC)", audited.finding.hours, said)


def _wastes(audited: Audited) -> str:
    finding = audited.finding
    if not finding.wastes:
        return ""
    rows = [
        [
            cell(wording.WASTED[waste.kind]), cell(f"{count(waste.calls)} of {count(waste.of)}"),
            _figure(wording.energy(waste.saved.energy_j)), _figure(wording.cost(waste.saved.cost_usd)),
        ]
        for waste in finding.wastes
    ]  # fmt: skip
    notes = [
        f"{_sentence(clean(waste.detail))} {wording.rests_on(finding, waste.assumption)}{_worse(waste.risk)}"
        for waste in finding.wastes
    ]
    table = Table(caption="Taken for nothing", heads=("what", "calls", "energy", "cost"), rows=rows, notes=notes)
    note = "Whatever answers. These overlap with one another and with what would have sufficed."
    return section("wastes", "Taken for nothing", html(table), note)


def _sentence(said: str) -> str:
    return said if said.endswith((".", "?")) else f"{said}."


# --- what it rests on -----------------------------------------------------------------------


def _basis(audited: Audited) -> str:
    finding, sampled = audited.finding, audited.finding.sampled
    rows = [[cell(known.evidence), cell(clean(known.text))] for known in finding.assumptions]
    table = Table(caption="Assumptions", heads=("worth", "assumption"), rows=rows, texts=frozenset((1,)))
    said = (
        f"The texts of {count(sampled.calls)} of {count(sampled.of)} calls were looked at, near repeats looked for "
        f"among {count(sampled.compared)}. Intervals are of {count(sampled.draws)} simulations with the seed "
        f"{sampled.seed}: the same log gives the same figures."
    )
    return section("basis", "What these figures rest on", html(table) if rows else "", said)


def _files(audited: Audited) -> str:
    lines = (
        *wording.sources(audited.sources), *wording.twice(audited.twice, audited.folded),
        *wording.unread(audited.sources, MOST_ROWS),
    )  # fmt: skip
    unsaid = wording.unsaid(audited.sources, MOST_ROWS)
    read = "".join(f"<li>{escape(line.strip())}</li>" for line in lines)
    lacks = "".join(f"<li>{escape(line)}</li>" for line in unsaid)
    inner = f"<ul>{read}</ul>" + (f"<p>The log does not say:</p><ul>{lacks}</ul>" if lacks else "")
    return section("files", "What was read", inner)
