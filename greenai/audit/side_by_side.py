"""The small model asked beside the logged answers: how often it says something else, measured and not assumed.

    which calls (check_plan.py) ── asked through the client, until the budget is spent
        ── compared: letters, numbers, JSON, labels by what they mean (matching.py) ── the share that differs
    what answers without a general model (rungs.py) ── asked for nothing, as it is free ── the same shares

Whatever ends the asking, what was compared until then counts: a model that does not answer, the budget, Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from greenai.audit.check_journal import Journal, Outcome
from greenai.audit.estimate import worse
from greenai.audit.finding import Assumption, Finding, Group, Risk, Sufficing
from greenai.audit.matching import same
from greenai.audit.shares import measured
from greenai.errors import BudgetExceeded, GreenAIError
from greenai.units import format_energy

if TYPE_CHECKING:
    from pathlib import Path

    from greenai.audit.check_plan import Pair, Planned
    from greenai.audit.estimate import Looked, Measured
    from greenai.audit.rungs import Tried
    from greenai.client import Client
    from greenai.progress import Moved

__all__ = ["Check", "applied", "asked", "unasked"]

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
        failed: calls that the model did not answer; they are in no share.
        models: the models that were asked.
        risk: the share that differs, with Clopper and Pearson's 90% interval; None where nothing was compared.
        templates: the same by template's number, where it has 10 pairs.
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
    routed: int = 0
    covered: float = 0.0
    models: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
    risk: Risk | None = None
    templates: Mapping[int, Risk] = field(default_factory=dict[int, Risk])
    rungs: tuple[Tried, ...] = ()
    energy_j: float = 0.0
    stopped: str | None = None
    unreachable: bool = False
    interrupted: bool = False

    @property
    def stands_for_all(self) -> bool:
        """Say whether the finding's risk is the measured one."""
        return self.risk is not None and self.covered >= MOST_COVERED

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
        return {**asdict(self), "stands_for_all": self.stands_for_all, "replaced": [*self.measured]}


def unasked(rungs: tuple[Tried, ...]) -> Check:
    """Return a check of what is free alone."""
    return Check(rungs=rungs)


def asked(
    plan: Planned,
    client: Client,
    budget: str,
    *,
    rungs: tuple[Tried, ...] = (),
    journal: Path | None = None,
    moved: Moved | None = None,
) -> Check:
    """Ask the small model, and compare; what a journal holds is not asked again.

    Args:
        plan: what to ask.
        client: asks; the model that is named answers, from no cache.
        budget: for this run, such as "2 Wh": the call that could exceed it is not made, and none after it.
        rungs: what the ways without a general model said.
        journal: the file that keeps outcomes, without texts.
        moved: is told how far it is.

    Raises:
        InvalidRequest: the budget cannot be read.
        LogUnreadable: the journal cannot be used.
    """
    asking = _Asking(plan, client, rungs)
    with closing(Journal(journal)) as kept, client.budget(budget, when_spent="refuse"):
        try:
            for number, pair in enumerate(plan.pairs):
                asking.one(pair, kept)
                if moved is not None:
                    moved("asking", done=number + 1, total=len(plan.pairs), said=asking.said(budget))
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

    def __init__(self, plan: Planned, client: Client, rungs: tuple[Tried, ...]) -> None:
        self.plan, self.client, self.rungs = plan, client, rungs
        self.energy_j, self.spent_j = 0.0, 0.0
        self.failed, self.in_a_row = 0, 0
        self.outcomes: list[tuple[Pair, Outcome]] = []

    def said(self, budget: str) -> str:
        """Return what is told beside the bar."""
        differ = sum(not outcome.same for _, outcome in self.outcomes)
        return f"{differ} of {len(self.outcomes)} differ, {format_energy(self.spent_j)} of {budget}"

    def one(self, pair: Pair, kept: Journal) -> None:
        """Take in what one answer is worth, from the journal or by asking."""
        outcome = kept.get(pair.key)
        if outcome is None:
            outcome = self._outcome(pair)
            kept.add(pair.key, outcome)
            self.spent_j += outcome.energy_j
        self.energy_j += outcome.energy_j
        if outcome.same is None:
            self.failed += 1
        else:
            self.outcomes.append((pair, outcome))

    def _outcome(self, pair: Pair) -> Outcome:
        """Ask for one answer, and compare it."""
        answer = self._answer(pair.model, pair.call.messages or (), pair.arguments())
        if answer is None:
            return Outcome(same=None)
        said, energy_j = answer
        return Outcome(
            same=None if pair.form is None else same(pair.form, pair.call.answer or "", said), energy_j=energy_j
        )

    def _answer(
        self, model: str, messages: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> tuple[str, float] | None:
        """Return an answer with the joules that it took; None where there was none.

        Raises:
            BudgetExceeded: asking could exceed the budget.
            _Unreachable: the first call, or three in a row, were not answered.
        """
        from openai import OpenAIError

        told: Any = [dict(message) for message in messages]
        options: Any = {"cache": "off", "substitute": False, "verify": "off", "feature": "audit_check"}
        try:
            reply = self.client.chat.completions.create(model=model, messages=told, greenai=options, **arguments)
        except BudgetExceeded:
            raise
        except (GreenAIError, OpenAIError) as error:
            self.in_a_row += 1
            if self.in_a_row >= FAILURES or not (self.outcomes or self.failed):
                raise _Unreachable(f"{model} did not answer. {error}") from error
            return None
        self.in_a_row = 0
        return reply.choices[0].message.content or "", reply.greenai.energy.energy_j or 0.0

    def check(self, *, stopped: str | None = None, unreachable: bool = False, interrupted: bool = False) -> Check:
        """Return what was found."""
        by_template: dict[int, list[tuple[Pair, Outcome]]] = {}
        for pair, outcome in self.outcomes:
            by_template.setdefault(pair.template, []).append((pair, outcome))
        return Check(
            planned=len(self.plan.pairs),
            compared=len(self.outcomes),
            worse=sum(not outcome.same for _, outcome in self.outcomes),
            failed=self.failed,
            routed=self.plan.routed,
            covered=self.plan.covered,
            models=tuple(self.plan.models),
            left_out=self.plan.left_out,
            risk=_risk(self.outcomes),
            templates={
                template: risk
                for template, found in by_template.items()
                if len(found) >= FEWEST and (risk := _risk(found)) is not None
            },
            rungs=self.rungs,
            energy_j=self.energy_j,
            stopped=stopped,
            unreachable=unreachable,
            interrupted=interrupted,
        )


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
    templates = tuple(
        _with(group, own.get(group.name) or worse(looked, looked.calls.template.codes == codes[group.name]))
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
    return Assumption(
        key="check",
        text=f"{models} was asked {check.compared:,} of the calls that routing would give to it, and said something "
        f"else than the log in {check.worse:,}: letters, numbers, JSON and labels compared by what they mean. The "
        "log's answer is taken to be right; where it is not, another one counts as worse all the same. Answers "
        f"that can be compared so are {check.covered:.0%} of those of such calls.",
        evidence="measured",
    )
