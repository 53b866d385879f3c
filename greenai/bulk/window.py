"""When a batch runs: what `by` means, and the cleanest or cheapest stretch of time before it. Values and arithmetic.

    by          None: now · "2h", "90m", "1d" from now · "06:00": the next such local time · "tonight": by 06:00 of the
                next local morning · an aware datetime, or ISO 8601 text (local time where it names no offset)
    forecast    the grid's intensity (setting carbon_forecast, or Client(forecast=...)), else prices (price_forecast)

A stretch is contiguous, as long as the work needs, and over at `by`. Its mean is linear in when it starts between two
hours that begin or end somewhere: the least is at one of those, so that nothing else is looked at.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from greenai.errors import InvalidRequest
from greenai.hours import prices_from_csv
from greenai.settings import duration_s
from greenai.steps import fail_open

if TYPE_CHECKING:
    from greenai.hours import Forecast, Hour, Prices
    from greenai.session import Session

__all__ = ["By", "Prefer", "Window", "ends_by", "of_session", "when"]

By: TypeAlias = "str | datetime | timedelta | None"
Prefer: TypeAlias = Literal["carbon", "cost"]

MORNING = time(6)
"""What "tonight" is over by."""

_LEAST_S = 1.0
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_WRITE = 'Write by="tonight", by="2h", by="06:00" or by="2027-01-31T06:00+01:00", or leave it out to start at once.'
_CONFIGURE = (
    "No forecast is configured, so no hour is known to be cleaner or cheaper: it starts now. Set carbon_forecast = "
    '"forecast.csv" (columns start, g_per_kwh) or price_forecast = "prices.csv" (columns start, price_per_kwh) in '
    "greenai.toml."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When to start, when that would be over, and why; `g_per_kwh` and `price` (of a kWh) are the means of that time.

    `now_g_per_kwh` and `now_price` are the means of as much time from now on; None where nothing is known of it.
    """

    start: datetime
    end: datetime
    reason: str
    g_per_kwh: float | None = None
    now_g_per_kwh: float | None = None
    price: float | None = None
    now_price: float | None = None


def when(
    by: By,
    *,
    now: datetime,
    needs_s: float,
    forecast: Forecast | None = None,
    prices: Prices | None = None,
    zone: str = "",
    prefer: Prefer = "carbon",
    local: tzinfo | None = None,
) -> Window:
    """Return the cleanest stretch of `needs_s` seconds that is over at `by`, or the cheapest; now where none is better.

    Args:
        by: when the work has to be done; see this module.
        now: an aware time.
        needs_s: how long the work takes.
        forecast: the grid's intensity in the hours to come.
        prices: what a kWh costs in them.
        zone: whose hours, such as "FRA".
        prefer: what counts where both are known.
        local: where "06:00" is meant; None for this machine's own.

    Raises:
        InvalidRequest: `by` is over, or no time.
    """
    now = now.astimezone(UTC)
    needs = timedelta(seconds=max(needs_s, _LEAST_S))
    over = ends_by(by, now=now, local=local)
    if over is None:
        return Window(start=now, end=now + needs, reason="No time was given to have it done by: it starts now.")
    asked = _Asked(now=now, over=over, needs=needs, local=local)
    carbon = None if forecast is None else _curve([(h.start, h.g_per_kwh) for h in forecast(zone)], asked)
    cost = None if prices is None else _curve([(h.start, h.price_per_kwh) for h in prices(zone)], asked)
    found = _found(asked, carbon, cost, prefer)
    if carbon is None and cost is None and asked.last >= now:
        lacking = [n for n, c in (("carbon_forecast", forecast), ("price_forecast", prices)) if c is not None]
        found = replace(found, reason=asked.unknown(lacking, zone) if lacking else _CONFIGURE)
    if isinstance(by, str) and by.strip().lower() == "tonight":
        said = f"Tonight is until {MORNING:%H:%M} of the next morning, {_in(over, local):%Y-%m-%d}."
        return replace(found, reason=f"{said} {found.reason}")
    return found


