"""Answers that were given before to a question of the same meaning, with a bound on the share of wrong ones.

    lookup ── embed ── neighbours favour an answer? ── a stored question of it without veto? ── sure enough? ── a hit
                                                                                              └─ 1 in 20: an audit
    admit ─── the answer that came: the one that would have been given? ── learn, store; an audit that failed: drop

A tier knows nothing at first and gives nothing: it learns from the answers that are admitted after its misses which
of its proposals were right (bound.py). It takes what it is given: whether a question may be stored at all is
`volatility`'s to say, and `classes` has it asked.
"""

from __future__ import annotations

import hashlib
import logging
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, cast

from greenai._locks import Lock
from greenai.cache.bound import WARM_UP, Bound
from greenai.cache.checks import require_callables, require_numbers, require_share, require_texts
from greenai.cache.compare import Comparison, Judge, Wording
from greenai.cache.index import NUMPY_ROWS
from greenai.cache.log import TTL_S, Log
from greenai.cache.neighbours import FACTS
from greenai.cache.scope import Candidate, Change, Held, Scope
from greenai.cache.vetoes import VERSION as VETOES_VERSION
from greenai.cache.vetoes import vetoes as all_vetoes
from greenai.cache.volatility import Volatility, volatility
from greenai.errors import EngineError, InvalidRequest, MissingExtra

if TYPE_CHECKING:
    from greenai.cache.exact import ManagedStore
    from greenai.embed.vectors import Floats

__all__ = ["VERSION", "Encoder", "Hit", "SemanticTier"]

VERSION = "semantic-2"
AUDITS = 0.05
"""So many of the answers that could be given are asked for anew, to see whether they still hold."""
MAX_CHARS = 512
MOST_ENTRIES = 1_000_000
MOST_SCOPES = 256
MOST_GIVEN = 2_000
"""So many of the latest hits can be found wrong by their call."""
STORED: frozenset[Volatility] = frozenset(("static", "slow", "unknown"))
"""The classes of questions that a client stores."""

_log = logging.getLogger("greenai")
_UNKNOWN = 1.0  # the bound where nothing is known


