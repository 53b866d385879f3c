"""Time zones by the names people use: cities, countries, states, and abbreviations that mean one zone only.

It decides which zones a place lies in. Places in several zones, names of several places (Portland, Georgia) and
abbreviations of several zones (CST, IST, BST) are not known here, or known with all their zones, which an answer then
has to agree on. Countries and most cities are tzdata's.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

_CITIES = """
America/Los_Angeles: la, san francisco, san diego, seattle, las vegas, sacramento, oakland, reno, california, nevada, \
washington state, hollywood
America/Denver: salt lake city, albuquerque, colorado springs, colorado, utah, montana, wyoming, new mexico
America/Chicago: dallas, houston, austin, san antonio, minneapolis, st. louis, st louis, new orleans, memphis, \
nashville, milwaukee, kansas city, oklahoma city, minnesota, iowa, missouri, wisconsin, illinois, oklahoma, arkansas, \
louisiana, mississippi, alabama
America/New_York: nyc, new york city, manhattan, brooklyn, miami, boston, atlanta, philadelphia, washington dc, \
washington d.c., baltimore, orlando, tampa, cleveland, pittsburgh, cincinnati, hartford, pennsylvania, ohio, \
north carolina, south carolina, virginia, west virginia, maryland, delaware, new jersey, connecticut, massachusetts, \
vermont, new hampshire, maine, rhode island
Pacific/Honolulu: hawaii
America/Toronto: montreal, ottawa, quebec city
America/Edmonton: calgary
America/Sao_Paulo: rio de janeiro, rio, brasilia, são paulo
America/Guayaquil: quito
Europe/London: england, scotland, wales, northern ireland, britain, great britain, uk, the uk, united kingdom, \
edinburgh, glasgow, liverpool, leeds, cardiff
Europe/Berlin: munich, frankfurt, hamburg, cologne, stuttgart, germany
Europe/Paris: lyon, marseille, toulouse, bordeaux
Europe/Madrid: barcelona, seville, mainland spain, spain
Europe/Lisbon: porto, mainland portugal, portugal
Europe/Rome: milan, venice, turin
Europe/Zurich: geneva, bern, basel, zürich
Europe/Amsterdam: rotterdam, the hague, holland
Europe/Warsaw: krakow
Europe/Kyiv: kyiv, kiev
Asia/Kolkata: mumbai, delhi, new delhi, bangalore, bengaluru, chennai
Asia/Shanghai: beijing, shenzhen, guangzhou, china
Asia/Tokyo: osaka, kyoto, nagoya, japan
Asia/Seoul: busan, south korea, korea
Asia/Pyongyang: north korea
Asia/Ho_Chi_Minh: hanoi, vietnam, viet nam, ho chi minh, ho chi minh city
Asia/Dubai: abu dhabi, uae
Asia/Riyadh: mecca, jeddah
Asia/Jerusalem: tel aviv
Asia/Karachi: lahore, islamabad
Africa/Johannesburg: cape town, durban, pretoria
Australia/Sydney: canberra
Pacific/Auckland: wellington, new zealand
"""
_ZONE_NAMES = """
America/New_York: eastern, et, est, edt
America/Chicago: central, us central, ct, cdt
America/Denver: us mountain, mountain, mt, mst, mdt
America/Los_Angeles: pacific, us pacific, pt, pst, pdt
America/Anchorage: alaska, akst, akdt
Pacific/Honolulu: hst
America/Halifax: atlantic
Europe/Paris: cet, cest, central european
Asia/Tokyo: jst
Australia/Sydney: aest, aedt
Etc/UTC: utc, gmt, greenwich, greenwich mean, zulu
"""
# "Eastern" and "central" are those of North America; the answer says which zone it took.
_LABELS = {"est", "edt", "cdt", "mst", "mdt", "pst", "pdt", "akst", "akdt", "hst", "cet", "cest", "jst", "aest", "aedt"}
# States in more than one zone: a city in one of them is known by both names.
_SPLIT_STATES = {
    "texas": ("America/Chicago", "America/Denver"), "florida": ("America/New_York", "America/Chicago"),
    "michigan": ("America/Detroit", "America/Menominee"), "tennessee": ("America/Chicago", "America/New_York"),
    "arizona": ("America/Phoenix", "America/Denver"), "oregon": ("America/Los_Angeles", "America/Boise"),
    "idaho": ("America/Boise", "America/Los_Angeles"), "alaska state": ("America/Anchorage", "America/Adak"),
}  # fmt: skip
_NOT_CITIES = ("Antarctica/", "America/Indiana/", "America/North_Dakota/", "America/Kentucky/", "Etc/", "Arctic/")
_ENDINGS = (" standard timezone", " standard time zone", " standard time", " timezone", " time zone", " time")


def zone_of(place: str, now: datetime) -> ZoneInfo | None:
    """Return the zone of a place in lower case, or None where it is unknown or its zones differ at `now`."""
    zones = _zones(_bare(place)) or _of_region(place)
    if not zones:
        return None
    first = ZoneInfo(zones[0])
    moment = now.astimezone(first)
    if any(now.astimezone(ZoneInfo(zone)).utcoffset() != moment.utcoffset() for zone in zones[1:]):
        return None
    label = _bare(place)
    if label in _LABELS and moment.tzname() != label.upper():
        return None  # "EST" in summer: the zone that is meant has another time then
    return first


def places() -> frozenset[str]:
    """Return the cities, states and countries by their names in lower case, without those that are words as well."""
    short = {"uk", "usa", "uae", "nyc"}
    zones = {name for line in _ZONE_NAMES.strip().splitlines() for name in line.partition(": ")[2].split(", ")}
    return frozenset(name for name in _names() if name in short or (len(name) > 3 and name not in zones | _WORDS))


_WORDS = frozenset(("turkey", "china", "wake", "midway", "resolute", "center", "reunion", "nome", "oral", "cocos"))


def _bare(place: str) -> str:
    place = place.strip(" ,.?").removeprefix("the ").removesuffix("'s")
    for ending in _ENDINGS:
        place = place.removesuffix(ending)
    return place


def _zones(name: str) -> tuple[str, ...]:
    return _names().get(name, ())


def _of_region(place: str) -> tuple[str, ...]:
    """`adelaide, australia`, `dallas texas`: the city's zone, where the region has it."""
    words = _bare(place).replace(", ", " ").split()
    for cut in range(1, len(words)):
        zones, region = _zones(" ".join(words[:cut])), " ".join(words[cut:])
        if len(zones) == 1 and zones[0] in (_zones(region) or _zones(_STATES.get(region, ""))):
            return zones
    return ()


