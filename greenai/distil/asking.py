"""The large model asked for labels: first of prompts that nobody answered whole, then again of some that it answered.

    prompts of the log ── those kept from an earlier run ── not asked again
        ├─ without a whole answer ── asked: each becomes a pair, at its place in time
        └─ answered by the same model ── asked again: how often it does not say the same twice

An answer is kept as soon as it is there, with what it took (kept.py). Whatever ends the asking, what was answered until
then counts. Answers of another model than the log's say nothing of how often that one
slips, so only its own prompts are asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from greenai.budget import Budget
from greenai.budget.amounts import Amount
from greenai.catalog import find, switch_of
from greenai.distil.kept import Kept, Label, spent_of
from greenai.distil.pairs import NO_ANSWER, Pairs, same_model, text_of
from greenai.distil.worth import estimated
from greenai.errors import BudgetExceeded, GreenAIError, InvalidRequest, RequestTooLarge
from greenai.readings import Reading, total
from greenai.receipts import modelled, widened
from greenai.values import Usage

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

    from greenai.client import Client
    from greenai.progress import Moved
    from greenai.spending import Run

__all__ = ["Asked", "Plan", "asked", "merged", "planned"]

FAILURES = 5
"""So many calls in a row without a whole answer end the asking."""
MOST_TOKENS = 256
"""An answer that is longer is no label, and what a budget holds for a call grows with what it may write."""
MOST_UNKNOWN = 2048
"""The same of a model of which nobody knows whether it reasons."""
THINKS = ("low", "medium", "high", "xhigh", "max")
"""Efforts whose thought counts towards such a limit, and so has none; as has that of models that always reason."""
_OPTIONS: Any = {"cache": "off", "substitute": False, "verify": "off", "feature": "distil_labels"}


# --- what is asked --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A prompt that is to be asked: what it is kept by, its slots, and whether the log has an answer to it."""

    key: str
    slots: tuple[str, ...]
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be asked.

    Attributes:
        teacher: the large model.
        prompts: in the order in which they are asked: those without an answer first.
        kept: how many more are answered from an earlier run.
        every: what all prompts of the log are kept by.
        expected: what asking is expected to take; `spent` what earlier runs took, as budgets count it.
        other: the models of the log, where the teacher is none of them: then nothing is asked again.
    """

    pairs: Pairs
    teacher: str
    prompts: tuple[Wanted, ...]
    kept: int
    every: tuple[str, ...]
    expected: Reading
    spent: Amount
    other: tuple[str, ...] = ()

    @property
    def first(self) -> int:
        """How many of them were never answered."""
        return sum(not prompt.again for prompt in self.prompts)


def planned(
    pairs: Pairs, labels: int, teacher: str, kept: Kept, *, models: Sequence[str] = (), usage: Usage | None = None
) -> Plan:
    """Return which prompts to ask, so that so many have an answer of the teacher's in the end.

    Args:
        pairs: the template's pairs and unanswered prompts.
        labels: how many.
        teacher: the large model.
        kept: what was asked before.
        models: who answered the log.
        usage: tokens of one call as the log counts them; without it they are estimated from letters.

    Raises:
        InvalidRequest: all prompts are answered, and by another model.
    """
    other = tuple(models) if models and not any(same_model(teacher, model) for model in models) else ()
    if other:
        pairs = replace(pairs, arguments={})  # which are for the models that were asked with them
    never = [_wanted(pairs, teacher, one.slots, again=False) for one in pairs.unanswered]
    again = {} if other else {slots: _wanted(pairs, teacher, slots, again=True) for slots in pairs.slots}
    if other and not never:
        raise InvalidRequest(
            f"All prompts of the template were answered by {' and '.join(other)}, and {teacher} is another model: how "
            f"often it says something else is not how often that one slips. Write --teacher {other[0]}, or leave "
            "--labels out."
        )
    ordered = [*sorted(never, key=_key), *sorted(again.values(), key=_key)]
    held = sum(kept.get(one.key) is not None for one in ordered)
    asking = [one for one in ordered if kept.get(one.key) is None][: max(0, labels - held)]
    every = tuple(one.key for one in ordered)
    expected = _expected(pairs, teacher, asking, kept.labels(every), usage)
    return Plan(
        pairs=pairs, teacher=teacher, prompts=tuple(asking), kept=held, every=every, expected=expected,
        spent=spent_of(kept.labels(every)), other=other,
    )  # fmt: skip


def _key(one: Wanted) -> str:
    return one.key  # a digest: an order as good as drawn, that stays when the log grows


def _wanted(pairs: Pairs, teacher: str, slots: tuple[str, ...], *, again: bool) -> Wanted:
    asked = [pairs.template.digest, teacher, dict(pairs.arguments), slots]
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]
    return Wanted(key=key, slots=slots, again=again)


def _expected(
    pairs: Pairs, teacher: str, asking: Sequence[Wanted], before: Sequence[Label], usage: Usage | None
) -> Reading:
    """Return what asking is expected to take: as what was asked before did, else as the model's card says."""
    known = [label.reading for label in before if label.answer is not None and label.reading.energy_j is not None]
    if known:
        return _times(total(known), len(asking) / len(known))
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        usage = estimated(pairs, [one.slots for one in asking])
    return _times(widened(modelled(find(teacher), usage), estimated=usage.estimated, cut=False), len(asking))


