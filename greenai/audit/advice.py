"""What to do about a finding: changes with their literal lines, most saved per line first, and settings to try them.

Every change counts what it would have saved alone; together they save less than their sum. The settings that `toml`
writes only observe: nothing changes but what is recorded, until `observe` is taken out.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from greenai.audit import waste
from greenai.audit.energy import smaller
from greenai.audit.estimate import IN_A_ROW, Looked, Measured, found, looked_at, routed
from greenai.audit.finding import Change, Finding, Group, Span, Sufficed, Sufficing, Taken, Waste
from greenai.catalog import find
from greenai.classify import Classifier
from greenai.settings import Settings

if TYPE_CHECKING:
    from greenai.audit.columns import Calls
    from greenai.audit.sufficing import Texts

__all__ = ["audited", "changes", "finding_of", "toml"]

Place: TypeAlias = Literal["greenai.toml", "code"]

FILE: Place = "greenai.toml"
CODE: Place = "code"
MOST_LABEL_TEMPLATES = 3
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


def finding_of(looked: Looked, *, ladder: Sequence[str] = (), measured: Measured | None = None) -> Finding:
    """Return the whole finding of what was looked at, with risks that were measured in place of those assumed."""
    wasted = waste.wastes(looked, Classifier.load().thresholds["reasoning_gain"])
    finding = found(looked, measured)
    kinds = {one.assumption for one in wasted}
    told = (*finding.assumptions, *(one for one in waste.ASSUMPTIONS if one.key in kinds))
    finding = replace(finding, wastes=wasted, assumptions=told)
    return replace(finding, changes=changes(finding, looked, ladder))


def changes(finding: Finding, looked: Looked, ladder: Sequence[str] = ()) -> tuple[Change, ...]:
    """Return what to do, most joules saved per line of change first; what saves nothing is left out."""
    made = [*_by_sufficing(finding, looked, tuple(ladder)), *_by_waste(finding, looked)]
    kept = [one for one in made if one.calls.high >= 1 or one.calls.mid > 0]
    return tuple(sorted(kept, key=lambda one: (-(one.per_line_j or 0.0), -one.calls.mid)))


def _change(
    what: str, lines: Sequence[str], place: Place, row: Sufficed | None = None, wasted: Waste | None = None
) -> Change:
    if row is not None:
        saved, calls, risk, rests_on = _saved(row), row.calls, row.risk, row.assumption
    elif wasted is not None:
        saved, calls, risk, rests_on = wasted.saved, _exactly(wasted.calls), None, wasted.assumption
    else:
        raise ValueError("a change saves what a row or a waste says")
    energy = saved.energy_j
    return Change(
        what=what,
        place=place,
        lines=tuple(lines),
        calls=calls,
        saved=saved,
        per_line_j=None if energy is None else energy.mid / len(lines),
        risk=risk,
        assumption=rests_on,
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


def _by_sufficing(finding: Finding, looked: Looked, ladder: tuple[str, ...]) -> Iterator[Change]:
    rows = _rows(finding.whole)
    yield _imported(finding, rows)
    semantic = ['cache = "semantic"', 'opt_in = ["semantic_cache"]', 'opt_in_reason = "near repeats in our log"']
    yield _change("Let the semantic cache answer near repeats", semantic, FILE, rows["near_repeat"])
    answerer = ['@client.answerer(examples=["..."])', "def look_up(question): ..."]
    yield _change("Register a function that looks live data up", answerer, CODE, rows["lookup"])
    yield from _routed(finding, looked, ladder)
    yield from _labels(finding)
    sampled = int(looked.judged.sampled.sum())
    if sampled:
        yield from _sampled(finding, looked)


def _imported(finding: Finding, rows: dict[Sufficing, Sufficed]) -> Change:
    """Return what one changed import does by itself: no call is counted twice, for a repeat reasons no more."""
    reasoned = next((wasted for wasted in finding.wastes if wasted.kind == "reasoning"), None)
    saved = [_saved(rows["repeat"]), _saved(rows["deterministic"]), *([] if reasoned is None else [reasoned.saved])]
    counted = Span(mid=0.0, low=0.0, high=0.0) if reasoned is None else _exactly(reasoned.calls)
    calls = [rows["repeat"].calls, rows["deterministic"].calls, counted]
    energy = _sum([one.energy_j for one in saved])
    return Change(
        what="Import greenai's client: a cache for repeats, tools for sums and units, reasoning by opt-in",
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
        risk=rows["deterministic"].risk,
        assumption="import",
    )


def _exactly(count: float) -> Span:
    return Span(mid=count, low=count, high=count)


def _sum(spans: Sequence[Span | None]) -> Span | None:
    known = [span for span in spans if span is not None]
    if not known:
        return None
    mid, low, high = (sum(ends) for ends in zip(*map(_ends, known), strict=True))
    return Span(mid=mid, low=low, high=high)


def _rows(group: Group) -> dict[Sufficing, Sufficed]:
    return {row.by: row for row in group.sufficed}


def _routed(finding: Finding, looked: Looked, ladder: tuple[str, ...]) -> Iterator[Change]:
    """Yield a ladder for the model that would save most, and the same for no other: a project has one ladder."""
    for group in finding.models:
        small = smaller(group.name, ladder) if group.name in looked.calls.model.names else None
        if small is not None:
            top = _catalogued(group.name)
            code = looked.calls.model.names.index(group.name)
            calls, saved = routed(looked, looked.calls.model.codes == code)
            energy = saved.energy_j
            yield Change(
                what=f"Let {small} answer where it is expected to suffice, in place of {top}",
                place=FILE,
                lines=(f"ladder = {json.dumps([small, top])}",),
                calls=calls,
                saved=saved,
                per_line_j=None if energy is None else energy.mid,
                risk=_rows(group)["small"].risk,
                assumption="routed",
            )
            return


def _catalogued(model: str) -> str:
    card = find(model)
    if card is None:
        return model if "/" in model else f"openai/{model}"
    behind = None if card.same_as is None else find(card.same_as)
    return card.name if behind is None or behind.provider != card.provider else behind.name


def _labels(finding: Finding) -> Iterator[Change]:
    few = [group for group in finding.templates if _rows(group)["task_model"].calls.mid >= LEAST_LABELLED]
    for group in few[:MOST_LABEL_TEMPLATES]:
        number = group.name.partition(" ")[0]
        file = f"template-{number.lstrip('#')}.greenai"
        lines = [f'client.distilled("{file}", mode="shadow")']
        what = f"Distil the template {number} into a task model (greenai distil lists it)"
        yield _change(what, lines, CODE, _rows(group)["task_model"])


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
        calls=_exactly(count),
        saved=Taken(energy_j=energy, energy_unknown=whole.energy_unknown),
        per_line_j=None if energy is None else energy.mid,
        risk=None,
        assumption="repeat",
    )


def _relative(span: Span | None) -> tuple[float, float]:
    if span is None or span.mid <= 0:
        return 1.0, 1.0
    return span.low / span.mid, span.high / span.mid


# --- by waste -------------------------------------------------------------------------------


def _by_waste(finding: Finding, looked: Looked) -> Iterator[Change]:
    for wasted in finding.wastes:
        if wasted.kind == "long_output":
            lines = [f"max_completion_tokens={_usual(looked)},"]
            yield _change("Limit answers to what is usual for their template", lines, CODE, wasted=wasted)
        elif wasted.kind == "truncated":
            yield _change(
                "Ask for a shorter answer in place of cutting it", ["nudges.brevity = true"], FILE, wasted=wasted
            )
        elif wasted.kind == "prefix":
            lines = ['messages=[{"role": "system", "content": CONSTANT}, {"role": "user", "content": varying}],']
            yield _change("Begin prompts with what does not vary, so that it is cached", lines, CODE, wasted=wasted)
        elif wasted.kind == "retries":
            yield _change("Retry once, in one place", ["max_retries = 1"], FILE, wasted=wasted)
        elif wasted.kind == "always_on":
            lines = _by_day(looked)
            if lines:
                yield _change("Ask by day only, where nobody reads by night", lines, FILE, wasted=wasted)


def _by_day(looked: Looked) -> list[str]:
    """Return a limit of calls a day for each feature, or project, that is always on: what it has without its nights."""
    import numpy as np

    calls = looked.calls
    table, column = ("features", calls.feature) if (calls.feature.codes >= 0).any() else ("projects", calls.project)
    lines: list[str] = []
    for name, quiet in sorted(waste.always_on(calls).items()):
        if not _is_taken(f'{table}.{json.dumps(name)}.budget.calls = "1/day"'):
            continue  # a name that only other libraries take
        of = column.codes == column.names.index(name)
        days = max(float(np.ptp(calls.created[of & np.isfinite(calls.created)])) / 86_400, 1.0)
        count = max(1, round(float((of & ~quiet).sum()) / days))
        lines.append(f'{table}.{json.dumps(name)}.budget.calls = "{count}/day"')
    return lines


def _usual(looked: Looked) -> int:
    import numpy as np

    said = looked.calls.output_tokens[looked.calls.ok]
    said = said[np.isfinite(said)]
    return int(max(waste.LONG_TOKENS, np.ceil(np.quantile(said, 0.95) / 50) * 50)) if len(said) else waste.LONG_TOKENS


# --- settings to try ------------------------------------------------------------------------


def toml(finding: Finding) -> str:
    """Return a greenai.toml that tries the changes in observe mode: every call is as it was, and is recorded."""
    head = (
        "# Made by greenai audit. Nothing changes while this only observes: what each line would have",
        "# saved is in `greenai report`. Take `observe` out to let the lines act.",
        "observe = true",
    )
    kept: set[str] = set()
    written: list[str] = []
    for change in sorted(finding.changes, key=lambda one: any("." in _name(line) for line in one.lines)):
        lines = [line for line in change.lines if _name(line) not in kept]
        if change.place == FILE and lines and _is_taken("\n".join((*head, *written, *lines))):
            kept.update(map(_name, lines))
            written.append("\n".join(("", f"# {change.what}.", *lines)))
    return "\n".join((*head, *written)) + "\n"


def _is_taken(text: str) -> bool:
    """Say whether the settings take these lines."""
    try:
        Settings(**tomllib.loads(text))
    except ValueError:  # of pydantic, and of a text that is no TOML
        return False
    return True


def _name(line: str) -> str:
    return line.partition("=")[0].strip()
