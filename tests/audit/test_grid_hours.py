"""What a kWh emitted by the hour, from a file: which forms are read, what is refused, and what it makes of carbon."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from audit_logs import LARGE, START, call, reads
from rich.console import Console

from greenai.audit import terminal
from greenai.audit.advice import finding_of
from greenai.audit.audited import Audited
from greenai.audit.columns import columns
from greenai.audit.estimate import looked_at
from greenai.audit.finding import Finding
from greenai.audit.grid_hours import GridHours, read
from greenai.audit.page import page
from greenai.audit.values import Logged
from greenai.audit.waiting import loops, waiting
from greenai.errors import InvalidRequest
from greenai.nudges.batching import LOOP

HOUR = 3600.0
MIDNIGHT = START // 86_400 * 86_400
MEAN_OF_FRANCE = 56.0
DAY = tuple(100.0 if 2 <= hour < 5 else 400.0 + hour for hour in range(24))


def usual(folder: Path, day: tuple[float, ...] = DAY) -> Path:
    file = folder / "day.csv"
    file.write_text("hour,g_per_kwh\n" + "".join(f"{hour},{grams}\n" for hour, grams in enumerate(day)))
    return file


def at(hour: float, text: str = "Why?", **told: Any) -> Logged:
    return call(text, at=MIDNIGHT - START + hour * HOUR, **told)


def finding(log: list[Logged], hours: GridHours | None, zone: str = "FRA") -> Finding:
    looked = looked_at(columns(log, lambda _: "template"), reads(log), in_a_row=0, sample=20, zone=zone, hours=hours)
    return finding_of(looked)


def grams(found: Finding) -> float:
    """Return grams per kWh of all calls."""
    assert found.whole.was.carbon_g is not None
    assert found.whole.was.energy_j is not None
    return found.whole.was.carbon_g.mid / found.whole.was.energy_j.mid * 3.6e6


# --- files ----------------------------------------------------------------------------------


def test_hours_of_a_time_hold_until_the_next_and_gaps_are_unknown(tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    file.write_text(
        "start,g_per_kwh,zone\n2026-10-01T00:00Z,100,FRA\n2026-10-01T03:00+02:00,200,FRA\n2026-10-01T02:00,300,FRA\n"
        "2026-10-01T09:00Z,400,FRA\n"
    )
    hours = read(file, "FRA")
    first = 1_790_812_800.0
    found = hours.at(np.array([-1.0, 0.0, 1.5, 2.5, 8.0, 9.5, 11.0, np.nan]) * HOUR + first)
    assert found.tolist() == pytest.approx([np.nan, 100, 200, 300, np.nan, 400, np.nan, np.nan], nan_ok=True)
    assert (hours.zone, hours.name) == ("FRA", "hours.csv")
    assert hours.by_hour()[[0, 1, 2, 9]].tolist() == [100, 200, 300, 400]


def test_an_export_of_electricity_maps_has_its_life_cycle_column_taken(tmp_path: Path) -> None:
    file = tmp_path / "FR_2026_hourly.csv"
    file.write_text(
        "\ufeffDatetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO\u2082eq/kWh (direct),"
        "Carbon intensity gCO\u2082eq/kWh (Life cycle),Data source\n"
        '2026-10-01 00:00:00,France,France,FR,20.5,41.25,"a, b"\n2026-10-01 01:00:00,France,France,FR,,,\n',
        encoding="utf-8",
    )
    hours = read(file, "WORLD")
    assert hours.zone == "FR"
    assert hours.g_per_kwh.tolist() == [41.25]


def test_of_several_zones_that_of_the_settings_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    file.write_text("start,g_per_kwh,zone\n2026-10-01T00:00Z,100,FR\n2026-10-01T00:00Z,300,DE\n")
    assert read(file, "FRA").g_per_kwh.tolist() == [100]
    assert read(file, "aws:eu-central-1").g_per_kwh.tolist() == [300]
    with pytest.raises(
        InvalidRequest, match=re.escape("has the hours of DE, FR, and the audit is of the zone 'WORLD'. ")
    ):
        read(file, "WORLD")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has the columns none. Its first line must be start,g_per_kwh or hour,g_per_kwh"),
        ("when,grams\n", "has the columns when, grams. "),
        ('{"text": "Who, me?", "b": 1, "c": "two", "d": 3}\n', "has the columns …, …, …, … and 1 more. Its first "),
        ("start,g_per_kwh\n", "has no hour. "),
        (
            "start,g_per_kwh\nsoon,3\n",
            "line 2: Invalid isoformat string: 'soon'. Write for example: 2026-10-31T14:00Z,212",
        ),
        ("hour,g_per_kwh\n24,3\n", "line 2: 24 is no hour from 0 to 23. Write for example: 14,212"),
        ("hour,g_per_kwh\n1,-3\n", "line 2: -3 is not between 0 and 3000 g/kWh. "),
        ("hour,g_per_kwh\n1,nan\n", "line 2: nan is not between 0 and 3000 g/kWh. "),
        ("hour,g_per_kwh\n0,3\n1,3\n", "has 2 of a day's 24 hours: 2 is missing. Write all of them."),
        ("hour,g_per_kwh\n1,3\n1,4\n", "line 3: its hour stands there before. Keep one of them."),
    ],
)
def test_what_is_no_file_of_hours_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "hours.csv"
    file.write_text(text)
    with pytest.raises(InvalidRequest, match=re.escape(said)):
        read(file, "FRA")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"none\.csv cannot be read: "):
        read(tmp_path / "none.csv", "FRA")


# --- carbon ---------------------------------------------------------------------------------


def test_each_call_emits_what_its_hour_does(tmp_path: Path) -> None:
    log = [at(3, output_tokens=900), at(20), at(20, "Else?")]
    found = finding(log, read(usual(tmp_path), "FRA"))
    joules = {group.name: group.was.energy_j.mid for group in found.hours if group.was.energy_j is not None}
    assert grams(found) == pytest.approx((joules["03"] * 100 + joules["20"] * 420) / (joules["03"] + joules["20"]))
    by_hour = {group.name: group.was for group in found.hours}
    assert by_hour["03"].carbon_g is not None
    assert by_hour["03"].carbon_g.mid == pytest.approx(joules["03"] / 3.6e6 * 100)
    assert found.grid_hours == "day.csv"
    assert found.assumption("carbon").text.startswith(
        "Grams of CO2e per kWh of each call: those of the same hour of a usual day by day.csv, which is taken to be the"
    )
    assert grams(finding(log, None)) == pytest.approx(MEAN_OF_FRANCE, abs=1)


def test_hours_that_the_file_has_not_have_the_mean_of_a_year(tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    file.write_text("start,g_per_kwh\n2020-01-01T00:00Z,100\n")
    found = finding([at(3), call("When?", created=None)], read(file, "FRA"))
    assert grams(found) == pytest.approx(MEAN_OF_FRANCE, abs=1)
    assert found.assumption("carbon").text.endswith("It has no hour of 2 calls: they have the mean of a year, 56 g.")
    assert found.waiting is None


def test_what_is_saved_is_of_the_hours_of_what_was_taken(tmp_path: Path) -> None:
    log = [at(3, "a" * n, finish_reason="length") for n in range(1, 9)]
    (cut,) = (waste for waste in finding(log, read(usual(tmp_path), "FRA")).wastes if waste.kind == "truncated")
    assert cut.saved.carbon_g is not None
    assert cut.saved.energy_j is not None
    assert cut.saved.carbon_g.high / cut.saved.energy_j.high * 3.6e6 == pytest.approx(100)


# --- what could wait ------------------------------------------------------------------------


def loop(count: int, hour: float, **told: Any) -> list[Logged]:
    """Return calls made one after the other, each a second long, a tenth of a second between them."""
    return [at(hour + n * 1.1 / HOUR, f"Sort this: {n}", latency_s=1.0, **told) for n in range(count)]


def test_loops_are_as_long_as_the_nudge_of_batches_has_them() -> None:
    log = [*loop(LOOP, 9), *loop(LOOP - 1, 12), *[at(15 + n / HOUR, f"{n}") for n in range(LOOP)]]
    assert loops(columns(log, lambda _: "template")).sum() == LOOP
    people = [at(9 + n * 1.1 / HOUR, f"{n}", latency_s=1.0, user=f"u{n % 7}") for n in range(3 * LOOP)]
    assert not loops(columns(people, lambda _: "template")).any()


def test_a_batch_would_have_emitted_less_at_the_best_hour_and_a_loop_may(tmp_path: Path) -> None:
    batch = [at(20, f"Sum up: {n}", arguments={"service_tier": "batch"}) for n in range(10)]
    log = [*batch, *loop(30, 20), *[at(20, f"Why is {n} odd?", latency_s=1.0) for n in range(5)]]
    found = finding(log, read(usual(tmp_path), "FRA"))
    waiting = found.waiting
    assert waiting is not None
    assert (waiting.calls.low, waiting.calls.mid, waiting.calls.high, waiting.of) == (10, 40, 40, 45)
    assert waiting.hour == 2
    assert waiting.share == waiting.best_share == pytest.approx(1 - 100 / 420)
    assert waiting.saved_g.mid == pytest.approx(waiting.was_g.mid * waiting.share)
    assert waiting.saved_g.low < waiting.saved_g.mid < waiting.saved_g.high
    assert found.assumption("waiting").text.startswith("Calls of the services batch and flex, and loops: 20 calls of")


def test_no_rule_beats_knowing_the_next_day(tmp_path: Path) -> None:
    """Hours whose best changes by the day: the best hour on average is not the best of each day."""
    draw = np.random.default_rng(0)
    starts = MIDNIGHT + HOUR * np.arange(24 * 20)
    values = draw.uniform(100, 500, len(starts))
    hours = GridHours(name="hours.csv", zone="", starts=starts, g_per_kwh=values, usual_day=False)
    log = [at(24 * day + 9, f"{day}", arguments={"service_tier": "flex"}) for day in range(20)]
    waiting = finding(log, hours).waiting
    assert waiting is not None
    assert waiting.calls.mid == 19  # the hours after the last call are not all known
    truth = [1 - values[24 * day + 9 : 24 * day + 33].min() / values[24 * day + 9] for day in range(19)]
    weights = values[9::24][:19]
    assert waiting.best_share == pytest.approx(float(np.average(truth, weights=weights)))
    assert 0 <= waiting.share < waiting.best_share


def test_nothing_waits_without_hours_and_where_somebody_waits_for_each_call(tmp_path: Path) -> None:
    batch = [at(20, f"Sum up: {n}", arguments={"service_tier": "batch"}) for n in range(10)]
    assert finding(batch, None).waiting is None
    assert finding([at(20)], read(usual(tmp_path), "FRA")).waiting is None


def test_nothing_waits_where_nothing_was_taken(tmp_path: Path) -> None:
    log = [at(20, f"Sum up: {n}", arguments={"service_tier": "batch"}) for n in range(10)]
    hours = read(usual(tmp_path), "FRA")
    looked = looked_at(columns(log, lambda _: "template"), reads(log), in_a_row=0, sample=20, zone="FRA", hours=hours)
    looked.took.energy_j[:] = 0
    assert waiting(looked) is None


# --- what people see ------------------------------------------------------------------------


def printed(found: Finding, by: str | None = "hour") -> str:
    audited, console = Audited(finding=found, sources=()), Console(width=200, file=io.StringIO())
    for part in terminal.screen(audited) if by is None else terminal.parts(audited, by, width=200):
        console.print(part)
    return cast("io.StringIO", console.file).getvalue()


def test_the_terminal_and_the_page_say_it(tmp_path: Path) -> None:
    log = [at(20, f"Sum up: {n}", arguments={"service_tier": "batch"}, model=LARGE) for n in range(10)]
    found = finding([*log, at(3)], read(usual(tmp_path), "FRA"))
    said = printed(found)
    assert "g per kWh" in said
    assert re.search(r"20 .* 420\b", said)
    line = "At the next 02:00 UTC, on average the best hour, it would have been 76% less, at the best of the 24 hours"
    assert line in said
    assert "Assumed: Calls of the services batch and flex" in said
    assert "assumed: the grid's hours by day.csv" in printed(found, None)
    assert line in page(Audited(finding=found, sources=()), made=0.0)
    assert "g per kWh" not in printed(finding(log, None))
