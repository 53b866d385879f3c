"""Hours to come, with the grid's intensity or the price in each: what is better than now, and when. Arithmetic only."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from greenai.errors import SettingsError

__all__ = ["CleanHour", "Forecast", "Hour", "PricedHour", "Prices", "cleanest", "from_csv", "prices_from_csv"]

logger = logging.getLogger("greenai")

H = TypeVar("H")

LONGEST_H = 168
MOST_HOURS = 20_000
MOST_G_PER_KWH = 3000.0
MOST_PER_KWH = 1e6  # of whatever currency; where there is too much power, a price is below 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """From `start` (an aware time) on, a kWh emits `g_per_kwh` grams of CO2 equivalent, until the next one begins."""

    start: datetime
    g_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedHour:
    """From `start` (an aware time) on, a kWh costs `price_per_kwh`, in whatever currency, until the next one begins."""

    start: datetime
    price_per_kwh: float


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


class Prices(Protocol):
    """Knows the prices of the hours to come, as `Forecast` does their intensity."""

    def __call__(self, zone: str, /) -> Iterable[PricedHour]:
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
    return _File(path, _CARBON)


def prices_from_csv(path: Path) -> Prices:
    """Return the prices in a CSV file with the columns `start`, `price_per_kwh` and, if wished, `zone`; see `from_csv`.

    Raises:
        SettingsError: the file cannot be read, or a row is no hour; names the file, the line and the fix.
    """
    return _File(path, _PRICES)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind(Generic[H]):
    """What is in a file: the column, its bounds, and the setting that names the file."""

    setting: str
    column: str
    file: str
    least: float
    most: float
    unit: str
    example: str
    hour: Callable[[datetime, float], H]


_CARBON = _Kind(
    setting="carbon_forecast",
    column="g_per_kwh",
    file="forecast.csv",
    least=0.0,
    most=MOST_G_PER_KWH,
    unit="g/kWh",
    example="2027-01-31T14:00+01:00,212",
    hour=lambda start, value: Hour(start=start, g_per_kwh=value),
)
_PRICES = _Kind(
    setting="price_forecast",
    column="price_per_kwh",
    file="prices.csv",
    least=-MOST_PER_KWH,
    most=MOST_PER_KWH,
    unit="per kWh",
    example="2027-01-31T14:00+01:00,0.31",
    hour=lambda start, value: PricedHour(start=start, price_per_kwh=value),
)


class _File(Generic[H]):
    def __init__(self, path: Path, kind: _Kind[H]) -> None:
        self._path = path
        self._kind = kind
        self._read_at: tuple[int, int] | None = None
        self._hours: dict[str, tuple[H, ...]] = {}
        self._told: str | None = None
        self._refresh()

    def __call__(self, zone: str, /) -> Iterable[H]:
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
            kind = self._kind
            raise SettingsError(
                f"{kind.setting}: {self._path} cannot be read: {error}. Name a CSV file with the columns start and "
                f'{kind.column}, as in {kind.setting} = "{kind.file}".'
            ) from error
        self._hours, self._read_at = _rows(self._path, text, self._kind), seen


def _rows(path: Path, text: str, kind: _Kind[H]) -> dict[str, tuple[H, ...]]:
    rows = csv.DictReader(text.splitlines())
    if not {"start", kind.column} <= set(rows.fieldnames or ()):
        raise SettingsError(
            f"{kind.setting}: {path} has the columns {', '.join(rows.fieldnames or ()) or 'none'}; "
            f"its first line must be: start,{kind.column} (and zone, if wished)."
        )
    hours: dict[str, list[H]] = {}
    for row in rows:
        if rows.line_num > MOST_HOURS:
            raise SettingsError(f"{kind.setting}: {path} has more than {MOST_HOURS} lines. Keep the hours to come.")
        hours.setdefault((row.get("zone") or "").strip().upper(), []).append(_hour(path, rows.line_num, row, kind))
    return {zone: tuple(found) for zone, found in hours.items()}


def _hour(path: Path, line: int, row: dict[str, str], kind: _Kind[H]) -> H:
    try:
        start, value = datetime.fromisoformat(row["start"].strip()), float(row[kind.column])
        if not kind.least <= value <= kind.most or math.isnan(value):
            raise ValueError(f"{value:g} is not between {kind.least:g} and {kind.most:g} {kind.unit}")
    except (AttributeError, TypeError, ValueError) as error:
        raise SettingsError(
            f"{kind.setting}: {path}, line {line}: {error}. Write for example: {kind.example}"
        ) from None
    return kind.hour(start if start.tzinfo else start.replace(tzinfo=UTC), value)
