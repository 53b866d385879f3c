"""Hours to come: the cleanest of them, and files of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from greenai.errors import InvalidRequest, SettingsError
from greenai.hours import Hour, cleanest, from_csv
from greenai.testing import offline

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def hours(*grams: float) -> list[Hour]:
    return [Hour(start=NOON + timedelta(hours=n), g_per_kwh=g) for n, g in enumerate(grams)]


def test_the_cleanest_hour_within_reach() -> None:
    now = NOON + timedelta(minutes=30)
    known = hours(300, 250, 90, 200, 10)
    near, far = cleanest(known, now, 3 * 3600.0), cleanest(known[::-1], now, 86_400.0)
    assert near is not None
    assert far is not None
    assert (near.g_per_kwh, near.now_g_per_kwh, near.delay_s, near.share) == (90, 300, 5400.0, 0.3)
    assert far.g_per_kwh == 10


def test_now_where_nothing_is_cleaner() -> None:
    found = cleanest(hours(100, 100, 200), NOON, 86_400.0)
    assert found is not None
    assert (found.start, found.delay_s, found.share) == (NOON, 0.0, 1.0)


@pytest.mark.parametrize("now", [NOON - timedelta(minutes=1), NOON + timedelta(hours=3)])
def test_nothing_is_said_where_the_present_is_unknown(now: datetime) -> None:
    assert cleanest(hours(1, 2, 3), now, 86_400.0) is None
    assert cleanest([], now, 86_400.0) is None


def test_a_file_with_zones_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "forecast.csv"
    path.write_text("start,g_per_kwh,zone\n2026-11-21T12:00,310,\n2026-11-21T13:00+01:00,40,fra\n")
    forecast = from_csv(path)
    assert list(forecast("FRA")) == [Hour(start=NOON, g_per_kwh=40.0)]
    assert list(forecast("DEU")) == [Hour(start=NOON, g_per_kwh=310.0)]
    path.write_text("start,g_per_kwh\n2026-11-21T12:00Z,5\n")
    os.utime(path, (1, 1))
    assert list(forecast("FRA")) == [Hour(start=NOON, g_per_kwh=5.0)]


def test_a_file_that_broke_is_told_once_and_what_was_read_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "forecast.csv"
    path.write_text("start,g_per_kwh\n2026-11-21T12:00Z,5\n")
    forecast = from_csv(path)
    path.write_text("start,g_per_kwh\nnoon,5\n")
    for _ in range(3):
        assert list(forecast("FRA")) == [Hour(start=NOON, g_per_kwh=5.0)]
    path.unlink()
    assert list(forecast("FRA")) == [Hour(start=NOON, g_per_kwh=5.0)]
    assert [record.getMessage()[:31] for record in caplog.records] == [f"carbon_forecast: {path}"[:31]] * 2
    path.write_text("start,g_per_kwh\n2026-11-21T12:00Z,7\n")
    assert list(forecast("FRA")) == [Hour(start=NOON, g_per_kwh=7.0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "when,g\n1,2\n",
            "{path} has the columns when, g; its first line must be: start,g_per_kwh (and zone, if wished).",
        ),
        ("", "{path} has the columns none; its first line must be: start,g_per_kwh (and zone, if wished)."),
        (
            "start,g_per_kwh\nnoon,2\n",
            "{path}, line 2: Invalid isoformat string: 'noon'. Write for example: 2027-01-31T14:00+01:00,212",
        ),
        (
            "start,g_per_kwh\n2026-11-21,-1\n",
            "{path}, line 2: -1 is not between 0 and 3000 g/kWh. Write for example: 2027-01-31T14:00+01:00,212",
        ),
    ],
)
def test_a_file_that_is_none_says_where_and_how(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "forecast.csv"
    path.write_text(text)
    with pytest.raises(SettingsError) as raised:
        from_csv(path)
    assert str(raised.value) == f"carbon_forecast: {said.format(path=path)}"


def test_a_missing_file_is_told_when_the_client_is_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^carbon_forecast: .*forecast\.csv cannot be read: .* Name a CSV file"):
        offline(settings={"carbon_forecast": str(tmp_path / "forecast.csv")})


def test_a_client_without_a_forecast_says_how_to_name_one() -> None:
    with offline() as client:
        with pytest.raises(InvalidRequest) as raised:
            client.when_clean()
        assert str(raised.value) == (
            'No forecast is configured, so no hour is known to be cleaner. Set carbon_forecast = "forecast.csv" in the '
            "settings, or pass Client(forecast=...)."
        )
    with offline(forecast=lambda _: []) as client:
        with pytest.raises(InvalidRequest) as raised:
            client.when_clean()
        assert str(raised.value) == (
            "The forecast knows nothing of the present in the zone WORLD. Bring it up to date, or pass zone=..."
        )
        with pytest.raises(InvalidRequest, match="within='soon' is no duration"):
            client.when_clean("soon")
