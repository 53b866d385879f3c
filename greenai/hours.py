"""Hours to come and the grid's intensity in each: what is cleaner than now, and when. Values and arithmetic only."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from greenai.errors import SettingsError

__all__ = ["CleanHour", "Forecast", "Hour", "cleanest", "from_csv"]

logger = logging.getLogger("greenai")

COLUMNS = ("start", "g_per_kwh")
LONGEST_H = 168
MOST_HOURS = 20_000
MOST_G_PER_KWH = 3000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """From `start` (an aware time) on, a kWh emits `g_per_kwh` grams of CO2 equivalent, until the next one begins."""

    start: datetime
    g_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanHour:
    """When to start: now, where no later hour is cleaner. `delay_s` are the seconds from `now` until then."""

    start: datetime
    g_per_kwh: float
    now_g_per_kwh: float
    now: datetime

    @property
    def delay_s(self) -> float:
        """How long to wait, in seconds: what `time.sleep` and `asyncio.sleep` take."""
        return max((self.start - self.now).total_seconds(), 0.0)

    @property
    def share(self) -> float:
        """What a kWh emits then, as a share of what it emits now."""
        return self.g_per_kwh / self.now_g_per_kwh if self.now_g_per_kwh else 1.0


class Forecast(Protocol):
    """Knows the hours to come: a function of a zone's code, such as "FRA", that returns them in any order."""

    def __call__(self, zone: str, /) -> Iterable[Hour]:
        """Return the hours of a zone; none where it does not know the zone. It must not wait."""
        ...


def cleanest(hours: Iterable[Hour], now: datetime, within_s: float) -> CleanHour | None:
    """Return the cleanest hour that begins within `within_s` seconds; None where nothing is known of the present.

    An hour lasts until the next one begins, the last one as long as the one before it. Of equal ones the first counts.
    """
    known = sorted(hours, key=lambda hour: hour.start)
    current = [hour for hour in known if hour.start <= now]
    if not current or _end_of(known) <= now:
        return None
    present = current[-1].g_per_kwh
    ahead = [hour for hour in known if now < hour.start <= now + timedelta(seconds=within_s)]
    best = min(ahead, key=lambda hour: hour.g_per_kwh, default=None)
    if best is None or best.g_per_kwh >= present:
        return CleanHour(start=now, g_per_kwh=present, now_g_per_kwh=present, now=now)
    return CleanHour(start=best.start, g_per_kwh=best.g_per_kwh, now_g_per_kwh=present, now=now)


def _end_of(known: Sequence[Hour]) -> datetime:
    length = known[-1].start - known[-2].start if len(known) > 1 else timedelta(hours=1)
    return known[-1].start + length


# --- a file of hours ----------------------------------------------------------------------


def from_csv(path: Path) -> Forecast:
    """Return the forecast in a CSV file with the columns `start` (ISO 8601), `g_per_kwh` and, if wished, `zone`.

    A start without an offset is UTC; a row without a zone holds for every zone. The file is read again when it changes.

    Raises:
        SettingsError: the file cannot be read, or a row is no hour; names the file, the line and the fix.
    """
    return _File(path)


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._hours: dict[str, tuple[Hour, ...]] = {}
        self._told: str | None = None
        self._refresh()

    def __call__(self, zone: str, /) -> Iterable[Hour]:
        """Return the hours of a zone, and of all zones where the file has none for it.

        A file that cannot be read any more is told once; what was read of it last stays, until its hours are over.
        """
        try:
            self._refresh()
            self._told = None
        except SettingsError as error:
            if self._told != str(error):
                self._told = str(error)
                logger.warning("%s The hours that were read before stay.", error)
        return self._hours.get(zone.upper()) or self._hours.get("", ())

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
            seen = (found.st_mtime_ns, found.st_size)
            if seen == self._read_at:
                return
            text = self._path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"carbon_forecast: {self._path} cannot be read: {error}. "
                'Name a CSV file with the columns start and g_per_kwh, as in carbon_forecast = "forecast.csv".'
            ) from error
        self._hours, self._read_at = _rows(self._path, text), seen


def _rows(path: Path, text: str) -> dict[str, tuple[Hour, ...]]:
    rows = csv.DictReader(text.splitlines())
    if not set(COLUMNS) <= set(rows.fieldnames or ()):
        raise SettingsError(
            f"carbon_forecast: {path} has the columns {', '.join(rows.fieldnames or ()) or 'none'}; "
            "its first line must be: start,g_per_kwh (and zone, if wished)."
        )
    hours: dict[str, list[Hour]] = {}
    for row in rows:
        if rows.line_num > MOST_HOURS:
            raise SettingsError(f"carbon_forecast: {path} has more than {MOST_HOURS} lines. Keep the hours to come.")
        hours.setdefault((row.get("zone") or "").strip().upper(), []).append(_hour(path, rows.line_num, row))
    return {zone: tuple(found) for zone, found in hours.items()}


def _hour(path: Path, line: int, row: dict[str, str]) -> Hour:
    try:
        start, grams = datetime.fromisoformat(row["start"].strip()), float(row["g_per_kwh"])
        if not 0 <= grams <= MOST_G_PER_KWH or math.isnan(grams):
            raise ValueError(f"{grams:g} is not between 0 and {MOST_G_PER_KWH:g} g/kWh")
    except (AttributeError, TypeError, ValueError) as error:
        raise SettingsError(
            f"carbon_forecast: {path}, line {line}: {error}. Write for example: 2027-01-31T14:00+01:00,212"
        ) from None
    return Hour(start=start if start.tzinfo else start.replace(tzinfo=UTC), g_per_kwh=grams)
