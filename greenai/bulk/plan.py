"""What a job is going to do, before it does it: how much is left, when it runs and why, and what that is to take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from greenai import receipts
from greenai.bulk.values import Item
from greenai.catalog import find
from greenai.errors import GreenAIError
from greenai.prompts import input_tokens_estimate
from greenai.readings import Reading, total
from greenai.values import Usage

if TYPE_CHECKING:
    from greenai.bulk.lanes import Backend
    from greenai.bulk.window import Window
    from greenai.session import Session
    from greenai.values import Decision, Outcome, Request

__all__ = ["CALL_S", "LOOKED_AT", "Outlook", "Plan", "outlook"]

LOOKED_AT = 200
"""How many items are decided on beforehand, spread over all of them: a decision takes about a millisecond."""
NO_MODEL = "no model is asked"
NAMED = 3
"""How many models are told by name."""
CALL_S = 2.0
"""How long a call takes, in seconds, where nobody measured it. An assumption: it only says how long a window is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What some of the items to be asked would come to.

    Attributes:
        looked_at: how many were decided on.
        cached: how many of these the exact cache answers.
        refused: how many of these would be refused.
        energy: what all items to be asked are expected to take, by these.
        models: how many of these each model would be asked first.
    """

    looked_at: int
    cached: int
    refused: int
    energy: Reading
    models: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a job is going to do.

    Attributes:
        name: the job's.
        requests: how many there are.
        unique: how many are not the same as an earlier one.
        done: how many of the unique ones have an answer, or failed for good.
        left: how many are to be asked.
        cached: how many of those to be asked the exact cache answers, by those looked at; None where none was.
        looked_at: how many of those to be asked were decided on, for `cached` and `energy`.
        refused: how many of those looked at would be refused.
        backend: how they are asked.
        why: why so.
        at_once: how many are under way at the same time; None where that is not ours to say.
        window: when they are asked.
        energy: what they are expected to take.
        models: which models are asked first, by those looked at, and how many of these each.
    """

    name: str
    requests: int
    unique: int
    done: int
    left: int
    cached: int | None
    looked_at: int
    refused: int
    backend: Backend
    why: str
    at_once: int | None
    window: Window
    energy: Reading
    models: Mapping[str, int] = field(default_factory=dict[str, int])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; energies in joules, times in ISO form."""
        data = asdict(self)
        data["window"] |= {"start": self.window.start.isoformat(), "end": self.window.end.isoformat()}
        return data

    def __str__(self) -> str:
        same = f", {self.requests - self.unique:,} of them repeats" if self.unique < self.requests else ""
        done = f" {self.done:,} are done." if self.done else ""
        told = f"Batch {self.name}: {self.requests:,} requests{same}.{done} {self.left:,} to be asked."
        if not self.left:
            return told
        several = "" if self.at_once is None else f", {self.at_once} at once"
        how = f"How: {self.backend}{several}. {self.why}{self._beside()}"
        lines = [told, how, f"When: {self.window.reason}"]
        if self.models and self.backend in ("calls", "provider"):  # a fleet has its own
            lines.append(self._models())
        lines.append(self._expected())
        if self.refused:
            lines.append(f"Refused: about {self.refused / self.looked_at:.0%} of them would be, as things are.")
        return "\n".join(lines)

    def _expected(self) -> str:
        if not self.looked_at:
            return "Expected: unknown, since none of them was looked at."
        by = "" if self.looked_at >= self.left else f", judged by {self.looked_at} of them"
        cached = f"; about {self.cached:,} in the cache" if self.cached else ""
        taken = NO_MODEL if self.energy.method == NO_MODEL else str(self.energy)
        return f"Expected: {taken}{cached}{by}."

    def _models(self) -> str:
        """Say who answers, the most frequent first."""
        named = sorted(self.models, key=lambda name: (-self.models[name], name))
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        return f"Models: {', '.join(named[:NAMED])}{more}."

    def _beside(self) -> str:
        """Say how much of it a provider's batch API does not answer, though it was asked for."""
        others = sum(count for name, count in self.models.items() if not name.startswith(("openai/", "endpoint/")))
        if self.backend != "provider" or not others:
            return ""
        all_ = others == sum(self.models.values())
        part = "All" if all_ else f"About {others / self.looked_at:.0%}"
        return f" {part} of them are calls, since no model of the provider's answers them."


def outlook(session: Session, items: Sequence[Item], most: int = LOOKED_AT) -> Outlook:
    """Decide on some of the items, spread over all of them, and return what that says of all. No model is asked."""
    step = max(len(items) / most, 1.0)
    chosen = [items[int(n * step)] for n in range(min(most, len(items)))]
    found = [_decided(session, item) for item in chosen]
    decided = [one for one in found if one is not None]
    asked = [one for one in decided if one[1].method != NO_MODEL]
    spent = total([energy for _, energy, _ in asked]) if asked or not decided else decided[0][1]
    scale = len(items) / len(decided) if decided else 0.0
    return Outlook(
        looked_at=len(chosen),
        cached=sum(outcome == "cache" for outcome, _, _ in decided),
        refused=len(found) - len(decided),
        energy=_scaled(spent, scale) if decided else Reading.unknown("nothing was looked at"),
        models=dict(Counter(model for _, _, model in decided if model is not None)),
    )


def _decided(session: Session, item: Item) -> tuple[Outcome, Reading, str | None] | None:
    """Return how an item would be answered, what that is expected to take, and which model is asked first, if any.

    None where it would be refused.
    """
    body = dict(item.body)
    messages, model = body.pop("messages"), body.pop("model", None)
    if item.options:
        body["greenai"] = dict(item.options)
    try:
        request = session.request("batch", messages, model, stream=False, arguments=body)
        decision = session.explain(request)
    except (GreenAIError, TypeError):
        return None
    first = decision.route[0] if decision.route and decision.outcome != "cache" else None
    return decision.outcome, _expected(decision, request), first


def _expected(decision: Decision, request: Request) -> Reading:
    """Return what the first model that would be asked takes; nothing where none would be.

    An answer that the app itself keeps short is no longer than that.
    """
    if not decision.route:
        return Reading(energy_j=0.0, low_j=0.0, high_j=0.0, evidence="modelled_api", method=NO_MODEL)
    first = decision.route[0]
    found = next((e.energy for e in decision.estimates if e.model == first), Reading.unknown("nothing known of it"))
    most = receipts.output_limit(request.arguments)
    if most is None or found.energy_j is None:
        return found
    longest = Usage(input_tokens=input_tokens_estimate(request), output_tokens=most, estimated=True)
    limited = receipts.modelled(find(first), longest)
    return found if limited.energy_j is None or limited.energy_j > found.energy_j else limited


def _scaled(reading: Reading, by: float) -> Reading:
    energy, low, high = (None if j is None else j * by for j in (reading.energy_j, reading.low_j, reading.high_j))
    return Reading(energy_j=energy, low_j=low, high_j=high, evidence=reading.evidence, method=reading.method)
