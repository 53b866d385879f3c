"""The idle tax: what models on this machine took while nobody asked, and what unloading them saved, by model and day.

It stands beside the energy of the calls and in none of it. A model belongs to no project: what it took in a day is
shared by those who asked it that day, in proportion to the energy of their calls to it; where nobody did, by those of
the day before, and else it is nobody's. The reloads that unloading made necessary are charged to the calls that waited
for them, and taken off what it saved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isclose
from typing import TYPE_CHECKING, Any

from greenai.report.exact import divided, scale_of, shares
from greenai.report.tables import Table, cell
from greenai.report.words import between, clean, day, share
from greenai.units import format_duration, format_energy

if TYPE_CHECKING:
    from greenai.store.reading import LedgerReader

__all__ = ["IdleTax", "Idling", "idle_tax", "lines", "note", "page_table"]

DAY_S = 86_400
_MEASURES: Mapping[str, str] = {
    "energy_j": "CASE kind WHEN 'warm' THEN energy_j ELSE 0.0 END",
    "low_j": "CASE kind WHEN 'warm' THEN low_j ELSE 0.0 END",
    "high_j": "CASE kind WHEN 'warm' THEN high_j ELSE 0.0 END",
    "staying_j": "staying_j",
    "reload_j": "reload_j",
    "warm_s": "CASE kind WHEN 'warm' THEN seconds ELSE 0.0 END",
    "parked_s": "CASE kind WHEN 'parked' THEN seconds ELSE 0.0 END",
}
MOST_DAYS = 31
MOST_NAMED = 5
NOBODYS = "nobody's"


@dataclass(frozen=True, slots=True, kw_only=True)
class Idling:
    """One model on one day (UTC): `warm_s` seconds in memory unasked, which took energy, and `parked_s` unloaded.

    `staying_j` is what both together would have taken in memory, `reload_j` what the reloads took that ended the
    latter, and were charged to calls. `project` is whose part this is, where it is a part.
    """

    model: str | None = None
    project: str | None = None
    day: float | None = None
    warm_s: float = 0.0
    parked_s: float = 0.0
    energy_j: float = 0.0
    low_j: float = 0.0
    high_j: float = 0.0
    staying_j: float = 0.0
    reload_j: float = 0.0

    @property
    def saved_j(self) -> float:
        """What unloading saved against staying, its reloads taken off; negative where it did not pay."""
        took_j = self.energy_j + self.reload_j
        return 0.0 if isclose(self.staying_j, took_j, rel_tol=1e-9) else self.staying_j - took_j


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleTax:
    """Each model on each day, by model, by project, and all together; the parts add up to the total exactly.

    In `by_project` the one without a project is what nobody asked for. Of the report of one project all is its part.
    """

    days: tuple[Idling, ...] = ()
    by_model: tuple[Idling, ...] = ()
    by_project: tuple[Idling, ...] = ()
    total: Idling = Idling()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        parts = {"by_model_and_day": self.days, "by_model": self.by_model}
        return {
            "total": _plain(self.total),
            **{name: [{"model": one.model, **_plain(one)} for one in found] for name, found in parts.items()},
            "by_project": [{"project": one.project, **_plain(one)} for one in self.by_project],
        }


def _plain(one: Idling) -> dict[str, Any]:
    named = ("model", "project")
    data = {name: value for name, value in asdict(one).items() if name not in named and value is not None}
    return {**data, "saved_j": one.saved_j}


def idle_tax(reader: LedgerReader, given: Mapping[str, object]) -> IdleTax:
    """Add up the spells that began in a span; `given` has its `since`, `until` and `project` (None: of all)."""
    span = {"since": given["since"], "until": given["until"]}
    where = "began >= :since AND began < :until"
    sizes = ", ".join(f"sum(abs({sql})) AS {name}" for name, sql in _MEASURES.items())
    scales = {
        name: scale_of(size)
        for name, size in reader.rows(f"SELECT {sizes} FROM idle WHERE {where}", span)[0].items()  # noqa: S608
    }
    sums = ", ".join(f"sum(CAST(({sql}) * :{name} AS INTEGER)) AS {name}" for name, sql in _MEASURES.items())
    rows = reader.rows(
        f"SELECT model, CAST(began / {DAY_S} AS INTEGER) * {DAY_S} AS day, {sums} FROM idle WHERE {where} "  # noqa: S608
        "GROUP BY 1, 2 ORDER BY 2, 1",
        {**span, **scales},
    )
    parts = _parts(rows, _users(reader, span)) if rows else []
    if given.get("project") is not None:
        rows = parts = [part for part in parts if part["project"] == given["project"]]
    whole = _added(rows)
    by_model, by_project = _added(rows, "model"), _added(parts, "project")
    return IdleTax(
        days=_idlings(rows, scales),
        by_model=tuple(sorted(_idlings(by_model, scales), key=lambda one: (-one.energy_j, str(one.model)))),
        by_project=tuple(sorted(_idlings(by_project, scales), key=lambda one: (-one.energy_j, str(one.project)))),
        total=next(iter(_idlings(whole, scales)), Idling()),
    )


_Users = Mapping[tuple[str, int], Mapping[str | None, float]]


def _users(reader: LedgerReader, span: Mapping[str, object]) -> _Users:
    """Return how much each project's calls took of each model on each day, from the day before the span on."""
    found: dict[tuple[str, int], dict[str | None, float]] = {}
    for row in reader.rows(
        f"SELECT model, CAST(created / {DAY_S} AS INTEGER) * {DAY_S} AS day, project, sum(energy_j) AS energy_j "  # noqa: S608
        f"FROM attempts WHERE energy_j > 0 AND created >= :since - 2 * {DAY_S} AND created < :until "
        "AND model IN (SELECT model FROM idle) GROUP BY 1, 2, 3 ORDER BY 3",
        span,
    ):
        found.setdefault((row["model"], row["day"]), {})[row["project"]] = row["energy_j"]
    return found


