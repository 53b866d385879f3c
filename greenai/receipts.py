"""From what happened to a receipt: attempts summed, carbon, cost, stars, and what was avoided.

Pure functions over values; the flow passes in what they need. Nothing here decides how a call is answered.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from greenai.catalog import Card, Price, find
from greenai.meters import carbon, cpu, physics, stars
from greenai.values import (
    Attempt,
    Avoided,
    Decision,
    Draft,
    Note,
    Outcome,
    Overhead,
    Reading,
    Receipt,
    Reply,
    Request,
    Rung,
    Usage,
    text_of,
    total,
)

# A rough count where a provider reports none: English text runs at about four characters per token with the
# byte-pair vocabularies in use (OpenAI, "What are tokens and how to count them?"); the usage is marked estimated.
CHARACTERS_PER_TOKEN = 4.0

# Thinking tokens that a reasoning model spends on a question nobody asked it to reason about: 543.5 per question
# on average (Dauner and Socher, Frontiers in Communication, 2025, 14 models, 1,000 questions). The spread over
# questions is wide; a factor of three either way is an assumption, and it enters the interval.
DEFAULT_THINKING_TOKENS = 543
THINKING_SPREAD = 3.0

# From this probability on, a model's answer is flagged as needing live data.
LIVE_DATA = 0.8


class Stopwatch:
    """Times one call, less the time spent waiting for a provider: what is left is greenai's own."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._away_s = 0.0
        self.load_s = 0.0
        self.load_core_s = 0.0

    def away(self, seconds: float) -> None:
        """Take out time that passed at a provider, in seconds."""
        self._away_s += seconds

    def loaded(self, elapsed_s: float, core_s: float | None) -> None:
        """Note that a local model was started: how long that took, and the core-seconds its process used for it."""
        self.load_s += elapsed_s
        self.load_core_s += elapsed_s if core_s is None else core_s

    def own_s(self) -> float:
        """Return greenai's own seconds so far."""
        return max(time.perf_counter() - self._started - self._away_s, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the work runs: the grid zone for carbon, and this machine's watts per busy core (None: the default)."""

    zone: str
    watts_per_core: float | None = None


def input_tokens_estimate(request: Request) -> int:
    """Estimate the prompt's tokens from its characters."""
    characters = sum(len(text_of(m.get("content"))) for m in request.messages)
    return max(round(characters / CHARACTERS_PER_TOKEN), 1)


def filled(usage: Usage, request: Request, reply: Reply) -> Usage:
    """Fill in token counts that the provider left out, marked as estimated."""
    if usage.input_tokens is not None and usage.output_tokens is not None:
        return usage
    output = round(len(reply.text) / CHARACTERS_PER_TOKEN)
    return replace(
        usage,
        input_tokens=input_tokens_estimate(request) if usage.input_tokens is None else usage.input_tokens,
        output_tokens=output if usage.output_tokens is None else usage.output_tokens,
        estimated=True,
    )


def modelled(card: Card | None, usage: Usage) -> Reading:
    """Model the energy of an answer from its tokens; unknown where the catalog has no card."""
    if card is None:
        return Reading.unknown("no catalog card for this model")
    if usage.input_tokens is None or usage.output_tokens is None:
        return Reading.unknown("no token counts")
    return physics.estimate(
        card,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens or 0,
        reasoning_tokens=usage.reasoning_tokens or 0,
    )


def reported(energy_j: float) -> Reading:
    """Take over the energy that a provider reported for this very answer."""
    return Reading(
        energy_j=energy_j, low_j=energy_j, high_j=energy_j, evidence="provider_reported", method="provider-field-1"
    )


def with_lost_tries(reading: Reading, attempt_tries: Sequence[str]) -> Reading:
    """Widen the interval upwards for tries that timed out: the provider may have generated for nobody."""
    lost = sum(1 for name in attempt_tries if "Timeout" in name)
    if not lost or reading.high_j is None:
        return reading
    return replace(reading, high_j=reading.high_j * (1 + lost))


def overhead(watch: Stopwatch, site: Site) -> Overhead:
    """Charge greenai's own time as one busy core of this machine: an upper bound, since it also waits for the disk.

    Starting a local model is charged with what its process used, which is less than the time it took.
    """
    own_s = watch.own_s()
    core_s = max(own_s - watch.load_s, 0.0) + watch.load_core_s
    return Overhead(
        duration_ms=own_s * 1e3, energy=cpu.reading(core_s, site.watts_per_core), load_ms=watch.load_s * 1e3
    )


def cost_usd(price: Price | None, usage: Usage) -> float | None:
    """Return the list price of these tokens in US dollars; None where the price or the tokens are unknown."""
    if price is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached = usage.cached_tokens or 0
    cached_price = price.input if price.cached_input is None else price.cached_input
    fresh = max(usage.input_tokens - cached, 0)
    return (fresh * price.input + cached * cached_price + usage.output_tokens * price.output) / 1e6


def attempt_cost_usd(attempt: Attempt) -> float | None:
    """Return what one attempt costs at list price: nothing on this machine, None where unknown."""
    if attempt.model.startswith("local/"):
        return 0.0
    card = find(attempt.model)
    return cost_usd(card.price if card is not None else None, attempt.usage)


def done(
    attempt_id: str, card: Card | None, request: Request, draft: Draft, reply: Reply, measured: Reading | None
) -> Attempt:
    """Return the attempt that a reply makes: its tokens, and its energy by the best evidence there is."""
    usage = filled(reply.usage, request, reply)
    if reply.reported_energy_j is not None:
        energy = reported(reply.reported_energy_j)
    else:
        energy = measured or modelled(card, usage)
    return Attempt(
        attempt_id=attempt_id,
        model=draft.rung.model,
        state="answered" if reply.complete else "cut",
        energy=with_lost_tries(energy, [t.error for t in reply.tries]),
        usage=usage,
        latency_s=reply.latency_s,
        tries=reply.tries,
        reasoning_leaked=draft.reasoning is False and bool((usage.reasoning_tokens or 0) or reply.reasoning_text),
    )


def failed(attempt_id: str, rung: Rung, error: BaseException) -> Attempt:
    """Return the attempt that ended in an error instead of a reply."""
    return Attempt(
        attempt_id=attempt_id,
        model=rung.model,
        state="failed",
        energy=Reading.unknown("no answer came"),
        usage=Usage(),
        latency_s=0.0,
        tries=getattr(error, "greenai_tries", ()),
        error=type(error).__name__,
    )


def warnings(done: Attempt, volatile: float) -> tuple[str, ...]:
    """Return what a reader of the receipt should know about the answer, in words."""
    said: list[str] = []
    if done.reasoning_leaked:
        said.append(f"{done.model} reasoned although reasoning was switched off; its tokens are counted.")
    if volatile >= LIVE_DATA:
        said.append("The question seems to ask for live data, which a model without a tool cannot know.")
    if done.state == "cut":
        said.append("The stream ended before its last chunk; energy and tokens count what was seen.")
    return tuple(said)


def counted(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts that made a model work: a refused one did not."""
    return [a for a in attempts if a.state != "failed"]


def avoided(
    request: Request, attempts: Sequence[Attempt], reply: Reply, used: Reading, baseline: str
) -> Avoided | None:
    """Compare with the request as it was written, sent to `baseline` at that provider's default reasoning.

    None where nothing was avoided, or where the catalog does not know the baseline.
    """
    card = find(baseline)
    if card is None:
        return None
    usage = attempts[-1].usage if attempts else reply.usage
    thinking = card.reasoning.default == "on" and "reasoning_effort" not in request.arguments
    same = bool(attempts) and attempts[-1].model == card.name
    if used.energy_j is None or (same and not thinking):
        return None
    energy = baseline_energy(card, filled(usage, request, reply), thinking=thinking)
    if energy.energy_j is None or energy.energy_j <= used.energy_j:
        return None
    words = f"{card.name}, reasoning {'on, its default' if thinking else 'off'}, modelled for the same tokens"
    return Avoided(energy=_less(energy, used), baseline=words)


def avoided_by_cache(stored: Reading, model: str) -> Avoided:
    """Return what a cache hit avoided: the same answer generated again."""
    return Avoided(energy=stored, baseline=f"{model}, which answered this request before, asked again")


def would_avoid(request: Request, decision: Decision, attempts: Sequence[Attempt], reply: Reply) -> Avoided | None:
    """Return what the decision would have avoided in observe mode, where the call was made as it was written."""
    used = total([a.energy for a in counted(attempts)])
    words = "this call as it was made"
    if not decision.route:
        return Avoided(energy=used, baseline=words, hypothetical=True)
    card = find(decision.route[0])
    would = modelled(card, filled(attempts[-1].usage, request, reply))
    same = decision.route[0] == attempts[-1].model
    if same or would.energy_j is None or used.energy_j is None or would.energy_j >= used.energy_j:
        return None
    return Avoided(
        energy=_less(used, would), baseline=f"{words}; {decision.route[0]} would have answered", hypothetical=True
    )


def _less(energy: Reading, used: Reading) -> Reading:
    def minus(value: float | None) -> float | None:
        return None if value is None or used.energy_j is None else value - used.energy_j

    return replace(
        energy,
        energy_j=minus(energy.energy_j),
        low_j=max(minus(energy.low_j) or 0.0, 0.0),
        high_j=minus(energy.high_j),
        gpu_energy_j=None,
        components={},
    )


def baseline_energy(card: Card, usage: Usage, *, thinking: bool) -> Reading:
    """Model the same tokens on `card`, with the thinking it does by default where `thinking` is set."""
    visible = max((usage.output_tokens or 0) - (usage.reasoning_tokens or 0), 0)

    def at(thinking_tokens: float) -> Reading:
        tokens = round(thinking_tokens)
        return physics.estimate(
            card, input_tokens=usage.input_tokens or 0, output_tokens=visible + tokens, reasoning_tokens=tokens
        )

    if not thinking:
        return at(0)
    low, high = at(DEFAULT_THINKING_TOKENS / THINKING_SPREAD), at(DEFAULT_THINKING_TOKENS * THINKING_SPREAD)
    return replace(at(DEFAULT_THINKING_TOKENS), low_j=low.low_j, high_j=high.high_j)


def _carbon(energy_j: float | None, zone: str) -> tuple[float | None, str]:
    grams, source = carbon.grams(energy_j or 0.0, zone)
    return (None if energy_j is None else grams), source


def build(
    request: Request,
    *,
    outcome: Outcome,
    decision: Decision,
    answered_by: str,
    attempts: Sequence[Attempt],
    own: Overhead,
    site: Site,
    saved: Avoided | None,
    notes: tuple[Note, ...] = (),
    reasoning: bool | None = None,
    warnings: tuple[str, ...] = (),
) -> Receipt:
    """Assemble the receipt of one call."""
    worked = counted(attempts)
    # An answer that no model gave took greenai's own work and nothing else.
    energy = total([a.energy for a in worked]) if worked else own.energy
    carbon_g, carbon_source = _carbon(energy.energy_j, site.zone)
    costs = [attempt_cost_usd(a) for a in worked]
    known = [c for c in costs if c is not None]
    return Receipt(
        call_id=request.call_id,
        created=time.time(),
        project=request.options.project,
        outcome=outcome,
        reasoning=reasoning,
        model=worked[-1].model if worked else answered_by,
        energy=energy,
        carbon_g=carbon_g,
        carbon_source=carbon_source,
        water_ml=None,
        cost_usd=sum(known) if len(known) == len(costs) else None,
        stars=stars.grade(energy),
        attempts=tuple(attempts),
        decision=decision,
        avoided=saved,
        nudges=notes,
        budget=None,
        overhead=own,
        requested_model=request.model,
        parent=request.parent,
        warnings=warnings,
    )
