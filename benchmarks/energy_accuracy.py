"""How far greenai's energy model and its peers are from measured rows, on identical rows, in one run: about 20 s.

    python benchmarks/energy_accuracy.py FOLDER [--json FILE] [--plot FILE.svg]

greenai is fitted anew for each model family without that family (`training/energy/fit.py`), so no row is predicted by
a fit that saw its family. FOLDER holds the measured rows; it is not part of the project. Peers are called through their
own functions (`energy_peers.py`); published figures are in `energy_anchors.py`, the picture in `energy_plot.py`.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "training" / "energy")]

import fit as F  # noqa: E402, N812 (both lie outside the package)
from energy_anchors import Compared, compare, counted  # noqa: E402
from energy_peers import Peer, agreement, constant, peers  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from rows import Row, local, v2, v3  # noqa: E402

from greenai.meters import Deployment  # noqa: E402
from greenai.meters.formula import Coefficients  # noqa: E402
from greenai.meters.physics import METHOD, estimate  # noqa: E402

FILES = (
    "mlenergy_v3_llm.csv",
    "mlenergy_v2_llm.csv",
    "aienergyscore_2025-02.csv",
    "arch_features.csv",
    "published_anchors.csv",
    "baseline_predictions_v3_text.csv",
)
"""What FOLDER has to hold; docs/accuracy.md says what each is made from."""

BATCHES = (48, 64, 76, 96)
"""What the hidden batch is taken as, beside greenai's own middle."""

MIDDLE, WIDE = (31, 128), (16, 256)
"""Running requests: most rows of a busy server, and all but an idle or a saturated one."""

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One comparison. `targets` maps a figure of greenai's first line to its limit: at most for errors and widths."""

    name: str
    title: str
    lines: list[Figures]
    targets: dict[str, Any] = field(default_factory=dict)

    def met(self) -> dict[str, bool]:
        """Say which targets greenai meets."""
        own = self.lines[0]
        return {name: _holds(name, own[name], limit) for name, limit in self.targets.items()}


def _holds(name: str, value: float, limit: Any) -> bool:
    if name == "coverage":
        return bool(limit[0] <= value <= limit[1])
    return bool(value >= limit if name == "within_two" else value <= limit)


# --- lines of a table ---------------------------------------------------------------------


def own(name: str, told: str, readings: Iterable[tuple[Row, Any]], *, with_interval: bool = False) -> Figures:
    """Return a line of greenai's."""
    some = list(readings)
    figures: Figures = F.summary([(row.joules, r.gpu_energy_j) for row, r in some])
    if with_interval:
        figures |= F.interval([F.on_gpus(row, r) for row, r in some])
    return {"name": name, "told": told, **figures}


def moved(readings: Iterable[tuple[Row, Any]]) -> Figures:
    """Return between which limits the median error lies when one row, or one family, is left out of the comparison."""
    errors = [(row.group, abs(r.gpu_energy_j / row.joules - 1)) for row, r in readings]
    by_row = [[e for j, (_, e) in enumerate(errors) if j != i] for i in range(len(errors))]
    by_family = [[e for group, e in errors if group != left] for left in {group for group, _ in errors}]
    return {"one_row_less": _limits(by_row), "one_family_less": _limits(by_family)}


def _limits(groups: Iterable[Sequence[float]]) -> list[float]:
    medians = [statistics.median(some) for some in groups if some]
    return [float(f"{end:.3g}") for end in (min(medians), max(medians))]


def others(rows: Sequence[Row], some: Sequence[Peer]) -> list[Figures]:
    """Return the lines of the peers, a line without figures for one that is not installed."""
    return [_other(rows, peer) for peer in some]


def _other(rows: Sequence[Row], peer: Peer) -> Figures:
    line: Figures = {"name": peer.name, "told": peer.told}
    if peer.joules is None:
        return line | {"missing": f"not installed: pip install {peer.install}"}
    return line | F.summary([(row.joules, peer.joules(row)) for row in rows])


