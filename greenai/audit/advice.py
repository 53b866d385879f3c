"""What to do about a finding: changes with their literal lines, most saved per line first, and settings to try them.

Every change counts what it would have saved alone; together they save less than their sum. The settings that `toml`
writes only observe: nothing changes but what is recorded, until `observe` is taken out.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit import waiting, waste
from greenai.audit.energy import smaller
from greenai.audit.estimate import IN_A_ROW, Looked, Measured, found, looked_at, routed
from greenai.audit.finding import Assumption, Change, Finding, Group, Risk, Span, Sufficed, Sufficing, Taken
from greenai.audit.labels import command
from greenai.audit.models import assumption, card_of
from greenai.audit.waste_advice import CODE, FILE, Place, by_waste, exactly, is_taken
from greenai.catalog import find
from greenai.classify import Classifier
from greenai.report.words import clean
from greenai.route import FLOORS

if TYPE_CHECKING:
    from greenai.audit.columns import Calls
    from greenai.audit.sufficing import Texts

__all__ = ["audited", "changes", "finding_of", "toml"]

Log: TypeAlias = tuple[Sequence[str], str | None]

SHELL: Place = "shell"
MOST_LABEL_TEMPLATES = 3
LEAST_SHARE = 0.001
"""A change that saves less of the energy and of the cost is not worth a line; nor is one for fewer calls, at the lower
end, where their number is an estimate (`_GUESSED`)."""
_GUESSED = frozenset(("near_repeat", "lookup", "routed"))
LEAST_LABELLED = 50
"""A task model is not worth advising for fewer calls; `greenai distil` needs 300 of a template."""


def audited(
    calls: Calls,
    texts: Texts,
    *,
    ladder: Sequence[str] = (),
    seed: int = 0,
    zone: str = "WORLD",
    in_a_row: int = IN_A_ROW,
) -> Finding:
    """Return the whole finding of some calls: what would have sufficed, what was wasted, and what to do.

    Args:
        calls: all calls of the log.
        texts: reads the texts of some calls.
        ladder: the models that would be asked, smallest first; none takes siblings at the same provider.
        seed: the same one gives the same finding.
        zone: the grid that carbon is of.
        in_a_row: in so many calls in a row near repeats are looked for.
    """
    looked = looked_at(calls, texts, ladder=ladder, seed=seed, zone=zone, in_a_row=in_a_row)
    return finding_of(looked, ladder=ladder)


def finding_of(
    looked: Looked, *, ladder: Sequence[str] = (), measured: Measured | None = None, log: Log = ((), None)
) -> Finding:
    """Return the whole finding of what was looked at, with risks that were measured in place of those assumed."""
    wasted = waste.wastes(looked, _reasons_from())
    finding = found(looked, measured)
    kinds = {one.assumption for one in wasted}
    told = (*finding.assumptions, *_taken_as(looked), *(one for one in waste.ASSUMPTIONS if one.key in kinds))
    later = waiting.waiting(looked)
    told = told if later is None else (*told, waiting.ASSUMPTION)
    finding = replace(finding, wastes=wasted, waiting=later, assumptions=told)
    return replace(finding, changes=changes(finding, looked, ladder, log))


def _taken_as(looked: Looked) -> tuple[Assumption, ...]:
    import numpy as np

    model = looked.calls.model
    often = np.bincount(model.codes[model.codes >= 0], minlength=len(model.names)).tolist()
    made = assumption({name: calls for name, calls in zip(model.names, often, strict=True) if calls})
    return () if made is None else (made,)


def _reasons_from() -> float:
    return Classifier.load().thresholds["reasoning_gain"]


def changes(finding: Finding, looked: Looked, ladder: Sequence[str] = (), log: Log = ((), None)) -> tuple[Change, ...]:
    """Return what to do, most joules saved per line of change first; what is next to nothing is left out.

    Args:
        finding: what was found.
        looked: of what.
        ladder: the models that would be asked, smallest first.
        log: the files and the format as they were named, for commands that read them again.
    """
    made = [*_by_sufficing(finding, looked, tuple(ladder), log), *by_waste(finding, looked, _reasons_from())]
    kept = [one for one in made if _is_worth_a_line(one, finding.whole)]
    return tuple(sorted(kept, key=lambda one: (-(one.per_line_j or 0.0), -one.calls.mid)))


def _is_worth_a_line(change: Change, whole: Group) -> bool:
    """Say whether a change has calls beyond doubt, and saves more than next to nothing, where that is known."""
    least = LEAST_SHARE * whole.calls
    # That no task model can be made of a template is found by the very command that is advised.
    sure = change.calls.mid if change.assumption == "task_model" else change.calls.low
    if sure < max(least if change.assumption in _GUESSED else 0.0, 0.5):
        return False
    pairs = ((change.saved.energy_j, whole.was.energy_j), (change.saved.cost_usd, whole.was.cost_usd))
    known = [saved.mid >= LEAST_SHARE * was.mid for saved, was in pairs if saved is not None and was is not None]
    return any(known) if known else change.calls.mid >= least


def _change(what: str, lines: Sequence[str], place: Place, row: Sufficed) -> Change:
    saved = _saved(row)
    return Change(
        what=what,
        place=place,
        lines=tuple(lines),
        calls=row.calls,
        saved=saved,
        per_line_j=None if saved.energy_j is None else saved.energy_j.mid / len(lines),
        risk=row.risk,
        assumption=row.assumption,
    )


def _saved(row: Sufficed) -> Taken:
    """Return what the calls of a row took less what they could: ends are of the whole amount, as both err alike."""
    return Taken(
        energy_j=_less(row.was.energy_j, row.could_be.energy_j),
        carbon_g=_less(row.was.carbon_g, row.could_be.carbon_g),
        cost_usd=_less(row.was.cost_usd, row.could_be.cost_usd),
        energy_unknown=row.was.energy_unknown,
        cost_unknown=row.was.cost_unknown,
    )


def _less(was: Span | None, could_be: Span | None) -> Span | None:
    if was is None or could_be is None:
        return None
    mid, low, high = (max(a - b, 0.0) for a, b in zip(_ends(was), _ends(could_be), strict=True))
    return Span(mid=mid, low=min(low, mid), high=max(high, mid))


def _ends(span: Span) -> tuple[float, float, float]:
    return span.mid, span.low, span.high


# --- by what would have sufficed ------------------------------------------------------------


def _by_sufficing(finding: Finding, looked: Looked, ladder: tuple[str, ...], log: Log) -> Iterator[Change]:
    rows = _rows(finding.whole)
    yield _imported(looked, rows)
    semantic = ['cache = "semantic"', 'opt_in = ["semantic_cache"]', 'opt_in_reason = "near repeats in our log"']
    yield _change("Let the semantic cache answer near repeats", semantic, FILE, rows["near_repeat"])
    answerer = ['@client.answerer(examples=["..."])', "def look_up(question): ..."]
    yield _change("Register a function that looks live data up", answerer, CODE, rows["lookup"])
    yield from _routed(finding, looked, ladder)
    yield from _labels(finding, *log)
    sampled = int(looked.judged.sampled.sum())
    if sampled:
        yield from _sampled(finding, looked)


def _imported(looked: Looked, rows: dict[Sufficing, Sufficed]) -> Change:
    """Return what one changed import does by itself: no call is counted twice, for a repeat reasons no more.

    Reasoning that the app asked for by an argument stays as it is.
    """
    reasoned = waste.idle_reasoning(looked, _reasons_from(), asked=False)
    saved = [_saved(rows["repeat"]), _saved(rows["deterministic"]), *([] if reasoned is None else [reasoned.saved])]
    counted = exactly(0 if reasoned is None else reasoned.calls)
    calls = [rows["repeat"].calls, rows["deterministic"].calls, counted]
    risks = [rows["repeat"].risk, rows["deterministic"].risk, None if reasoned is None else reasoned.risk]
    energy = _sum([one.energy_j for one in saved])
    return Change(
        what="Import greenai's client: cache, tools for sums, reasoning only by opt-in",
        place=CODE,
        lines=("from greenai import Client",),
        calls=_sum(calls) or counted,
        saved=Taken(
            energy_j=energy,
            carbon_g=_sum([one.carbon_g for one in saved]),
            cost_usd=_sum([one.cost_usd for one in saved]),
            energy_unknown=saved[0].energy_unknown,
            cost_unknown=saved[0].cost_unknown,
        ),
        per_line_j=None if energy is None else energy.mid,
        risk=_together(risks, calls),
        assumption="import",
    )


def _together(risks: Sequence[Risk | None], calls: Sequence[Span]) -> Risk | None:
    """Return the risk of several ways of answering, each weighed with its calls."""
    told = [(risk.share, span.mid) for risk, span in zip(risks, calls, strict=True) if risk is not None]
    whole = sum(count for _, count in told)
    if not whole:
        return None
    mid, low, high = (
        sum(end * count for end, (_, count) in zip(ends, told, strict=True)) / whole
        for ends in zip(*(_ends(share) for share, _ in told), strict=True)
    )
    return Risk(share=Span(mid=mid, low=low, high=high), evidence="estimated")


def _sum(spans: Sequence[Span | None]) -> Span | None:
    known = [span for span in spans if span is not None]
    if not known:
        return None
    mid, low, high = (sum(ends) for ends in zip(*map(_ends, known), strict=True))
    return Span(mid=mid, low=low, high=high)


def _rows(group: Group) -> dict[Sufficing, Sufficed]:
    return {row.by: row for row in group.sufficed}


def _routed(finding: Finding, looked: Looked, ladder: tuple[str, ...]) -> Iterator[Change]:
    """Yield a ladder for the model that would save most, and the same for no other: a project has one ladder.

    None with a small model that is expected, or was measured, to fail more often than any quality accepts.
    """
    for group in finding.models:
        small = smaller(group.name, ladder) if group.name in looked.calls.model.names else None
        risk = _rows(group)["small"].risk
        if small is not None and risk is not None and risk.share.mid <= FLOORS["basic"]:
            top = _catalogued(group.name)
            code = looked.calls.model.names.index(group.name)
            calls, saved = routed(looked, looked.calls.model.codes == code)
            energy = saved.energy_j
            yield Change(
                what=f"Ask {small} first, where it is expected to suffice",
                place=FILE,
                lines=(f"ladder = {json.dumps([small, top])}",),
                calls=calls,
                saved=saved,
                per_line_j=None if energy is None else energy.mid,
                risk=risk,
                assumption="routed",
            )
            return


def _catalogued(model: str) -> str:
    card = card_of(model)
    if card is None:
        return model if "/" in model else f"openai/{model}"
    behind = None if card.same_as is None else find(card.same_as)
    return card.name if behind is None or behind.provider != card.provider else behind.name


def _labels(finding: Finding, files: Sequence[str], form: str | None) -> Iterator[Change]:
    few = [group for group in finding.templates if _rows(group)["task_model"].calls.mid >= LEAST_LABELLED]
    for group in few[:MOST_LABEL_TEMPLATES]:
        number = group.name.partition(" ")[0]
        line = command(files or ["calls.jsonl"], form, group.id or number)
        yield _change(f"Distil the template {number} into a task model", [line], SHELL, _rows(group)["task_model"])


def _sampled(finding: Finding, looked: Looked) -> Iterator[Change]:
    """Yield the setting that lets the cache keep sampled answers, where that is all that stands against repeats."""
    import numpy as np

    part = looked.plan.of[looked.judged.rows]
    seen = np.bincount(part, minlength=len(looked.plan.sizes))
    weight = (looked.plan.sizes / np.maximum(seen, 1))[part] * looked.judged.sampled
    count = float(weight.sum())
    joules = float((weight * np.nan_to_num(looked.took.energy_j[looked.judged.rows])).sum())
    whole = finding.whole.was
    low, high = _relative(whole.energy_j)
    energy = None if whole.energy_j is None else Span(mid=joules, low=joules * low, high=joules * high)
    line = 'cache_also = ["sampled"]'
    yield Change(
        what="Give repeats again although their answers were sampled (no temperature, or one above 0)",
        place=FILE,
        lines=(line,),
        calls=exactly(count),
        saved=Taken(energy_j=energy, energy_unknown=whole.energy_unknown),
        per_line_j=None if energy is None else energy.mid,
        risk=None,
        assumption="repeat",
    )


def _relative(span: Span | None) -> tuple[float, float]:
    if span is None or span.mid <= 0:
        return 1.0, 1.0
    return span.low / span.mid, span.high / span.mid


# --- settings to try ------------------------------------------------------------------------


def toml(finding: Finding, env: Mapping[str, str] | None = None) -> str:
    """Return a greenai.toml that tries the changes in observe mode: every call is as it was, and is recorded.

    Calls of `model="auto"` go to the ladder also while it only observes: a ladder of providers without a key in `env`
    (default: the process's) is written as a comment.
    """
    env = os.environ if env is None else env
    head = (
        "# Made by greenai audit. Nothing changes while this only observes: what each line would have",
        "# saved is in `greenai report`. Take `observe` out to let the lines act.",
        "observe = true",
    )
    kept: set[str] = set()
    written: list[str] = []
    for change in sorted(finding.changes, key=lambda one: any("." in _name(line) for line in one.lines)):
        lines = [line for line in change.lines if _name(line) not in kept]
        if change.place == FILE and lines and is_taken("\n".join((*head, *written, *lines))):
            kept.update(map(_name, lines))
            if keys := _keys_lacking(lines, env):
                why = f'{" and ".join(keys)} not set where this was written: calls of model="auto" would fail.'
                lines = [f'# {why} Take "#" off where set.', *(f"# {line}" for line in lines)]
            written.append("\n".join(("", f"# {clean(change.what)}.", *lines)))
    return "\n".join((*head, *written)) + "\n"


def _keys_lacking(lines: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """Return the variables of keys that a ladder among these lines needs and `env` has not; empty if others serve."""
    from greenai.provider.litellm_path import KEY_VARIABLES

    variables = {"openai": ("OPENAI_API_KEY",), **KEY_VARIABLES}
    models = tomllib.loads("\n".join(lines)).get("ladder", ())
    needed = dict.fromkeys(variables.get(model.partition("/")[0], ()) for model in models)
    return [names[0] for names in needed if names and not any(env.get(name) for name in names)]


def _name(line: str) -> str:
    return line.partition("=")[0].strip()
