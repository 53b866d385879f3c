"""Energy as a value: what was taken, how sure that is, where it was drawn, and how several amounts add up.

A reading says what it rests on. Who makes one is in `meters/`; what a call does with it in receipts.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Evidence = Literal[
    "provider_reported",
    "measured",
    "measured_shared",
    "modelled_known_deployment",
    "modelled_api",
    "unknown",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a reading means where its electricity is drawn. None is unknown, never 0; each figure has its source.

    `carbon_g` is grams of CO2 equivalent, location-based, with the reading's own interval; `market_carbon_g` counts
    what the provider bought instead, where that is published. `embodied_carbon_g` is the share of making the hardware,
    in neither of them. `water_ml` is millilitres: cooling at the site and making the electricity.
    """

    zone: str
    carbon_g: float | None
    carbon_low_g: float | None
    carbon_high_g: float | None
    carbon_source: str
    market_carbon_g: float | None = None
    market_carbon_source: str | None = None
    water_ml: float | None = None
    water_source: str | None = None
    embodied_carbon_g: float | None = None
    embodied_source: str | None = None

    def __str__(self) -> str:
        from greenai.units import format_mass, significant

        said = [f"{format_mass(self.carbon_g)} CO2e ({self.carbon_source.partition(': ')[0]})"]
        if self.market_carbon_g is not None:
            said.append(f"{format_mass(self.market_carbon_g)} CO2e by what the provider bought")
        if self.water_ml is not None:
            said.append(f"{significant(self.water_ml)} ml of water")
        if self.embodied_carbon_g is not None:
            said.append(f"{format_mass(self.embodied_carbon_g)} CO2e of making the hardware")
        return ", ".join(said)

    def __rich__(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Energy of one piece of work, in joules, with a 90% interval and what the figure rests on.

    `energy_j` counts the whole boundary that `method` states (accelerators, host, idle share and
    facility for a modelled one); `gpu_energy_j` only the accelerators, with an interval of their own where it is
    modelled. None means unknown. `components` splits `energy_j` by cause, in joules; `gpu_idle`, where a GPU was
    measured, stands beside it. `footprint` is there where a zone was given.
    """

    energy_j: float | None
    low_j: float | None
    high_j: float | None
    gpu_energy_j: float | None = None
    gpu_low_j: float | None = None
    gpu_high_j: float | None = None
    evidence: Evidence = "unknown"
    method: str = "none"
    components: Mapping[str, float] = field(default_factory=dict)
    footprint: Footprint | None = None

    @classmethod
    def unknown(cls, why: str) -> Reading:
        """Return the reading that says it does not know, and why."""
        return cls(energy_j=None, low_j=None, high_j=None, evidence="unknown", method=why)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; energies in joules."""
        return {**asdict(self), "components": dict(self.components)}

    def __add__(self, other: object) -> Reading:
        """Add as `total` does."""
        return total([self, other]) if isinstance(other, Reading) else NotImplemented

    def __radd__(self, other: object) -> Reading:
        """Let `sum(readings)` begin with its 0."""
        return self if other == 0 else NotImplemented

    def __str__(self) -> str:
        from greenai.units import format_energy, format_interval

        if self.energy_j is None:
            return f"unknown ({self.method})"
        interval = f"{format_interval(self.low_j, self.high_j)}; " if self.energy_j else ""
        return f"{format_energy(self.energy_j)} ({interval}{self.evidence})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __rich__(self) -> str:
        return str(self)


_EVIDENCE_ORDER: tuple[Evidence, ...] = get_args(Evidence)


def total(readings: Sequence[Reading]) -> Reading:
    """Add readings up; the sum is as well known as its least known part.

    Ends of intervals are added as they are: what makes one figure too high (a model's size, watts per core) makes the
    others so too, and taking them as independent would promise what many calls cannot give. One unknown part makes the
    sum unknown, because a sum without it would be too small.
    """
    if not readings:
        return Reading(energy_j=0.0, low_j=0.0, high_j=0.0, evidence="measured", method="nothing ran")
    if len(readings) == 1:
        return readings[0]
    evidence = _EVIDENCE_ORDER[max(_EVIDENCE_ORDER.index(r.evidence) for r in readings)]
    method = " + ".join(dict.fromkeys(m for r in readings for m in r.method.split(" + ")))
    energies = [r.energy_j for r in readings if r.energy_j is not None]
    if len(energies) < len(readings):
        return Reading.unknown(method)
    energy_j = sum(energies)
    low_j = sum(e if r.low_j is None else r.low_j for e, r in zip(energies, readings, strict=True))
    high_j = sum(e if r.high_j is None else r.high_j for e, r in zip(energies, readings, strict=True))
    components: dict[str, float] = {}
    for r in readings:
        for name, value in r.components.items():
            components[name] = components.get(name, 0.0) + value
    return Reading(
        energy_j=energy_j,
        low_j=low_j,
        high_j=high_j,
        gpu_energy_j=_sum([r.gpu_energy_j for r in readings]),
        gpu_low_j=_sum([r.gpu_low_j for r in readings]),
        gpu_high_j=_sum([r.gpu_high_j for r in readings]),
        evidence=evidence,
        method=method,
        components=components,
    )


def _sum(joules: Sequence[float | None]) -> float | None:
    return None if None in joules else sum(j for j in joules if j is not None)


# --- what a receipt says of it ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Stars:
    """A grade on the frozen scale `scale`: 1 to 5 for the median, with the grades that the interval touches."""

    grade: int | None
    worst: int | None
    best: int | None
    scale: str

    def __str__(self) -> str:
        if self.grade is None:
            return "not rated"
        mark = "★" * self.grade + "☆" * (5 - self.grade)
        return mark if self.worst == self.best else f"{mark} ({self.worst} to {self.best})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Avoided:
    """What the request as it was written would have taken more, against a baseline that is named.

    `energy` is the baseline's energy less what was used; its interval comes from the baseline's. `baseline`
    says in words what that is. `hypothetical` is True in observe mode, where nothing was changed.
    """

    energy: Reading
    baseline: str
    hypothetical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What greenai itself took for this call: milliseconds outside the provider, and joules of this machine.

    `load_ms` is the part of it that went into loading a local model, once for all later calls; what that took is the
    component `load` of `energy`. `idle_j` is what the model took while it idled before this call: it is booked apart,
    as idle tax, and in no sum here; None where it did not idle.
    """

    duration_ms: float
    energy: Reading
    load_ms: float = 0.0
    idle_j: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Whether the exact cache keeps the answer of a call, and why.

    Attributes:
        why: in words.
        kind: the class of the question (static, slow, personal ...); None where something else decided.
        ttl_s: for how long it may be given again, in seconds; None if it is not kept.
        until: until when, in seconds since 1970; None if it is not kept.
    """

    why: str
    kind: str | None = None
    ttl_s: float | None = None
    until: float | None = None

    def __str__(self) -> str:
        from greenai.units import format_duration

        return (
            f"not stored: {self.why}" if self.ttl_s is None else f"stored for {format_duration(self.ttl_s)}: {self.why}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLeft:
    """What is left of the tightest budget that a call counted towards, after it.

    Attributes:
        scope: whose it is, such as "project/support-bot".
        budget: the limit as it was written, such as "50 Wh/day".
        left: in `unit`; 0 also where more was used than the limit.
        limit: in `unit`.
        unit: as it was written, such as "Wh".
        ends: when the window ends, in seconds since 1970; None never.
        text: all that in words.
    """

    scope: str
    budget: str
    left: float
    limit: float
    unit: str
    ends: float | None
    text: str

    def __str__(self) -> str:
        return self.text
