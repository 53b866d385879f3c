"""What would have sufficed for a call, least energy first: facts where they can be counted, else probabilities.

    asked before, and the exact cache would have kept the answer ── repeat
    asked before in other words, as the semantic cache judges ────── near repeat (a rate, from calls in a row)
    a built-in tool understands the whole question ───────────────── deterministic
    live data that no model has ──────────────────────────────────── lookup (a probability)
    its template's answers are a few labels ──────────────────────── task model (a probability)
    a smaller model is right wherever the large one is ───────────── small (a probability)
    else the large model; with reasoning where that turns a wrong answer right

A repeat is told from columns and the cache's own rules on the text; the rest from texts, which nothing here keeps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from greenai import answerers, embed
from greenai.audit.covered import Task
from greenai.audit.energy import smaller
from greenai.audit.exact import FEWEST_PROMPTS, exact
from greenai.audit.labels import Labels, labels_of
from greenai.audit.models import card_of
from greenai.audit.pairs import Pair, Pairs, shipped
from greenai.cache.keep import class_of, last_questions, term_of
from greenai.cache.semantic import MAX_CHARS, STORED, SemanticTier
from greenai.cache.volatility import volatility
from greenai.embed import minilm
from greenai.errors import EngineError, MissingExtra
from greenai.route import losses
from greenai.values import Assessment, Options, Request, Rung, Transport, text_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls
    from greenai.audit.values import Logged
    from greenai.cache.semantic import Hit
    from greenai.classify import Classifier

    Floats: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["Judged", "NearRepeats", "Texts", "closed", "judge", "near_repeats", "repeats", "requested"]

Texts: TypeAlias = "Callable[[Sequence[int]], Sequence[Logged | None]]"
"""Numbers of calls to the calls with their texts; None for one that cannot be read any more."""

LIFETIMES_S = (30 * 86_400.0, 86_400.0, 3_600.0)
"""How long the exact cache keeps answers, by class of question (cache/keep.py); longest first."""

FEWEST_TEXTS, LEARNT, RIDGE, LABEL_TEXT_CHARS = 40, 0.25, 0.3, 2_000
MOST_WORK = 8_000_000
"""Of so many texts it is said whether labels can be told from them, of so much of each (`closed`): such a share of the
gap has to be closed. For near repeats, so many pairs of characters are compared: some seconds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """What would have sufficed for some calls: columns, one row per call.

    Attributes:
        rows: the numbers of the calls.
        repeat: the exact cache would have answered.
        sampled: it would have, had the project let it keep answers that were sampled (`cache_also = ["sampled"]`).
        near: the semantic cache may have: a plain, short question that was asked in those words for the first time.
        deterministic: a built-in tool is sure.
        lookup: P(it needs live data, and no model).
        task: the number in `tasks` of its template, whose answers are a few labels; -1 for none.
        tasks: what is known of each of those.
        gain: the classifier's `large_gain`: P(a large model is right where a small one is not), of the models that it
            was fitted on.
        large: the loss that routing expects of the small model; 0 where there is none.
        pair: the number in `pairs` of the small model and the one that answered; -1 where there is no small one.
        pairs: what is known of each pair.
        reasoning: P(reasoning turned a wrong answer right); 0 where the call did not reason.
        reasoned: whether the call reasoned.
        shrinks: whether there is a smaller model than the one that answered.
        alone: whether there is none, and the one that answered is not known to be small either.
    """

    rows: Codes
    repeat: Flags
    sampled: Flags
    near: Flags
    deterministic: Flags
    lookup: Floats
    task: Codes
    tasks: tuple[Task, ...]
    gain: Floats
    large: Floats
    pair: Codes
    pairs: tuple[Pair, ...]
    reasoning: Floats
    reasoned: Flags
    shrinks: Flags
    alone: Flags

    def routed(self, floor: float) -> Flags:
        """Return the calls that routing gives to the small model: those of which it expects to lose at most `floor`."""
        given: Flags = (self.large <= floor) & self.shrinks & ~self.repeat & ~self.deterministic
        return given

    def tried(self, floor: float) -> Flags:
        """Return the calls that tell how a small model does: those that routing gives to it.

        A model that routing gives none of them, as it expects it to fail, is judged by those that are easy to read.
        """
        import numpy as np

        given = self.routed(floor)
        none = np.bincount(self.pair[given], minlength=len(self.pairs)) == 0 if self.pairs else np.zeros(0, np.bool_)
        without: Flags = np.append(none, False)[self.pair]
        return given | (without & (self.gain <= floor) & self.shrinks & ~self.repeat & ~self.deterministic)