def scaled(rows: Sequence[Row], peer: Peer) -> Figures:
    """Return a peer's line after one scalar that the other groups' rows taught, as greenai's in the same block."""
    if peer.joules is None:
        return _other(rows, peer)
    logs = [(row.group, math.log(row.joules / peer.joules(row))) for row in rows]
    factors = {g: math.exp(statistics.median(e for h, e in logs if h != g)) for g, _ in logs}
    figures = F.summary([(row.joules, peer.joules(row) * factors[row.group]) for row in rows])
    return {"name": peer.name, "told": f"{peer.told}; one scalar", **figures}


def between(rows: Sequence[Row], limits: tuple[int, int]) -> list[Row]:
    """Return the rows whose running batch lies within limits."""
    return [row for row in rows if limits[0] <= row.batch <= limits[1]]


# --- blocks -------------------------------------------------------------------------------


class Run:
    """The text rows, a fit for each family that left it out, and the peers."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows = folder, v3(folder)
        self.fits: dict[str, Coefficients] = F.left_out(self.rows)
        self.default, self.gpus, self.batch, self.both, self.ecocost = peers()
        self.constant = constant(self.rows)

    def readings(self, rows: Sequence[Row], view: Callable[[Row], Deployment]) -> list[tuple[Row, Any]]:
        """Return each row with the estimate of the fit that never saw its family."""
        return [(row, F.predicted(row, self.fits[row.group], view(row))) for row in rows]

    def blocks(self) -> list[Block]:
        """Return every comparison."""
        return [self.known(), *self.hidden(), *self.intervals(), *self.transfer(), self.one_by_one(), self.images()]

    def known(self) -> Block:
        """Compare with everything known."""
        readings = self.readings(self.rows, lambda row: row.place)
        lines = [own("greenai", "sizes, GPU, count, batch, engine, precision", readings, with_interval=True)]
        lines += others(self.rows, [self.both, self.batch, self.default, self.ecocost, self.constant])
        title = "Known deployment, each family left out of the fit"
        return Block(
            name="known_deployment", title=title, lines=lines, targets={"median_error": 0.20, "within_two": 0.95}
        )

    def hidden(self) -> list[Block]:
        """Compare with the batch hidden: with the hardware known, and without."""
        rows, targets = between(self.rows, MIDDLE), {"median_error": 0.25, "within_two": 0.92}
        with_hardware = self._without_batch(rows, "all but the batch", _no_batch)
        with_hardware += others(rows, [self.gpus, self.ecocost, self.constant])
        without = self._without_batch(rows, "sizes, engine, precision", _engine_and_precision)
        without += others(rows, [self.default, self.ecocost, self.constant])
        title = "Batch hidden, 31 to 128 running requests; hardware "
        return [
            Block(name="batch_hidden", title=title + "known", lines=with_hardware, targets=targets),
            Block(name="batch_and_hardware_hidden", title=title + "hidden", lines=without, targets=targets),
        ]

    def _without_batch(self, rows: Sequence[Row], told: str, view: Callable[[Row], Deployment]) -> list[Figures]:
        readings = self.readings(rows, view)
        lines = [own("greenai", told, readings) | moved(readings)]
        for batch in BATCHES:
            taken = self.readings(rows, lambda row, batch=batch: replace(view(row), batch=batch))
            lines.append(own("greenai", f"batch taken as {batch}", taken))
        return lines

    def intervals(self) -> list[Block]:
        """Compare how many rows the 90% interval holds, and how wide it is."""
        rows, targets = between(self.rows, WIDE), {"coverage": (0.85, 0.95), "median_width": 9}
        views: dict[str, tuple[str, Callable[[Row], Deployment], dict[str, Any]]] = {
            "interval_batch_hidden": ("all but the batch", _no_batch, targets),
            "interval_engine_known": ("sizes, engine, precision", _engine_and_precision, targets),
            "interval_api_view": ("sizes alone", lambda _row: Deployment(), {}),
        }
        return [
            Block(
                name=name,
                title=f"90% interval, 16 to 256 running requests; known: {told}",
                lines=[own("greenai", told, self.readings(rows, view), with_interval=True)],
                targets=goals,
            )
            for name, (told, view, goals) in views.items()
        ]

    def transfer(self) -> list[Block]:
        """Compare on an older engine, after one scalar that the other models taught."""
        found = []
        for gpu, targets in (("A100", {"median_error": 0.25, "within_two": 0.95}), ("H100", {})):
            rows = v2(self.folder, gpu)
            figures, scalar = F.scaled(F.unscaled(rows))
            lines = [{"name": "greenai", "told": f"one scalar (all rows: {scalar:.3g})", **figures}]
            lines += [scaled(rows, self.both), scaled(rows, self.default), *others(rows, [self.both, self.default])]
            title = f"Transfer to ML.ENERGY v2 on {gpu}, an older vLLM"
            found.append(Block(name=f"transfer_{gpu.lower()}", title=title, lines=lines, targets=targets))
        return found

    def one_by_one(self) -> Block:
        """Compare a local model under transformers, one request at a time, each model left out."""
        rows = local(self.folder)
        _, figures = F.fit_local(rows)
        lines = [{"name": "greenai", "told": "sizes, GPU, engine; two factors of the other models", **figures}]
        lines += others(rows, [self.both, self.ecocost, constant(rows)])
        title = "transformers at batch 1, 369 tokens in and 10 out, each model left out"
        return Block(name="transformers_batch_1", title=title, lines=lines, targets={"median_error": 0.15})

    def images(self) -> Block:
        """Compare prompts with a picture; a picture's tokens are fitted on these rows."""
        rows = v3(self.folder, ("image-chat",))
        _, figures = F.fit_images(rows)
        lines = [{"name": "greenai", "told": "all; tokens per picture fitted on these rows", **figures}]
        lines += others(rows, [self.both, self.ecocost])
        return Block(name="image_chat", title="Prompts with one picture (in-sample)", lines=lines)

    def families(self) -> dict[str, Figures]:
        """Return per family the errors of greenai and EcoLogits, both told all, and the width of the API view."""
        found: dict[str, Figures] = {}
        for family in sorted(self.fits):
            rows = [row for row in self.rows if row.group == family]
            readings = self.readings(rows, lambda row: row.place)
            ratios = {"greenai": [round(r.gpu_energy_j / row.joules, 3) for row, r in readings]}
            if self.both.joules is not None:
                ratios["EcoLogits"] = [round(self.both.joules(row) / row.joules, 3) for row in rows]
            outside = [F.on_gpus(*one) for one in self.readings(between(rows, WIDE), lambda _row: Deployment())]
            found[family] = {
                "greenai": own("greenai", "all", readings),
                "EcoLogits": _other(rows, self.both),
                "api_view": F.interval(outside),
                "ratios": ratios,
            }
        return found

    def parts(self) -> dict[str, Figures]:
        """Return greenai's errors by task and by GPU, everything known."""
        readings = self.readings(self.rows, lambda row: row.place)
        names = sorted({row.task for row in self.rows}) + sorted({str(row.place.gpu) for row in self.rows})
        return {
            name: own("greenai", "all", (x for x in readings if name in (x[0].task, x[0].place.gpu))) for name in names
        }


