"""Watts per busy core of this machine's processor: the table `cpus.json`, or the stated default.

The figure is the part's power limit over its cores, so it holds where all cores are busy at that limit. Fewer busy
cores clock higher and carry more of what the package draws anyway; a limit that is not reached gives less: the
interval's factors say how much. A virtual machine sees fewer cores than the part has, so the table tells both numbers.
Machines in a cloud often hide the part's number: then the median core of its family counts, with the family's spread.
"""

from __future__ import annotations

import json
import math
import platform
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from greenai.meters.coefficients import coefficients, value

__all__ = ["WattsPerCore", "here", "model_name", "watts_per_core"]

CPUINFO = Path("/proc/cpuinfo")

_FIRST_CPU = 4096
"""Bytes of /proc/cpuinfo that are read: the first processor's. All of it takes milliseconds on a large machine."""

_NOISE = (
    r"\((r|tm)\)",
    r"^\d+th gen ",
    r" (with|w/) radeon.*$",
    r" @.*$",
    r"\b\d+-core processor\b.*$",
    r"\b(cpu|processor)\b( \(.*\))?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WattsPerCore:
    """What one busy core draws, processor package only, in watts, with a 90% interval.

    `name` says whose figure it is: a part, a family of parts, `default`, or `as set`.
    """

    value: float
    low: float
    high: float
    name: str
    source: str


def here(stated: float | None = None) -> WattsPerCore:
    """Return the figure for this machine; `stated`, from the settings, wins."""
    if stated is None:
        return watts_per_core(model_name())
    factor = value("watts_per_core_known_factor")
    return WattsPerCore(value=stated, low=stated / factor, high=stated * factor, name="as set", source="settings")


@lru_cache(maxsize=16)
def watts_per_core(model: str | None) -> WattsPerCore:
    """Return the figure for a processor by its name as the system tells it; the default for an unknown one."""
    name = plain(model or "")
    row = _rows().get(name.casefold())
    if row is not None:
        return _of_row(row)
    family = next((f for f in table()["families"] if name.casefold().startswith(f.casefold())), None)
    return _default() if family is None else _of_family(family)


def plain(model: str) -> str:
    """Return a processor's name without marks, clock, graphics and core count."""
    for noise in _NOISE:
        model = re.sub(noise, " ", model, flags=re.IGNORECASE)
    return " ".join(model.split())


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """Return the table as the file has it."""
    return dict(json.loads(Path(__file__).with_name("cpus.json").read_text(encoding="utf-8")))


@lru_cache(maxsize=1)
def _rows() -> dict[str, dict[str, Any]]:
    return {row["name"].casefold(): row for row in table()["rows"]}


def _of_row(row: dict[str, Any]) -> WattsPerCore:
    watts, factors = row["tdp_w"] / row["cores"], table()["factors"]
    return WattsPerCore(
        value=watts,
        low=watts / factors["low"],
        high=watts * factors["high"],
        name=row["name"],
        source=f"{row['tdp_w']:g} W / {row['cores']} cores; {row['source']}, {row['date']}",
    )


def _of_family(family: str) -> WattsPerCore:
    rows = [row for row in table()["rows"] if row["name"].startswith(family)]
    cores = sorted(row["tdp_w"] / row["cores"] for row in rows for _ in range(row["cores"]))
    few, middle, most = cores[len(cores) // 20], statistics.median(cores), cores[-len(cores) // 20]
    factors = table()["factors"]
    below = math.hypot(math.log(middle / few), math.log(factors["low"]))
    above = math.hypot(math.log(most / middle), math.log(factors["high"]))
    return WattsPerCore(
        value=middle,
        low=middle / math.exp(below),
        high=middle * math.exp(above),
        name=family,
        source=f"median core of {len(rows)} parts ({few:.1f} to {most:.1f} W); this part is not told, or new",
    )


def _default() -> WattsPerCore:
    stated = coefficients()["watts_per_core"]
    return WattsPerCore(
        value=stated["value"], low=stated["low"], high=stated["high"], name="default", source=stated["source"]
    )


# --- which processor this is ----------------------------------------------------------------


@lru_cache(maxsize=1)
def model_name() -> str | None:
    """Return this machine's processor as the system names it, or None; asked for once."""
    if sys.platform == "linux":
        return linux_name(CPUINFO)
    if sys.platform == "darwin":
        return _mac_name()
    return platform.processor() or None


def linux_name(cpuinfo: Path) -> str | None:
    """Return the name in a file like /proc/cpuinfo; Arm's tell the core's number instead, which the table resolves."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_FIRST_CPU).splitlines()
    except OSError:
        return None
    fields = {key.strip(): text.strip() for key, _, text in (line.partition(":") for line in reversed(lines))}
    if "model name" in fields:
        return fields["model name"]
    found: str | None = table()["arm_parts"].get(f"{fields.get('CPU implementer')} {fields.get('CPU part')}")
    return found


def _mac_name() -> str | None:
    try:
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
