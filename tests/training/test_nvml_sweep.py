"""The sweep on a simulated trace, with work that only lets time pass: no GPU and no torch are needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import check_nvml
import nvml_sweep
import pytest
import sweep_meter
import synthetic_trace
from sweep_points import SHAPES, Point, plan

TRACE = Path(__file__).parent / "data" / "nvml_trace_synthetic.json"
TINY = plan(("tiny",))


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class TimePasses:
    """Work of 0.25 s a unit during which the power is looked at; `full` are the points that do not fit."""

    clock: Clock
    meter: sweep_meter.GpuMeter
    full: frozenset[str] = frozenset()
    units: int = 0

    def about(self) -> dict[str, Any]:
        return {"params_b": 1.0, "weights_gb": 2.0, "layers": 16}

    def prepare(self, point: Point) -> None:
        if point.key in self.full:
            raise MemoryError("CUDA out of memory")

    def run(self, point: Point) -> None:
        self.units += 1
        for _ in range(25):
            self.clock.wait(0.01)
            if hasattr(self.meter, "integral"):
                self.meter.look()

    def finish(self) -> None:
        pass


def sweep(out: Path, full: frozenset[str] = frozenset(), **options: Any) -> nvml_sweep.Sweep:
    clock = Clock()
    meter = sweep_meter.GpuMeter(sweep_meter.Trace.read(TRACE, clock), clock=clock)
    make = options.pop("make", lambda _: TimePasses(clock, meter, full))
    return nvml_sweep.Sweep(
        out=out,
        meter=meter,
        make=make,
        versions={"torch": "0"},
        threaded=False,
        wait=clock.wait,
        idle_s=3.0,
        **options,
    )


def test_each_point_is_repeated_and_measured_three_ways(tmp_path: Path) -> None:
    rows = list(sweep(tmp_path, seconds=5.0).run(TINY))
    assert [(row["key"], row["repeat"]) for row in rows] == [(p.key, i) for p in TINY for i in range(3)]
    for row in rows:
        assert row["status"] == "ok"
        assert row["units"] in (20, 21)
        assert row["seconds"] == pytest.approx(5.0, rel=0.06)
        assert row["idle_w"] == pytest.approx(75.0, rel=0.01)
        assert row["power_j"] == pytest.approx(row["aligned_j"], rel=0.05)
        assert row["meter_j"] == pytest.approx(row["aligned_j"], rel=0.05)
    written = nvml_sweep.read(tmp_path / "sweep.csv")
    assert [row["counter_j"] for row in written] == [str(row["counter_j"]) for row in rows]


def test_the_header_says_on_what_it_was_measured(tmp_path: Path) -> None:
    list(sweep(tmp_path).run(TINY[:1]))
    header = json.loads((tmp_path / "sweep.json").read_text())
    assert len(header.pop("date")) == 10
    assert header == {
        "device": "simulated GPU",
        "driver": "none",
        "synthetic": True,
        "versions": {"torch": "0"},
        "dtype": "bfloat16",
        "weights": "random",
        "seconds": 5.0,
        "repeats": 3,
        "models": {"tiny": {"params_b": 1.0, "weights_gb": 2.0, "layers": 16, "idle_w": 75.0}},
    }


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    running = sweep(tmp_path).run(TINY)
    first = [next(running) for _ in range(4)]
    running.close()
    with (tmp_path / "sweep.csv").open("a") as file:
        file.write("tiny-prefill-b1-n64")  # it was killed while it wrote
    rest = list(sweep(tmp_path).run(TINY))
    assert [(row["key"], row["repeat"]) for row in first + rest] == [(p.key, i) for p in TINY for i in range(3)]
    assert [row["key"] for row in nvml_sweep.read(tmp_path / "sweep.csv")] == [p.key for p in TINY for _ in range(3)]
    assert list(sweep(tmp_path).run(TINY)) == []


def test_a_point_that_does_not_fit_is_noted_and_the_next_is_measured(tmp_path: Path) -> None:
    full = frozenset((TINY[1].key,))
    rows = list(sweep(tmp_path, full).run(TINY[:3]))
    assert [row["status"] for row in rows] == ["ok"] * 3 + ["oom"] + ["ok"] * 3
    assert rows[3]["counter_j"] is None
    assert list(sweep(tmp_path).run(TINY[:3])) == []


def test_a_model_that_does_not_fit_is_noted_for_all_its_points(tmp_path: Path) -> None:
    def too_large(_: str) -> nvml_sweep.Work:
        raise MemoryError

    rows = list(sweep(tmp_path, make=too_large).run(TINY))
    assert [(row["key"], row["status"]) for row in rows] == [(p.key, "oom") for p in TINY]


def test_another_devices_folder_is_refused(tmp_path: Path) -> None:
    list(sweep(tmp_path).run(TINY[:1]))
    path = tmp_path / "sweep.json"
    path.write_text(path.read_text().replace("simulated GPU", "NVIDIA H200"))
    with pytest.raises(nvml_sweep.OtherDevice) as caught:
        list(sweep(tmp_path).run(TINY))
    assert str(caught.value) == (
        f"{path} was measured with device 'NVIDIA H200', this is 'simulated GPU'. Give another folder with --out."
    )


def test_the_plan_covers_the_modes_and_batches_once_each() -> None:
    points = plan(("1b", "3b", "8b"))
    assert len({point.key for point in points}) == len(points)
    for model in ("1b", "3b", "8b"):
        of_it = [point for point in points if point.model == model]
        assert {point.mode for point in of_it} == {"prefill", "decode", "cached"}
        assert {p.batch for p in of_it if p.mode == "decode"} >= {1, 4, 16, 64, 128, 256}
        assert all((point.cached_tokens > 0) == (point.mode != "prefill") for point in of_it)
    assert {point.mode for point in plan(("1b",), quick=True)} == {"prefill", "decode", "cached"}
    assert set(SHAPES) == {"1b", "3b", "8b", "tiny"}


def test_an_unknown_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nvml_sweep.main(["--out", str(tmp_path), "--models", "1b,70b"]) == 2
    assert capsys.readouterr().err == "--models 70b: known are 1b, 3b, 8b, tiny\n"


def test_without_a_counter_it_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = {"usable": False, "why_not": "no NVIDIA GPU", "how": "install the NVIDIA driver"}
    monkeypatch.setattr(nvml_sweep.nvml, "probe", lambda: missing)
    assert nvml_sweep.main(["--out", str(tmp_path)]) == 2
    error = "No counter to read: no NVIDIA GPU. install the NVIDIA driver; or --trace FILE.\n"
    assert capsys.readouterr().err == error


def test_the_summary_is_printed_as_text_and_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"key": "a", "status": "ok", "units": 10, "counter_j": 100, "aligned_j": 102, "power_j": 104, "meter_j": 102},
        {"key": "a", "status": "ok", "units": 10, "counter_j": 100, "aligned_j": "", "power_j": 120, "meter_j": ""},
        {"key": "b", "status": "oom", "units": "", "counter_j": "", "aligned_j": "", "power_j": "", "meter_j": ""},
    ]
    found = nvml_sweep.summary(rows)
    nvml_sweep.report(found, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "a                                         10.1000 J per unit, repeats 2.0% apart",
        "b                                    out of memory",
        "power against counter: median +11.0%, worst +20.0%, 50% of 2 within 5%",
        "meter against counter: median +0.0%, worst +0.0%, 100% of 1 within 5%",
    ]
    nvml_sweep.report(found, as_json=True)
    assert json.loads(capsys.readouterr().out) == found


# --- the check of the meter -------------------------------------------------------------------


def test_meter_counter_and_power_agree_on_the_trace(tmp_path: Path) -> None:
    list(sweep(tmp_path).run(TINY))
    good, lines = check_nvml.check(tmp_path)
    assert good
    assert [line.partition(":")[0] for line in lines] == ["power", "meter"]
    assert all(line.endswith("of 15 repeats, within 5%") for line in lines)


def test_a_meter_that_lies_is_found(tmp_path: Path) -> None:
    running = sweep(tmp_path)
    running.meter.watts = lambda: 900.0  # type: ignore[method-assign]
    list(running.run(TINY[:1]))
    good, lines = check_nvml.check(tmp_path)
    assert not good
    assert lines[0].endswith("of 3 repeats, not within 5%")


def test_a_check_of_nothing_fails(tmp_path: Path) -> None:
    list(sweep(tmp_path, seconds=1.0).run(TINY[:1]))
    assert check_nvml.check(tmp_path) == (
        False,
        [f"no repeat of 2 s or more in {tmp_path}", "power: not read", "meter: not read"],
    )


# --- the trace --------------------------------------------------------------------------------


def test_the_trace_says_that_it_is_simulated_and_is_what_its_script_writes() -> None:
    raw = json.loads(TRACE.read_text())
    assert raw["synthetic"] is True
    assert "not recorded from hardware" in raw["note"]
    assert [tuple(sample) for sample in raw["samples"]] == synthetic_trace.samples(60.0)


def test_a_trace_begins_again_at_its_end_and_its_counter_goes_on() -> None:
    clock = Clock()
    trace = sweep_meter.Trace.read(TRACE, clock)
    start_mj = trace.nvmlDeviceGetTotalEnergyConsumption(0)
    clock.now_s = 59.95
    end_mj = trace.nvmlDeviceGetTotalEnergyConsumption(0)
    clock.now_s = 60.0
    again_mj = trace.nvmlDeviceGetTotalEnergyConsumption(0)
    assert start_mj < end_mj < again_mj
    assert trace.nvmlDeviceGetPowerUsage(0) == trace.samples[0][2]


def test_power_is_the_instant_one_where_the_driver_has_it() -> None:
    trace = sweep_meter.Trace.read(TRACE, Clock())
    meter = sweep_meter.GpuMeter(trace)
    assert meter.watts() == trace.samples[0][2] / 1e3

    class Answer:
        nvmlReturn = 0  # noqa: N815 - NVML's own name

        class value:  # noqa: N801 - NVML's own name
            uiVal = 333_000  # noqa: N815 - NVML's own name

    trace.NVML_FI_DEV_POWER_INSTANT, trace.NVML_POWER_SCOPE_GPU = 186, 0  # type: ignore[attr-defined]
    trace.nvmlDeviceGetFieldValues = lambda _gpu, _fields: [Answer]  # type: ignore[attr-defined]
    assert meter.watts() == 333.0
    Answer.nvmlReturn = 3
    assert meter.watts() == trace.samples[0][2] / 1e3


def test_a_folder_without_a_sweep_says_how_to_make_one(tmp_path: Path) -> None:
    table = tmp_path / "sweep.csv"
    assert nvml_sweep.lacking(tmp_path) == f"There is no {table}. Make it with: nvml_sweep.py --out {tmp_path}"
    table.touch()
    assert nvml_sweep.lacking(tmp_path) is None
