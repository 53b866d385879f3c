"""Write greenai/meters/grid.json: what a kWh emits and how much water it takes, by grid.

    pip download --no-deps codecarbon==3.3.2 ecologits==0.11.3 botocore==1.44.5 -d DIR
    python training/energy/grid.py DIR

Facts only, each with its own source and year; none of the packages' code is used. They do not have one basis: a country
is lifecycle emissions of what it generates, a US state the combustion at its plants, a Chinese province CO2 alone. The
source of each says which. The world's figure is the mean of the countries weighted by their generation. A country whose
intensity is 0 in the table (one, rounded there from little generation) is left out: no grid emits nothing.
"""

from __future__ import annotations

import csv
import json
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "greenai" / "meters" / "grid.json"
DATE = "2026-11-21"
DATA = "codecarbon/data"
PACKAGE = "CodeCarbon 3.3.2 (MIT)"
GRAMS_PER_LB = 453.59237
WATER = (
    "consumption, evaporation from reservoirs included: World Resources Institute, as compiled by EcoLogits 0.11.3, "
    "ecologits/data/electricity_mixes.json"
)
SOURCES = {
    "owid": f"{PACKAGE} {DATA}/private_infra/global_energy_mix.json, figures of Our World in Data (CC BY 4.0)",
    "egrid": f"EPA eGRID2023, total output emission rate, combustion only, in {PACKAGE} {DATA}/private_infra/2023",
    "canada": f"generation of 2023 by {PACKAGE} {DATA}/private_infra/2023/canada_energy_mix.json, times the lifecycle "
    "medians of IPCC AR5 WG3 Annex III table A.III.2 (oil, which has none there: 816 g/kWh, CodeCarbon)",
    "china": "Ministry of Ecology and Environment of China, announcement 2025 No. 47, CO2 only, in "
    f"{PACKAGE} {DATA}/private_infra/2023/china_provincial_emissions.json",
    "nordic": "ENTSO-E generation of the bidding zone times CodeCarbon's lifecycle factors, without imports, in "
    f"{PACKAGE} {DATA}/private_infra/nordic_emissions.json",
    "gcp": f"cloud.google.com/sustainability/region-carbon, in {PACKAGE} {DATA}/cloud/impact.csv, which states no year",
}
# Grams of CO2 equivalent per kWh, median of the life cycle: IPCC AR5 WG3 Annex III, table A.III.2.
IPCC = {"coal": 820, "naturalGas": 490, "biomass": 230, "solar": 48, "hydro": 24, "nuclear": 12, "wind": 11}
IPCC |= {"petroleum": 816}  # CodeCarbon 3.3.2: the table has no oil
PROVINCES = {
    "alberta": "AB",
    "british columbia": "BC",
    "manitoba": "MB",
    "new brunswick": "NB",
    "newfoundland and labrador": "NL",
    "northwest territories": "NT",
    "nova scotia": "NS",
    "nunavut": "NU",
    "ontario": "ON",
    "prince edward island": "PE",
    "quebec": "QC",
    "saskatchewan": "SK",
    "yukon": "YT",
}
NORDIC = {"SE": ("SWE", "Sweden"), "NO": ("NOR", "Norway")}
LEAST_COVERAGE = 90.0
"""Per cent of the generation that has a factor."""

GCP_NAMES = {"me-cenrtal1": "me-central1"}
"""A slip in the table."""
SMALL_WORDS = ("And", "Of")


class Row(NamedTuple):
    """One grid as grid.json holds it; `year` None where the source states none."""

    iso2: str | None
    name: str
    g_per_kwh: float
    year: int | None
    source: str
    country: str | None


class Wheels:
    """The downloaded packages."""

    def __init__(self, folder: Path) -> None:
        self._zips = [zipfile.ZipFile(path) for path in sorted(folder.glob("*.whl"))]

    def text(self, path: str) -> str:
        for package in self._zips:
            if path in package.namelist():
                return package.read(path).decode("utf-8-sig")
        raise SystemExit(f"No downloaded package has {path}. See the first lines of this file.")

    def json(self, path: str) -> Any:
        return json.loads(self.text(path))


def title(name: str) -> str:
    """Return a lower-case name with capitals."""
    words = name.title()
    for small in SMALL_WORDS:
        words = words.replace(f" {small} ", f" {small.lower()} ")
    return words


def countries(wheels: Wheels) -> dict[str, Row]:
    found = wheels.json(f"{DATA}/private_infra/global_energy_mix.json")
    rows = {code: r for code, r in sorted(found.items()) if r["carbon_intensity"] > 0}
    iso2 = json.loads((HERE / "iso2.json").read_text(encoding="utf-8"))
    twh = sum(r["total_TWh"] for r in rows.values())
    mean = sum(r["carbon_intensity"] * r["total_TWh"] for r in rows.values()) / twh
    world = Row(None, "World", round(mean, 1), max(r["year"] for r in rows.values()), "owid", "WOR")
    return {"WORLD": world} | {
        code: Row(iso2.get(code), r["country_name"], r["carbon_intensity"], r["year"], "owid", code)
        for code, r in rows.items()
    }


