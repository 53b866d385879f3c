"""The small model asked beside the logged answers: how often it says something else, measured and not assumed.

    calls that were looked at ── those that routing would give to the small model
        ── those that can be asked again and compared (`left_out` counts the others by why)
        ── a random part of them, each template and model by its share of the calls
        ── asked through the client, until the budget is spent ── the share that differs, with its interval

A call that has tools is never asked again: it could do something twice. Only models of the settings' ladder are asked.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.audit.check_journal import Journal, Outcome
from greenai.audit.energy import law_of, smaller
from greenai.audit.finding import Assumption, Finding, Group, Risk, Span
from greenai.audit.matching import Form, form_of, same
from greenai.errors import BudgetExceeded, GreenAIError, InvalidRequest
from greenai.route import FLOORS
from greenai.units import format_energy
from greenai.values import text_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.estimate import Looked
    from greenai.audit.sufficing import Texts
    from greenai.audit.values import Logged
    from greenai.client import Client
    from greenai.progress import Moved

    Codes: TypeAlias = NDArray[np.int64]

__all__ = ["Check", "Pair", "Planned", "applied", "asked", "interval", "planned"]

KEPT = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "seed", "response_format")
"""Arguments that a call is asked with again; the others are of its model, its tools, or its caller."""
TOOLS = ("tools", "tool_choice", "functions", "function_call", "web_search_options", "mcp_servers")
WHOLE = (None, "stop", "end_turn", "stop_sequence", "completed", "STOP")
FEWEST_PROMPTS = 3
"""An answer that so many different prompts of a template were given is a label."""
FEWEST = 10
"""Of so many pairs a template's own risk is told."""
MOST_COVERED = 0.5
"""Where the pairs stand for less than this share of the calls, the estimate of all of them stays in the finding."""
FAILURES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A logged call, and the model to be asked beside it. `template` is the template's number, -1 for none."""

    call: Logged
    model: str
    form: Form
    template: int

    @property
    def key(self) -> str:
        """Return what it is known by in a journal: a digest."""
        asked = [self.model, list(self.call.messages or ()), self.arguments(), self.call.answer]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:32]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments with which it is asked again."""
        return {name: self.call.arguments[name] for name in KEPT if self.call.arguments.get(name) is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What would be asked.

    Attributes:
        pairs: in the order in which they are asked, which is random.
        routed: calls that were looked at and that routing would give to the small model.
        covered: the share of such calls of the log that can be compared.
        left_out: why others cannot be asked or compared, with how many.
        input_tokens: of all pairs, as the log counts them; `energy_j` what the models would take, None if not known.
    """

    pairs: tuple[Pair, ...]
    routed: int
    covered: float
    left_out: Mapping[str, int]
    input_tokens: int
    energy_j: float | None

    @property
    def models(self) -> Mapping[str, int]:
        """Return the models that would be asked, with how many calls each."""
        return Counter(pair.model for pair in self.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What asking them found.

    Attributes:
        planned: calls that were to be asked; `compared` were, `worse` of them with an answer that says something else.
        failed: calls that the model did not answer; they are in no share.
        models: the models that were asked.
        risk: the share that differs, with Clopper and Pearson's 90% interval; None where nothing was compared.
        templates: the same by template's number, where it has 10 pairs.
        energy_j: what asking took, as far as it is known, in earlier runs of the same journal too.
        stopped: why it ended early.
    """

    planned: int
    compared: int
    worse: int
    failed: int
    routed: int
    covered: float
    models: tuple[str, ...]
    left_out: Mapping[str, int]
    risk: Risk | None
    templates: Mapping[int, Risk] = field(default_factory=dict[int, Risk])
    energy_j: float = 0.0
    stopped: str | None = None

    @property
    def stands_for_all(self) -> bool:
        """Say whether the finding's risk is the measured one."""
        return self.risk is not None and self.covered >= MOST_COVERED

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "stands_for_all": self.stands_for_all}


# --- what is asked --------------------------------------------------------------------------


