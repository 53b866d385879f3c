"""The units that questions name, with their exact sizes, and how people write them.

Each factor is exact by definition (the international foot, pound and acre; US customary volumes unless "imperial" is
said) and is checked against pint's whenever a conversion is made. What has several meanings of different sizes and no
usual one (ton, calorie, horsepower, bare "month" in days) is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit: `value * factor + offset` is the amount in the base unit of its `kind`.

    `label` is how an answer writes it, with "(s)" where a plural takes one; `pint` is pint's name for it.
    """

    label: str
    pint: str
    kind: str
    factor: Fraction
    offset: Fraction = Fraction(0)


# kind: label | pint | factor to the base unit | names, without the plural's s
_TABLE = """
length: nm | nanometer | 1e-9 | nanometer, nanometre, nm
length: µm | micrometer | 1e-6 | micrometer, micrometre, micron, µm, um
length: mm | millimeter | 0.001 | millimeter, millimetre, mm
length: cm | centimeter | 0.01 | centimeter, centimetre, cm
length: dm | decimeter | 0.1 | decimeter, decimetre, dm
length: m | meter | 1 | meter, metre, m
length: km | kilometer | 1000 | kilometer, kilometre, km, kms
length: in | inch | 0.0254 | inch, inches, in, ", ''
length: ft | foot | 0.3048 | foot, feet, ft, '
length: yd | yard | 0.9144 | yard, yd
length: mi | mile | 1609.344 | mile, mi, statute mile
length: nautical mile(s) | nautical_mile | 1852 | nautical mile, nmi
mass: µg | microgram | 1e-9 | microgram, microgramme, mcg, µg
mass: mg | milligram | 1e-6 | milligram, milligramme, mg
mass: g | gram | 0.001 | gram, gramme, g, gm
mass: kg | kilogram | 1 | kilogram, kilogramme, kilo, kg, kgs
mass: t | metric_ton | 1000 | tonne, metric ton, metric tonne
mass: short ton(s) | short_ton | 907.18474 | short ton, us ton
mass: long ton(s) | long_ton | 1016.0469088 | long ton, imperial ton, uk ton
mass: oz | ounce | 0.028349523125 | ounce, oz, avoirdupois ounce
mass: lb | pound | 0.45359237 | pound, lb, lbs, pound-mass
mass: st | stone | 6.35029318 | stone
mass: troy oz | troy_ounce | 0.0311034768 | troy ounce, troy oz, ozt
mass: carat(s) | carat | 0.0002 | carat
volume: ml | milliliter | 1e-6 | milliliter, millilitre, ml, mls, cc
volume: cl | centiliter | 1e-5 | centiliter, centilitre, cl
volume: dl | deciliter | 1e-4 | deciliter, decilitre, dl
volume: l | liter | 0.001 | liter, litre, l
volume: US tsp | teaspoon | 0.00000492892159375 | teaspoon, tsp, us teaspoon
volume: US tbsp | tablespoon | 0.00001478676478125 | tablespoon, tbsp, tbs, us tablespoon
volume: US fl oz | fluid_ounce | 0.0000295735295625 | fluid ounce, fl oz, fl. oz, us fluid ounce, us fl oz, ounce, oz
volume: US cup(s) | cup | 0.0002365882365 | cup, us cup
volume: US pt | pint | 0.000473176473 | pint, pt, us pint, liquid pint
volume: US qt | quart | 0.000946352946 | quart, qt, us quart
volume: US gal | gallon | 0.003785411784 | gallon, gal, us gallon
volume: imperial fl oz | imperial_fluid_ounce | 0.0000284130625 | imperial fluid ounce, imperial ounce, uk fluid ounce
volume: imperial pt | imperial_pint | 0.00056826125 | imperial pint, uk pint, british pint
volume: imperial qt | imperial_quart | 0.0011365225 | imperial quart, uk quart
volume: imperial gal | imperial_gallon | 0.00454609 | imperial gallon, uk gallon, british gallon
volume: cm³ | centimeter**3 | 1e-6 | cubic centimeter, cubic centimetre, cm3, cm³
volume: m³ | meter**3 | 1 | cubic meter, cubic metre, m3, m³
volume: in³ | inch**3 | 0.0254*0.0254*0.0254 | cubic inch, cubic inches, in3, in³
volume: ft³ | foot**3 | 0.3048*0.3048*0.3048 | cubic foot, cubic feet, ft3, ft³, cu ft
volume: yd³ | yard**3 | 0.9144*0.9144*0.9144 | cubic yard, yd3, yd³
area: mm² | millimeter**2 | 1e-6 | square millimeter, square millimetre, mm2, mm²
area: cm² | centimeter**2 | 1e-4 | square centimeter, square centimetre, cm2, cm², sq cm
area: m² | meter**2 | 1 | square meter, square metre, m2, m², sq m
area: km² | kilometer**2 | 1e6 | square kilometer, square kilometre, km2, km², sq km
area: in² | inch**2 | 0.0254*0.0254 | square inch, square inches, in2, in², sq in
area: ft² | foot**2 | 0.3048*0.3048 | square foot, square feet, ft2, ft², sq ft, sqft
area: yd² | yard**2 | 0.9144*0.9144 | square yard, yd2, yd², sq yd
area: mi² | mile**2 | 1609.344*1609.344 | square mile, mi2, mi², sq mi
area: acre(s) | international_acre | 4840*0.9144*0.9144 | acre
area: ha | hectare | 1e4 | hectare, ha
speed: m/s | meter/second | 1 | meter per second, metre per second, meters per second, metres per second, m/s
speed: km/h | kilometer/hour | 1000/3600 | kilometer per hour, kilometre per hour, kilometers per hour, \
kilometres per hour, km/h, kph, kmh, km/hr, km per hour, kilometers an hour, kilometres an hour, kmph
speed: mph | mile/hour | 1609.344/3600 | mile per hour, miles per hour, mph, mi/h, miles an hour, mile an hour
speed: ft/s | foot/second | 0.3048 | foot per second, feet per second, ft/s, fps
speed: kn | knot | 1852/3600 | knot, kn, kt
time: ns | nanosecond | 1e-9 | nanosecond, ns
time: µs | microsecond | 1e-6 | microsecond, µs
time: ms | millisecond | 0.001 | millisecond, ms, msec
time: s | second | 1 | second, sec, secs, s
time: min | minute | 60 | minute, min, mins
time: h | hour | 3600 | hour, hr, hrs, h
time: day(s) | day | 86400 | day
time: week(s) | week | 604800 | week, wk
time: fortnight(s) | fortnight | 1209600 | fortnight
calendar: month(s) | month | 1 | month
calendar: year(s) | year | 12 | year, yr
calendar: decade(s) | calendar_decade | 120 | decade
calendar: centuries | century | 1200 | century, centuries
calendar: millennia | millennium | 12000 | millennium, millennia, millenniums
data: bit(s) | bit | 1 | bit
data: byte(s) | byte | 8 | byte
data: kbit | kilobit | 1000 | kilobit, kbit
data: Mbit | megabit | 1e6 | megabit, mbit
data: Gbit | gigabit | 1e9 | gigabit, gbit
data: kB | kilobyte | 8000 | kilobyte, kb
data: MB | megabyte | 8e6 | megabyte, mb
data: GB | gigabyte | 8e9 | gigabyte, gb
data: TB | terabyte | 8e12 | terabyte, tb
data: PB | petabyte | 8e15 | petabyte, pb
data: KiB | kibibyte | 8*1024 | kibibyte, kib
data: MiB | mebibyte | 8*1024*1024 | mebibyte, mib
data: GiB | gibibyte | 8*1024*1024*1024 | gibibyte, gib
data: TiB | tebibyte | 8*1024*1024*1024*1024 | tebibyte, tib
energy: J | joule | 1 | joule, j
energy: kJ | kilojoule | 1000 | kilojoule, kj
energy: MJ | megajoule | 1e6 | megajoule
energy: Wh | watt*hour | 3600 | watt hour, watt-hour, wh
energy: kWh | kilowatt*hour | 3.6e6 | kilowatt hour, kilowatt-hour, kwh
energy: MWh | megawatt*hour | 3.6e9 | megawatt hour, megawatt-hour
energy: kcal | kilocalorie | 4184 | kilocalorie, kcal
power: W | watt | 1 | watt, w
power: kW | kilowatt | 1000 | kilowatt, kw
power: MW | megawatt | 1e6 | megawatt
pressure: Pa | pascal | 1 | pascal, pa
pressure: hPa | hectopascal | 100 | hectopascal, hpa
pressure: kPa | kilopascal | 1000 | kilopascal, kpa
pressure: bar | bar | 1e5 | bar
pressure: mbar | millibar | 100 | millibar, mbar
pressure: atm | standard_atmosphere | 101325 | atm, standard atmosphere
pressure: psi | psi | 0.45359237*9.80665/0.0254/0.0254 | psi
frequency: Hz | hertz | 1 | hertz, hz
frequency: kHz | kilohertz | 1000 | kilohertz, khz
frequency: MHz | megahertz | 1e6 | megahertz, mhz
frequency: GHz | gigahertz | 1e9 | gigahertz, ghz
"""
_CELSIUS = "celsius, centigrade, c"
_FAHRENHEIT = "fahrenheit, f"
_KELVIN = "kelvin, k"
_TEMPERATURES = (
    ("°C", "degC", Fraction(1), Fraction("273.15"), _CELSIUS),
    ("°F", "degF", Fraction(5, 9), Fraction("459.67") * Fraction(5, 9), _FAHRENHEIT),
    ("K", "kelvin", Fraction(1), Fraction(0), _KELVIN),
)
_DEGREES = ("degree ", "degrees ", "deg ", "deg. ", "° ", "°")
_FUZZY_LETTERS = 7
_LONGEST_NAME = 30


