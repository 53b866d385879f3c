"""What `greenai tune` says of what it found, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenai.units import format_duration, format_energy, significant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greenai.settings import Settings
    from greenai.tune.cells import Interval
    from greenai.tune.outcome import Outcome
    from greenai.tune.run import Result

__all__ = ["found", "use", "verdict"]

REASONS = 8


def found(result: Result) -> Iterator[str]:
    """Yield the verdict, and what it rests on."""
    outcome, size = result.outcome, result.job.space.size()
    yield verdict(outcome)
    again = f", {result.resumed} of them before the stop," if result.resumed else ""
    times = "measurement" if outcome.measurements == 1 else "measurements"
    yield (
        f"{outcome.measurements} {times}{again} of {size} points took {format_energy(outcome.spent_j)}; "
        f"{outcome.ended}. One reading is off by about {outcome.cells.noise:.0%}."
    )
    if result.profile is not None:
        told = result.profile
        length = result.job.options.tokens
        yield f"Meter: {told.method} ({told.evidence}). Requests of {length} tokens on {told.device}."
    yield from _rejected(outcome)


def _rejected(outcome: Outcome) -> Iterator[str]:
    """Yield why settings were rejected, once for each precision and reason."""
    lost = [(p.setting, c.samples[-1].why) for p, c in outcome.cells.of.items() if c.status == "rejected"]
    for precision, why in sorted({(setting.precision, why) for setting, why in lost})[:REASONS]:
        held = [setting for setting, reason in lost if (setting.precision, reason) == (precision, why)]
        of = str(held[0]) if len(held) == 1 else f"{precision} in {len(held)} settings"
        yield f"Rejected: {of}: {why}"


def use(result: Result, settings: Settings) -> Iterator[str]:
    """Yield what becomes of the profile, and what a person should know who runs it."""
    outcome, profile = result.outcome, result.profile
    if profile is None or outcome.leave_it:
        return
    chosen, default = outcome.chosen, outcome.default
    yield from _said(outcome)
    if profile.default_p95_s is not None and profile.p95_s is not None:
        slower = " Bound it with --p95 SECONDS." if profile.p95_s > 1.1 * profile.default_p95_s else ""
        was, will = format_duration(profile.default_p95_s), format_duration(profile.p95_s)
        yield f"A request takes {will} (p95) at batch {chosen.batch}; {was} at batch {default.batch} as it is.{slower}"
    if chosen.setting.threads < default.setting.threads and not profile.evidence.startswith("measured"):
        yield "Core time does not see what the machine draws while fewer threads take longer."
    given = settings.local.model_fields_set
    for name, value in (("slots", chosen.batch), ("threads", chosen.setting.threads)):
        if name in given and getattr(settings.local, name) != value:
            yield f"{name} = {getattr(settings.local, name)} in the settings stays: take it out to run with {value}."
    if profile.name == result.job.name:
        yield f"Local engines use this profile from now on. To undo: greenai tune {profile.name} --forget"
    else:
        yield f"These are other weights: name {profile.name} to run so. {result.job.name} runs as before."


def _said(outcome: Outcome) -> Iterator[str]:
    """Yield how near what is chosen is to the reference, where that was looked at."""
    last = outcome.cells.of[outcome.chosen].samples[-1]
    if last.agreement is not None and last.perplexity is not None:
        yield f"{last.agreement:.0%} of its tokens agree with the reference, perplexity x {last.perplexity:.3g}."


def verdict(outcome: Outcome) -> str:
    """Return what to do, in a sentence."""
    return _left(outcome) if outcome.leave_it else _used(outcome)


def _left(outcome: Outcome) -> str:
    if outcome.ruled_out:
        return "What runs without tuning did not run, or does not keep --p95, and nothing else that was measured does."
    if outcome.ratio is not None:
        part = f"{_times(outcome.ratio)} its energy"
        return f"Leave it as it is: the best other point, {outcome.best}, takes {part}, which is not clear."
    if outcome.best in {None, outcome.default}:
        return "Leave it as it is: nothing else that may be chosen was better."
    if outcome.best is not None and not outcome.cells.allowed(outcome.best):
        return f"Leave it as it is: the best other point, {outcome.best}, failed when it was looked at again."
    return (
        f"Leave it as it is: {outcome.best} looked better, but the budget left {outcome.pairs} of the 4 comparisons "
        "that it takes to say so. Raise --measurements or --budget, and go on with --resume."
    )


def _used(outcome: Outcome) -> str:
    if not outcome.ruled_out:
        of = "" if outcome.ratio is None else _times(outcome.ratio)
        return f"Use {outcome.chosen}: it takes {of} the energy per token of what runs without tuning."
    more = "" if outcome.ratio is None else f" It takes {_times(outcome.ratio)} the energy per token."
    return f"Use {outcome.chosen}: what runs without tuning did not run, or does not keep --p95.{more}"


def _times(ratio: Interval) -> str:
    return f"{significant(ratio.value, 3)} ({significant(ratio.low, 3)} to {significant(ratio.high, 3)}) times"