def planned(looked: Looked, texts: Texts, most: int, *, ladder: Sequence[str], seed: int = 0) -> Planned:
    """Return which calls to ask again: up to `most` of those that can be compared.

    Raises:
        InvalidRequest: the settings name no ladder, whose models alone are asked.
    """
    import numpy as np

    if not ladder:
        raise InvalidRequest(
            "--check asks models that the settings name, and they name none. Write into greenai.toml, smallest first: "
            'ladder = ["local/smollm2-135m", "openai/gpt-5.5"]'
        )
    judged = looked.judged
    routed = (judged.large <= FLOORS["standard"]) & judged.shrinks & ~judged.repeat & ~judged.deterministic
    rows = judged.rows[routed]
    weights = _weights(looked)[routed]
    found, left_out = list[Pair](), Counter[str]()
    kept, labels = list[int](), _labels(looked)
    for at, (row, call) in enumerate(zip(rows.tolist(), texts(rows.tolist()), strict=True)):
        model = smaller(looked.calls.model.name(int(looked.calls.model.codes[row]), ""), tuple(ladder))
        pair = _pair(call, model, int(looked.calls.template.codes[row]), is_label=bool(labels[row]))
        if isinstance(pair, str):
            left_out[pair] += 1
        else:
            found.append(pair)
            kept.append(at)
    share = weights[kept]
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(_systematic(share, [pair.template for pair in found], most, rng)).tolist()
    pairs = tuple(found[at] for at in chosen)
    joules = [_joules(pair) for pair in pairs]
    return Planned(
        pairs=pairs,
        routed=len(rows),
        covered=float(share.sum() / max(weights.sum(), 1e-12)),
        left_out=dict(left_out.most_common()),
        input_tokens=sum(pair.call.input_tokens or 0 for pair in pairs),
        energy_j=None if None in joules else sum(joule or 0.0 for joule in joules),
    )


def _weights(looked: Looked) -> NDArray[np.float64]:
    """Return how many calls of the log each that was looked at stands for."""
    import numpy as np

    part = looked.plan.of[looked.judged.rows]
    seen = np.bincount(part, minlength=len(looked.plan.sizes))
    weights: NDArray[np.float64] = looked.plan.sizes[part] / seen[part]
    return weights


def _labels(looked: Looked) -> NDArray[np.bool_]:
    """Return which calls have an answer that several different prompts of their template were given."""
    import numpy as np

    calls = looked.calls
    table = np.stack([calls.template.codes, calls.answer.codes, calls.key.codes], axis=1)
    different = np.unique(table, axis=0)
    _, place, prompts = np.unique(different[:, :2], axis=0, return_inverse=True, return_counts=True)
    often = {
        (int(t), int(a))
        for (t, a), n in zip(different[:, :2], prompts[place.ravel()], strict=True)
        if n >= FEWEST_PROMPTS
    }
    return np.array([(t, a) in often and a >= 0 for t, a in table[:, :2].tolist()], np.bool_)


def _systematic(weights: NDArray[np.float64], templates: Sequence[int], most: int, rng: np.random.Generator) -> Codes:
    """Return about `most` places, each with a chance by its weight, spread over the templates by their share."""
    import numpy as np

    if len(weights) <= most:
        return np.arange(len(weights))
    order = np.lexsort((rng.random(len(weights)), np.array(templates)))
    ends = np.cumsum(weights[order])
    points = (np.arange(most) + rng.random()) * (ends[-1] / most)
    chosen: Codes = order[np.unique(np.minimum(np.searchsorted(ends, points), len(order) - 1))]
    return chosen


def _pair(call: Logged | None, model: str | None, template: int, *, is_label: bool) -> Pair | str:
    """Return a call to be asked again, or why not."""
    if call is None or not call.messages or model is None:
        return "not in the log any more"
    if call.tool_calls or any(call.arguments.get(name) for name in TOOLS) or any(map(_uses_tools, call.messages)):
        return "has tools, and could do something twice"
    if not all(map(_is_text, call.messages)):
        return "asks about more than text"
    if not call.answer or call.finish_reason not in WHOLE:
        return "its answer is not in the log whole"
    form = form_of(call.answer, is_label=is_label)
    if form is None:
        return "its answer is free text or code"
    return Pair(call=call, model=model, form=form, template=template)


def _uses_tools(message: Mapping[str, Any]) -> bool:
    return message.get("role") in ("tool", "function") or bool(
        message.get("tool_calls") or message.get("function_call")
    )


def _is_text(message: Mapping[str, Any]) -> bool:
    content: Any = message.get("content")
    return isinstance(content, str) or (
        bool(content) and bool(text_of(content)) and "url" not in json.dumps(content, default=str)
    )


def _joules(pair: Pair) -> float | None:
    import numpy as np

    law, counts = law_of(pair.model), (pair.call.input_tokens, 0, pair.call.output_tokens)
    if law is None or None in counts:
        return None
    return float(law.joules(*(np.array([count], np.float64) for count in counts))[0])


# --- asking ---------------------------------------------------------------------------------


