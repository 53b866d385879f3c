from __future__ import annotations

import os
from dataclasses import dataclass

from greenai.meters import apple, available, rapl, window
from greenai.meters.cpu import reading
from greenai.readings import Reading


@dataclass
class Fixed:
    """A window that returns what it was given."""

    value: Reading | None
    stopped: bool = False
    tokens: float | None = None

    def stop(self, tokens: float | None = None) -> Reading | None:
        self.stopped, self.tokens = True, tokens
        return self.value


def test_without_a_process_nothing_is_measured() -> None:
    assert window(None).stop() is None


def test_without_a_meter_nothing_is_measured() -> None:
    assert window(os.getpid(), meters=(lambda pid, watts: None,)).stop() is None


def test_the_best_meter_that_can_tell_wins_and_all_are_ended() -> None:
    windows = [Fixed(None), Fixed(reading(1.0)), Fixed(reading(9.0))]
    meters = tuple((lambda pid, watts, w=w: w) for w in windows)
    assert window(1, meters=meters).stop(7.5) == reading(1.0)
    assert all(w.stopped and w.tokens == 7.5 for w in windows)


def test_this_process_is_measured_with_the_watts_that_were_given() -> None:
    begun = window(os.getpid(), watts_per_core=3.0)
    sum(range(100_000))
    found = begun.stop()
    assert found is not None
    assert found.energy_j
    assert found.method in {"cpu-time-2 (3 W per core, as set)", rapl.METHOD, apple.METHOD}


def test_the_doctor_hears_of_every_sensor() -> None:
    found = available()
    assert [sensor["name"] for sensor in found] == ["nvml", "apple", "rapl", "cpu-time"]
    for sensor in found:
        assert sensor.keys() == {"name", "usable", "why_not", "how"}
        assert sensor["usable"] == (sensor["why_not"] is None)
