"""From what happened to a receipt: attempts summed, carbon, cost, stars, and what was avoided.

Pure functions over values; the flow passes in what they need. Nothing here decides how a call is answered.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from greenai.catalog import Card, find, remedy_for
from greenai.errors import GreenAIError
from greenai.meters import cost, footprint, idle, physics, stars
from greenai.nudges import effort
from greenai.places import Site, drawn
from greenai.prompts import CHARACTERS_PER_TOKEN, input_tokens_estimate
from greenai.readings import Avoided, BudgetLeft, Footprint, Kept, Overhead, Reading, total
from greenai.stopwatch import Stopwatch
from greenai.values import (
    Attempt,
    Decision,
    Draft,
    Note,
    Outcome,
    Receipt,
    Reply,
    Request,
    Rung,
    Try,
    Usage,
)

# Thinking tokens that a reasoning model spends on a question nobody asked it to reason about: 543.5 per question
# on average (Dauner and Socher, Frontiers in Communication, 2025, 14 models, 1,000 questions). The spread over
# questions is wide; a factor of three either way is an assumption, and it enters the interval.
DEFAULT_THINKING_TOKENS = 543
THINKING_SPREAD = 3.0

# What token counts that greenai made up itself may be off by, either way (characters per token differ by language);
# and how much more a provider may have generated after a stream was cut. Both are assumptions.
ESTIMATED_SPREAD = 2.0
CUT_SPREAD = 2.0

# What an energy that a provider reports may be off by, either way, within its own boundary: the counter is good to 5%,
# but a server's energy is shared out among the requests in it by their tokens. Assumption.
REPORTED_SPREAD = 1.5

# How many times the high end of what is modelled a provider may report; above that the field is taken for broken: it
# holds another unit, or a counter's total. Assumption, far above any server's. And the most for one answer of a model
# that the catalog does not know, in joules: a GPU of 1 kW for a day.
MOST_REPORTED = 1_000.0
MOST_REPORTED_J = 86.4e6
REPORTED = "provider-field-1 (the provider's boundary; Neuralwatt's are its GPUs)"

# Services that share larger batches, as the energy model names them.
TIERS: Mapping[str | None, physics.Tier] = {"batch": "batch", "flex": "flex"}

# In the method of a reading where the provider's own figure was left out.
IGNORED = "; left out as impossible: the provider's"

# From this status on, a provider may have generated before it failed.
SERVER_ERROR = 500

# The method of a failed attempt whose provider did nothing.
REFUSED = "refused, so nothing was generated"

# The method of a failed attempt whose provider may have worked for nobody.
MAYBE_GENERATED = "no answer came, but it may have been generated"

NO_CARD = "no catalog card for this model"  # the method of a reading of a model that the catalog does not know

# Errors of a connection that was never made: nothing was asked, so nothing was generated.
NEVER_SENT = frozenset(("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"))

# From this probability on, a model's answer is flagged as needing live data.
LIVE_DATA = 0.8


def filled(usage: Usage, request: Request, reply: Reply) -> Usage:
    """Fill in token counts that the provider left out, or gave as 0 for a prompt or a text, marked as estimated."""
    output = round(len(reply.text) / CHARACTERS_PER_TOKEN)
    no_input = not usage.input_tokens
    no_output = usage.output_tokens is None or (usage.output_tokens == 0 and output > 0)
    if not (no_input or no_output):
        return usage
    return replace(
        usage,
        input_tokens=input_tokens_estimate(request) if no_input else usage.input_tokens,
        output_tokens=output if no_output else usage.output_tokens,
        estimated=True,
    )


def modelled(card: Card | None, usage: Usage, service: str | None = None) -> Reading:
    """Model the energy of an answer from its tokens; unknown where the catalog has no card.

    `service` is the one that was asked for: what is served as `batch` or `flex` shares larger batches.
    """
    if card is None:
        return Reading.unknown(NO_CARD)
    if usage.input_tokens is None or usage.output_tokens is None:
        return Reading.unknown("no token counts")
    return physics.estimate(
        card,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens or 0,
        reasoning_tokens=usage.reasoning_tokens or 0,
        service_tier=TIERS.get(service),
    )


def _most_reported(card: Card | None, usage: Usage, service: str | None) -> float:
    """Return the most that a provider may report of an answer, in joules."""
    high_j = modelled(card, usage, service).high_j
    return MOST_REPORTED_J if high_j is None else min(MOST_REPORTED * high_j, MOST_REPORTED_J)


def reported(energy_j: float) -> Reading:
    """Take over the energy that a provider reported for this very answer: accelerators alone, nothing added to it."""
    return Reading(
        energy_j=energy_j,
        low_j=energy_j / REPORTED_SPREAD,
        high_j=energy_j * REPORTED_SPREAD,
        gpu_energy_j=energy_j,
        evidence="provider_reported",
        method=REPORTED,
        components={"reported": energy_j},
    )


def lost(tries: Sequence[Try]) -> int:
    """Count the tries after which the provider may have generated for nobody: time-outs, 5xx, broken connections."""
    return sum(1 for t in tries if t.status is None or t.status >= SERVER_ERROR)


def with_lost_tries(reading: Reading, tries: Sequence[Try]) -> Reading:
    """Widen the interval upwards by the answer's own high end for each try that was lost."""
    if not (count := lost(tries)) or reading.high_j is None:
        return reading
    return replace(reading, high_j=reading.high_j * (1 + count))


