"""Measure the energy of prefill, decode and cached tokens on one NVIDIA GPU, for the terms of the energy model.

    pip install torch transformers nvidia-ml-py rich
    python training/energy/nvml_sweep.py --out DIR [--quick] [--json] [--models 1b,3b,8b] [--gpu 0]
    python training/energy/nvml_sweep.py --out DIR --models tiny --trace FILE     # without a GPU

Models of Llama's shape with random weights, bfloat16, under transformers. Each point is warmed up, then repeated at
least three times for five seconds. Each repeat is measured by the energy counter, by polled power, and by greenai's own
meter; idle power is taken with the model loaded. DIR/sweep.csv has a row per repeat, DIR/sweep.json says on what it was
measured. Run again, it goes on where it stopped. Nothing else may use the GPU meanwhile. Then: fit_sweep.py DIR.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import math
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sweep_meter import GpuMeter, Trace
from sweep_points import SHAPES, Point, plan

from greenai.meters import nvml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

COLUMNS = (
    "key", "model", "params_b", "mode", "batch", "new_tokens", "cached_tokens", "repeat", "status", "units", "seconds",
    "counter_j", "aligned_j", "power_j", "meter_j", "idle_w", "samples", "began",
)  # fmt: skip
AGREE = 0.05
"""How far polled power may lie from the counter: the accuracy that NVIDIA states for NVML's power."""


class Work(Protocol):
    """What does a point's work; out of memory is a MemoryError."""

    def about(self) -> dict[str, Any]:
        """Return what the model is; `params_b` at least."""
        ...

    def prepare(self, point: Point) -> None:
        """Get ready for a point."""
        ...

    def run(self, point: Point) -> None:
        """Do one unit of work."""
        ...

    def finish(self) -> None:
        """Wait until all that was begun is done."""
        ...


class OtherDevice(Exception):
    """The folder holds another device's figures."""