def states(wheels: Wheels) -> dict[str, Row]:
    table = wheels.json(f"{DATA}/private_infra/2023/usa_emissions.json")
    year, found = table["_source"]["year"], {}
    for name, r in table.items():
        if not name.startswith("_") and name != "usa":
            grams = round(r["emissions"] * GRAMS_PER_LB / 1000, 1)
            found[f"US-{r['regionCode']}"] = Row(None, f"{title(name)}, United States", grams, year, "egrid", "USA")
    return found


def provinces(wheels: Wheels) -> dict[str, Row]:
    table = wheels.json(f"{DATA}/private_infra/2023/canada_energy_mix.json")
    found = {}
    for name, mix in table.items():
        unknown = [fuel for fuel, share in mix.items() if share and fuel not in IPCC and fuel != "total"]
        if unknown:
            raise SystemExit(f"{name} generates from {unknown}, which has no factor here.")
        shares = {fuel: share for fuel, share in mix.items() if fuel in IPCC}
        grams = sum(share * IPCC[fuel] for fuel, share in shares.items()) / sum(shares.values())
        found[f"CA-{PROVINCES[name]}"] = Row(None, f"{title(name)}, Canada", round(grams, 1), 2023, "canada", "CAN")
    return found


def chinese(wheels: Wheels) -> dict[str, Row]:
    table = wheels.json(f"{DATA}/private_infra/2023/china_provincial_emissions.json")["data"]
    return {
        code: Row(None, f"{r['description']}, China", r["emission_factor"], r["year"], "china", "CHN")
        for code, r in table.items()
    }


def nordic(wheels: Wheels) -> dict[str, Row]:
    table = wheels.json(f"{DATA}/private_infra/nordic_emissions.json")["data"]
    found = {}
    for code, r in table.items():
        # Finland's is no bidding zone but the country again. Production without a factor counts as 0 in the table, so a
        # zone with much of it is left out: its figure is a lower bound.
        if code[:2] in NORDIC and float(r["coverage"].partition("%")[0]) >= LEAST_COVERAGE:
            iso3, name = NORDIC[code[:2]]
            zone = f"{name} (bidding zone {code[2:]})"
            found[f"{code[:2]}-{code}"] = Row(None, zone, r["emission_factor"], r["year"], "nordic", iso3)
    return found


def google(wheels: Wheels) -> dict[str, Row]:
    found = {}
    for r in csv.DictReader(wheels.text(f"{DATA}/cloud/impact.csv").splitlines()):
        region = GCP_NAMES.get(r["region"], r["region"])
        name = f"{r['city']} (Google Cloud {region})"
        found[f"{r['provider']}:{region}"] = Row(None, name, float(r["impact"]), None, "gcp", r["countryIsoCode"])
    return found


def regions(wheels: Wheels, zones: dict[str, Row]) -> dict[str, list[str]]:
    """Return the regions whose place is known, with their grid, the place and where that is from."""
    places = {
        region: r["description"]
        for partition in wheels.json("botocore/data/endpoints.json")["partitions"]
        for region, r in partition["regions"].items()
    }
    found = {}
    for cloud, table in json.loads((HERE / "regions.json").read_text(encoding="utf-8")).items():
        for region, zone in table["zones"].items():
            if zone not in zones:
                raise SystemExit(f"{cloud}:{region} is on {zone}, which is no grid.")
            place = places[region] if cloud == "aws" else ""
            found[f"{cloud}:{region}"] = [zone, place, table["source"]]
    return found


def water(wheels: Wheels) -> dict[str, float]:
    """Return litres per kWh generated by country; one for which the world's mean was filled in is left out."""
    table = wheels.json("ecologits/data/electricity_mixes.json")["electricity_mixes"]
    filled_in = "electricity-mix-wue-world"
    return {r["name"]: r["wue"] for r in table if filled_in not in (r["warnings"] or ())}


def lines(rows: dict[str, Any]) -> str:
    return ",\n  ".join(f"{json.dumps(key)}: {json.dumps(row, ensure_ascii=False)}" for key, row in rows.items())


def main() -> None:
    wheels = Wheels(Path(sys.argv[1]))
    zones: dict[str, Row] = {}
    for part in (countries, states, provinces, chinese, nordic, google):
        zones |= part(wheels)
    litres = water(wheels)
    head = {"written_by": "training/energy/grid.py", "date": DATE, "sources": SOURCES, "water_source": WATER}
    rows = {code: [*row[:5], litres.get(row.country or "")] for code, row in zones.items()}
    text = f'{json.dumps(head)[:-1]},\n "regions": {{\n  {lines(regions(wheels, zones))}\n }},\n "zones": {{\n  '
    TARGET.write_text(f"{text}{lines(rows)}\n }}}}\n", encoding="utf-8")
    print(f"{TARGET.name}: {len(zones)} grids, {zones['WORLD']}")


if __name__ == "__main__":
    main()
