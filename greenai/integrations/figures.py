"""From a receipt to the figures that telemetry counts, under names of which there are never too many.

Models, projects and scopes may come from an app's users; a counter for each of a million names would be a leak. The
first ones keep their names, and the rest are counted together as `other`: sums stay right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from greenai.hooks import Asked
from greenai.hosts import TELEMETRY
from greenai.readings import Avoided, Reading
from greenai.receipts import answering, counted
from greenai.values import Attempt, Receipt, Usage

__all__ = ["ENERGY_BUCKETS_J", "OTHER", "Bounded", "Figures", "failing_provider", "operation_of", "provider_of"]

MOST = 64  # names of one kind
LONGEST = 128  # characters of a name
OTHER = "other"

# Where a histogram of one call's energy is cut, in joules: from a calculated answer to an hour of a large GPU.
ENERGY_BUCKETS_J = (0.001, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5, 1e6)

_ASIDE = re.compile(r" \([^)]*\)")  # in a method's name: what holds for one machine, or one provider


class Bounded:
    """Lets the first names through as they are; every later one is `other`."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, name: str) -> str:
        """Return the name to count under."""
        name = name[:LONGEST]
        if name not in self._seen:
            if len(self._seen) >= self._most:
                return OTHER
            self._seen.add(name)
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What telemetry counts of one call that has a receipt. None is unknown, and is counted nowhere.

    Attributes:
        outcome: what answered.
        evidence: what the energy rests on.
        method: how it was found, without what is said of one call alone.
        model: the name that its provider has for it.
        provider: whose it is, as OpenTelemetry names it; `greenai` where no provider was asked.
        energy: of the call, as the receipt has it: what the models took, or greenai's own work where none was asked.
        overhead_j: greenai's own joules where `energy` does not count them, so that the two may be added.
        avoided: against the baseline that the receipt names; None also in observe mode.
        usage: tokens of every attempt that answered.
    """

    outcome: str
    evidence: str
    method: str
    model: str
    provider: str
    energy: Reading
    overhead_j: float | None
    avoided: Avoided | None
    usage: Usage

    @classmethod
    def of(cls, receipt: Receipt) -> Figures:
        """Read a receipt."""
        worked = answering(receipt.attempts)
        model, avoided = receipt.model or "none", receipt.avoided
        return cls(
            outcome=receipt.outcome,
            evidence=receipt.energy.evidence,
            method=_ASIDE.sub("", receipt.energy.method.partition(";")[0]),
            model=model.partition("/")[2] or model,
            provider=provider_of(model) if worked else "greenai",
            energy=receipt.energy,
            overhead_j=receipt.overhead.energy.energy_j if worked else None,
            avoided=None if avoided is None or avoided.hypothetical else avoided,
            usage=_summed(counted(receipt.attempts)),
        )

    def joules(self) -> tuple[float, float, float] | None:
        """Return the energy with its low and high end; None where it is unknown."""
        energy_j = self.energy.energy_j
        if energy_j is None:
            return None
        low_j, high_j = self.energy.low_j, self.energy.high_j
        return energy_j, energy_j if low_j is None else low_j, energy_j if high_j is None else high_j

    def avoided_j(self) -> float | None:
        """Return the joules avoided, where there are any."""
        energy_j = None if self.avoided is None else self.avoided.energy.energy_j
        return energy_j if energy_j is not None and energy_j > 0 else None


def provider_of(model: str | None) -> str:
    """Return OpenTelemetry's name for the provider in a model's name; `greenai` where it names none."""
    provider, slash, _ = (model or "").partition("/")
    return TELEMETRY.get(provider, provider) if slash else "greenai"


def failing_provider(error: BaseException) -> str:
    """Return whom a call had asked that ended with an error, as OpenTelemetry names it; `greenai` where nobody."""
    attempt = getattr(error, "greenai_attempt", None)
    return provider_of(attempt.model) if isinstance(attempt, Attempt) else provider_of(None)


def operation_of(asked: Asked) -> str:
    """Return OpenTelemetry's name for what a call asked for."""
    return "embeddings" if "embed" in asked.entry else "chat"


def _summed(attempts: Sequence[Attempt]) -> Usage:
    usages = [a.usage for a in attempts]
    return Usage(
        input_tokens=_sum([u.input_tokens for u in usages]),
        output_tokens=_sum([u.output_tokens for u in usages]),
        cached_tokens=_sum([u.cached_tokens for u in usages]),
        reasoning_tokens=_sum([u.reasoning_tokens for u in usages]),
        estimated=any(u.estimated for u in usages),
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
