"""A report as one HTML file, in the frame that all pages have; all names are escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from greenai.report import charts, idle, words
from greenai.report.aggregate import DAY_S, REFUSED, STAGES
from greenai.report.frame import cards, document, figure, section
from greenai.report.tables import Table, bar, cell, html
from greenai.units import format_energy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from greenai.report.aggregate import Report
    from greenai.report.amounts import Amounts, Group

__all__ = ["page"]

MOST_ROWS = 20


def page(report: Report, *, made: float) -> str:
    """Return the report as HTML; `made` is when, in seconds since 1970."""
    whose = "" if report.span.project is None else f" of {words.clean(report.span.project)}"
    sections = () if not report.total.calls else (
        _over_time, _flow, _by_outcome, _by_project, _by_model, _by_feature, _used_features, _avoided, _idle,
        _rates, _carbon, _basis,
    )  # fmt: skip
    return document(
        f"Energy report{whose}",
        head=_lead(report) + (_cards(report) if report.total.calls else ""),
        body="".join(part(report) for part in sections),
        made=made,
        again="The same figures as data: <code>greenai report --json</code>, or <code>--csv</code>.",
    )


def _lead(report: Report) -> str:
    if not report.total.calls:
        narrowed = report.span.since or report.span.project
        said = "No call of this span and project is in the ledger" if narrowed else "There is no call in the ledger yet"
        return f'<p class="lead">{escape(f"{said} ({words.clean(report.rows.path)}).")}</p>'
    first, last = words.moment(report.rows.first)[:10], words.moment(report.rows.last)[:10]
    span = first if first == last else f"{first} to {last}"
    return f'<p class="lead">{escape(span)}. {escape(words.figures(report))}</p>'


def _cards(report: Report) -> str:
    total = report.total
    shown = (
        ("Calls", words.count(total.calls), words.unknown(total) and f"{words.unknown(total)} energy"),
        ("Energy", words.energy(total), words.between(total.low_j, total.high_j)),
        ("Avoided", format_energy(total.avoided_j), words.between(total.avoided_low_j, total.avoided_high_j)),
        ("Carbon", words.carbon(total), "CO2e, location-based" if total.carbon_g is not None else ""),
        ("Water", words.water(total), ""),
        ("Cost", words.money(total), ""),
    )
    return cards(shown)


# --- charts ---------------------------------------------------------------------------------


def _over_time(report: Report) -> str:
    wide = charts.energy_over_time(report, width=860, height=320, name="wide-time")
    if not wide:
        return ""
    narrow = charts.energy_over_time(report, width=312, height=260, name="narrow-time")
    shown = [group for group in report.by_outcome if group.amounts.energy_j]
    legend = [(f"k-{_kind(group)}", words.outcome(group.name)) for group in shown]
    note = "Bars are stacked by what answered. The band is the sum of the 90% intervals; a ring marks unknown energy."
    return section("time", "Energy over time", figure(wide + narrow, html(_steps_table(report)), legend), note)


def _kind(group: Group) -> str:
    return group.name if group.name in charts.ORDER else "other"


def _steps_table(report: Report) -> Table:
    names = [group.name or "" for group in report.by_outcome]
    hours = report.bucket_s < DAY_S
    rows = [
        [
            cell(words.day(step.begin, hours=hours)),
            cell(words.count(step.calls)),
            *(cell(words.energy(step.by_outcome[n]) if n in step.by_outcome else "-") for n in names),
            cell(format_energy(step.energy_j)),
            cell(words.between(step.low_j, step.high_j)),
            cell(words.count(step.unknown)),
        ]
        for step in charts.steps_of(report)
    ]
    heads = ("from (UTC)", "calls", *map(words.outcome, names), "known energy", "90% interval", "unknown")
    return Table(caption="Energy over time, by what answered", heads=heads, rows=rows)


def _flow(report: Report) -> str:
    wide = charts.flow(report, width=860, name="wide-flow")
    if not wide:
        return ""
    narrow = charts.flow(report, width=312, name="narrow-flow")
    found = {group.name: group.amounts for group in report.by_stage}
    reached, rows = report.answerable, []
    for stage in (*STAGES, *(name for name in found if name not in STAGES)):
        if stage not in found:
            continue
        ended = found[stage]
        came = "-" if stage == REFUSED else words.count(reached)
        rows.append([cell(words.STAGES.get(stage or "", words.clean(stage))), cell(came),
                     cell(words.count(ended.calls)), cell(words.share(ended.calls, report.total.calls)),
                     cell(words.energy(ended))])  # fmt: skip
        reached -= ended.calls
    total = [cell("All"), "", cell(words.count(report.total.calls)), "", cell(words.energy(report.total))]
    heads = ("stage", "reached", "ended there", "share", "energy")
    table = html(Table(caption="Calls by the stage that ended them", heads=heads, rows=rows, total=total))
    note = "A bar is as long as the calls that reached a stage; the coloured end is what was answered there."
    return section("flow", "How calls were answered", figure(wide + narrow, table), note)


# --- breakdowns -----------------------------------------------------------------------------


def _by_outcome(report: Report) -> str:
    return _breakdown(report, "outcomes", "By what answered", report.by_outcome, "outcome", words.outcome)


def _by_project(report: Report) -> str:
    return _breakdown(report, "projects", "By project", report.by_project, "project", words.clean)


def _by_model(report: Report) -> str:
    return _breakdown(report, "models", "By model", report.by_model, "model", words.model)


def _by_feature(report: Report) -> str:
    if not any(group.name is not None for group in report.by_feature):
        return ""
    return _breakdown(report, "features", "By feature", report.by_feature, "feature", words.clean)


def _breakdown(
    report: Report, name: str, title: str, groups: Sequence[Group], head: str, naming: Callable[[str | None], str]
) -> str:
    if not groups:
        return ""
    shown, rest = words.top(groups, MOST_ROWS)
    whole = report.total.energy_j
    rows = [_amount_row(bar(naming(g.name), g.amounts.energy_j, whole), g.amounts) for g in shown]
    if rest:
        known = [g.amounts for g in rest]
        energy_j = sum(a.energy_j or 0.0 for a in known)
        rows.append(
            [cell(f"{len(rest)} more"), cell(words.count(sum(a.calls for a in known))), cell(format_energy(energy_j)),
             "", "", "", ""]
        )  # fmt: skip
    heads = (head, "calls", "energy", "90% interval", "avoided", "carbon", "cost")
    total = _amount_row(cell("All"), report.total)
    return section(name, title, html(Table(caption=title, heads=heads, rows=rows, total=total), "amounts"))


def _amount_row(first: str, amounts: Amounts) -> list[str]:
    between = words.between(amounts.low_j, amounts.high_j)
    known = cell(words.energy(amounts))
    if between:  # a phone has no room for a column of its own
        known += f'<small class="narrow"><br>{cell(between)}</small>'
    if unknown := words.unknown(amounts):
        known += f"<br><small>{cell(unknown)}</small>"
    return [
        first, cell(words.count(amounts.calls)), known, cell(between or "-"),
        cell("-" if amounts.avoided_j is None else format_energy(amounts.avoided_j)), cell(words.carbon(amounts)),
        cell(words.money(amounts)),
    ]  # fmt: skip


def _used_features(report: Report) -> str:
    if not report.features:
        return ""
    rows = [
        [cell(words.clean(f.feature)), cell(words.clean(f.project)),
         cell("-" if f.offered is None else words.count(f.offered)), cell(words.count(f.amounts.calls)),
         cell(words.count(f.amounts.used)), cell(words.share(f.amounts.used, f.amounts.calls)),
         cell(words.energy(f.amounts))]
        for f in report.features[:MOST_ROWS]
    ]  # fmt: skip
    heads = ("feature", "project", "given", "generated", "of it used", "share", "energy")
    table = Table(caption="Features, the least used first", heads=heads, rows=rows, texts=frozenset((1,)))
    note = "Of what was generated, how much the app said was used, with used(). The least used stands first."
    return section("used", "Features, by how often their output was used", html(table), note)


def _avoided(report: Report) -> str:
    if not report.by_baseline:
        return ""
    rows = [
        [
            cell(words.baseline(g)),
            cell(words.count(g.amounts.calls)),
            cell(format_energy(g.amounts.would_avoid_j if g.key[1] else g.amounts.avoided_j)),
            cell("-" if g.key[1] else words.between(g.amounts.avoided_low_j, g.amounts.avoided_high_j)),
        ]
        for g in report.by_baseline
    ]
    between = words.between(report.total.avoided_low_j, report.total.avoided_high_j)
    total = [cell("All avoided"), "", cell(format_energy(report.total.avoided_j)), cell(between)]
    heads = ("against", "calls", "energy", "90% interval")
    table = Table(caption="Avoided energy by its baseline", heads=heads, rows=rows, total=total)
    note = "A model of what did not happen: the baseline's energy for the same request, less what was used."
    return section("avoided", "Avoided, and against what", html(table), note)


def _idle(report: Report) -> str:
    if not report.idle.days:
        return ""
    return section(
        "idle", "Idle tax of models on this machine", html(idle.page_table(report.idle)), idle.note(report.idle)
    )


def _rates(report: Report) -> str:
    rates = report.rates
    if not rates.calls:
        return ""
    rows = [
        [cell(name), cell(words.count(part)), cell(words.count(whole)), cell(words.share(part, whole))]
        for name, part, whole in words.rates(rates)
    ]
    heads = ("", "calls", "of", "share")
    return section("rates", "How often", html(Table(caption="Rates", heads=heads, rows=rows)))


def _carbon(report: Report) -> str:
    known = [g for g in report.by_carbon_source if g.amounts.carbon_known or g.amounts.water_known]
    if not known:
        return ""
    rows = [
        [cell("grid not kept (an older row)" if g.name is None else words.clean(g.name)),
         cell(words.count(g.amounts.carbon_known)), cell(words.carbon(g.amounts)),
         cell(words.masses(g.amounts)), cell(words.water(g.amounts))]
        for g in known
    ]  # fmt: skip
    total = [cell("All"), cell(words.count(report.total.carbon_known)), cell(words.carbon(report.total)),
             cell(words.masses(report.total)), cell(words.water(report.total))]  # fmt: skip
    heads = ("grid, year", "calls", "CO2e", "90% interval", "water")
    table = Table(caption="Carbon and water by the grid that they are of", heads=heads, rows=rows, total=total)
    note = "Location-based, without making the hardware. Sources: the documentation's page on carbon, water and money."
    return section("carbon", "Carbon and water", html(table), note)


def _basis(report: Report) -> str:
    said = "".join(f"<li>{escape(note)}</li>" for note in (words.figures(report), *words.notes(report)))
    rows = [
        [cell(words.evidence(g.name)), cell(words.count(g.amounts.calls)), cell(words.energy(g.amounts))]
        for g in report.by_evidence
    ]
    total = [cell("All"), cell(words.count(report.total.calls)), cell(words.energy(report.total))]
    table = Table(caption="Energy by its evidence", heads=("energy is", "calls", "energy"), rows=rows, total=total)
    return section("basis", "What these figures rest on", f"{html(table) if rows else ''}<ul>{said}</ul>")