def of_session(by: By, session: Session, needs_s: float, *, prefer: Prefer = "carbon") -> Window:
    """Return the window that the settings of a session know: `when`, with its forecast, prices and zone, from now on.

    Raises:
        InvalidRequest: `by` is over, or no time.
        SettingsError: the file of prices cannot be read.
    """
    resources = session.resources
    file, forecast = resources.settings.price_forecast, resources.steps.forecast
    return when(
        by,
        now=datetime.now(UTC),
        needs_s=needs_s,
        forecast=None if forecast is None else _kept_up(forecast),
        prices=None if file is None else prices_from_csv(file),
        zone=resources.steps.site.zone,
        prefer=prefer,
    )


def _kept_up(forecast: Forecast) -> Forecast:
    """Return a forecast that knows nothing where an app's own one fails."""

    def hours(zone: str, /) -> Iterable[Hour]:
        said = "The forecast failed; the batch goes by what else is known."
        return fail_open(said, lambda: list(forecast(zone)), [])

    return hours


# --- what `by` means ----------------------------------------------------------------------


def ends_by(by: By, *, now: datetime, local: tzinfo | None = None) -> datetime | None:
    """Return the time in UTC that `by` means; None for now.

    Raises:
        InvalidRequest: it is over, or no time.
    """
    if by is None:
        return None
    over = _read(by, now, local).astimezone(UTC)
    if over <= now:
        raise InvalidRequest(
            f"by={_written(by)} was {_span(now - over)} ago: now is {_in(now, local):%Y-%m-%d %H:%M}. Pass a later "
            'time, such as by="2h", or leave by out to start at once.'
        )
    return over


def _read(by: object, now: datetime, local: tzinfo | None) -> datetime:
    if isinstance(by, timedelta):
        return _later(by, now, by)
    if isinstance(by, datetime):
        if by.tzinfo is None:
            raise InvalidRequest(
                f"by={_written(by)} names no zone. Pass an aware time, such as by=datetime(...).astimezone() for this "
                f'machine\'s own, or text, which is local: by="{by:%Y-%m-%dT%H:%M}".'
            )
        return by
    if not isinstance(by, str):
        raise InvalidRequest(f"by={by!r} is no time. {_WRITE}")
    text = by.strip()
    clock = MORNING if text.lower() == "tonight" else _clock(text)
    if clock is not None:
        return _next(clock, now, local)
    try:
        return _later(timedelta(seconds=duration_s(text)), now, by)
    except (ValueError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"by={_written(by)} is no time. {_WRITE}") from None
    return found if found.tzinfo is not None else _aware(found, local)


def _later(span: timedelta, now: datetime, by: object) -> datetime:
    try:
        return now + span
    except OverflowError:
        raise InvalidRequest(f"by={_written(by)} is after the year 9999. {_WRITE}") from None


def _clock(text: str) -> time | None:
    matched = _CLOCK.fullmatch(text)
    return None if matched is None else time(int(matched[1]), int(matched[2]))


def _next(clock: time, now: datetime, local: tzinfo | None) -> datetime:
    """Return when a clock shows this time next: one that a change of the clocks leaves out is an hour later."""
    day: date = _in(now, local).date()
    found = _aware(datetime.combine(day, clock), local)
    return found if found > now else _aware(datetime.combine(day + timedelta(days=1), clock), local)


def _aware(naive: datetime, local: tzinfo | None) -> datetime:
    return (naive.astimezone() if local is None else naive.replace(tzinfo=local)).astimezone(UTC)


def _in(moment: datetime, local: tzinfo | None) -> datetime:
    return moment.astimezone(local)


def _written(by: object) -> str:
    return f'"{by}"' if isinstance(by, str) else str(by)


# --- the hours to come --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is wanted: so much time from `now` on that is over at `over`."""

    now: datetime
    over: datetime
    needs: timedelta
    local: tzinfo | None

    @property
    def last(self) -> datetime:
        """The latest start."""
        return self.over - self.needs

    def time(self, moment: datetime) -> str:
        """Return a local time, with the day where that is another than today."""
        there, today = _in(moment, self.local), _in(self.now, self.local)
        return f"{there:%H:%M}" if there.date() == today.date() else f"{there:%Y-%m-%d %H:%M}"

    def unknown(self, lacking: Sequence[str], zone: str) -> str:
        """Say that nothing is known of the present."""
        return (
            f"{' and '.join(lacking)} cannot tell of the {_span(self.needs)} from now on in the zone {zone or 'any'}, "
            "so no later time is known to be better: it starts now. Bring the forecast up to date."
        )