_STATES = {
    "ca": "california", "nv": "nevada", "co": "colorado", "ut": "utah", "il": "illinois", "mn": "minnesota",
    "mo": "missouri", "la": "louisiana", "ok": "oklahoma", "ny": "new york", "pa": "pennsylvania",
    "ma": "massachusetts",
    "oh": "ohio", "md": "maryland", "nj": "new jersey", "ct": "connecticut", "hi": "hawaii", "tx": "texas",
    "fl": "florida", "az": "arizona", "mi": "michigan", "tn": "tennessee",
}  # fmt: skip


@cache
def _names() -> dict[str, tuple[str, ...]]:
    names = dict(_countries()) | _SPLIT_STATES
    for key in _keys():
        if not key.startswith(_NOT_CITIES) and "/" in key:
            names.setdefault(key.rpartition("/")[2].replace("_", " ").lower(), (key,))
    for table in (_CITIES, _ZONE_NAMES):
        for line in table.strip().splitlines():
            zone, _, places = line.partition(": ")
            names.update(dict.fromkeys(places.split(", "), (zone,)))
    return {name: zones for name, zones in names.items() if name not in ("georgia", "easter", "jersey")}


def _countries() -> dict[str, tuple[str, ...]]:
    """Country names with all their zones, from tzdata's tables."""
    codes = dict(row[:2] for row in _rows("iso3166.tab"))
    zones: dict[str, list[str]] = {}
    for row in _rows("zone.tab"):
        zones.setdefault(row[0], []).append(row[2])
    return {codes[code].lower(): tuple(found) for code, found in zones.items()}


def _keys() -> list[str]:
    return [row[2] for row in _rows("zone.tab")]


def _rows(name: str) -> list[list[str]]:
    text = resources.files("tzdata.zoneinfo").joinpath(name).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