@dataclass
class Sweep:
    """One sweep into one folder. `make` builds a model's work; `wait` waits that many seconds."""

    out: Path
    meter: GpuMeter
    make: Callable[[str], Work]
    versions: dict[str, str]
    seconds: float = 5.0
    repeats: int = 3
    idle_s: float = 10.0
    threaded: bool = True
    wait: Callable[[float], object] = time.sleep
    header: dict[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> Path:
        """Return the file of rows."""
        return self.out / "sweep.csv"

    def run(self, points: Iterable[Point]) -> Iterator[dict[str, Any]]:
        """Measure what is missing, and yield each row once it is written."""
        self._head()
        done = self.done()
        wanted: dict[str, list[Point]] = defaultdict(list)
        for point in points:
            if done[point.key] < self.repeats:
                wanted[point.model].append(point)
        for model, its_points in wanted.items():
            try:
                work = self.make(model)
            except MemoryError:
                yield from (self._write(self._row(point, 0, "oom")) for point in its_points)
                continue
            idle_w = self._load(model, work)
            for point in its_points:
                yield from self._point(work, point, done[point.key], idle_w)
            del work

    def _point(self, work: Work, point: Point, done: int, idle_w: float) -> Iterator[dict[str, Any]]:
        try:
            units = self._warm(work, point)
            for repeat in range(done, self.repeats):
                yield self._write(self._repeat(work, point, repeat, units, idle_w))
        except MemoryError:
            yield self._write(self._row(point, 0, "oom"))

    def _warm(self, work: Work, point: Point) -> int:
        """Run the point for a fifth of a repeat; return how many units a repeat takes."""
        work.prepare(point)
        work.run(point)
        work.finish()
        began_s, units = self.meter.clock(), 0
        while self.meter.clock() - began_s < self.seconds / 5:
            work.run(point)
            work.finish()
            units += 1
        return max(math.ceil(self.seconds * units / (self.meter.clock() - began_s)), 1)

    def _repeat(self, work: Work, point: Point, repeat: int, units: int, idle_w: float) -> dict[str, Any]:
        def all_units() -> None:
            for _ in range(units):
                work.run(point)
            work.finish()

        began = datetime.now(UTC).isoformat(timespec="seconds")
        energy = self.meter.measure(all_units, threaded=self.threaded)
        return self._row(
            point,
            repeat,
            "ok",
            units=units,
            seconds=round(energy.seconds, 4),
            counter_j=round(energy.counter_j, 3),
            aligned_j=_rounded(energy.aligned_j),
            power_j=_rounded(energy.power_j),
            meter_j=_rounded(energy.meter_j),
            idle_w=round(idle_w, 2),
            samples=energy.samples,
            began=began,
        )

    def _row(self, point: Point, repeat: int, status: str, **figures: Any) -> dict[str, Any]:
        about = self.header["models"].get(point.model, {})
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        row |= {name: getattr(point, name) for name in ("key", "model", "mode", "batch", "new_tokens", "cached_tokens")}
        return row | {"repeat": repeat, "status": status, "params_b": about.get("params_b")} | figures

    def _load(self, model: str, work: Work) -> float:
        """Take the idle power with this model loaded, in watts, and write down what it is."""
        before_j, began_s = self.meter.counter_j(), self.meter.clock()
        self.wait(self.idle_s)
        idle_w = (self.meter.counter_j() - before_j) / (self.meter.clock() - began_s)
        self.header["models"][model] = work.about() | {"idle_w": round(idle_w, 2)}
        self._write_header()
        return idle_w

    def _head(self) -> None:
        """Begin or take up the folder; raises OtherDevice where it is another device's."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.header = self.meter.about() | {
            "versions": self.versions,
            "date": datetime.now(UTC).date().isoformat(),
            "dtype": "bfloat16",
            "weights": "random",
            "seconds": self.seconds,
            "repeats": self.repeats,
            "models": {},
        }
        path = self.out / "sweep.json"
        if path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            for name in ("device", "driver", "versions", "synthetic"):
                if before[name] != self.header[name]:
                    raise OtherDevice(
                        f"{path} was measured with {name} {before[name]!r}, this is {self.header[name]!r}. "
                        "Give another folder with --out."
                    )
            self.header["models"], self.header["date"] = before["models"], before["date"]
        self._write_header()

    def _write_header(self) -> None:
        (self.out / "sweep.json").write_text(json.dumps(self.header, indent=2) + "\n", encoding="utf-8")

    def done(self) -> dict[str, int]:
        """Return how many repeats each point has; one that ran out of memory has all."""
        done: dict[str, int] = defaultdict(int)
        for row in read(self.table) if self.table.exists() else ():
            done[row["key"]] += self.repeats if row["status"] == "oom" else 1
        return done

    def _write(self, row: dict[str, Any]) -> dict[str, Any]:
        new = not self.table.exists()
        with self.table.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
        return row


def _rounded(joules: float | None) -> float | None:
    return None if joules is None else round(joules, 3)


def energy_j(row: dict[str, Any]) -> float:
    """Return a row's joules by the counter: without the error of its steps, where that could be told."""
    return float(row["aligned_j"] or row["counter_j"])


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a sweep; a last line that was cut off is left out, and removed from the file."""
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return list(csv.DictReader(whole.splitlines()))


def lacking(folder: Path) -> str | None:
    """Return what to do where a folder holds no sweep."""
    table = folder / "sweep.csv"
    return None if table.is_file() else f"There is no {table}. Make it with: nvml_sweep.py --out {folder}"


def summary(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return each point's median joules per unit and spread, and how far power and meter lie from the counter."""
    points: dict[str, list[float]] = defaultdict(list)
    apart: dict[str, list[float]] = {"power": [], "meter": []}
    failed: list[str] = []
    for row in rows:
        if row["status"] != "ok":
            failed.append(row["key"])
            continue
        counter_j = energy_j(row)
        points[row["key"]].append(counter_j / float(row["units"]))
        for name, differences in apart.items():
            if row[f"{name}_j"] not in ("", None) and counter_j > 0:
                differences.append(float(row[f"{name}_j"]) / counter_j - 1)
    return {
        "points": {
            key: {"j_per_unit": statistics.median(each), "spread": (max(each) - min(each)) / statistics.median(each)}
            for key, each in points.items()
        },
        "out_of_memory": failed,
        "from_counter": {name: _agreement(differences) for name, differences in apart.items()},
    }


def _agreement(differences: list[float]) -> dict[str, Any] | None:
    if not differences:
        return None
    return {
        "rows": len(differences),
        "median": statistics.median(differences),
        "worst": max(differences, key=abs),
        "within_5_percent": sum(abs(d) <= AGREE for d in differences) / len(differences),
    }


# --- command line ---------------------------------------------------------------------------


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of sweep.csv and sweep.json")
    parser.add_argument("--models", default="1b,3b,8b", help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--device", help="torch's device: cuda; with --trace cpu")
    parser.add_argument("--gpu", type=int, default=0, help="NVML's index, which CUDA_VISIBLE_DEVICES does not change")
    parser.add_argument("--trace", type=Path, help="a file of samples in place of a GPU")
    parser.add_argument("--seconds", type=float, help="of each repeat: 5, quick 2")
    parser.add_argument("--repeats", type=int, help="of each point: 3, quick 2")
    parser.add_argument("--quick", action="store_true", help="fewer points, shorter")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON, and no progress")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure; return the exit status."""
    asked = arguments(argv)
    models = tuple(asked.models.split(","))
    if unknown := [name for name in models if name not in SHAPES]:
        print(f"--models {','.join(unknown)}: known are {', '.join(SHAPES)}", file=sys.stderr)
        return 2
    if asked.trace is None and not (sensor := nvml.probe())["usable"]:
        print(f"No counter to read: {sensor['why_not']}. {sensor['how']}; or --trace FILE.", file=sys.stderr)
        return 2
    torch_work = importlib.import_module("sweep_torch")
    device = asked.device or ("cuda" if asked.trace is None else "cpu")
    if device.startswith("cuda") and not torch_work.has_cuda():
        print(f"--device {device}: this torch has no CUDA. Install one that has it, or --device cpu.", file=sys.stderr)
        return 2
    sweep = Sweep(
        out=asked.out,
        meter=GpuMeter(_api(asked.trace), asked.gpu),
        make=lambda name: torch_work.Workload(SHAPES[name], device),
        versions=torch_work.versions(),
        seconds=asked.seconds or (2.0 if asked.quick else 5.0),
        repeats=asked.repeats or (2 if asked.quick else 3),
        idle_s=2.0 if asked.quick else 10.0,
    )
    try:
        measure(sweep, plan(models, quick=asked.quick), silent=asked.json)
    except OtherDevice as error:
        print(error, file=sys.stderr)
        return 2
    report(summary(read(sweep.table)), as_json=asked.json)
    return 0


def _api(trace: Path | None) -> Any:
    if trace is not None:
        return Trace.read(trace)
    api = importlib.import_module("pynvml")
    api.nvmlInit()
    return api


def measure(sweep: Sweep, points: tuple[Point, ...], *, silent: bool) -> None:
    """Run the sweep with a bar that says how much time is left."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=silent) as progress:
        done = sweep.done()
        left = sum(max(sweep.repeats - done[point.key], 0) for point in points)
        bar = progress.add_task("starting", total=left)
        for row in sweep.run(points):
            oom = row["status"] == "oom"
            progress.update(bar, advance=sweep.repeats if oom else 1, description=row["key"] + (" oom" if oom else ""))


def report(found: dict[str, Any], *, as_json: bool) -> None:
    """Print what was found."""
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for key, point in found["points"].items():
        print(f"{key:36} {point['j_per_unit']:12.4f} J per unit, repeats {point['spread']:.1%} apart")
    for key in found["out_of_memory"]:
        print(f"{key:36} out of memory")
    for name, agreement in found["from_counter"].items():
        if agreement:
            print(
                f"{name} against counter: median {agreement['median']:+.1%}, worst {agreement['worst']:+.1%}, "
                f"{agreement['within_5_percent']:.0%} of {agreement['rows']} within 5%"
            )


if __name__ == "__main__":
    sys.exit(main())