def _no_batch(row: Row) -> Deployment:
    return replace(row.place, batch=None)


def _engine_and_precision(row: Row) -> Deployment:
    return Deployment(engine=row.place.engine, bytes_per_weight=row.place.bytes_per_weight)


def hidden_tokens(published_wh: float) -> int:
    """Return the output tokens at which greenai's median for o3's long prompt equals a published figure."""
    for tokens in range(1_500, 60_000, 100):
        if (estimate("openai/o3", input_tokens=10_000, output_tokens=tokens).energy_j or 0) >= published_wh * 3600:
            return tokens
    raise LookupError("No count of tokens gives that.")


# --- output -------------------------------------------------------------------------------


def results(folder: Path) -> Figures:
    """Return everything, as it is written to --json."""
    run = Run(folder)
    blocks = [{**asdict(block), "met": block.met()} for block in run.blocks()]
    anchors = compare(_read(folder / "published_anchors.csv"))
    return {
        "method": METHOD,
        "date": F.DATE,
        "blocks": blocks,
        "families": run.families(),
        "parts": run.parts(),
        "anchors": [asdict(anchor) for anchor in anchors],
        "anchors_inside": counted(anchors),
        "o3_tokens_of_33_wh": hidden_tokens(33),
        "agreement": agreement(run.rows, _read(folder / "baseline_predictions_v3_text.csv")),
    }


