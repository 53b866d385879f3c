"""What a kWh emitted in the hours of a log, from a file that the user gives: no hourly figures ship with greenai.

    start,g_per_kwh[,zone]       from `start` (ISO 8601; UTC without an offset) until the next row, as carbon_forecast
    hour,g_per_kwh[,zone]        a usual day: the hours 0 to 23 in UTC, each of them once
    Datetime (UTC), ...          an hourly export of Electricity Maps; its life-cycle column before the direct one

A file of one zone is taken to be of the grid that is meant, whatever it calls it; of several, that of the settings.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from greenai.errors import InvalidRequest
from greenai.hours import MOST_G_PER_KWH
from greenai.meters.carbon import grams
from greenai.meters.carbon import zone as grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["DAY_H", "HOUR_S", "GridHours", "grams_of_each", "grams_per_j", "read"]

HOUR_S, DAY_H = 3600.0, 24
J_PER_KWH = 3.6e6
GAP = 1.5
"""Beyond so many usual steps between two rows, hours are missing, and nothing is known of them."""
MOST_LINES = 2_000_000
MOST_NAMED = 4
_NAME = re.compile(r"[\w ()/\[\]%.-]{1,60}").fullmatch
_WRITE = (
    "Its first line must be start,g_per_kwh or hour,g_per_kwh (and zone, if wished), or that of an export of "
    "Electricity Maps."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GridHours:
    """Grams of CO2 equivalent per kWh by time.

    Attributes:
        name: the file's.
        zone: what the file calls the grid; empty where it does not say.
        starts: seconds since 1970, ascending; of a usual day seconds since midnight, UTC.
        g_per_kwh: from each start on.
        usual_day: whether the same 24 hours hold every day.
    """

    name: str
    zone: str
    starts: Floats
    g_per_kwh: Floats
    usual_day: bool

    def at(self, moments: Floats) -> Floats:
        """Return grams per kWh at some moments; NaN where the file has none."""
        import numpy as np

        known = np.isfinite(moments)
        when = np.where(known, moments, 0.0)
        if self.usual_day:
            return np.where(known, self.g_per_kwh[(when // HOUR_S % DAY_H).astype(np.int64)], np.nan)
        place = np.searchsorted(self.starts, when, "right") - 1
        held = np.maximum(place, 0)
        known &= (place >= 0) & (when - self.starts[held] < self._longest())
        return np.where(known, self.g_per_kwh[held], np.nan)

    def by_hour(self) -> Floats:
        """Return the mean of each hour of the day, UTC; NaN where the file has none."""
        import numpy as np

        hours = (self.starts // HOUR_S % DAY_H).astype(np.int64)
        often = np.bincount(hours, minlength=DAY_H)
        summed = np.bincount(hours, weights=self.g_per_kwh, minlength=DAY_H)
        return np.where(often > 0, summed / np.maximum(often, 1), np.nan)

    def _longest(self) -> float:
        import numpy as np

        return GAP * float(np.median(np.diff(self.starts))) if len(self.starts) > 1 else HOUR_S


def grams_of_each(created: Floats, zone: str, hours: GridHours | None) -> Floats | None:
    """Return grams per joule for calls by when they were made; the yearly mean where the file does not say."""
    import numpy as np

    if hours is None:
        return None
    found = hours.at(created) / J_PER_KWH
    return np.where(np.isfinite(found), found, grams(1.0, zone)[0])


def grams_per_j(each: Floats | None, joules: Floats, of: Flags, zone: str) -> float:
    """Return grams per joule of some calls together: of each one's hour, weighed with its energy."""
    import numpy as np

    if each is None:
        return grams(1.0, zone)[0]
    weights = np.nan_to_num(joules[of])
    return float(each[of] @ weights / weights.sum()) if weights.sum() > 0 else grams(1.0, zone)[0]


# --- a file of hours ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """What a file calls its columns."""

    start: str
    grams: str
    zone: str | None
    usual_day: bool