# --- repeats --------------------------------------------------------------------------------


def repeats(calls: Calls, lifetime_s: float) -> Flags:
    """Return which calls an exact cache would have answered that keeps every whole answer so long.

    Where the log has no times, answers are taken to be kept for all of it.
    """
    import numpy as np

    found = np.zeros(len(calls), np.bool_)
    codes = calls.key.codes
    if not len(codes) or codes.max() < 0:
        return found
    often = np.bincount(codes[codes >= 0], minlength=int(codes.max()) + 1)
    rows = np.flatnonzero((codes >= 0) & (often[np.maximum(codes, 0)] > 1))
    times = np.nan_to_num(calls.created[rows], nan=0.0)
    rows = rows[np.lexsort((rows, times))]
    kept: dict[int, float] = {}
    keepable = calls.ok & ~calls.truncated & ~calls.tool_calls
    times = np.nan_to_num(calls.created[rows], nan=0.0)
    for row, code, at, keeps in zip(
        rows.tolist(), codes[rows].tolist(), times.tolist(), keepable[rows].tolist(), strict=True
    ):
        stored = kept.get(code)
        if stored is not None and at - stored < lifetime_s:
            found[row] = True
        elif keeps:
            kept[code] = at
    return found


def requested(call: Logged) -> Request:
    """Return a logged call as the request that it was."""
    return Request(
        call_id=call.call_id or call.where,
        entry="create",
        model=call.model,
        messages=tuple(call.messages or ()),
        arguments=call.arguments,
        stream=False,
        transport=Transport(timeout_s=1.0),
        options=Options(),
        deadline=math.inf,
        namespace="",
    )


def _lifetime(request: Request, *, sampled: bool) -> float | None:
    """Return how long the exact cache would keep the answer to this request; None for not at all."""
    kind = class_of(volatility(text) for text in last_questions(request))
    return term_of(request, kind, temperature=0 if sampled and "temperature" not in request.arguments else None).ttl_s


class _Repeats:
    """Whether calls are repeats, by the lifetime that each text is given."""

    def __init__(self, calls: Calls) -> None:
        self._by = [(lifetime, repeats(calls, lifetime)) for lifetime in LIFETIMES_S]

    def is_one(self, row: int, lifetime_s: float | None) -> bool:
        if lifetime_s is None:
            return False
        found = next((hits for longest, hits in reversed(self._by) if lifetime_s <= longest), self._by[0][1])
        return bool(found[row])

    def may_be(self, row: int) -> bool:
        return bool(self._by[0][1][row])


# --- labels ---------------------------------------------------------------------------------


def _task_of(labels: Labels, calls: Sequence[Logged]) -> Task | None:
    """Return what some calls of a template tell of it as a task; None where it is none, or cannot be learnt."""
    texts = {requested(call).last_user_text: call.answer for call in calls if call.answer is not None}
    seen = exact(calls) if len(texts) >= FEWEST_PROMPTS else None
    quick = closed(texts)
    if quick is not None and quick < LEARNT:
        return None
    if len(texts) >= FEWEST_PROMPTS and (seen is None or seen.why_not is not None):
        return None
    return Task(
        prompts=labels.different, perplexity=labels.perplexity, asked_again=labels.asked_again, differ=labels.differ,
        closed=quick, texts=len(texts) if quick is not None else 0,
    )  # fmt: skip


def _numbered(template: Codes, of: Flags, codes: Sequence[int]) -> Codes:
    """Return which of these templates each call is of; -1 for none of them, and for others than `of`."""
    import numpy as np

    found = np.full(len(template), -1, np.int64)
    for number, code in enumerate(codes):
        found[(template == code) & of] = number
    return found