class _Curve:
    """What holds from each time on, until the next one; `end` is when nothing is known any more."""

    def __init__(self, known: Sequence[tuple[datetime, float]], end: datetime) -> None:
        self.end = end
        self.edges = [*(start for start, _ in known), end]
        self._values = [value for _, value in known]
        spans = [(after - before).total_seconds() for before, after in pairwise(self.edges)]
        self._sums = [0.0, *accumulate(value * span for value, span in zip(self._values, spans, strict=True))]

    def mean(self, start: datetime, needs: timedelta) -> float:
        """Return the mean of a stretch that lies within what is known."""
        return (self._until(start + needs) - self._until(start)) / needs.total_seconds()

    def _until(self, moment: datetime) -> float:
        n = min(max(bisect_right(self.edges, moment) - 1, 0), len(self._values) - 1)
        return self._sums[n] + self._values[n] * (moment - self.edges[n]).total_seconds()

    def best(self, asked: _Asked) -> datetime:
        """Return the earliest start of the stretch whose mean is least."""
        first, last = asked.now, min(asked.last, self.end - asked.needs)
        edges = {edge - back for edge in self.edges for back in (timedelta(), asked.needs)} | {last}
        start, least = first, self.mean(first, asked.needs)
        for edge in sorted(edge for edge in edges if first < edge <= last):
            mean = self.mean(edge, asked.needs)
            if mean < least - 1e-9 * abs(least):
                start, least = edge, mean
        return start

    def at(self, start: datetime, needs: timedelta) -> float | None:
        """Return the mean of a stretch; None where it reaches beyond what is known."""
        return self.mean(start, needs) if self.edges[0] <= start and start + needs <= self.end else None


def _curve(hours: Iterable[tuple[datetime, float]], asked: _Asked) -> _Curve | None:
    """Return the hours as a curve; None where they do not tell what starting now would be.

    The last hour is as long as the one before it.
    """
    known = sorted((start.astimezone(UTC), value) for start, value in hours)
    if not known:
        return None
    end = known[-1][0] + (known[-1][0] - known[-2][0] if len(known) > 1 else timedelta(hours=1))
    begun = sum(start <= asked.now for start, _ in known)
    if not begun or asked.now + asked.needs > end:
        return None
    return _Curve(known[begun - 1 :], end)


def _found(asked: _Asked, carbon: _Curve | None, cost: _Curve | None, prefer: Prefer) -> Window:
    """Return the best stretch by what is known; now where nothing is, or where there is too little time for it."""
    curve = (cost or carbon) if prefer == "cost" else (carbon or cost)
    fits = asked.last >= asked.now
    start = asked.now if curve is None or not fits else curve.best(asked)
    found = Window(
        start=start,
        end=start + asked.needs,
        reason="",
        g_per_kwh=None if carbon is None else carbon.at(start, asked.needs),
        now_g_per_kwh=None if carbon is None else carbon.mean(asked.now, asked.needs),
        price=None if cost is None else cost.at(start, asked.needs),
        now_price=None if cost is None else cost.mean(asked.now, asked.needs),
    )
    if not fits:
        left = f"{_span(asked.over - asked.now)} until {asked.time(asked.over)}"
        return replace(found, reason=f"It needs about {_span(asked.needs)}, and there is {left}: it starts now.")
    return replace(found, reason=_why(found, asked, cheaper=curve is cost))


# --- what is said -------------------------------------------------------------------------


def _why(found: Window, asked: _Asked, *, cheaper: bool) -> str:
    now = _facts(found.now_g_per_kwh, found.now_price)
    if found.start == asked.now:
        better = "cheaper" if cheaper else "cleaner"
        return f"No time before {asked.time(asked.over)} is {better} than now ({now}): it starts now."
    then = _facts(found.g_per_kwh, found.price)
    start, end = asked.time(found.start), asked.time(found.end)
    span = f"at {start}" if start == end else f"from {start} to {end}"
    best = "cheapest" if cheaper else "cleanest"
    return f"The {best} time before {asked.time(asked.over)} is {span}: {then}; now {now}."


def _facts(grams: float | None, price: float | None) -> str:
    said = [] if grams is None else [f"{grams:.0f} g/kWh"]
    return ", ".join([*said, *([] if price is None else [f"{price:.3g} per kWh"])])


def _span(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
