"""What a ledger's calls add up to, part by part: each figure with the rows that it rests on. SQL adds, not Python.

Every way to part the calls (by project, model, outcome ...) reads the same rows of one moment, and its parts add up to
the same total. What is unknown is in no sum, and is counted beside it.
"""

from __future__ import annotations

# ruff: noqa: S608  only text of this module and of amounts.py is put into SQL; values travel as parameters
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from greenai.asked import SAME_WITHIN_S
from greenai.report.amounts import MEASURES, Amounts, Group, added, columns, groups
from greenai.report.exact import scale_of
from greenai.report.idle import IdleTax, idle_tax
from greenai.store.reading import LedgerReader

__all__ = ["REFUSED", "STAGES", "Feature", "Rates", "Report", "Rows", "Span", "Unanswered", "aggregate", "none"]

STAGES = ("cache", "answerer", "small", "large", "reasoning", "failed")
"""Where calls end, in the order in which they get there. A refused one reaches none of them."""

REFUSED = "refused"
HOUR_S, DAY_S = 3600, 86_400
# The first Monday after 1970 began was its fifth day.
_MONDAY_S = 4 * DAY_S

_STAGE = (
    "CASE WHEN outcome IN ('cache', 'semantic_cache') THEN 'cache' "
    "WHEN outcome IN ('answerer', 'lookup_needed', 'task_model') THEN 'answerer' "
    "WHEN outcome IN ('small', 'large') AND reasoning THEN 'reasoning' ELSE outcome END"
)
_IN_SPAN = "created >= :since AND created < :until AND (:project IS NULL OR project = :project)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which calls count: from `since` (included) to `until` (not), in seconds since 1970; `project` is one or all."""

    since: float = 0.0
    until: float = 1e18
    project: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows that a report rests on: the file, how many, and when the first and the last call were."""

    path: str
    calls: int
    attempts: int
    energy_unknown: int
    first: float | None
    last: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """Attempts whose call has no energy or no row: of failed, cancelled and killed calls. In no other figure.

    `high_j` bounds what those may have taken whose energy is unknown, as far as their rows have a bound.
    """

    attempts: int = 0
    energy_known: int = 0
    energy_j: float | None = None
    high_j: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often something was done: counts, so that every share can be checked.

    `asked` are the calls of which the ledger knows who asked what, `asked_again` those that asked the same within five
    minutes; `opted_in` used an opt-in (whether one needed `long_output` is not known); `escalated` asked again one
    rung up, in `discarded` the first answer was not delivered.
    """

    calls: int = 0
    opted_in: int = 0
    escalated: int = 0
    discarded: int = 0
    asked: int = 0
    asked_again: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature of an app: how often it gave something (`offered`) and that was used, generated or not.

    `amounts` are of the calls that generated for it; offers are counted by whole days (UTC). None is not counted.
    """

    project: str
    feature: str
    offered: int | None
    used: int | None
    amounts: Amounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the calls of a span took. Each breakdown's amounts add up to those of `total` exactly."""

    span: Span
    rows: Rows
    total: Amounts
    by_project: tuple[Group, ...] = ()
    by_model: tuple[Group, ...] = ()
    by_outcome: tuple[Group, ...] = ()
    by_feature: tuple[Group, ...] = ()
    by_stage: tuple[Group, ...] = ()
    by_carbon_source: tuple[Group, ...] = ()
    by_evidence: tuple[Group, ...] = ()
    by_baseline: tuple[Group, ...] = ()
    series: tuple[Group, ...] = ()
    bucket_s: int = DAY_S
    features: tuple[Feature, ...] = ()
    rates: Rates = field(default_factory=Rates)
    unanswered: Unanswered = field(default_factory=Unanswered)
    idle: IdleTax = field(default_factory=IdleTax)

    @property
    def answerable(self) -> int:
        """How many calls reached a stage: all but those that were refused."""
        return self.total.calls - sum(group.amounts.calls for group in self.by_stage if group.name == REFUSED)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; each part has its name beside its amounts."""
        named = ("project", "model", "outcome", "feature", "stage", "evidence", "carbon_source")
        parts: dict[str, tuple[Group, ...]] = {name: getattr(self, f"by_{name}") for name in named}
        return {
            "rows": asdict(self.rows),
            "span": {"since": self.span.since or None, "project": self.span.project, "bucket_s": self.bucket_s},
            "total": self.total.to_dict(),
            **{f"by_{name}": [{name: g.name, **g.amounts.to_dict()} for g in found] for name, found in parts.items()},
            "by_baseline": [
                {"baseline": g.key[0], "observed": bool(g.key[1]), **g.amounts.to_dict()} for g in self.by_baseline
            ],
            "series": [{"begin": g.key[0], "outcome": g.key[1], **g.amounts.to_dict()} for g in self.series],
            "features": [
                {
                    "project": f.project,
                    "feature": f.feature,
                    "given": f.offered,
                    "given_used": f.used,
                    **f.amounts.to_dict(),
                }
                for f in self.features
            ],
            "rates": asdict(self.rates),
            "unanswered_attempts": asdict(self.unanswered),
            "idle_tax": self.idle.to_dict(),
        }


def none(path: str, span: Span) -> Report:
    """Return the report of a ledger that is not there."""
    rows = Rows(path=path, calls=0, attempts=0, energy_unknown=0, first=None, last=None)
    return Report(span=span, rows=rows, total=Amounts())


def aggregate(reader: LedgerReader, span: Span | None = None) -> Report:
    """Add up what the ledger has of a span: calls once into cells, alike in every key, and cells for each breakdown."""
    span = span or Span()
    given = {"since": span.since, "until": span.until, "project": span.project}
    rows = _rows(reader, span, given)
    bucket_s = _bucket_s(rows)
    scales = _scales(reader, given)
    _keep_cells(reader, {**given, **scales}, bucket_s)

    def parted(*keys: str, only: str = "1") -> tuple[Group, ...]:
        named = ", ".join(keys)
        found = reader.rows(f"SELECT {named}, {added()} FROM cells WHERE {only} GROUP BY {named}")
        return groups(found, keys, scales)

    return Report(
        span=span,
        rows=rows,
        total=next((group.amounts for group in parted("every")), Amounts()),
        by_project=parted("project"),
        by_model=parted("model"),
        by_outcome=parted("outcome"),
        by_feature=parted("feature"),
        by_stage=parted("stage"),
        by_carbon_source=parted("carbon_source"),
        by_evidence=parted("evidence"),
        by_baseline=parted("baseline", "observed", only="avoided_known"),
        series=tuple(sorted(parted("bucket", "outcome"), key=lambda group: group.key)),
        bucket_s=bucket_s,
        features=_features(reader, given, parted("project", "feature", only="feature IS NOT NULL")),
        rates=_rates(reader, given),
        unanswered=_unanswered(reader, given),
        idle=idle_tax(reader, given),
    )


def _scales(reader: LedgerReader, given: Mapping[str, object]) -> dict[str, float]:
    totals = ", ".join(f"sum({sql}) AS {name}" for name, sql in MEASURES.items())
    found = reader.rows(f"SELECT {totals} FROM calls WHERE {_IN_SPAN}", given)[0]
    return {name: scale_of(value) for name, value in found.items()}


def _keep_cells(reader: LedgerReader, given: Mapping[str, object], bucket_s: int) -> None:
    offset_s = _MONDAY_S if bucket_s > DAY_S else 0
    keys = {
        "every": "1",
        "bucket": f"CAST((created - {offset_s}) / {bucket_s} AS INTEGER) * {bucket_s} + {offset_s}",
        "project": "project",
        "model": "model",
        "outcome": "outcome",
        "stage": _STAGE,
        "feature": "feature",
        "evidence": "evidence",
        "carbon_source": "carbon_source",
        "baseline": "baseline",
        "observed": "observed",
    }
    named = ", ".join(f"{sql} AS {name}" for name, sql in keys.items())
    ordinals = ", ".join(str(index + 1) for index in range(len(keys)))
    sql = f"SELECT {named}, {columns()} FROM calls WHERE {_IN_SPAN} GROUP BY {ordinals}"
    reader.keep("cells", sql, given)


def _rows(reader: LedgerReader, span: Span, given: Mapping[str, object]) -> Rows:
    counted = reader.rows(
        "SELECT count(*) AS calls, count(*) - count(energy_j) AS energy_unknown, min(created) AS first, "
        f"max(created) AS last FROM calls WHERE {_IN_SPAN}",
        given,
    )[0]
    whole = span.since <= 0 and span.until >= Span().until and span.project is None
    sql = "SELECT count(*) AS attempts FROM attempts"
    if not whole:
        sql += f" WHERE call_id IN (SELECT call_id FROM calls WHERE {_IN_SPAN}) OR ({_ORPHAN} AND {_IN_SPAN})"
    return Rows(path=str(reader.path), **counted, **reader.rows(sql, () if whole else given)[0])


_ORPHAN = "NOT EXISTS (SELECT 1 FROM calls WHERE calls.call_id = attempts.call_id)"


def _unanswered(reader: LedgerReader, given: Mapping[str, object]) -> Unanswered:
    """Add up the attempts of calls without energy. One that is held goes on, one that was released used nothing."""
    found = reader.rows(
        "SELECT count(*) AS attempts, count(energy_j) AS energy_known, sum(energy_j) AS energy_j, "
        "sum(high_j) FILTER (WHERE energy_j IS NULL) AS high_j FROM attempts "
        f"WHERE state NOT IN ('held', 'released') AND {_IN_SPAN} AND NOT EXISTS (SELECT 1 FROM calls "
        "WHERE calls.call_id = attempts.call_id AND calls.energy_j IS NOT NULL)",
        given,
    )
    return Unanswered(**found[0])


# `large` and `semantic_cache` stand there where they were used; `reasoning` and `long_output` also where they held.
_USED_OPT_IN = (
    """opt_in LIKE '%"large"%' OR opt_in LIKE '%"semantic_cache"%' OR (reasoning AND opt_in LIKE '%"reasoning"%')"""
)


def _rates(reader: LedgerReader, given: Mapping[str, object]) -> Rates:
    counted = reader.rows(
        f"SELECT count(*) AS calls, count(*) FILTER (WHERE {_USED_OPT_IN}) AS opted_in, "
        "count(parent) AS escalated, count(asked) AS asked, "
        f"(SELECT count(DISTINCT call_id) FROM attempts WHERE state = 'discarded' AND {_IN_SPAN}) AS discarded "
        f"FROM calls WHERE {_IN_SPAN}",
        given,
    )[0]
    again = 0
    if counted["asked"]:
        again = reader.rows(
            # After a failure or refusal the same is sent again; an escalation is counted by itself.
            "SELECT count(*) AS again FROM (SELECT parent, created - lag(created) OVER question AS after_s, "
            f"lag(outcome) OVER question AS before FROM calls WHERE asked IS NOT NULL AND {_IN_SPAN} "
            "WINDOW question AS (PARTITION BY project, asked ORDER BY created)) "
            f"WHERE after_s <= {SAME_WITHIN_S} AND before NOT IN ('failed', 'refused') "
            "AND parent IS NULL",
            given,
        )[0]["again"]
    return Rates(**counted, asked_again=again)


def _features(reader: LedgerReader, given: Mapping[str, object], called: Sequence[Group]) -> tuple[Feature, ...]:
    """Return the features with what they gave and what was used of it, the least used first."""
    offers = {
        (row["project"], row["feature"]): (row["offered"], row["used"])
        for row in reader.rows(
            "SELECT project, feature, sum(offered) AS offered, sum(used) AS used FROM offers WHERE "
            f"(day + 1) * {DAY_S} > :since AND day * {DAY_S} < :until AND (:project IS NULL OR project = :project) "
            "GROUP BY project, feature",
            given,
        )
    }
    made = {group.key: group.amounts for group in called}
    features = [
        Feature(project=key[0], feature=key[1], offered=offered, used=used, amounts=made.get(key, Amounts()))
        for key in {*made, *offers}
        for offered, used in (offers.get(key, (None, None)),)
    ]
    return tuple(sorted(features, key=lambda f: (_used_share(f), -f.amounts.calls, f.project, f.feature)))


def _used_share(feature: Feature) -> float:
    """Return the share that was used: of what was generated, else of what was given."""
    if feature.amounts.calls:
        return feature.amounts.used / feature.amounts.calls
    return (feature.used or 0) / feature.offered if feature.offered else 1.0


def _bucket_s(rows: Rows) -> int:
    """Return how long a step of time is: hours in two days, days in three months, weeks beyond."""
    if rows.first is None or rows.last is None:
        return DAY_S
    long_s = rows.last - rows.first
    return HOUR_S if long_s <= 2 * DAY_S else DAY_S if long_s <= 92 * DAY_S else 7 * DAY_S
