"""A report for a terminal, as tables of rich with the columns that fit; and as CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from greenai.report import idle, words
from greenai.report.aggregate import REFUSED
from greenai.report.amounts import Amounts
from greenai.report.columns import add, fitted, pairs, table
from greenai.units import format_energy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from greenai.report.aggregate import Report
    from greenai.report.amounts import Group

__all__ = ["BY", "DEFAULT", "as_csv", "tables"]

MOST_ROWS = 12
WIDTH = 80
BY: Mapping[str, tuple[str, Callable[[str | None], str]]] = {
    "outcome": ("by_outcome", words.outcome),
    "project": ("by_project", words.clean),
    "model": ("by_model", words.model),
    "feature": ("by_feature", words.clean),
    "evidence": ("by_evidence", words.evidence),
}
DEFAULT = ("outcome", "project", "model", "feature")


def tables(report: Report, by: Sequence[str] = DEFAULT, *, width: int = WIDTH) -> Iterator[RenderableType]:
    """Yield what `greenai report` prints: the sums, the chosen breakdowns, and what the figures rest on."""
    from rich.text import Text

    yield Text(words.figures(report))
    yield _sums(report)
    for name in by:
        attribute, naming = BY[name]
        groups: tuple[Group, ...] = getattr(report, attribute)
        if len(groups) > 1 or len(by) == 1 or (groups and groups[0].name is not None):
            yield _breakdown(report, name, groups, naming, width)
    yield _flow(report, width)
    if report.features:
        yield _features(report, width)
    if report.by_baseline:
        yield _avoided(report)
    if report.idle.days:
        yield fitted("idle tax", idle.HEADS, idle.lines(report.idle), width, less=(4, 5), names=1, total=True)
        yield Text(idle.note(report.idle), style="dim")
    yield pairs("how often", ((name, words.share(part, of)) for name, part, of in words.rates(report.rates)))
    said = ["+ ?: of some of these calls the energy is unknown."] if report.total.energy_unknown else []
    yield Text("\n".join([*said, *words.notes(report)]), style="dim")


def _sums(report: Report) -> Table:
    total = report.total
    avoided = words.between(total.avoided_low_j, total.avoided_high_j)
    grids = [g for g in report.by_carbon_source if g.amounts.carbon_g]
    grid = "" if not grids else words.clean(grids[0].name) if len(grids) == 1 else f"{len(grids)} grids"
    rows = (
        ("energy", _energy(total), words.between(total.low_j, total.high_j)),
        ("avoided", format_energy(total.avoided_j), avoided),
        ("would avoid", "" if total.would_avoid_j is None else format_energy(total.would_avoid_j), "only observed"),
        ("carbon", words.carbon(total), " ".join((words.masses(total), grid and f"({grid})"))),
        ("water", words.water(total), ""),
        ("cost", words.money(total), ""),
        ("unknown", words.count(total.energy_unknown), "calls whose energy is in no sum"),
    )
    made = table("", ("", "", ""), right=(1,), headed=False)
    for label, figure, more in rows:
        if figure and (label != "unknown" or total.energy_unknown):
            add(made, label, figure, more)
    return made


def _breakdown(
    report: Report, head: str, groups: Sequence[Group], naming: Callable[[str | None], str], width: int
) -> Table:
    shown, rest = words.top(groups, MOST_ROWS)
    rows = [(naming(group.name), *_amounts(group.amounts, report.total)) for group in shown]
    if rest:
        calls, energy_j = sum(g.amounts.calls for g in rest), sum(g.amounts.energy_j or 0.0 for g in rest)
        rows.append((f"{len(rest)} more", words.count(calls), format_energy(energy_j), "", "", ""))
    heads = (head, "calls", "energy", "90% interval", "avoided", "share")
    total = ("all", *_amounts(report.total, report.total))
    return fitted(f"by {head}", heads, [*rows, total], width, less=(3, 5, 4), total=True)


def _amounts(amounts: Amounts, total: Amounts) -> tuple[str, ...]:
    avoided = "-" if amounts.avoided_j is None else format_energy(amounts.avoided_j)
    interval = words.between(amounts.low_j, amounts.high_j) or "-"
    part = "-" if amounts.energy_j is None else words.share(amounts.energy_j, total.energy_j or 0.0)
    return words.count(amounts.calls), _energy(amounts), interval, avoided, part


def _energy(amounts: Amounts) -> str:
    """Return the known energy, with a mark where that of some calls is unknown."""
    return f"{words.energy(amounts)}{' + ?' if amounts.energy_unknown and amounts.energy_known else ''}"


def _flow(report: Report, width: int) -> Table:
    found = {group.name: group.amounts for group in report.by_stage}
    reached, rows = report.answerable, list[tuple[str, ...]]()
    for stage in (*words.STAGES, *(name for name in found if name not in words.STAGES)):
        if stage not in found:
            continue
        ended = found[stage]
        label = words.STAGES.get(stage or "", words.clean(stage))
        ended_share = words.share(ended.calls, report.total.calls)
        came = "-" if stage == REFUSED else words.count(reached)
        rows.append((label, came, words.count(ended.calls), ended_share, _energy(ended)))
        reached -= ended.calls
    heads = ("stage", "reached", "ended there", "share", "energy")
    return fitted("how calls were answered", heads, rows, width, less=(3, 1))


def _features(report: Report, width: int) -> Table:
    rows: list[tuple[str, ...]] = []
    for feature in report.features[:MOST_ROWS]:
        given = "-" if feature.offered is None else words.count(feature.offered)
        used = f"{words.count(feature.amounts.used)} ({words.share(feature.amounts.used, feature.amounts.calls)})"
        calls, energy = words.count(feature.amounts.calls), _energy(feature.amounts)
        rows.append((words.clean(feature.feature), words.clean(feature.project), given, calls, used, energy))
    heads = ("feature", "project", "given", "generated", "used", "energy")
    return fitted("features, the least used first", heads, rows, width, less=(2, 3, 1), names=2)


def _avoided(report: Report) -> Table:
    made = table("avoided, and against what", ("against", "calls", "energy"), right=(1, 2))
    for group in report.by_baseline:
        amount = group.amounts.would_avoid_j if group.key[1] else group.amounts.avoided_j
        add(made, words.baseline(group), words.count(group.amounts.calls), format_energy(amount))
    return made


# --- CSV ------------------------------------------------------------------------------------


def as_csv(report: Report) -> str:
    """Return every part as rows of one table: what it is a part of, its name, and its amounts; unknown is empty.

    Without a call there are no rows. A name that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    columns = [field.name for field in fields(Amounts)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("part", "name", "more", *columns))

    def write(part: str, name: object, more: object, amounts: Amounts) -> None:
        writer.writerow((part, _told(name), _told(more), *(getattr(amounts, column) for column in columns)))

    if not report.rows.calls:
        return out.getvalue()
    write("total", report.rows.path, report.span.project, report.total)
    for part, (attribute, _) in BY.items():
        for group in getattr(report, attribute):
            write(part, group.name, None, group.amounts)
    for group in report.by_stage:
        write("stage", group.name, None, group.amounts)
    for group in report.by_carbon_source:
        write("carbon_source", group.name, None, group.amounts)
    for group in report.by_baseline:
        write("baseline", group.key[0], "observed" if group.key[1] else "avoided", group.amounts)
    for group in report.series:
        write("time", words.moment(group.key[0]), group.key[1], group.amounts)
    for feature in report.features:
        write("feature_used", feature.feature, feature.project, feature.amounts)
    return out.getvalue()


def _told(name: Any) -> str:
    text = "" if name is None else words.clean(name)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