def _parts(rows: Sequence[Mapping[str, Any]], users: _Users) -> list[dict[str, Any]]:
    """Return each row in whole parts of the projects that share it."""
    parts: list[dict[str, Any]] = []
    for row in rows:
        at = row["model"], row["day"]
        shared = users.get(at) or users.get((at[0], at[1] - DAY_S)) or {None: 1.0}
        split = {name: divided(row[name], list(shared.values())) for name in _MEASURES}
        parts += [
            {"model": at[0], "day": at[1], "project": project, **{name: split[name][place] for name in _MEASURES}}
            for place, project in enumerate(shared)
        ]
    return parts


def _added(rows: Iterable[Mapping[str, Any]], key: str | None = None) -> list[dict[str, Any]]:
    found: dict[Any, dict[str, Any]] = {}
    for row in rows:
        name = None if key is None else row[key]
        group = found.setdefault(name, {} if key is None else {key: name})
        for measure in _MEASURES:
            group[measure] = group.get(measure, 0) + row[measure]
    return list(found.values())


def _idlings(rows: Sequence[Mapping[str, Any]], scales: Mapping[str, float]) -> tuple[Idling, ...]:
    made: list[dict[str, Any]] = [{name: row.get(name) for name in ("model", "project", "day")} for row in rows]
    for name in _MEASURES:
        for data, amount in zip(made, shares([row[name] for row in rows], scales[name]), strict=True):
            data[name] = amount
    return tuple(Idling(**data) for data in made)


# --- in words -------------------------------------------------------------------------------

HEADS = ("model", "day (UTC)", "in memory", "idle tax", "90% interval", "unloaded", "saved")


def lines(tax: IdleTax) -> list[tuple[str, ...]]:
    """Return the rows of the table, each model on its latest days, and the total."""
    shown = tax.days[-MOST_DAYS:]
    rows = [_line(clean(one.model), "-" if one.day is None else day(one.day, hours=False), one) for one in shown]
    if len(shown) < len(tax.days):
        rows.insert(0, (f"{len(tax.days) - len(shown)} earlier", *("",) * (len(HEADS) - 1)))
    return [*rows, _line("all", "", tax.total)]


def _line(name: str, when: str, one: Idling) -> tuple[str, ...]:
    return (
        name,
        when,
        format_duration(one.warm_s),
        format_energy(one.energy_j),
        between(one.low_j, one.high_j),
        format_duration(one.parked_s),
        signed(one.saved_j),
    )


def signed(energy_j: float) -> str:
    """Return an energy that may be negative."""
    return f"-{format_energy(-energy_j)}" if energy_j < 0 else format_energy(energy_j)


def note(tax: IdleTax) -> str:
    """Say what the figures are held against."""
    total = tax.total
    by = ", ".join(
        f"{clean(one.project or NOBODYS)} {format_energy(one.energy_j)}" for one in tax.by_project[:MOST_NAMED]
    )
    more = f" and {len(tax.by_project) - MOST_NAMED} more" if len(tax.by_project) > MOST_NAMED else ""
    by = f" Shared by the energy of each project's calls to the model that day: {by}{more}." if _is_shared(tax) else ""
    part = f" ({share(total.saved_j, total.staying_j)} of it)" if total.saved_j > 0 else ""
    did = f"unloading saved {format_energy(total.saved_j)}{part}"
    if total.saved_j < 0:
        did = f"unloading took {format_energy(-total.saved_j)} more"
    return (
        "Beside the energy of the calls, and in none of it. Always on would have taken "
        f"{format_energy(total.staying_j)}; {did}, with "
        f"{format_energy(total.reload_j)} for the reloads taken off, which calls were charged for.{by}"
    )


def _is_shared(tax: IdleTax) -> bool:
    return any(one.project is not None for one in tax.by_project)


def page_table(tax: IdleTax) -> Table:
    """Return the table of the page."""
    found = lines(tax)
    return Table(
        caption="Idle tax by model and day",
        heads=HEADS,
        rows=[[cell(text) for text in row] for row in found[:-1]],
        total=[cell(text) for text in found[-1]],
        texts=frozenset((1,)),
    )