def widened(reading: Reading, *, estimated: bool, cut: bool) -> Reading:
    """Widen a modelled reading for tokens that greenai counted itself, and for a stream that was cut."""
    if not (estimated or cut):
        return reading
    low = ESTIMATED_SPREAD if estimated else 1.0
    high = low * (CUT_SPREAD if cut else 1.0)
    return replace(
        reading,
        low_j=None if reading.low_j is None else reading.low_j / low,
        high_j=None if reading.high_j is None else reading.high_j * high,
    )


def overhead(watch: Stopwatch, site: Site) -> Overhead:
    """Charge greenai's own time as one busy core of this machine: an upper bound, since it also waits for the disk.

    Starting a local model is charged with what its process used, which is less than the time it took.
    """
    own_s = watch.own_s()
    energy = idle.own(max(own_s - watch.load_s, 0.0), watch.load_core_s, watch.load_gpu_j, site.watts_per_core)
    return Overhead(duration_ms=own_s * 1e3, energy=energy, load_ms=watch.load_s * 1e3, idle_j=watch.idle_j)


def done(
    attempt_id: str, card: Card | None, request: Request, draft: Draft, reply: Reply, measured: Reading | None
) -> Attempt:
    """Return the attempt that a reply makes: its tokens, and its energy by the best evidence there is."""
    usage, service = filled(reply.usage, request, reply), cost.service(request.arguments, reply.service_tier)
    said = reply.reported_energy_j
    impossible = said is not None and not said <= _most_reported(card, usage, service)  # not a number: impossible too
    if said is not None and said > 0 and not impossible:
        energy = with_lost_tries(reported(said), reply.tries)
    elif measured is not None:
        energy = measured
    else:
        energy = widened(modelled(card, usage, service), estimated=usage.estimated, cut=not reply.complete)
        energy = with_lost_tries(energy, reply.tries)
    if impossible:
        energy = replace(energy, method=f"{energy.method}{IGNORED} {said:g} J")
    return Attempt(
        attempt_id=attempt_id,
        model=draft.rung.model,
        state="answered" if reply.complete else "cut",
        energy=energy,
        usage=usage,
        latency_s=reply.latency_s,
        tries=reply.tries,
        service=service,
        site=draft.rung.site,
        reasoning_leaked=draft.reasoning is False and bool((usage.reasoning_tokens or 0) or reply.reasoning_text),
    )