class Encoder(Protocol):
    """Text to unit vectors. `name` tells encoders and their versions apart: vectors of two are never compared.

    `serves` is False for one that is too weak for hits: the tier then proposes only.
    """

    @property
    def name(self) -> str:
        """What the encoder is called, with its version."""
        ...

    @property
    def serves(self) -> bool:
        """Whether its similarities may decide about hits."""
        ...

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return one unit vector per text, float32."""
        ...


class _Static:
    """The word vectors of the package: 0.1 ms a question, but they know no order of words."""

    serves = False

    def __init__(self) -> None:
        from greenai import embed

        self.name = f"static-{embed.VERSION}"
        self.encode = embed.encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A stored answer for a question of the same meaning.

    Attributes:
        answer: what was answered then.
        question: the stored question.
        similarity: the cosine similarity of both questions.
        score: how likely the answer is right, from 0 to 1.
        bound: on the share of wrong answers among those given at this score or above.
        age_s: since the answer was stored.
        threshold: the score from which on answers are given; infinity where none is yet.
        ref: what was given to `admit` along with the answer.
    """

    answer: str
    question: str
    similarity: float
    score: float
    bound: float
    age_s: float
    threshold: float
    ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A hit: which answer, to the stored question, was given to which text of which scope."""

    scope: str
    text: str
    question: str
    candidate: Candidate


class SemanticTier:
    """Stored answers by meaning, each scope for itself; safe for threads.

    Args:
        delta: the limit on the share of wrong answers among those given.
        encoder: None is all-MiniLM-L6-v2 of the extra `semantic`; without it, the tier proposes and gives nothing.
        store: where questions and answers stay, shared by processes; None is this object's memory.
        judge: says whether a stored answer would have served as well as a new one; None compares words and vectors.
        vetoes: reasons why one answer must not serve two questions; None asks for none.
        classes: the classes of `volatility` that are taken; None takes every question.
        before: the similarity from which on answers are given before enough was learned to bound anything;
            None gives none until then.
        warm_up: how many proposals have to be judged before the first hit.
        audits: the share of answers that are asked for anew.
        ttl_s: how long an answer may be given, in seconds.
        exact_rows: from so many questions in a scope on, usearch looks for neighbours, where it is installed.
        seed: of the choice of audits; None for another each time.

    Raises:
        InvalidRequest: `delta` is not between 0 and 0.5, `audits` not from 0 to below 1, `before` not from 0 to 1, or
            `judge` or `vetoes` cannot be called.
    """

    def __init__(
        self,
        *,
        delta: float = 0.01,
        encoder: Encoder | None = None,
        store: ManagedStore | None = None,
        judge: Judge | None = None,
        vetoes: Callable[[str, str], Sequence[str]] | None = all_vetoes,
        classes: Collection[Volatility] | None = None,
        before: float | None = None,
        warm_up: int = WARM_UP,
        audits: float = AUDITS,
        ttl_s: float = TTL_S,
        exact_rows: int = NUMPY_ROWS,
        seed: int | None = None,
    ) -> None:
        require_callables(judge=judge, vetoes=vetoes)
        require_share(before=before)
        require_numbers(delta=delta, audits=audits)
        if not 0 < delta <= 0.5 or not 0 <= audits < 1:
            raise InvalidRequest(
                f"A semantic tier with delta={delta} and audits={audits}: delta, the limit on the share of wrong "
                "answers, lies above 0 and at most at 0.5, audits from 0 to below 1. Pass delta=0.01, audits=0.05."
            )
        self._delta, self._before, self._warm_up = delta, before, warm_up
        self._encoder = encoder
        self._log = None if store is None else Log(store, ttl_s)
        self._judge, self._vetoes, self._classes = judge, vetoes, classes
        self._audits, self._ttl_s, self._exact_rows = audits, ttl_s, exact_rows
        self._random = random.Random(seed)  # noqa: S311 (no secret)
        self._scopes: OrderedDict[str, Scope] = OrderedDict()
        self._given: OrderedDict[str, _Given] = OrderedDict()
        self._lock = Lock()  # of these two alone: nobody waits for another scope's encoding and reading

    @property
    def delta(self) -> float:
        """The limit on the share of wrong answers among those given."""
        return self._delta

    @property
    def encoder_name(self) -> str:
        """What encodes the questions; opens it."""
        return self._opened_encoder().name

    # --- looking up -----------------------------------------------------------------------

    def lookup(
        self, scope: str, text: str, *, usable: Callable[[str], bool] | None = None, call: str | None = None
    ) -> Hit | None:
        """Return a stored answer that serves `text`; None for a miss, or for a hit that is taken as an audit.

        Args:
            scope: all that shapes the answer besides the text, as one key; nothing is shared between two.
            text: the question.
            usable: says of the `ref` of a stored answer whether it may still be given; None lets all be given.
            call: what a hit is known by to `refute`.

        Raises:
            WeightsDamaged: the encoder's weights are not those that were reviewed.
        """
        if not self._takes(text):
            return None
        vector = self._vector(text)
        held = self._opened(scope, len(vector))
        with held.lock:
            if not self._read(scope, held):
                return None
            candidate = self._candidate(held, text, vector, usable)
            hit = self._hit(held, candidate) if self._opened_encoder().serves else None
            if hit is not None and candidate.view is not None and self._random.random() >= self._audits:
                held.bound.gave(candidate.view.facts)
                if call is not None:
                    self._remember(call, _Given(scope=scope, text=text, question=hit.question, candidate=candidate))
                return hit
            held.wait(text, replace(candidate, audited=hit is not None))
            return None

    def propose(self, scope: str, text: str) -> Hit | None:
        """Return the stored answer that comes nearest to serving `text`, sure or not, or None; nothing is learned."""
        if not self._takes(text):
            return None
        vector = self._vector(text)
        held = self._opened(scope, len(vector))
        with held.lock:
            self._read(scope, held)
            return self._told(held, self._candidate(held, text, vector))

    def _takes(self, text: str) -> bool:
        require_texts(text=text)
        if not text.strip() or len(text) > MAX_CHARS or "```" in text:
            return False
        if self._classes is not None and volatility(text) not in self._classes:
            return False
        reads: Callable[[str], bool] | None = getattr(self._opened_encoder(), "reads", None)
        return reads is None or reads(text)

    def _candidate(
        self, held: Scope, text: str, vector: Floats, usable: Callable[[str], bool] | None = None
    ) -> Candidate:
        since = time.time() - self._ttl_s

        def fits(stored: Held) -> bool:
            if stored.created <= since or held.is_barred(text, stored):
                return False
            if self._vetoes is not None and self._vetoes(text, stored.question):
                return False
            return usable is None or stored.ref is None or usable(stored.ref)

        return held.candidate(vector, fits)

    def _threshold(self, held: Scope) -> float:
        if held.bound.judged >= self._warm_up:
            return held.bound.cut.threshold
        return math.inf if self._before is None else self._before

    def _hit(self, held: Scope, candidate: Candidate) -> Hit | None:
        found = self._told(held, candidate)
        if found is None or found.score < found.threshold:
            return None
        return found if held.bound.judged < self._warm_up or held.vouched(candidate) else None

    def _told(self, held: Scope, candidate: Candidate) -> Hit | None:
        stored = None if candidate.row is None else held.row(candidate.row)
        if stored is None or candidate.view is None:
            return None
        early = held.bound.judged < self._warm_up
        return Hit(
            answer=stored.answer,
            question=stored.question,
            similarity=candidate.similarity,
            score=candidate.similarity if early else held.bound.score(candidate.view.facts),
            bound=_UNKNOWN if early else held.bound.cut.bound,
            threshold=self._threshold(held),
            age_s=max(time.time() - stored.created, 0.0),
            ref=stored.ref,
        )

    # --- taking in ------------------------------------------------------------------------

    def admit(self, scope: str, text: str, answer: str, *, ref: str | None = None) -> None:
        """Store the answer that a question got, and learn whether what would have been given was right.

        Nothing is learned from a question that was not looked up before: that is how to fill a tier.

        Args:
            scope: as for `lookup`.
            text: the question.
            answer: what was answered.
            ref: whatever is to come back with a hit.
        """
        require_texts(scope=scope, answer=answer)
        if not self._takes(text) or not answer.strip():
            return
        with self._lock:
            known = self._scopes.get(scope)
        candidate = None
        if known is not None:
            with known.lock:
                candidate = known.waiting.pop(text, None)
        vector = self._vector(text) if candidate is None else candidate.vector
        held = self._opened(scope, len(vector))
        with held.lock:
            if self._read(scope, held) and held.count < MOST_ENTRIES:
                self._add(scope, held, _change(text, answer, vector, ref), candidate)

    def _add(self, scope: str, held: Scope, change: Change, candidate: Candidate | None) -> None:
        wording = held.worded(change.answer)
        while True:
            change = _judged(held, change, wording, candidate)
            if self._log is None or self._log.append(self._place(scope), held.count, change):
                held.apply(change, wording)
                return
            before, held.read_at = held.count, -math.inf
            # A store that fails: what it does not have must not be here either, or rows have other numbers elsewhere.
            if not self._read(scope, held) or held.count == before:
                return

    # --- taking back ----------------------------------------------------------------------

    def refute(self, call: str) -> bool:
        """Learn that the hit of `call` was wrong: its answer is not given to that question again.

        Returns:
            Whether it is still known what was given: the latest hits of this process are.
        """
        with self._lock:
            given = self._given.pop(call, None)
        if given is None:
            return False
        held = self._opened(given.scope, len(given.candidate.vector))
        with held.lock:
            row = given.candidate.row
            if not self._read(given.scope, held) or row is None or row >= held.count:
                return False
            stored = held.row(row)
            if stored is None or stored.question != given.question:
                return False
            change = _change(given.text, "", given.candidate.vector, stored.ref)
            self._add(given.scope, held, change, replace(given.candidate, audited=True))
        return True

    def forget(self, ref: str) -> None:
        """Give the answer that was admitted with this `ref` to nobody any more, and take its text out of the store."""
        with self._lock:
            scopes = list(self._scopes.values())
        for held in scopes:
            with held.lock:
                held.forget(ref)
        if self._log is not None:
            self._log.forget(ref)

    def _remember(self, call: str, given: _Given) -> None:
        with self._lock:
            self._given[call] = given
            if len(self._given) > MOST_GIVEN:
                self._given.popitem(last=False)

    # --- scopes ---------------------------------------------------------------------------

    def _opened(self, scope: str, dimensions: int) -> Scope:
        with self._lock:
            held = self._scopes.get(scope)
            if held is None:
                comparison = Comparison(self._encode, self._vetoes, self._judge)
                bound = Bound(self._delta, FACTS, warm_up=self._warm_up)
                held = self._scopes[scope] = Scope(dimensions, bound, comparison, self._exact_rows)
                if len(self._scopes) > MOST_SCOPES:
                    self._scopes.popitem(last=False)
            self._scopes.move_to_end(scope)
            return held

    def _read(self, scope: str, held: Scope) -> bool:
        """Apply what other processes, or an earlier one, stored; return whether all of it is known by now."""
        if self._log is None or (not held.stale and self._log.is_fresh(held.read_at)):
            return True
        read = None if held.stale else self._log.after(self._place(scope), held.count, held.dimensions)
        if read is None:
            self._close(scope, held)
            return False
        for change in read.changes:
            if change is None:
                held.skip()
            else:
                held.apply(change, held.worded(change.answer, change.answer_vector))
        if read.whole:
            held.read_at = time.monotonic()
        return read.whole

    def _close(self, scope: str, held: Scope) -> None:
        """Begin a scope anew: its log was cleared, so that other processes count its rows from 0 again."""
        held.stale = True
        with self._lock:
            if self._scopes.get(scope) is held:
                del self._scopes[scope]

    def _place(self, scope: str) -> str:
        parts = (VERSION, VETOES_VERSION, self._opened_encoder().name, scope)
        digest = hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
        return f"semantic:{digest}"

    # --- encoding -------------------------------------------------------------------------

    def _vector(self, text: str) -> Floats:
        vector: Floats = self._encode([text])[0]
        return vector

    def _encode(self, texts: Sequence[str]) -> Floats:
        return self._opened_encoder().encode(texts)

    def _opened_encoder(self) -> Encoder:
        if self._encoder is None:
            self._encoder = _default_encoder()
        return self._encoder


def _default_encoder() -> Encoder:
    from greenai.embed import minilm

    try:
        return minilm.load()
    except (EngineError, MissingExtra) as error:
        _log.warning("The semantic cache gives no answers: %s", error)
        return cast("Encoder", _Static())


def _change(text: str, answer: str, vector: Floats, ref: str | None) -> Change:
    return Change(question=text, answer=answer, vector=vector, answer_vector=None, created=time.time(), ref=ref)


def _judged(held: Scope, change: Change, wording: Wording, candidate: Candidate | None) -> Change:
    """Return a change with what it teaches: which answers are the same, and whether the candidate's was right."""
    same = held.same_as(change.question, change.vector, wording) if change.answer else ()
    change = replace(change, same=same, answer_vector=wording.vector)
    if candidate is None or candidate.row is None or candidate.view is None or held.row(candidate.row) is None:
        return change
    right = bool(change.answer) and held.is_right(candidate.row, change.answer, same)
    return replace(
        change,
        facts=tuple(candidate.view.facts.tolist()),
        row=candidate.row,
        right=right,
        audited=candidate.audited,
        # What somebody found wrong for one question may be right for its own.
        dropped=candidate.audited and not right and bool(change.answer),
    )