def named(text: str) -> tuple[Unit, ...]:
    """Return the units that `text` may name: none, one, or one of each kind ("ounce" is a mass and a volume).

    A long name with one wrong, missing, doubled or swapped letter is understood where only one unit is that near.
    """
    names = _names()
    found = names.get(text) or names.get(text.rstrip("."))
    if found is None and len(text) >= _FUZZY_LETTERS:
        near = {unit for name in _long_names(text[0], len(text)) if _is_near(text, name) for unit in names[name]}
        found = tuple(near) if len(near) == 1 else ()
    return found or ()


def may_name_units(words: frozenset[str], text: str) -> bool:
    """Say quickly whether a text can name a unit at all: by a word or a sign of one, or by how a long word begins."""
    known, beginnings = _words()
    if not words.isdisjoint(known) or "°" in text or '"' in text or "'" in text:
        return True
    return any(len(word) >= _FUZZY_LETTERS - 1 and word[:2] in beginnings for word in words)


@cache
def _words() -> tuple[frozenset[str], frozenset[str]]:
    known = {word for name in _names() for word in name.replace("/", " ").replace("-", " ").split() if word.isalpha()}
    everyday = {"in", "us", "uk", "s", "per", "a", "an"}  # the other unit of a question is named as well
    return frozenset(known - everyday), frozenset(word[:2] for word in known if len(word) >= _FUZZY_LETTERS)


