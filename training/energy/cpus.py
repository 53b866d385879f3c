"""Write greenai/meters/cpus.json: power limit and cores of processors on which two public tables agree.

    python training/energy/cpus.py boaviztapi/data/crowdsourcing/cpu_specs.csv codecarbon/data/hardware/cpu_power.csv

Cores, and where they come from, are in the first (BoaviztAPI 2.5.0, on the Python index); the power limit is in both
(CodeCarbon 3.3.2, on the Python index). A part whose limits differ by more than 10% is left out: for Apple's chips they
differ by a factor of two. Intel's hybrid desktop parts are left out too: their cores are of two kinds, and the short
limit that boards use is up to twice the stated one.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[2] / "greenai" / "meters" / "cpus.json"
DATE = "2026-11-21"
AGREE = 0.1

EPYC = """
7551, 7302, 7402, 7452, 7502, 7552, 7642, 7702, 7742, 7B12, 7313, 7343, 7413, 7443, 7453, 7513, 7543, 7643,
7663, 7713, 7763, 7773X, 75F3, 7R13, 9124, 9224, 9254, 9334, 9354, 9374F, 9454, 9474F, 9534, 9554, 9634, 9654,
7302P, 7402P, 7502P, 7543P, 7713P, 9354P, 9454P, 9554P, 9654P
"""
XEON = """
E5-2650, E5-2670, E5-2686 v4, Platinum 8124M, Platinum 8151, Platinum 8168, Platinum 8175M, Platinum 8180,
Platinum 8259CL, Platinum 8260, Platinum 8268, Platinum 8275CL, Platinum 8280, Platinum 8358, Platinum 8360Y,
Platinum 8368, Platinum 8373C, Platinum 8375C, Platinum 8380, Platinum 8460Y+, Platinum 8462Y+, Platinum 8468,
Platinum 8470, Platinum 8480+, Platinum 8490H, Gold 5318Y, Gold 5320, Gold 5418Y, Gold 5420+, Gold 6148, Gold
6154, Gold 6326, Gold 6330, Gold 6342, Gold 6346, Gold 6348, Gold 6354, Gold 6430, Gold 6442Y, Gold 6448Y,
Silver 4116, Silver 4310, Silver 4314, Silver 4316, Silver 4410Y, Silver 4416+
"""
RYZEN = """
5 3600, 5 5500U, 5 5600, 5 5600G, 5 5600X, 5 7600, 5 7600X, 7 3700X, 7 5700X, 7 5800X, 7 7700, 7 7700X, 9
3900X, 9 5900X, 9 5950X, 9 7900X, 9 7950X
"""
CORE = """
i5-8250U, i5-1135G7, i5-10400, i7-8700K, i7-8650U, i7-9700K, i7-10700K, i7-1165G7, i7-1185G7, i9-9900K,
i9-10900K, i9-11900K
"""


def names(prefix: str, parts: str) -> list[str]:
    """Return the full names of a list of parts."""
    return [f"{prefix} {part}" for part in " ".join(parts.split()).split(", ")]


NAMES = [
    *names("AMD EPYC", EPYC),
    *names("Intel Xeon", XEON),
    *names("AMD Ryzen", RYZEN),
    *names("Intel Core", CORE),
]
ARM = {
    "name": "Arm Neoverse N1",
    "tdp_w": 180,
    "cores": 64,
    "source": "Ampere Altra Q64-30 in BoaviztAPI 2.5.0, from cpu-world.com; AWS Graviton2 is given 150 W there",
    "date": DATE,
}


def main() -> None:
    """Write the file, and say which parts were left out."""
    cores = {row["name"].strip(): row for row in read(sys.argv[1])}
    limits = {row["Name"].strip(): row["TDP"] for row in read(sys.argv[2])}
    rows: list[dict[str, Any]] = []
    for name in NAMES:
        row = agreed(name, cores.get(name), limits.get(name))
        if row is None:
            print(f"left out: {name}")
        else:
            rows.append(row)
    OUT.write_text(dump(sorted([*rows, ARM], key=lambda row: str(row["name"]))), encoding="utf-8")
    print(f"{len(rows) + 1} parts in {OUT.name}")


def read(path: str) -> list[dict[str, str]]:
    """Return a table's rows."""
    with Path(path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def agreed(name: str, part: dict[str, str] | None, limit: str | None) -> dict[str, Any] | None:
    """Return the row of a part whose power limit is the same in both tables, else None."""
    if part is None or limit is None or not part["tdp"] or not part["cores"]:
        return None
    ours, theirs = float(part["tdp"]), float(limit)
    if abs(ours - theirs) > AGREE * ours:
        return None
    found = part["source"].split(",")[0].strip()
    source = f"BoaviztAPI 2.5.0 ({found}) and CodeCarbon 3.3.2"
    return {"name": name, "tdp_w": ours, "cores": int(float(part["cores"])), "source": source, "date": DATE}


def dump(rows: list[dict[str, Any]]) -> str:
    """Return the file's text: one row a line."""
    head = {
        "version": DATE,
        "factors": {
            "low": 1.6,
            "high": 2.0,
            "unit": "90% factors on power limit over cores",
            "source": "assumption: below, servers that do not reach their limit; above, a few busy cores that clock "
            "higher and carry the power the package draws anyway",
            "date": DATE,
        },
        "families": ["AMD EPYC", "Intel Xeon"],
        "arm_parts": {"0x41 0xd0c": "Arm Neoverse N1"},
    }
    fields = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items())
    lines = ",\n".join(f"    {json.dumps(row)}" for row in rows)
    return f'{{\n{fields},\n  "rows": [\n{lines}\n  ]\n}}\n'


if __name__ == "__main__":
    main()