def asked(
    plan: Planned, client: Client, budget: str, *, journal: Path | None = None, moved: Moved | None = None
) -> Check:
    """Ask the small model, and compare; what a journal holds is not asked again.

    Args:
        plan: what to ask.
        client: asks; the model that is named answers, from no cache.
        budget: for this run, such as "2 Wh": the call that could exceed it is not made, and none after it.
        journal: the file that keeps outcomes, without texts.
        moved: is told how far it is.

    Raises:
        InvalidRequest: the budget cannot be read.
        GreenAIError: the first call, or three in a row, could not be answered, as the client says it.
    """
    asking, spent_j = _Asking(plan, client), 0.0
    with closing(Journal(journal)) as kept, client.budget(budget, when_spent="refuse"):
        for number, pair in enumerate(plan.pairs):
            before = kept.get(pair.key)
            try:
                outcome = before or asking.outcome(pair)
            except BudgetExceeded as error:
                return asking.check(str(error))
            if before is None:
                kept.add(pair.key, outcome)
                spent_j += outcome.energy_j
            asking.take(pair, outcome)
            if moved is not None:
                said = f"{asking.worse} of {asking.compared} differ, {format_energy(spent_j)} of {budget}"
                moved("asking", done=number + 1, total=len(plan.pairs), said=said)
    return asking.check(None)


class _Asking:
    """Counts what is found."""

    def __init__(self, plan: Planned, client: Client) -> None:
        self.plan, self.client = plan, client
        self.energy_j, self.failed, self.in_a_row = 0.0, 0, 0
        self.outcomes: list[tuple[int, Outcome]] = []

    @property
    def compared(self) -> int:
        return len(self.outcomes)

    @property
    def worse(self) -> int:
        return sum(not outcome.same for _, outcome in self.outcomes)

    def outcome(self, pair: Pair) -> Outcome:
        """Ask for one answer, and compare it."""
        from openai import OpenAIError

        messages: Any = [dict(message) for message in pair.call.messages or ()]
        options: Any = {"cache": "off", "substitute": False, "verify": "off", "feature": "audit_check"}
        try:
            reply = self.client.chat.completions.create(
                model=pair.model, messages=messages, greenai=options, **pair.arguments()
            )
        except BudgetExceeded:
            raise
        except (GreenAIError, OpenAIError):
            self.in_a_row += 1
            if self.in_a_row >= FAILURES or not (self.outcomes or self.failed):
                raise
            return Outcome(same=None)
        self.in_a_row = 0
        said = reply.choices[0].message.content or ""
        return Outcome(
            same=same(pair.form, pair.call.answer or "", said), energy_j=reply.greenai.energy.energy_j or 0.0
        )

    def take(self, pair: Pair, outcome: Outcome) -> None:
        self.energy_j += outcome.energy_j
        if outcome.same is None:
            self.failed += 1
        else:
            self.outcomes.append((pair.template, outcome))

    def check(self, stopped: str | None) -> Check:
        by_template: dict[int, list[Outcome]] = {}
        for template, outcome in self.outcomes:
            by_template.setdefault(template, []).append(outcome)
        return Check(
            planned=len(self.plan.pairs),
            compared=self.compared,
            worse=self.worse,
            failed=self.failed,
            routed=self.plan.routed,
            covered=self.plan.covered,
            models=tuple(self.plan.models),
            left_out=self.plan.left_out,
            risk=_risk([outcome for _, outcome in self.outcomes]),
            templates={
                template: risk
                for template, found in by_template.items()
                if len(found) >= FEWEST and (risk := _risk(found)) is not None
            },
            energy_j=self.energy_j,
            stopped=stopped,
        )


def _risk(outcomes: Sequence[Outcome]) -> Risk | None:
    if not outcomes:
        return None
    worse = sum(not outcome.same for outcome in outcomes)
    return Risk(share=interval(worse, len(outcomes)), evidence="measured", compared=len(outcomes))


def interval(count: int, of: int, sure: float = 0.9) -> Span:
    """Return a share with Clopper and Pearson's interval, which covers the true one at least so often."""
    tail = (1 - sure) / 2
    low = 0.0 if count == 0 else _root(lambda p: 1 - _at_most(count - 1, of, p) < tail)
    high = 1.0 if count == of else _root(lambda p: _at_most(count, of, p) > tail)
    return Span(mid=count / of, low=low, high=high)


def _root(is_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def _at_most(count: int, of: int, p: float) -> float:
    """Return the chance of at most so many, each with the chance p, 0 < p < 1."""
    whole = math.lgamma(of + 1)
    return sum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * math.log(p) + (of - k) * math.log1p(-p))
        for k in range(count + 1)
    )


# --- what the finding says then -------------------------------------------------------------


def applied(finding: Finding, looked: Looked, check: Check) -> Finding:
    """Return a finding, made with the measured risk, with each template's own: measured on it, else as estimated."""
    own = {looked.template(code): risk for code, risk in check.templates.items()}
    estimated = Risk(share=_estimated(looked), evidence="estimated")
    templates = tuple(_with(group, own.get(group.name, estimated)) for group in finding.templates)
    return replace(finding, templates=templates, assumptions=(*finding.assumptions, assumption(check)))


def _estimated(looked: Looked) -> Span:
    from greenai.audit.simulate import span

    return span(looked.drawn.worse)


def _with(group: Group, risk: Risk) -> Group:
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