def reasoned(draft: Draft, reply: Reply) -> bool | None:
    """Say whether the model reasoned: by what came back, else by what was asked for; None where neither tells."""
    if reply.usage.reasoning_tokens or reply.reasoning_text:
        return True
    return False if draft.reasoning is None and reply.usage.reasoning_tokens == 0 else draft.reasoning


def failed(attempt_id: str, rung: Rung, error: BaseException, energy: Reading | None = None) -> Attempt:
    """Return the attempt that ended in an error instead of a reply: the one that `mark` left on it, if any."""
    marked = getattr(error, "greenai_attempt", None)
    if isinstance(marked, Attempt) and marked.attempt_id == attempt_id:
        return marked
    return Attempt(
        attempt_id=attempt_id,
        model=rung.model,
        state="failed",
        energy=energy or Reading.unknown("no answer came"),
        usage=Usage(),
        latency_s=0.0,
        tries=getattr(error, "greenai_tries", ()),
        error=type(error).__name__,
    )


def mark(error: BaseException, attempt: Attempt) -> None:
    """Leave the failed attempt on its error, so that `failed` finds what was measured wherever the error is caught."""
    with suppress(Exception):  # an error of somebody else's may not take attributes
        error.greenai_attempt = attempt  # type: ignore[attr-defined]


def failed_energy(error: BaseException, measured: Reading | None, expected: Reading) -> Reading:
    """Return the energy of an attempt that failed: what was measured, or at most what `expected` says.

    Refused (a status below 500) or never sent, it made no model work. Otherwise, also where the call was cancelled,
    the provider may have generated: its energy is unknown, and `high_j` bounds it, for the last try and every lost one.
    """
    if measured is not None:
        return measured
    tries = lost(getattr(error, "greenai_tries", ())) + (0 if _refused(error) else 1)
    if not tries:
        return Reading.unknown(REFUSED)
    bound = None if expected.high_j is None else tries * expected.high_j
    return replace(Reading.unknown(MAYBE_GENERATED), high_j=bound)


def _refused(error: BaseException) -> bool:
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status < SERVER_ERROR
    return isinstance(error, GreenAIError) or type(error.__cause__).__name__ in NEVER_SENT


def warnings(done: Attempt, volatile: float) -> tuple[str, ...]:
    """Return what a reader of the receipt should know about the answer, in words."""
    said: list[str] = []
    if done.reasoning_leaked:
        said.append(f"{done.model} reasoned although reasoning was switched off; its tokens are counted.")
    if volatile >= LIVE_DATA:
        said.append("The question seems to ask for live data, which a model without a tool cannot know.")
    method, ignored, figure = done.energy.method.partition(IGNORED)
    if ignored:
        said.append(f"{done.model} reported{figure} for this answer, which cannot be; that is left out.")
    if method == NO_CARD:
        words = f"The catalog has no card for {done.model}, so energy, carbon and cost are unknown."
        said.append(f"{words} {remedy_for(done.model)}")
    if done.state == "cut":
        said.append("The stream ended before its last chunk; energy and tokens count what was seen.")
    return tuple(said)