@cache
def _long_names(first: str, length: int) -> tuple[str, ...]:
    """Return the names that one wrong letter could make of a text of this length."""
    if not _FUZZY_LETTERS <= length <= _LONGEST_NAME:
        return ()
    return tuple(name for name in _names() if name[0] == first and abs(len(name) - length) <= 1)


@cache
def _names() -> dict[str, tuple[Unit, ...]]:
    names: dict[str, tuple[Unit, ...]] = {}
    for line in _TABLE.strip().splitlines():
        kind, _, rest = line.partition(": ")
        label, pint, factor, written = rest.split(" | ")
        unit = Unit(label=label, pint=pint, kind=kind, factor=_factor(factor))
        for name in written.split(", "):
            for form in _forms(name):
                names[form] = (*names.get(form, ()), unit)
    for label, pint, scale, offset, written in _TEMPERATURES:
        unit = Unit(label=label, pint=pint, kind="temperature", factor=scale, offset=offset)
        for name in written.split(", "):
            for form in (name, *(before + name for before in _DEGREES)):
                names[form] = (*names.get(form, ()), unit)
    return names


def _forms(name: str) -> tuple[str, ...]:
    """A name, its plural, and "sq" for "square"; a symbol has no plural."""
    forms = (name, f"{name}s") if len(name) > 2 and name[-1].isalpha() and not name.endswith("s") else (name,)
    return (*forms, *(form.replace("square ", "sq ") for form in forms if form.startswith("square ")))


def _factor(text: str) -> Fraction:
    value = Fraction(1)
    for part in text.replace("/", "*/").split("*"):
        value = value / Fraction(part[1:]) if part.startswith("/") else value * Fraction(part)
    return value


def _is_near(text: str, name: str) -> bool:
    """Tell whether one wrong, missing, doubled or swapped letter makes `name` of `text`; the first letter is right."""
    if len(name) < _FUZZY_LETTERS or abs(len(text) - len(name)) > 1 or text[0] != name[0]:
        return False
    start = next((i for i, (a, b) in enumerate(zip(text, name, strict=False)) if a != b), min(len(text), len(name)))
    left, right = text[start:], name[start:]
    swapped = left[:2] == right[1::-1][:2] and len(left) > 1 and left[2:] == right[2:]
    return left[1:] == right[1:] or left[1:] == right or left == right[1:] or swapped
