"""What a batch gives back: an answer for each request, and a receipt for all of them, in which nothing counts twice."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from greenai.bulk.values import Failure
from greenai.readings import Avoided, Reading, total
from greenai.values import Receipt

if TYPE_CHECKING:
    from greenai._params import GreenCompletion

__all__ = ["Answer", "BatchReceipt", "Sum", "nothing", "receipt_of", "repeated", "summed"]

REPEATED = "the same request of this batch was asked once, and has the energy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one request.

    Attributes:
        index: its place in the order given, from 0.
        custom_id: the one that it was given.
        response: openai's `ChatCompletion` with the receipt as `.greenai`; None where it failed, or was not asked yet.
        error: why there is no response.
    """

    index: int
    custom_id: str | None
    response: GreenCompletion | None = field(repr=False)
    error: Failure | None

    @property
    def text(self) -> str | None:
        """The text of the answer; None where there is none."""
        return None if self.response is None else self.response.choices[0].message.content

    @property
    def greenai(self) -> Receipt | None:
        """The receipt; None where nothing was measured."""
        return None if self.response is None else getattr(self.response, "greenai", None)


# --- receipts -----------------------------------------------------------------------------


def receipt_of(data: Mapping[str, Any]) -> Receipt:
    """Return the receipt that `Receipt.to_dict` made these JSON values of."""
    found: Receipt = _made(Receipt, data)
    return found


def _made(kind: Any, value: Any) -> Any:
    """Return `value` as what a field's type says: dataclasses of mappings, tuples of lists."""
    if value is None:
        return None
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        made: Any = kind
        hints = _hints(made)
        return made(**{name: _made(hints[name], item) for name, item in value.items() if name in hints})
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        return _made(next(part for part in parts if part is not types.NoneType), value)
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_made(parts[0], item) for item in value)
    return value


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def repeated(receipt: Receipt, first: int) -> Receipt:
    """Return the receipt of a request that is the same as an earlier one, whose number is `first`, from 0."""
    why = f"The same request as number {first + 1:,} of this batch: asked once, its answer is given here too."
    nothing = Reading(energy_j=0.0, low_j=0.0, high_j=0.0, evidence=receipt.energy.evidence, method=REPEATED)
    spent = receipt.energy
    saved = None if spent.energy_j is None else Avoided(energy=spent, baseline=f"{receipt.model}, asked once more")
    none_g = None if receipt.carbon_g is None else 0.0
    return dataclasses.replace(
        receipt,
        outcome="cache",
        energy=nothing,
        carbon_g=none_g,
        carbon_low_g=none_g,
        carbon_high_g=none_g,
        market_carbon_g=None,
        embodied_carbon_g=None,
        water_ml=None if receipt.water_ml is None else 0.0,
        cost_usd=0.0,
        attempts=(),
        avoided=saved,
        decision=dataclasses.replace(receipt.decision, outcome="cache", reasons=(why,)),
        overhead=dataclasses.replace(receipt.overhead, duration_ms=0.0, load_ms=0.0, idle_j=None, energy=nothing),
        parent=receipt.call_id,
    )