def read(path: Path, zone: str) -> GridHours:
    """Read the hours of a grid.

    Raises:
        InvalidRequest: the file cannot be read, is none of these, or has several zones and not this one; with the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            columns = _columns(path, table.fieldnames or ())
            rows: dict[str, dict[float, float]] = {}
            for of, start, value in _rows(path, table, columns):
                hours = rows.setdefault(of, {})
                if start in hours:
                    raise InvalidRequest(
                        f"{path}, line {table.line_num}: its hour stands there before. Keep one of them."
                    )
                hours[start] = value
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}. {_WRITE}") from None
    named = _chosen(path, sorted(rows), zone)
    return _made(path, named, rows[named], usual_day=columns.usual_day)


def _columns(path: Path, names: Sequence[str]) -> _Columns:
    plain = {name.strip().casefold(): name for name in names}
    zone = plain.get("zone") or plain.get("zone id")
    for start in ("start", "hour"):
        if start in plain and "g_per_kwh" in plain:
            return _Columns(start=plain[start], grams=plain["g_per_kwh"], zone=zone, usual_day=start == "hour")
    intensities = [name for name in plain if name.startswith("carbon intensity")]
    intensities.sort(key=lambda name: "life" not in name)
    if "datetime (utc)" in plain and intensities:
        return _Columns(start=plain["datetime (utc)"], grams=plain[intensities[0]], zone=zone, usual_day=False)
    # A log that was named by mistake begins with somebody's text: that is no name, and is not shown.
    shown = [name if _NAME(name) else "\N{HORIZONTAL ELLIPSIS}" for name in names[:MOST_NAMED]]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    raise InvalidRequest(f"{path} has the columns {', '.join(shown) or 'none'}{more}. {_WRITE}")


def _rows(path: Path, table: csv.DictReader[str], columns: _Columns) -> Iterator[tuple[str, float, float]]:
    """Yield the zone, the start and the grams of each row; rows without grams are hours that nobody knows."""
    for row in table:
        if table.line_num > MOST_LINES:
            raise InvalidRequest(f"{path} has more than {MOST_LINES:,} lines. Keep those of the log's time.")
        if not (row.get(columns.grams) or "").strip():
            continue
        try:
            yield (row.get(columns.zone or "") or "").strip(), _start(row, columns), _value(row[columns.grams])
        except (AttributeError, TypeError, ValueError) as error:
            example = "14,212" if columns.usual_day else "2026-10-31T14:00Z,212"
            raise InvalidRequest(f"{path}, line {table.line_num}: {error}. Write for example: {example}") from None


def _start(row: Mapping[str, str], columns: _Columns) -> float:
    text = row[columns.start].strip()
    if columns.usual_day:
        hour = int(text)
        if not 0 <= hour < DAY_H:
            raise ValueError(f"{hour} is no hour from 0 to 23")
        return hour * HOUR_S
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _value(text: str) -> float:
    value = float(text)
    if not 0 <= value <= MOST_G_PER_KWH or math.isnan(value):
        raise ValueError(f"{value:g} is not between 0 and {MOST_G_PER_KWH:g} g/kWh")
    return value


def _chosen(path: Path, zones: Sequence[str], zone: str) -> str:
    """Return which of the file's zones is meant."""
    if not zones:
        raise InvalidRequest(f"{path} has no hour. {_WRITE}")
    if len(zones) == 1:
        return zones[0]
    meant = grid(zone)
    codes = {code.casefold() for code in (zone, meant.code, meant.grid, grid(meant.grid).iso2) if code}
    found = next((name for name in zones if name.casefold() in codes), "" if "" in zones else None)
    if found is None:
        more = f" and {len(zones) - MOST_NAMED} more" if len(zones) > MOST_NAMED else ""
        raise InvalidRequest(
            f"{path} has the hours of {', '.join(zones[:MOST_NAMED])}{more}, and the audit is of the zone {zone!r}. "
            'Set zone in greenai.toml to one of them, as in zone = "FRA", or keep the rows of one zone.'
        )
    return found


def _made(path: Path, zone: str, rows: Mapping[float, float], *, usual_day: bool) -> GridHours:
    import numpy as np

    if usual_day and len(rows) < DAY_H:
        missing = next(hour for hour in range(DAY_H) if hour * HOUR_S not in rows)
        raise InvalidRequest(f"{path} has {len(rows)} of a day's 24 hours: {missing} is missing. Write all of them.")
    starts = sorted(rows)
    return GridHours(
        name=path.name,
        zone=zone,
        starts=np.array(starts, np.float64),
        g_per_kwh=np.array([rows[start] for start in starts], np.float64),
        usual_day=usual_day,
    )