def closed(texts: Mapping[str, str]) -> float | None:
    """Return which share of the gap a quick fit closes between always saying the commonest label and being right.

    A ridge regression on word vectors, fitted on one half of these texts and tried on the other. It is about 0 of
    labels that cannot be told from texts at all, such as the letter of a right answer, and None where there are too few
    texts, or one label.
    """
    import numpy as np

    said = [text[-LABEL_TEXT_CHARS:] for text in texts]
    names, codes = np.unique([answer.strip().casefold() for answer in texts.values()], return_inverse=True)
    if len(said) < FEWEST_TEXTS or len(names) < 2:
        return None
    x = np.c_[embed.encode(said), np.ones(len(said))]
    y, half, right = np.eye(len(names))[codes], np.arange(len(said)) % 2, 0
    for k in (0, 1):
        fit, out = half != k, half == k
        weights = np.linalg.solve(x[fit].T @ x[fit] + RIDGE * np.eye(x.shape[1]), x[fit].T @ y[fit])
        right += int(((x[out] @ weights).argmax(1) == codes[out]).sum())
    commonest = float(np.bincount(codes).max()) / len(said)
    return (right / len(said) - commonest) / (1 - commonest)


# --- near repeats ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NearRepeats:
    """How many of some calls in a row the semantic cache would have answered.

    `tried` are those that it takes: plain, short, not asked before. `looked` is False where its encoder is missing.
    """

    hits: int
    tried: int
    calls: int
    looked: bool


def near_repeats(calls: Sequence[Logged], gave: Callable[[Logged, Hit], None] | None = None) -> NearRepeats:
    """Give calls that were made one after the other to an empty semantic cache, with all of its own checks.

    Args:
        calls: in their order.
        gave: is told each hit.
    """
    try:
        encoder = minilm.load()
    except (EngineError, MissingExtra):
        return NearRepeats(hits=0, tried=0, calls=0, looked=False)
    left = MOST_WORK
    tier = SemanticTier(encoder=encoder, classes=STORED, audits=0.0, seed=0)
    hits = tried = given = 0
    seen: set[tuple[str, str]] = set()
    for call in calls:
        given += 1
        asked = _plain(call)
        if asked is None or call.answer is None or asked in seen:
            continue
        left -= len(asked[1]) ** 2
        if left < 0:
            break
        seen.add(asked)
        tried += 1
        hit = tier.lookup(*asked)
        if hit is not None:
            hits += 1
            if gave is not None:
                gave(call, hit)
        else:
            tier.admit(*asked, call.answer)
    return NearRepeats(hits=hits, tried=tried, calls=given, looked=True)


def _plain(call: Logged) -> tuple[str, str] | None:
    """Return the scope and the text of a question that stands alone, or None."""
    messages = tuple(call.messages or ())
    roles = [message.get("role") for message in messages]
    if roles not in (["user"], ["system", "user"], ["developer", "user"]) or call.tool_calls or not call.ok:
        return None
    text = text_of(messages[-1].get("content"))
    if not text.strip() or len(text) > MAX_CHARS or requested(call).arguments.keys() & {"tools", "response_format"}:
        return None
    system = text_of(messages[0].get("content")) if len(messages) > 1 else ""
    return f"{call.project}\0{call.model}\0{system}", text


# --- one call after the other -----------------------------------------------------------------


@dataclass(slots=True)
class _Verdict:
    repeat: bool = False
    sampled: bool = False
    near: bool = False
    deterministic: bool = False
    lookup: float = 0.0
    gain: float = 0.0
    large: float = 0.0
    reasoning: float = 0.0