def counted(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts whose energy is summed: those that answered, and failed ones that were measured."""
    return [a for a in attempts if a.state != "failed" or a.energy.energy_j]


def answering(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts that a reply came of; the last one was delivered."""
    return [a for a in attempts if a.state != "failed"]


def spent(attempts: Sequence[Attempt]) -> Reading:
    """Sum the attempts. One that failed unmeasured and may have generated raises `high_j` by its bound."""
    known = total([a.energy for a in counted(attempts)])
    bounds = [a.energy.high_j for a in attempts if a.state == "failed" and a.energy.energy_j is None]
    above = sum(bound for bound in bounds if bound is not None)
    if not above or known.high_j is None:
        return known
    return replace(known, high_j=known.high_j + above)


def avoided(
    request: Request, attempts: Sequence[Attempt], reply: Reply, used: Reading, baseline: str, *, effort_on: bool = True
) -> Avoided | None:
    """Compare with the request as it was written, sent to `baseline`.

    Thinking is part of the baseline only where greenai is what switched it off (`effort_on`: its nudge is on). None
    where nothing was avoided, or where the catalog does not know the baseline.
    """
    card = find(baseline)
    if card is None:
        return None
    delivered = answering(attempts)[-1] if answering(attempts) else None
    usage = filled(delivered.usage if delivered is not None else reply.usage, request, reply)
    thinking = _switched_off(request, card, delivered) and (effort_on or delivered is None)
    if used.energy_j is None or (delivered is not None and _same(delivered.model, card) and not thinking):
        return None
    limit, service = output_limit(request.arguments), cost.service(request.arguments)
    energy = baseline_energy(card, usage, thinking=thinking, output_limit=limit, service=service)
    if used.evidence == "provider_reported":
        energy = _accelerators(energy)  # compared within the boundary that the provider reports
    if energy.energy_j is None or energy.energy_j <= used.energy_j:
        return None
    how, more = "reasoning on, its default", f" and up to {DEFAULT_THINKING_TOKENS} of thinking"
    if not thinking:
        how, more = "without any reasoning", ""
    words = f"{card.name}, {how}, modelled for the same visible tokens{more}"
    return Avoided(energy=_less(energy, used), baseline=words)


def _accelerators(reading: Reading) -> Reading:
    """Return the part of a modelled reading that its accelerators take."""
    if not reading.energy_j or reading.gpu_energy_j is None:
        return reading
    return replace(
        reading, energy_j=reading.gpu_energy_j, low_j=reading.gpu_low_j, high_j=reading.gpu_high_j, components={}
    )


def _switched_off(request: Request, card: Card, delivered: Attempt | None) -> bool:
    """Say whether the request as written would have made `card` think, and greenai is why nothing did."""
    if card.reasoning.default != "on" or card.reasoning.status != "off":
        return False
    if effort.stated(request.arguments) or "reasoning" in request.options.opt_in:
        return False
    if delivered is None:
        return True
    if delivered.reasoning_leaked or delivered.usage.reasoning_tokens:
        return False
    asked = find(delivered.model)
    return asked is not None and asked.reasoning.status in ("off", "none")


def _same(model: str, card: Card) -> bool:
    asked = find(model)
    return model == card.name if asked is None else asked.name == card.name


def output_limit(arguments: Mapping[str, object]) -> int | None:
    """Return the most tokens that the app lets a model generate, thinking included; None without a limit."""
    given = [arguments.get(name) for name in ("max_completion_tokens", "max_tokens")]
    limits = [limit for limit in given if type(limit) is int and limit > 0]
    return min(limits, default=None)


def avoided_by_cache(stored: Reading, model: str) -> Avoided:
    """Return what a cache hit avoided: the same answer generated again."""
    return Avoided(energy=stored, baseline=f"{model}, which answered this request before, asked again")


def would_avoid(request: Request, decision: Decision, attempts: Sequence[Attempt], reply: Reply) -> Avoided | None:
    """Return what the decision would have avoided in observe mode, where the call was made as it was written."""
    used = spent(attempts)
    words = "this call as it was made"
    if not decision.route:
        return Avoided(energy=used, baseline=words, hypothetical=True)
    card = find(decision.route[0])
    delivered = answering(attempts)[-1]
    would = modelled(card, filled(delivered.usage, request, reply), delivered.service)
    same = card is not None and _same(delivered.model, card)
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


def baseline_energy(
    card: Card, usage: Usage, *, thinking: bool, output_limit: int | None = None, service: str | None = None
) -> Reading:
    """Model the same visible tokens on `card`, with the thinking it does by default where `thinking` is set.

    `output_limit` caps visible tokens and thinking together: most providers count both against the app's limit.
    """
    visible = max((usage.output_tokens or 0) - (usage.reasoning_tokens or 0), 0)

    counts: dict[str, Any] = {"input_tokens": usage.input_tokens or 0, "cached_tokens": usage.cached_tokens or 0}
    counts["service_tier"] = TIERS.get(service)

    def output(thinking_tokens: float) -> int:
        tokens = visible + round(thinking_tokens)
        return tokens if output_limit is None else min(tokens, output_limit)

    middle = physics.estimate(card, output_tokens=output(DEFAULT_THINKING_TOKENS if thinking else 0), **counts)
    if not thinking:
        return middle
    less_j = physics.median_j(card, output_tokens=output(DEFAULT_THINKING_TOKENS / THINKING_SPREAD), **counts)
    more_j = physics.median_j(card, output_tokens=output(DEFAULT_THINKING_TOKENS * THINKING_SPREAD), **counts)
    return replace(
        middle,
        low_j=_end(middle.energy_j, middle.low_j, less_j),
        high_j=_end(middle.energy_j, middle.high_j, more_j),
    )


def _end(energy_j: float | None, model_j: float | None, tokens_j: float | None) -> float | None:
    """Return one end of the interval where the model and the tokens are both unsure, independently: in log space."""
    if not energy_j or not model_j or not tokens_j:
        return None
    away = math.hypot(math.log(model_j / energy_j), math.log(tokens_j / energy_j))
    return energy_j * math.exp(math.copysign(away, model_j - energy_j))


def _footprint(attempts: Sequence[Attempt], energy: Reading, site: Site) -> Footprint:
    """Return what `energy`, the sum of the attempts, means where each provider draws its electricity."""
    places = dict.fromkeys(_site_of(a) for a in counted(attempts))
    if len(places) <= 1:
        return drawn(next(iter(places), "local"), energy, site)
    return footprint.combined([drawn(p, spent([a for a in attempts if _site_of(a) == p]), site) for p in places])


def _site_of(attempt: Attempt) -> str:
    return attempt.site or attempt.model.partition("/")[0]


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
    cache_key: str | None = None,
    kept: Kept | None = None,
    budget: BudgetLeft | None = None,
) -> Receipt:
    """Assemble the receipt of one call."""
    worked = answering(attempts)
    # An answer that no model gave took greenai's own work and nothing else.
    energy = spent(attempts) if worked else own.energy
    unbounded = [a.model for a in attempts if a.energy.method == MAYBE_GENERATED and a.energy.high_j is None]
    missing = [f"{m} failed and may have generated; nothing is known of its energy, so none is in." for m in unbounded]
    places = _footprint(attempts if worked else (), energy, site)
    costs = [cost.of_attempt(a) for a in worked]
    return Receipt(
        call_id=request.call_id,
        created=time.time(),
        project=request.options.project,
        outcome=outcome,
        reasoning=reasoning,
        model=worked[-1].model if worked else answered_by,
        energy=energy,
        carbon_g=places.carbon_g,
        carbon_low_g=places.carbon_low_g,
        carbon_high_g=places.carbon_high_g,
        carbon_source=places.carbon_source,
        market_carbon_g=places.market_carbon_g,
        market_carbon_source=places.market_carbon_source,
        embodied_carbon_g=places.embodied_carbon_g,
        embodied_source=places.embodied_source,
        water_ml=places.water_ml,
        water_source=places.water_source,
        cost_usd=None if None in costs else sum(c or 0.0 for c in costs),
        stars=stars.grade(energy),
        attempts=tuple(attempts),
        decision=decision,
        avoided=saved,
        nudges=notes,
        budget=budget,
        overhead=own,
        requested_model=request.model,
        parent=request.parent,
        warnings=(*warnings, *missing),
        cache_key=cache_key,
        cache=kept,
        feature=request.options.feature,
        opt_ins=request.grants,
    )