def _times(reading: Reading, count: float) -> Reading:
    energy, low, high = (
        None if end is None else end * count for end in (reading.energy_j, reading.low_j, reading.high_j)
    )
    return Reading(energy_j=energy, low_j=low, high_j=high, evidence=reading.evidence, method=reading.method)


# --- asking ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of asking.

    Attributes:
        asked: how many were asked now; `first` of them without an answer in the log, `kept` answered in earlier runs.
        failed: how many gave no label, by why; only of this run.
        reading: what asking took, earlier runs of the same template and teacher too; `each` a call that was answered.
        spent: the same as the budget counts it.
        stopped: why it ended early.
    """

    teacher: str
    asked: int
    first: int
    kept: int
    failed: Mapping[str, int] = field(default_factory=dict[str, int])
    reading: Reading
    each: Reading
    spent: Amount
    stopped: str | None = None


def asked(plan: Plan, client: Client, budget: str, kept: Kept, *, moved: Moved | None = None) -> Asked:
    """Ask the teacher, until all is asked, the budget is spent, or it does not answer any more.

    Args:
        plan: what to ask.
        client: asks; the teacher itself answers, from no cache.
        budget: what asking may take with what earlier runs took, such as "5 Wh".
        kept: where answers are kept.
        moved: is told how far it is.

    Raises:
        InvalidRequest: the budget cannot be read, or the model cannot be asked.
    """
    asking = _Asking(plan, client, kept)
    stopped = asking.all(Budget.parse(budget), moved) if plan.prompts else None
    labels = kept.labels(plan.every)
    return Asked(
        teacher=plan.teacher, asked=asking.count, first=asking.first, kept=plan.kept, failed=dict(asking.failed),
        reading=total([label.reading for label in labels]), each=_each(labels), spent=spent_of(labels), stopped=stopped,
    )  # fmt: skip


def _each(labels: Sequence[Label]) -> Reading:
    answered = [label.reading for label in labels if label.answer is not None]
    return _times(total(answered), 1 / len(answered)) if answered else Reading.unknown("nothing was answered")


class _Asking:
    """Asks, and counts what comes of it."""

    def __init__(self, plan: Plan, client: Client, kept: Kept) -> None:
        self.plan, self.client, self.kept = plan, client, kept
        self.count, self.first, self.failed = 0, 0, Counter[str]()

    def all(self, limit: Budget, moved: Moved | None) -> str | None:
        """Ask for all labels; return why that ended early, if it did."""
        before = self.plan.spent
        left = (limit.limit - before.of(limit.unit)) / limit.scale
        if left <= 0:
            return f"all of the budget of {limit.text} was used by earlier runs."
        in_a_row = 0
        with self.client.budget(f"{left:.12g} {limit.symbol}", when_spent="refuse") as run:
            for one in self.plan.prompts:
                try:
                    label = self._one(one, run)
                except BudgetExceeded as error:
                    return f"the next one could exceed the budget of {limit.text}." if self.count else str(error)
                if moved is not None:
                    said = f"{limit.shown((before + run.spent).of(limit.unit))} of {limit.text}"
                    moved("asking", done=self.count, total=len(self.plan.prompts), said=said)
                in_a_row = 0 if label.answer is not None else in_a_row + 1
                if in_a_row >= FAILURES:
                    return f"{self.plan.teacher} gave no whole answer {FAILURES} times in a row ({label.why})."
        return None

    def _one(self, one: Wanted, run: Run) -> Label:
        """Ask for one label, and keep it.

        Raises:
            BudgetExceeded: asking could exceed the budget.
            GreenAIError: the model cannot be asked at all.
        """
        from openai import OpenAIError

        # What the first call is refused for by greenai itself (no key, no such model) every other one would be, too.
        tolerated = (OpenAIError, GreenAIError) if self.count else (OpenAIError, RequestTooLarge)
        plan, before = self.plan, run.spent
        messages: Any = plan.pairs.template.filled(one.slots)
        try:
            reply = self.client.chat.completions.create(
                model=plan.teacher, messages=messages, greenai=_OPTIONS, **_arguments(plan)
            )
        except BudgetExceeded:
            raise
        except tolerated as error:
            label = _failed(type(error).__name__, run.spent - before)
        else:
            why = _why_none(reply)
            answer = None if why is not None else (reply.choices[0].message.content or "").strip()
            label = Label(answer=answer, why=why, reading=reply.greenai.energy, spent=run.spent - before)
        self.kept.add(one.key, label)
        self.count, self.first = self.count + 1, self.first + (not one.again)
        self.failed.update([] if label.why is None else [label.why])
        return label


def _arguments(plan: Plan) -> dict[str, Any]:
    status = switch_of(plan.teacher).status
    if plan.pairs.arguments.get("reasoning_effort") in THINKS or status in ("lowest", "always_on"):
        return dict(plan.pairs.arguments)
    card = find(plan.teacher)
    limit = "max_completion_tokens" if (card.name if card else plan.teacher).startswith("openai/") else "max_tokens"
    return {**plan.pairs.arguments, limit: MOST_UNKNOWN if status == "unknown" else MOST_TOKENS}


def _failed(why: str, spent: Amount) -> Label:
    """Return a call that failed; what a budget counts of it is the most that it took, as nobody saw its end."""
    reading = Reading(
        energy_j=spent.energy_j, low_j=0.0, high_j=spent.energy_j, evidence="modelled_api", method="a failed call"
    )
    return Label(answer=None, why=why, reading=reading, spent=spent)


def _why_none(reply: ChatCompletion) -> str | None:
    """Return why a reply has no whole answer; None where it has one."""
    choice = reply.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return "refused"
    if choice.finish_reason != "stop":
        return "cut off"
    return None if (choice.message.content or "").strip() else "empty"


# --- what is learnt then --------------------------------------------------------------------


def merged(plan: Plan, kept: Kept) -> Pairs:
    """Return the pairs with all answers that are kept: new ones at their place in time, others behind the log's."""
    pairs, rows = plan.pairs, list[tuple[tuple[str, ...], str, float | None]]()
    times = pairs.created or (None,) * len(pairs.slots)
    never = [(one, _answer(plan, kept, one.slots, again=False)) for one in pairs.unanswered]
    labelled, once = sum(answer is not None for _, answer in never), set[tuple[str, ...]]()
    for place in range(len(pairs.slots) + 1):
        while never and never[0][0].place == place:
            one, answer = never.pop(0)
            rows += [] if answer is None else [(one.slots, answer, one.created)]
        if place == len(pairs.slots):
            break
        slots, created = pairs.slots[place], times[place]
        rows.append((slots, pairs.answers[place], created))
        if slots not in once:
            once.add(slots)
            answer = _answer(plan, kept, slots, again=True)
            rows += [] if answer is None else [(slots, answer, created)]
    left = {**pairs.left_out, NO_ANSWER: max(0, pairs.left_out.get(NO_ANSWER, 0) - labelled)}
    return replace(
        pairs,
        texts=tuple(text_of(slots) for slots, _, _ in rows),
        answers=tuple(answer for _, answer, _ in rows),
        created=tuple(created for _, _, created in rows),
        slots=tuple(slots for slots, _, _ in rows),
        left_out=left,
    )


def _answer(plan: Plan, kept: Kept, slots: tuple[str, ...], *, again: bool) -> str | None:
    if again and plan.other:
        return None
    label = kept.get(_wanted(plan.pairs, plan.teacher, slots, again=again).key)
    return None if label is None else label.answer