def judge(
    calls: Calls,
    rows: Sequence[int],
    texts: Texts,
    classifier: Classifier,
    *,
    ladder: Sequence[str] = (),
    large_gain: Callable[[Logged], float] | None = None,
    pairs: Pairs | None = None,
) -> Judged:
    """Judge calls by their texts; those whose text cannot be read any more are left out.

    Args:
        calls: all calls of the log.
        rows: which of them.
        texts: reads the texts of some.
        classifier: judges what a model is needed for.
        ladder: the models that would be asked, smallest first; none takes siblings at the same provider.
        large_gain: another judge of P(a large model is right where a small one is not), for a trial.
        pairs: what is known of pairs of models; None is what ships.
    """
    import numpy as np

    below = _Below(calls, tuple(ladder), pairs or shipped())
    known, labels = _Repeats(calls), {code: of for code, of in labels_of(calls).items() if of.why_not is None}
    read: dict[int, list[Logged]] = {code: [] for code in labels}
    kept: list[int] = []
    verdicts: list[_Verdict] = []
    for row, call in zip(rows, texts(rows), strict=True):
        if call is not None and call.messages is not None:
            kept.append(row)
            template = int(calls.template.codes[row])
            if template in read and call.answer is not None:
                read[template].append(call)
            verdicts.append(_verdict(call, row, known, classifier, large_gain, below.at(row)))
    tasks = {code: task for code, of in labels.items() if (task := _task_of(of, read[code])) is not None}
    at = np.array(kept, np.int64)
    pair = np.array([below.number(row) for row in kept], np.int64)
    reasoned = np.nan_to_num(calls.reasoning_tokens[at]) > 0
    return Judged(
        rows=at,
        repeat=np.array([v.repeat for v in verdicts], np.bool_),
        sampled=np.array([v.sampled for v in verdicts], np.bool_),
        near=np.array([v.near for v in verdicts], np.bool_),
        deterministic=np.array([v.deterministic for v in verdicts], np.bool_),
        lookup=np.array([v.lookup for v in verdicts], np.float64),
        task=_numbered(calls.template.codes[at], ~calls.tool_calls[at], [*tasks]),
        tasks=tuple(tasks.values()),
        gain=np.array([v.gain for v in verdicts], np.float64),
        large=np.where(pair >= 0, [v.large for v in verdicts], 0.0),
        pair=pair,
        pairs=below.pairs,
        reasoning=np.where(reasoned, [v.reasoning for v in verdicts], 0.0),
        reasoned=reasoned,
        shrinks=pair >= 0,
        alone=(pair < 0) & ~np.array([below.is_small(row) for row in kept], np.bool_),
    )


class _Below:
    """The smaller model of each that answered, with what is known of the two."""

    def __init__(self, calls: Calls, ladder: tuple[str, ...], pairs: Pairs) -> None:
        names = calls.model.names
        small = [smaller(name, ladder) for name in names]
        known = sorted({(one, name) for one, name in zip(small, names, strict=True) if one is not None})
        self._codes, self.pairs = calls.model.codes, tuple(pairs.pair(*pair) for pair in known)
        cards = [card_of(name) for name in names]
        self._small = [card is not None and card.tier == "small" for card in cards]
        self._number = [-1 if one is None else known.index((one, name)) for one, name in zip(small, names, strict=True)]

    def number(self, row: int) -> int:
        code = int(self._codes[row])
        return self._number[code] if code >= 0 else -1

    def is_small(self, row: int) -> bool:
        code = int(self._codes[row])
        return code >= 0 and self._small[code]

    def at(self, row: int) -> Pair | None:
        number = self.number(row)
        return self.pairs[number] if number >= 0 else None


def _verdict(
    call: Logged,
    row: int,
    known: _Repeats,
    classifier: Classifier,
    large_gain: Callable[[Logged], float] | None,
    pair: Pair | None,
) -> _Verdict:
    request, verdict = requested(call), _Verdict()
    if known.may_be(row):
        verdict.repeat = known.is_one(row, _lifetime(request, sampled=False))
        verdict.sampled = not verdict.repeat and known.is_one(row, _lifetime(request, sampled=True))
    if verdict.repeat:
        return verdict
    verdict.near = not known.may_be(row) and _plain(call) is not None
    verdict.deterministic = answerers.answer(request) is not None
    if verdict.deterministic:
        return verdict
    assessed = classifier.assess(request.messages)
    if request.is_plain:
        live = min(assessed.answer_source.get("lookup", 0.0), 1 - assessed.needs_generation)
        verdict.lookup = live * assessed.volatile
    if large_gain is not None:
        assessed = replace(assessed, large_gain=large_gain(call))
    verdict.gain = assessed.large_gain
    verdict.large = 0.0 if pair is None else _loss(assessed, pair)
    verdict.reasoning = assessed.reasoning_gain
    return verdict


def _loss(assessed: Assessment, pair: Pair) -> float:
    """Return what routing would expect to lose by asking the smaller model."""
    small, large = (card_of(name) for name in (pair.small, pair.large))
    rungs = (
        Rung(model=pair.small, tier="small" if small is None else small.tier),
        Rung(model=pair.large if large is None else large.name, tier="large" if large is None else large.tier),
    )
    return losses(assessed, rungs)[0]
