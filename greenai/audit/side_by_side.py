"""The small model asked beside the logged answers: how often it says something else, measured and not assumed.

    which calls (check_plan.py) ── asked through the client, until the budget is spent
        ── compared: letters, numbers, JSON, labels by what they mean (matching.py) ── the share that differs
        └─ free text and code: by a judge, where one is named (judge.py); by their vectors, for show (likeness.py)
    what answers without a general model (rungs.py) ── asked for nothing, as it is free ── the same shares

Whatever ends the asking, what was compared until then counts: a model that does not answer, the budget, Ctrl-C.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from greenai.audit.check_journal import Journal, Outcome
from greenai.audit.estimate import worse
from greenai.audit.finding import Assumption, Finding, Group, Risk, Sufficing
from greenai.audit.judge import arguments, prompt, read, verdicts
from greenai.audit.matching import same
from greenai.audit.shares import measured, mixed, weighed
from greenai.errors import BudgetExceeded, GreenAIError
from greenai.units import format_energy

if TYPE_CHECKING:
    from pathlib import Path

    from greenai.audit.check_journal import Verdict
    from greenai.audit.check_plan import Pair, Planned
    from greenai.audit.estimate import Looked, Measured
    from greenai.audit.judge import Verdicts
    from greenai.audit.likeness import Likeness
    from greenai.audit.rungs import Tried
    from greenai.audit.shares import Share
    from greenai.client import Client
    from greenai.progress import Moved

__all__ = ["Check", "With", "applied", "asked", "unasked"]

FEWEST = 10
"""Of so many pairs a template's own risk is told, and a rung's takes the place of what was assumed."""
MOST_COVERED = 0.5
"""Where the pairs stand for less than this share of the calls, the estimate of all of them stays in the finding."""
FAILURES = 3
INTERRUPTED = "Ctrl-C was pressed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What asking them found.

    Attributes:
        planned: calls that were to be asked; `compared` were, `worse` of them with an answer that says something else.
        failed: calls that a model did not answer; they are in no share. `done` is how many were asked or not answered.
        covered: the share of such calls that can be compared without an opinion; `free` whose answers are free text.
        models: the small models that were asked.
        risk: the share of worse answers, with its 90% interval: of what can be compared without an opinion, and of what
            a judge compared that is to be believed; None where nothing was compared.
        templates: the same by template's number, where it has 10 pairs.
        verdicts: what a judge said of free answers, and what that is worth.
        likeness: how alike free answers are by their vectors; in no risk.
        rungs: what the ways of answering without a general model said beside the log.
        energy_j: what asking took, as far as it is known, in earlier runs of the same journal too.
        stopped: why it ended early.
        unreachable: whether that is as a model did not answer.
        interrupted: whether that is as somebody pressed Ctrl-C.
    """

    planned: int = 0
    compared: int = 0
    worse: int = 0
    failed: int = 0
    done: int = 0
    routed: int = 0
    covered: float = 0.0
    free: float = 0.0
    models: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
    risk: Risk | None = None
    templates: Mapping[int, Risk] = field(default_factory=dict[int, Risk])
    verdicts: Verdicts | None = None
    likeness: Likeness | None = None
    rungs: tuple[Tried, ...] = ()
    energy_j: float = 0.0
    stopped: str | None = None
    unreachable: bool = False
    interrupted: bool = False

    @property
    def spoken_for(self) -> float:
        """The share of the calls that routing would give to the small model that the risk is of."""
        exact, judged = self.compared > 0, self.verdicts is not None and self.verdicts.why_not is None
        return (self.covered if exact else 0.0) + (self.free if judged else 0.0)

    @property
    def stands_for_all(self) -> bool:
        """Say whether the finding's risk is the measured one."""
        return self.risk is not None and self.spoken_for >= MOST_COVERED

    @property
    def measured(self) -> Measured:
        """The risks that take the place of those estimated or assumed, by way of answering."""
        found: dict[Sufficing, Risk] = {
            rung.by: rung.risk for rung in self.rungs if rung.risk is not None and rung.compared >= FEWEST
        }
        if self.risk is not None and self.stands_for_all:
            found["small"] = self.risk
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        told = {"spoken_for": self.spoken_for, "stands_for_all": self.stands_for_all, "replaced": [*self.measured]}
        return {**asdict(self), **told}


def unasked(rungs: tuple[Tried, ...]) -> Check:
    """Return a check of what is free alone."""
    return Check(rungs=rungs)


@dataclass(frozen=True, slots=True, kw_only=True)
class With:
    """What free answers are compared with.

    Attributes:
        judge: the model that is asked which is better; `kin` what it has to do with the others.
        embeds: whether vectors are compared.
        repeated: how alike two answers of the log to the same prompt are; `identical` ones are only counted.
        unrelated: how alike the log's answers to different prompts are.
    """

    judge: str | None = None
    kin: str | None = None
    embeds: bool = False
    repeated: tuple[float, ...] = ()
    identical: int = 0
    unrelated: tuple[float, ...] = ()