# --- the receipt of all -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """How many calls ended in one way, and what they took together."""

    count: int
    energy: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReceipt:
    """What a batch took. Requests that were the same were one call, which counts once.

    `energy` is unknown where that of one call is: `known` adds up the others, `unknown` counts these. `avoided` is what
    the calls avoided together, `repeats_avoided` what the repeats would have taken; None where nothing is known.
    `overhead` is greenai's own share, in no other sum. `cost_usd` and `carbon_g` are None where one of them is unknown.
    """

    requests: int
    answered: int
    failed: int
    open: int
    repeats: int
    energy: Reading
    known: Reading
    unknown: int
    avoided: Reading | None
    repeats_avoided: Reading | None
    overhead: Reading
    cost_usd: float | None
    carbon_g: float | None
    by_outcome: Mapping[str, Sum]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; energies in joules."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        from greenai.units import format_energy, format_mass, significant

        failed = f", {self.failed:,} failed" if self.failed else ""
        left = f", {self.open:,} not asked yet" if self.open else ""
        again = f"; repeats of others, asked once: {self.repeats:,}" if self.repeats else ""
        told = f"{self.requests:,} requests: {self.answered:,} answered{failed}{left}{again}."
        if not self.by_outcome:
            return told
        lines = [told, self._energy()]
        if self.avoided is not None:
            lines.append(f"Avoided: {self.avoided}")
        if self.repeats_avoided is not None:
            lines.append(f"Repeats would have taken: {format_energy(self.repeats_avoided.energy_j)}")
        if self.carbon_g is not None:
            lines.append(f"Carbon: {format_mass(self.carbon_g)} CO2e")
        if self.cost_usd:
            lines.append(f"Cost: {significant(self.cost_usd)} US dollars")
        ends = (f"{name.replace('_', ' ')} {one.count:,}" for name, one in self.by_outcome.items())
        return "\n".join([*lines, f"By outcome: {', '.join(ends)}"])

    def _energy(self) -> str:
        if not self.unknown:
            return f"Energy: {self.energy}"
        calls = "1 call" if self.unknown == 1 else f"{self.unknown:,} calls"
        others = sum(one.count for one in self.by_outcome.values()) - self.unknown
        return f"Energy: unknown for {calls}{f'; {self.known} for the others' if others else ''}"


class _Adding:
    """Readings added up as they come, without keeping them."""

    def __init__(self) -> None:
        self.sum: Reading | None = None
        self._waiting: list[Reading] = []

    def add(self, reading: Reading, times: int = 1) -> None:
        self._waiting += [reading] * times
        if len(self._waiting) >= 256:
            self.done()

    def done(self) -> Reading | None:
        if self._waiting:
            self.sum = total([*([] if self.sum is None else [self.sum]), *self._waiting])
            self._waiting = []
        return self.sum


def summed(receipts: Iterable[tuple[str, int]], counts: Mapping[str, int]) -> BatchReceipt:
    """Add up the receipts of calls.

    Args:
        receipts: of each call once, as JSON, with how many requests more have the same answer.
        counts: `requests`, `answered`, `failed`, `open` and `repeats` of the whole batch.
    """
    known, avoided, overhead, again = _Adding(), _Adding(), _Adding(), _Adding()
    ends: dict[str, _Adding] = {}
    calls: dict[str, int] = {}
    unknown, cost, carbon = 0, _Total(), _Total()
    for text, repeats in receipts:
        receipt = json.loads(text)
        energy, outcome, saved = _reading(receipt["energy"]), receipt["outcome"], receipt["avoided"]
        ends.setdefault(outcome, _Adding()).add(energy)
        calls[outcome] = calls.get(outcome, 0) + 1
        cost.add(receipt["cost_usd"])
        carbon.add(receipt["carbon_g"])
        overhead.add(_reading(receipt["overhead"]["energy"]))
        if energy.energy_j is None:
            unknown += 1
        else:
            known.add(energy)
            again.add(energy, repeats)
        if saved is not None and not saved["hypothetical"]:
            avoided.add(_reading(saved["energy"]))
    measured = known.done() or total([])
    whole = Reading.unknown(f"unknown for {unknown} calls") if unknown else measured
    return BatchReceipt(
        **counts,
        energy=whole,
        known=measured,
        unknown=unknown,
        avoided=avoided.done(),
        repeats_avoided=again.done(),
        overhead=overhead.done() or total([]),
        cost_usd=cost.sum,
        carbon_g=carbon.sum,
        by_outcome={name: Sum(count=calls[name], energy=one.done() or total([])) for name, one in ends.items()},
    )


def nothing() -> BatchReceipt:
    """Return the receipt of a batch that was not begun."""
    return summed((), {"requests": 0, "answered": 0, "failed": 0, "open": 0, "repeats": 0})


def _reading(data: Mapping[str, Any]) -> Reading:
    found: Reading = _made(Reading, data)
    return found


class _Total:
    """A sum that is unknown once a part is."""

    def __init__(self) -> None:
        self.sum: float | None = 0.0

    def add(self, part: float | None) -> None:
        self.sum = None if part is None or self.sum is None else self.sum + part