def missing(folder: Path) -> list[str]:
    """Return the names of the files that the folder lacks."""
    return [name for name in FILES if not (folder / name).is_file()]


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


COLUMNS = {
    "rows": "rows",
    "median_error": "median error",
    "within_two": "within two",
    "p90_fold": "90th percentile",
    "coverage": "coverage",
    "median_width": "median width",
}


def cell(name: str, value: Any) -> str:
    """Return a figure as people read it."""
    if value is None:
        return ""
    if name == "rows":
        return str(value)
    if name in ("p90_fold", "median_width"):
        return f"{value:.2f}x" if value < 100 else f"{value:.0f}x"
    return f"{value:.1%}"


def shown(block: Figures) -> Table:
    """Return one block as a table, the targets in its last column."""
    table = Table(title=block["title"], title_justify="left")
    for head in ("estimator", "told", *COLUMNS.values()):
        table.add_column(head, justify="left" if head in ("estimator", "told") else "right")
    for line in block["lines"]:
        told = line.get("missing") or line["told"]
        table.add_row(line["name"], told, *(cell(name, line.get(name)) for name in COLUMNS))
    for name, limit in block["targets"].items():
        wanted = f"{limit[0]:.0%} to {limit[1]:.0%}" if name == "coverage" else cell(name, limit)
        sign = "at least" if name == "within_two" else "" if name == "coverage" else "at most"
        table.add_row("target", f"{COLUMNS[name]} {sign} {wanted}", "met" if block["met"][name] else "MISSED")
    return table


def shown_anchors(anchors: Sequence[Compared] | Sequence[Figures], inside: dict[str, bool]) -> Table:
    """Return the published figures beside greenai's."""
    table = Table(title=f"Published figures: {sum(inside.values())} of {len(inside)} inside", title_justify="left")
    for head in ("figure", "model", "in / cached / out, requests", "unit", "published", "greenai, 90%", "inside"):
        table.add_column(head)
    for one in anchors:
        a = one if isinstance(one, dict) else asdict(one)
        tokens = f"{a['input_tokens']} / {a['cached_tokens']} / {a['output_tokens']}, {a['requests']}"
        interval = f"{a['median']:g} ({a['low']:g} to {a['high']:g})"
        verdict = "yes" if a["inside"] else "NO"
        table.add_row(a["item"], a["model"], tokens, a["quantity"], f"{a['published']:g}", interval, verdict)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--plot", type=Path, help="draw the errors by family into this SVG file; needs matplotlib")
    arguments = parser.parse_args()
    if absent := missing(arguments.folder):
        sys.exit(f'{arguments.folder} lacks {", ".join(absent)}: see docs/accuracy.md, section "Run it yourself".')
    found = results(arguments.folder)
    console = Console(width=None if sys.stdout.isatty() else 140)
    for block in found["blocks"]:
        console.print(shown(block))
    console.print(shown_anchors(found["anchors"], found["anchors_inside"]))
    for column, difference in found["agreement"].items():
        said = "not installed" if difference is None else f"largest difference {difference:.2%}"
        console.print(f"baseline_predictions_v3_text.csv, {column}: {said}")
    if arguments.json:
        arguments.json.write_text(text(found), encoding="utf-8")
    if arguments.plot:
        from energy_plot import draw

        draw(found, arguments.plot)


def text(found: Figures) -> str:
    """Return the figures as JSON: one block, family or anchor a line."""
    parts = []
    for key, value in found.items():
        if isinstance(value, list):
            body = ",\n    ".join(json.dumps(one, ensure_ascii=False) for one in value)
            parts.append(f'"{key}": [\n    {body}\n  ]')
        elif key in ("families", "parts"):
            body = ",\n    ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            parts.append(f'"{key}": {{\n    {body}\n  }}')
        else:
            parts.append(f'"{key}": {json.dumps(value, ensure_ascii=False)}')
    return "{\n  " + ",\n  ".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