def asked(
    plan: Planned,
    client: Client,
    budget: str,
    *,
    free: With | None = None,
    rungs: tuple[Tried, ...] = (),
    journal: Path | None = None,
    moved: Moved | None = None,
) -> Check:
    """Ask the small model, and compare; what a journal holds is not asked again.

    Args:
        plan: what to ask.
        client: asks; the model that is named answers, from no cache.
        budget: for this run, such as "2 Wh": the call that could exceed it is not made, and none after it.
        free: what free answers are compared with.
        rungs: what the ways without a general model said.
        journal: the file that keeps outcomes, without texts.
        moved: is told how far it is.

    Raises:
        InvalidRequest: the budget cannot be read.
        LogUnreadable: the journal cannot be used.
    """
    asking = _Asking(plan, client, free or With(), rungs)
    with closing(Journal(journal)) as kept, client.budget(budget, when_spent="refuse"):
        try:
            for number, pair in enumerate(plan.order):
                asking.one(pair, kept)
                if moved is not None:
                    moved("asking", done=number + 1, total=len(plan.order), said=asking.said(budget))
        except BudgetExceeded as error:
            return asking.check(stopped=str(error))
        except _Unreachable as error:
            return asking.check(stopped=str(error), unreachable=True)
        except KeyboardInterrupt:
            return asking.check(stopped=INTERRUPTED, interrupted=True)
    return asking.check()


class _Unreachable(Exception):
    """A model does not answer; nothing is lost of what was compared before."""


