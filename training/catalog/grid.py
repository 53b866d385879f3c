"""Write greenai/meters/grid.json from CodeCarbon's table of grids (MIT; figures of Our World in Data, CC BY 4.0).

    python training/catalog/grid.py electricity_mix_codecarbon.csv

The world's figure is the mean of the countries weighted by their generation, in the table's own years. A country whose
intensity is 0 in the table (one, rounded there from little generation) is left out: no grid emits nothing.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

TARGET = Path(__file__).parents[2] / "greenai" / "meters" / "grid.json"
SOURCE = (
    "CodeCarbon @ b05965e codecarbon/data/private_infra/global_energy_mix.json (MIT), "
    "figures of Our World in Data (CC BY 4.0)"
)
ISO2 = Path(__file__).with_name("iso2.json")


def main() -> None:
    rows = list(csv.DictReader(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()))
    rows = [r for r in rows if float(r["carbon_intensity_gco2e_per_kwh"]) > 0]
    iso2 = json.loads(ISO2.read_text(encoding="utf-8"))
    twh = sum(float(r["total_twh"]) for r in rows)
    mean = sum(float(r["carbon_intensity_gco2e_per_kwh"]) * float(r["total_twh"]) for r in rows) / twh
    zones = {"WORLD": [None, "World", round(mean, 1), max(int(r["year"]) for r in rows)]}
    for r in rows:
        intensity = float(r["carbon_intensity_gco2e_per_kwh"])
        zones[r["iso3"]] = [iso2.get(r["iso3"]), r["country"], intensity, int(r["year"])]
    head = json.dumps({"source": SOURCE, "date": "2026-11-21"})[:-1]
    body = ",\n  ".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in zones.items())
    TARGET.write_text(f'{head}, "zones": {{\n  {body}\n}}}}\n', encoding="utf-8")
    print(len(zones), zones["WORLD"])


if __name__ == "__main__":
    main()
