"""When a batch runs: what `by` means, and the best stretch of time before it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.bulk.window import Window, ends_by, of_session, when
from greenai.errors import InvalidRequest, SettingsError
from greenai.hours import Hour, PricedHour, prices_from_csv
from greenai.testing import offline

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = 3600.0


def grams(*values: float, step: float = 1.0) -> Any:
    return lambda _: [Hour(start=NOON + timedelta(hours=n * step), g_per_kwh=g) for n, g in enumerate(values)]


def priced(*values: float) -> Any:
    return lambda _: [PricedHour(start=NOON + timedelta(hours=n), price_per_kwh=p) for n, p in enumerate(values)]


def found(by: Any, needs_s: float = HOUR, now: datetime = NOON, **more: Any) -> Window:
    return when(by, now=now, needs_s=needs_s, local=UTC, **more)


# --- what `by` means ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "over"),
    [
        (None, None),
        ("2h", NOON + timedelta(hours=2)),
        (" 90m ", NOON + timedelta(minutes=90)),
        ("1d", NOON + timedelta(days=1)),
        (timedelta(minutes=5), NOON + timedelta(minutes=5)),
        ("06:00", datetime(2026, 11, 22, 5, tzinfo=UTC)),
        ("13:00", datetime(2026, 11, 22, 12, tzinfo=UTC)),  # it is 13:00 there now
        ("13:01", datetime(2026, 11, 21, 12, 1, tzinfo=UTC)),
        ("tonight", datetime(2026, 11, 22, 5, tzinfo=UTC)),
        ("Tonight", datetime(2026, 11, 22, 5, tzinfo=UTC)),
        ("2026-11-22T06:00", datetime(2026, 11, 22, 5, tzinfo=UTC)),
        ("2026-11-22 06:00", datetime(2026, 11, 22, 5, tzinfo=UTC)),
        ("2026-11-22T06:00Z", datetime(2026, 11, 22, 6, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 22, 23, tzinfo=UTC)),
        (datetime(2026, 11, 21, 15, tzinfo=timezone(timedelta(hours=2))), NOON + timedelta(hours=1)),
    ],
)
def test_what_by_means(by: Any, over: datetime | None) -> None:
    assert ends_by(by, now=NOON, local=BERLIN) == over


@pytest.mark.parametrize(
    ("now", "clock", "over"),
    [
        # 29 March 2026: 02:30 is left out, and an hour later the clock shows 03:30. 25 October: 02:30 comes twice.
        (datetime(2026, 3, 28, 23, tzinfo=UTC), "02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (datetime(2026, 3, 28, 23, tzinfo=UTC), "06:00", datetime(2026, 3, 29, 4, tzinfo=UTC)),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), "02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), "06:00", datetime(2026, 10, 25, 5, tzinfo=UTC)),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), "tonight", datetime(2026, 10, 25, 5, tzinfo=UTC)),
    ],
)
def test_a_change_of_the_clocks_is_minded(now: datetime, clock: str, over: datetime) -> None:
    assert ends_by(clock, now=now, local=BERLIN) == over


def test_a_clock_is_this_machine_s_own_where_no_zone_is_named() -> None:
    over = ends_by("06:00", now=NOON)
    assert over is not None
    assert (over.astimezone().hour, over.astimezone().minute) == (6, 0)
    assert timedelta() < over - NOON <= timedelta(hours=25)


WRITE = 'Write by="tonight", by="2h", by="06:00" or by="2027-01-31T06:00+01:00", or leave it out to start at once.'


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("soon", f'by="soon" is no time. {WRITE}'),
        ("25:00", f'by="25:00" is no time. {WRITE}'),
        ("", f'by="" is no time. {WRITE}'),
        (7, f"by=7 is no time. {WRITE}"),
        ("3000000w", f'by="3000000w" is no time. {WRITE}'),
        (
            "2026-11-21T09:00Z",
            (
                'by="2026-11-21T09:00Z" was 3.0 h ago: now is 2026-11-21 13:00. Pass a later time, such as by="2h", or '
                "leave by out to start at once."
            ),
        ),
        (
            NOON,
            (
                'by=2026-11-21 12:00:00+00:00 was 0 s ago: now is 2026-11-21 13:00. Pass a later time, such as by="2h", or '
                "leave by out to start at once."
            ),
        ),
        (
            datetime(2026, 11, 22, 6),  # noqa: DTZ001
            (
                "by=2026-11-22 06:00:00 names no zone. Pass an aware time, such as by=datetime(...).astimezone() for this "
                'machine\'s own, or text, which is local: by="2026-11-22T06:00".'
            ),
        ),
    ],
)
def test_what_is_no_time_to_come_is_refused(by: Any, said: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        ends_by(by, now=NOON, local=BERLIN)
    assert str(raised.value) == said


# --- the best stretch ---------------------------------------------------------------------


def test_without_a_time_it_starts_now() -> None:
    assert found(None, forecast=grams(300, 10)) == Window(
        start=NOON, end=NOON + timedelta(hours=1), reason="No time was given to have it done by: it starts now."
    )


def test_without_a_forecast_it_starts_now_and_says_what_to_set() -> None:
    window = found("2h")
    assert window.start == NOON
    assert window.reason == (
        "No forecast is configured, so no hour is known to be cleaner or cheaper: it starts now. Set carbon_forecast = "
        '"forecast.csv" (columns start, g_per_kwh) or price_forecast = "prices.csv" (columns start, price_per_kwh) in '
        "greenai.toml."
    )


def test_the_cleanest_hour_before_the_time() -> None:
    window = found("5h", forecast=grams(300, 250, 90, 200, 200, 10), prices=priced(0.3, 0.3, 0.25, 0.1, 0.1))
    assert window == Window(
        start=NOON + timedelta(hours=2),
        end=NOON + timedelta(hours=3),
        reason="The cleanest time before 17:00 is from 14:00 to 15:00: 90 g/kWh, 0.25 per kWh; now 300 g/kWh, 0.3 per "
        "kWh.",
        g_per_kwh=90.0,
        now_g_per_kwh=300.0,
        price=0.25,
        now_price=0.3,
    )


def test_the_cheapest_hour_where_cost_is_preferred_or_all_that_is_known() -> None:
    forecast, prices = grams(300, 90, 200, 200), priced(0.3, 0.25, -0.1, 0.2)
    assert found("4h", forecast=forecast, prices=prices, prefer="cost").start == NOON + timedelta(hours=2)
    window = found("4h", prices=prices)
    assert window.reason == ("The cheapest time before 16:00 is from 14:00 to 15:00: -0.1 per kWh; now 0.3 per kWh.")
    assert window.g_per_kwh is None


def test_a_stretch_may_begin_and_end_within_an_hour() -> None:
    window = found("4h", 1.5 * HOUR, forecast=grams(300, 100, 20, 200, 500))
    assert (window.start, window.g_per_kwh) == (NOON + timedelta(hours=1.5), pytest.approx((0.5 * 100 + 20) / 1.5))


def test_now_where_nothing_is_better() -> None:
    window = found("3h", forecast=grams(100, 100, 200, 300))
    assert window.start == NOON
    assert window.reason == "No time before 15:00 is cleaner than now (100 g/kWh): it starts now."


def test_tonight_says_what_it_means() -> None:
    window = when("tonight", now=NOON, needs_s=HOUR, forecast=grams(*[300] * 8, 50, *[300] * 12), local=BERLIN)
    assert window.reason == (
        "Tonight is until 06:00 of the next morning, 2026-11-22. The cleanest time before 2026-11-22 06:00 is from "
        "21:00 to 22:00: 50 g/kWh; now 300 g/kWh."
    )


def test_a_stretch_within_a_minute_is_told_as_a_moment() -> None:
    window = found("5h", 20.0, forecast=grams(300, 250, 90, 200, 200))
    assert window.reason == "The cleanest time before 17:00 is at 14:00: 90 g/kWh; now 300 g/kWh."


def test_work_that_takes_longer_than_there_is_time_starts_now() -> None:
    window = found("2h", 2.5 * HOUR, forecast=grams(300, 100, 20, 200))
    assert window.start == NOON
    assert window.reason == "It needs about 2.5 h, and there is 2.0 h until 14:00: it starts now."


@pytest.mark.parametrize("now", [NOON - timedelta(minutes=1), NOON + timedelta(hours=2.5)])
def test_hours_that_do_not_hold_the_present_are_not_followed(now: datetime) -> None:
    window = found("9h", now=now, forecast=grams(300, 100, 20), prices=priced(1, 2), zone="FRA")
    assert (window.start, window.now_g_per_kwh) == (now, None)
    assert window.reason == (
        "carbon_forecast and price_forecast cannot tell of the 60 min from now on in the zone FRA, so no later time is "
        "known to be better: it starts now. Bring the forecast up to date."
    )


def test_hours_of_long_ago_and_in_any_order_change_nothing() -> None:
    def hours(_: str) -> Iterable[Hour]:
        return [
            Hour(start=NOON + timedelta(hours=n), g_per_kwh=1.0 if n < 0 else 100.0 - n) for n in range(30, -40, -1)
        ]

    assert found("10h", forecast=hours).start == NOON + timedelta(hours=9)


SERIES = st.lists(st.floats(0, 3000), min_size=1, max_size=60)


@given(
    values=SERIES,
    step=st.sampled_from([0.25, 0.5, 1.0]),
    offset_s=st.integers(0, 7200),
    span_s=st.integers(1, 3 * 86_400),
    needs_s=st.floats(0, 86_400),
    prefer=st.sampled_from(["carbon", "cost"]),
)
def test_never_late_never_early_and_never_more_than_now(
    values: list[float], step: float, offset_s: int, span_s: int, needs_s: float, prefer: Any
) -> None:
    now = NOON + timedelta(seconds=offset_s)
    by = now + timedelta(seconds=span_s)
    window = when(by, now=now, needs_s=needs_s, forecast=grams(*values, step=step), prefer=prefer, local=BERLIN)
    assert window.start >= now
    assert window.end <= by or window.start == now
    assert window.end - window.start >= timedelta(seconds=needs_s)
    assert window.reason
    if window.g_per_kwh is not None:
        assert window.now_g_per_kwh is not None
        assert window.g_per_kwh <= window.now_g_per_kwh + 1e-6
        assert min(values) - 1e-6 <= window.g_per_kwh <= max(values) + 1e-6
    else:
        assert window.start == now


@given(
    values=st.lists(st.integers(0, 500), min_size=2, max_size=12), needs=st.integers(1, 300), minute=st.integers(0, 59)
)
def test_no_start_to_the_minute_is_cleaner(values: list[int], needs: int, minute: int) -> None:
    now, over = NOON + timedelta(minutes=minute), NOON + timedelta(hours=len(values))
    window = when(over, now=now, needs_s=needs * 60.0, forecast=grams(*values), local=UTC)
    minutes = [value for value in values for _ in range(60)][minute:]
    if len(minutes) < needs:
        assert window.start == now
        return
    best = min(sum(minutes[n : n + needs]) / needs for n in range(len(minutes) - needs + 1))
    assert window.g_per_kwh == pytest.approx(best)


# --- settings -----------------------------------------------------------------------------


def test_a_file_of_prices_is_read_as_one_of_grams_is(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("start,price_per_kwh,zone\n2026-11-21T12:00,-0.02,fra\n")
    prices = prices_from_csv(path)
    assert list(prices("FRA")) == [PricedHour(start=NOON, price_per_kwh=-0.02)]
    path.write_text("start,price_per_kwh\n2026-11-21T12:00,cheap\n")
    os.utime(path, (1, 1))
    with pytest.raises(SettingsError) as raised:
        prices_from_csv(path)
    assert str(raised.value) == (
        f"price_forecast: {path}, line 2: could not convert string to float: 'cheap'. Write for example: "
        "2027-01-31T14:00+01:00,0.31"
    )


def test_a_session_s_settings_are_followed(tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    lines = [f"{(now + timedelta(hours=n)).isoformat()},{100 - n}" for n in range(40)]
    (tmp_path / "prices.csv").write_text("\n".join(["start,price_per_kwh", *lines]))
    with offline(settings={"price_forecast": str(tmp_path / "prices.csv")}) as client:
        window = of_session("20h", client._session, HOUR)
    assert window.reason.startswith("The cheapest time before ")
    assert window.start - now > timedelta(hours=18)


def test_an_app_s_forecast_that_fails_costs_nobody_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: str) -> list[Hour]:
        raise RuntimeError("no network")

    with offline(forecast=broken) as client:
        window = of_session("20h", client._session, HOUR)
    assert window.reason == (
        "carbon_forecast cannot tell of the 60 min from now on in the zone WORLD, so no later time is known to be "
        "better: it starts now. Bring the forecast up to date."
    )
    assert caplog.messages == ["The forecast failed; the batch goes by what else is known."]