class _Asking:
    """Asks, and counts what is found."""

    def __init__(self, plan: Planned, client: Client, free: With, rungs: tuple[Tried, ...]) -> None:
        self.plan, self.client, self.free, self.rungs = plan, client, free, rungs
        self.energy_j, self.spent_j, self.failed = 0.0, 0.0, 0
        self.in_a_row, self.known_to_answer = Counter[str](), set[str]()
        self.outcomes: list[tuple[Pair, Outcome]] = []

    @property
    def exact(self) -> list[tuple[Pair, Outcome]]:
        """Those of the small model that were compared without an opinion."""
        return [(pair, found) for pair, found in self.outcomes if found.same is not None and pair.kind == "asked"]

    def said(self, budget: str) -> str:
        """Return what is told beside the bar."""
        exact = self.exact
        differ = sum(not outcome.same for _, outcome in exact)
        return f"{differ} of {len(exact)} differ, {format_energy(self.spent_j)} of {budget}"

    def one(self, pair: Pair, kept: Journal) -> None:
        """Take in what one answer is worth, from the journal or by asking."""
        judged = self.free.judge is not None and pair.kind != "again"
        key = f"{pair.key}/{self.free.judge}" if judged else pair.key
        outcome = kept.get(key)
        if outcome is None:
            outcome = self._outcome(pair)
            kept.add(key, outcome)
        else:
            self.energy_j += outcome.energy_j
        if outcome.answered:
            self.outcomes.append((pair, outcome))
            self.known_to_answer |= {pair.model} if pair.said is None else set()
        else:
            self.failed += 1

    def _outcome(self, pair: Pair) -> Outcome:
        """Ask for one answer, and compare it."""
        said, energy_j = pair.said, 0.0
        if said is None:
            answer = self._answer(pair.model, pair.call.messages or (), pair.arguments())
            if answer is None:
                return Outcome()
            said, energy_j = answer
        logged = pair.call.answer or ""
        outcome = Outcome(
            same=None if pair.form is None else same(pair.form, logged, said),
            near=_near(logged, said) if self.free.embeds and pair.form is None else None,
            energy_j=energy_j,
        )
        if self.free.judge is None or pair.kind == "again":
            return outcome
        return self._judged(self.free.judge, pair, said, outcome)

    def _judged(self, judge: str, pair: Pair, said: str, outcome: Outcome) -> Outcome:
        """Ask the judge in both orders; where it does not answer, the outcome stays without its verdicts."""
        found: list[Verdict] = []
        logged, messages = pair.call.answer or "", pair.call.messages or ()
        for log_first in (True, False):
            both = (logged, said) if log_first else (said, logged)
            answer = self._answer(judge, prompt(messages, *both), arguments(judge))
            if answer is None:
                return outcome
            found.append(read(answer[0], log_first=log_first))
            outcome = replace(outcome, energy_j=outcome.energy_j + answer[1])
        return replace(outcome, first=found[0], second=found[1])

    def _answer(
        self, model: str, messages: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> tuple[str, float] | None:
        """Return an answer with the joules that it took; None where there was none.

        Raises:
            BudgetExceeded: asking could exceed the budget.
            _Unreachable: the model's first call, or three in a row, were not answered.
        """
        from openai import OpenAIError

        told: Any = [dict(message) for message in messages]
        options: Any = {"cache": "off", "substitute": False, "verify": "off", "feature": "audit_check"}
        try:
            reply = self.client.chat.completions.create(model=model, messages=told, greenai=options, **arguments)
        except BudgetExceeded:
            raise
        except (GreenAIError, OpenAIError) as error:
            self.in_a_row[model] += 1
            if self.in_a_row[model] >= FAILURES or model not in self.known_to_answer:
                raise _Unreachable(f"{model} did not answer. {error}") from error
            return None
        self.in_a_row[model] = 0
        self.known_to_answer.add(model)
        joules = reply.greenai.energy.energy_j or 0.0
        self.energy_j += joules
        self.spent_j += joules
        return reply.choices[0].message.content or "", joules

    def check(self, *, stopped: str | None = None, unreachable: bool = False, interrupted: bool = False) -> Check:
        """Return what was found."""
        by_template: dict[int, list[tuple[Pair, Outcome]]] = {}
        for pair, outcome in self.exact:
            by_template.setdefault(pair.template, []).append((pair, outcome))
        judge = self.free.judge
        told, share = (None, None) if judge is None else verdicts(judge, self.outcomes, self.free.kin)
        return Check(
            planned=len(self.plan.order),
            compared=len(self.exact),
            worse=sum(not outcome.same for _, outcome in self.exact),
            failed=self.failed,
            done=len(self.outcomes) + self.failed,
            routed=self.plan.routed,
            covered=self.plan.covered,
            free=self.plan.free,
            models=tuple(self.plan.models),
            left_out=self.plan.left_out,
            risk=self._risk(told, share),
            templates={
                template: risk
                for template, found in by_template.items()
                if len(found) >= FEWEST and (risk := _risk(found)) is not None
            },
            verdicts=told,
            likeness=self._likeness(),
            rungs=self.rungs,
            energy_j=self.energy_j,
            stopped=stopped,
            unreachable=unreachable,
            interrupted=interrupted,
        )

    def _risk(self, told: Verdicts | None, share: Share | None) -> Risk | None:
        """Return the risk of what was compared without an opinion, and of free answers by their part."""
        exact = self.exact
        if share is None or told is None:
            return _risk(exact)
        parts = [(self.plan.free, share)]
        if exact:
            flags, weights = [not outcome.same for _, outcome in exact], [pair.weight for pair, _ in exact]
            parts.append((self.plan.covered, weighed(flags, weights, 4)))
        return Risk(share=mixed(parts).span(), evidence="measured", compared=len(exact) + told.judged)

    def _likeness(self) -> Likeness | None:
        if not self.free.embeds:
            return None
        from greenai.audit.likeness import likeness

        by = {
            kind: [found.near for pair, found in self.outcomes if found.near is not None and pair.kind == kind]
            for kind in ("asked", "again")
        }
        return likeness(by["asked"], [*self.free.repeated, *by["again"]], self.free.unrelated, self.free.identical)


def _near(logged: str, said: str) -> float:
    from greenai.audit.likeness import alike

    return alike(logged, said)


def _risk(outcomes: Sequence[tuple[Pair, Outcome]]) -> Risk | None:
    if not outcomes:
        return None
    share = measured([not outcome.same for _, outcome in outcomes], [pair.weight for pair, _ in outcomes])
    return Risk(share=share, evidence="measured", compared=len(outcomes))


# --- what the finding says then -------------------------------------------------------------


def applied(finding: Finding, looked: Looked, check: Check) -> Finding:
    """Return a finding, made with the measured risks, with each template's own: measured on it, else as estimated."""
    told = [*finding.assumptions, *(rung.assumption for rung in check.rungs if rung.by in check.measured)]
    if check.risk is None:
        return replace(finding, assumptions=tuple(told))
    own = {looked.template(code): risk for code, risk in check.templates.items()}
    codes = {looked.template(code): code for code in range(len(looked.calls.template.names))}
    family = looked.family()
    templates = tuple(
        _with(
            group,
            (own.get(group.name) if group.templates == 1 else None) or worse(looked, family == codes[group.name]),
        )
        for group in finding.templates
    )
    return replace(finding, templates=templates, assumptions=(*told, assumption(check)))


def _with(group: Group, risk: Risk | None) -> Group:
    return replace(
        group, sufficed=tuple(replace(row, risk=risk) if row.by == "small" else row for row in group.sufficed)
    )


def assumption(check: Check) -> Assumption:
    """Return what a measured risk rests on."""
    models = ", ".join(check.models) or "No model"
    text = (
        f"{models} was asked {check.compared:,} of the calls that routing would give to it, and said something "
        f"else than the log in {check.worse:,}: letters, numbers, JSON and labels compared by what they mean. The "
        "log's answer is taken to be right; where it is not, another one counts as worse all the same. Answers "
        f"that can be compared so are {check.covered:.0%} of those of such calls."
    )
    judged = check.verdicts
    if judged is not None and judged.why_not is None:
        text += (
            f" Of {judged.judged:,} free answers {judged.judge} found {judged.worse:,} worse in both orders; that is "
            f"corrected for its errors on {judged.known_worse + judged.known_good:,} answers of known truth, and it is "
            f"assumed that it errs as often on free text. Free answers are {check.free:.0%} of those of such calls."
        )
    return Assumption(key="check", text=text, evidence="measured")
