"""All that one client's project registered: functions, FAQ and tasks; which of it is for a question, in what order.

Registering is cheap: vectors are made at the first question, or by `refresh`. A question is matched in memory; nothing
of the app's is run here.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from greenai._locks import Lock
from greenai.answerers.faq import CHECK_S, LEAST_COVERED, Documents, Faq, Pair, Progress, covered
from greenai.answerers.matching import Match, Route, Routes
from greenai.answerers.registered import Function, version_of
from greenai.answerers.tasks import TaskSpec, further, split_request
from greenai.errors import InvalidRequest
from greenai.values import Check

__all__ = ["Candidate", "Registry"]

logger = logging.getLogger("greenai")

_UNTOLD = (
    "The answers of %s are not stored, although it is registered with volatile=False: its versions cannot be told "
    "apart. Register a plain function that encloses plain values only."
)

Kind = Literal["registered", "faq", "task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One that may answer a question: who, why in words, and the figures it was held against.

    What answers is a `function` or a `task` that has yet to be run on `given`, or a `text` that is there already.
    """

    kind: Kind
    name: str
    why: str
    checks: tuple[Check, ...]
    fires: bool
    given: str
    question: str | None = None
    function: Function | None = None
    task: TaskSpec | None = None
    text: str | None = None

    @property
    def model(self) -> str:
        """The name under which it stands in a receipt."""
        if self.task is not None:
            return self.task.model
        return "greenai/faq" if self.name == "faq" else f"greenai/{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    """What was registered, with vectors: made anew as a whole, so that a reader never sees half of it."""

    whole: Routes | None = None
    requests: Routes | None = None
    pairs: Mapping[tuple[str, str], Pair]
    documents: tuple[tuple[str, Documents], ...] = ()


_EMPTY = _Index(pairs={})


class Registry:
    """What one client and its copies may answer with. Safe from any thread; false while nothing is registered."""

    def __init__(self) -> None:
        self._functions: dict[str, Function] = {}
        self._faqs: dict[str, Faq] = {}
        self._tasks: dict[str, TaskSpec] = {}
        self._index = _EMPTY
        self._stale = False
        self._retry_at = 0.0
        self._lock = Lock()
        self._registered = ""

    def __bool__(self) -> bool:
        return bool(self._functions or self._faqs or self._tasks)

    def add(self, given: Function | Faq | TaskSpec) -> None:
        """Register one more. Answers of a function whose versions cannot be told apart are not stored.

        Raises:
            InvalidRequest: something else is registered under that name.
        """
        if isinstance(given, Function) and not given.volatile and version_of(given.call) is None:
            logger.warning(_UNTOLD, given.name)
            given = replace(given, volatile=True)
        kept: dict[str, Function] | dict[str, Faq] | dict[str, TaskSpec]
        with self._lock:
            kept = self._kept(given)
            if given.name in kept:
                raise InvalidRequest(
                    f'An answerer with the name "{given.name}" is registered already. Pass another: name="...".'
                )
            kept[given.name] = given  # type: ignore[assignment]  # one table per kind
            self._stale, self._retry_at = True, 0.0
            self._registered = self._told()

    def _kept(self, given: Function | Faq | TaskSpec) -> dict[str, Function] | dict[str, Faq] | dict[str, TaskSpec]:
        if isinstance(given, Function):
            return self._functions
        return self._faqs if isinstance(given, Faq) else self._tasks

    def _told(self) -> str:
        functions = [
            (f.route, f.volatile, None if f.volatile else version_of(f.call)) for f in self._functions.values()
        ]
        return repr((functions, [(f.name, f.threshold) for f in self._faqs.values()], list(self._tasks.values())))

    @property
    def fingerprint(self) -> str:
        """What decides which question is answered here, for the key of stored answers; the contents of a FAQ too."""
        told = [self._registered, *(faq.version() for faq in tuple(self._faqs.values()))]
        return hashlib.sha256("\n".join(told).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    # The index.

    def is_due(self) -> bool:
        """Say whether `refresh` has something to do, or files to look at."""
        return self._is_stale() or any(faq.is_due() for faq in tuple(self._faqs.values()))

    def _is_stale(self) -> bool:
        return self._stale and time.monotonic() >= self._retry_at

    def refresh(self, progress: Progress | None = None) -> None:
        """Read files that changed and index what is new. What failed is tried again after `CHECK_S` seconds.

        Raises:
            InvalidRequest: a source of the FAQ is too large, or not what it should be. It keeps what it had, and all
                the others are indexed.
        """
        with self._lock:
            failed = self._read(progress)
            if self._is_stale():
                self._reindex()
        if failed is not None:
            raise failed

    def _read(self, progress: Progress | None) -> Exception | None:
        """Read what is due; return the first failure."""
        failed: Exception | None = None
        for faq in tuple(self._faqs.values()):
            try:
                if faq.is_due() and faq.refresh(progress):
                    self._stale, self._retry_at = True, 0.0
            except Exception as error:  # noqa: BLE001  # raised when the others are indexed: one must not silence them
                logger.warning("faq:%s could not be read and keeps what it had: %s", faq.name, error)
                failed = failed or error
        return failed

    def _reindex(self) -> None:
        try:
            self._index = self._indexed()
            self._stale = False  # not before: until then, others wait for their first index
        finally:
            if self._stale:
                self._retry_at = time.monotonic() + CHECK_S

    def _indexed(self) -> _Index:
        faqs = [faq for faq in self._faqs.values() if faq.pairs]
        whole = [*(_named("registered", f.route) for f in self._functions.values()), *(_faq_route(f) for f in faqs)]
        requests = [t.route for t in self._tasks.values() if t.route is not None]
        return _Index(
            whole=Routes(whole) if whole else None,
            requests=Routes(requests) if requests else None,
            pairs={(faq.name, pair.question): pair for faq in faqs for pair in faq.pairs},
            documents=tuple((f.name, f.documents) for f in self._faqs.values() if f.documents is not None),
        )

    @property
    def thresholds(self) -> dict[str, float]:
        """The similarity from which each answers, by kind and name."""
        index = self._index
        found = dict(index.whole.thresholds) if index.whole else {}
        found |= {f"faq:{name}": documents.threshold for name, documents in index.documents}
        return found | ({f"task:{n}": t for n, t in index.requests.thresholds.items()} if index.requests else {})

    # Questions.

    def candidates(self, question: str) -> tuple[Candidate, ...]:
        """Return who was nearest to `question`, in the order to be asked; only those that fire may answer it."""
        index = self._index
        found = [self._of_match(index, index.whole.best(question), question)] if index.whole else []
        found += [_of_passage(name, documents, question) for name, documents in index.documents]
        parts = split_request(question) if index.requests else None
        if parts is not None and index.requests is not None:
            found.append(self._of_task(index.requests.best(parts[0]), *parts))
        return tuple(candidate for candidate in found if candidate is not None)

    def _of_match(self, index: _Index, match: Match | None, question: str) -> Candidate | None:
        if match is None:
            return None
        kind, _, name = match.route.partition(":")
        why, checks = _why(match, match.route), (_check(match, match.route),)
        if kind == "faq":
            pair = index.pairs[name, match.example]
            why = f"{why} It stands in {pair.source}." if pair.source else why
            fires = match.fires and covered(question, match.example) >= LEAST_COVERED
            return Candidate(
                kind="faq", name=name, why=why, checks=checks, fires=fires, given=question, text=pair.answer
            )
        function = self._functions[name]
        return Candidate(
            kind="registered", name=name, why=why, checks=checks, fires=match.fires, given=question, function=function
        )

    def _of_task(self, match: Match | None, request: str, text: str) -> Candidate | None:
        if match is None:
            return None
        if match.fires and (word := further(request, match.example)) is not None:
            match = replace(match, against=f'it also says "{word}", and "{match.example}" does not')
        name = f"task:{match.route}"
        return Candidate(
            kind="task",
            name=match.route,
            why=_why(match, name),
            checks=(_check(match, name),),
            fires=match.fires,
            given=text,
            question=request,
            task=self._tasks[match.route],
        )


def _named(kind: Kind, route: Route) -> Route:
    return replace(route, name=f"{kind}:{route.name}")


def _faq_route(faq: Faq) -> Route:
    questions = tuple(pair.question for pair in faq.pairs)
    return Route(name=f"faq:{faq.name}", examples=questions, threshold=faq.threshold, strict=True)


def _of_passage(name: str, documents: Documents, question: str) -> Candidate | None:
    found = documents.best(question)
    if found is None:
        return None
    source = "the question is negated and the passage is not" if found.negated else "faq"
    check = Check(name=f"passage in faq:{name}", value=found.score, threshold=found.threshold, source=source)
    return Candidate(
        kind="faq",
        name=name,
        why=f"{found.source} answers this, with a score of {found.score:.2f} (from {found.threshold:.2f} on).",
        checks=(check,),
        fires=found.fires,
        given=question,
        text=f"{found.text}\n\n({found.source})",
    )


def _why(match: Match, name: str) -> str:
    return (
        f'The question is like "{match.example}" of {name}: similarity {match.similarity:.2f} '
        f"(from {match.threshold:.2f} on)."
    )


def _check(match: Match, name: str) -> Check:
    source = f'example: "{match.example}"' if match.against is None else match.against
    return Check(name=f"similarity to {name}", value=match.similarity, threshold=match.threshold, source=source)
