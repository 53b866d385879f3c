"""What an app registers to answer without a general model: functions, FAQ, tasks. The clients inherit `Registering`.

How a question finds its answerer is in `answerers/`; when one is run, in steps/answering.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path

    from greenai.answerers.faq import Progress, Source
    from greenai.answerers.registered import Answerer
    from greenai.answerers.shelf import Mode
    from greenai.answerers.tasks import TaskSpec
    from greenai.local import Running
    from greenai.local.torch_engine import Kind
    from greenai.session import Session
    from greenai.text import TaskAnswer

__all__ = ["AsyncTask", "Distilled", "Registering", "Task"]

A = TypeVar("A", bound="Answerer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distilled:
    """What a file of `greenai distil` holds: `version` begins its hash, `promise` is how often it says the same.

    It answers with a confidence of `threshold` or more, as `teacher` would.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    threshold: float
    promise: float
    teacher: str | None


class Registering:
    """The methods by which both clients register answerers; a client's `with_options` copies share them."""

    _session: Session

    def local_models(self) -> tuple[Running, ...]:
        """Return the models that this client has in memory on this machine, and when each is unloaded, and why."""
        parker = self._session.resources.engines.parker
        return () if parker is None else parker.running()

    def answerer(
        self,
        examples: Sequence[str],
        *,
        name: str | None = None,
        threshold: float | None = None,
        volatile: bool = True,
        counterexamples: Sequence[str] = (),
    ) -> Callable[[A], A]:
        """Register the decorated function, sync or async, for questions like the examples.

        The function takes the question and returns the text of the answer, or None to let the next rung try. One that
        raises is passed over, and the receipt says so.

        Args:
            examples: questions as users ask them; from three on, the threshold is calibrated by them.
            name: how receipts call it; by default the function's name.
            threshold: the similarity from which it answers, in [0, 1]; by default calibrated.
            volatile: False where the same question always has the same answer, which may then be stored.
            counterexamples: questions that are close to the examples and meant otherwise.

        Raises:
            InvalidRequest: there is no example, or the name is taken.
        """
        texts = _texts("examples", examples)
        against = _texts("counterexamples", counterexamples, some=False)

        def register(function: A) -> A:
            from greenai.answerers.matching import Route
            from greenai.answerers.registered import Function

            called = name or str(getattr(function, "__name__", type(function).__name__))
            route = Route(name=called, examples=texts, counterexamples=against, threshold=_share(threshold))
            self._session.resources.own.add(Function(name=called, call=function, route=route, volatile=volatile))
            return function

        return register

    def faq(self, source: Source, *, name: str = "faq", threshold: float | None = None) -> None:
        """Answer from what is written down: the answer of the matching question, or the best passage, word for word.

        Args:
            source: question and answer pairs (a mapping or a list), a .jsonl or .csv file of them, or a folder of .md
                and .txt documents. Files are read at the first question, and again when they change.
            name: how receipts call it.
            threshold: the similarity or score from which it answers, in [0, 1]; by default calibrated.

        Raises:
            InvalidRequest: the source does not exist or is not what it should be, or the name is taken.
        """
        from greenai.answerers.faq import Faq

        self._session.resources.own.add(Faq(source, name=name, threshold=_share(threshold)))

    def distilled(self, file: Path | str, *, mode: Mode = "shadow", audit: float | None = None) -> Distilled:
        """Have a task model that `greenai distil` made answer the prompts of its template.

        In shadow, with which to begin, the large model goes on answering and both are compared. Once it is on, a part
        of its answers is audited, and it falls back to shadow where they are no longer what the large model says.

        Args:
            file: what `greenai distil` wrote.
            mode: "shadow", or "on" to have it answer where it is sure.
            audit: the part of its answers that the large model gives, too; 0.02 by default, 0.01 at least.

        Raises:
            WeightsDamaged: the file was cut short, changed, is too new, or none.
            MissingExtra: what it needs is not installed.
            InvalidRequest: there is no such file, or it is registered already.
        """
        from greenai.answerers.shelf import listed

        model = self._session.resources.shelf.add(listed(file, mode, audit))
        return Distilled(
            name=model.name, version=model.version, labels=model.labels, threshold=model.threshold,
            promise=model.promise, teacher=model.teacher,
        )  # fmt: skip

    def prepare(self, progress: Progress | None = None) -> dict[str, float]:
        """Read and index what is registered now, rather than at the first question.

        Returns the similarity from which each answerer answers, by kind and name. `progress` is called with the number
        of files read, and of all.

        Raises:
            InvalidRequest: a source of the FAQ is too large, or not what it should be.
        """
        own = self._session.resources.own
        if own.is_due():
            own.refresh(progress)
        return own.thresholds

    def _task(
        self,
        name: str,
        model: str | None,
        kind: Kind,
        labels: Sequence[str],
        examples: Mapping[str, Sequence[str]] | None,
        requests: Sequence[str],
        threshold: float | None,
    ) -> TaskSpec:
        from greenai.answerers import tasks

        spec = tasks.make(
            name,
            model=model,
            kind=kind,
            labels=labels,
            examples=examples,
            requests=_texts("examples_of_requests", requests, some=False),
            threshold=_share(threshold),
        )
        self._session.resources.own.add(spec)
        return spec


def _texts(what: str, given: Sequence[Any], *, some: bool = True) -> tuple[str, ...]:
    texts = tuple(given) if _is_many(given) else ("",)
    if (some and not texts) or not all(isinstance(t, str) and t.strip() for t in texts):
        raise InvalidRequest(
            f"{what} must be a list of texts, none of them empty: questions as users ask them, three or more."
        )
    return texts


def _is_many(given: object) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, (str, bytes, Mapping))


def _share(threshold: float | None) -> float | None:
    is_number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
    if threshold is not None and not (is_number and 0 <= threshold <= 1):
        raise InvalidRequest(f"threshold={threshold!r} is no similarity. Pass a number from 0 to 1, or None.")
    return threshold


# --- tasks --------------------------------------------------------------------------------


class _TaskFacts:
    """What both tasks say of themselves."""

    def __init__(self, session: Session, spec: TaskSpec) -> None:
        self._session = session
        self._spec = spec

    @property
    def name(self) -> str:
        """The name it is registered under."""
        return self._spec.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it may give; empty where only the model knows them."""
        return self._spec.labels

    @property
    def threshold(self) -> float:
        """The confidence below which it abstains."""
        return self._spec.threshold

    @property
    def accuracy(self) -> float | None:
        """How often it is right on its own examples, each left out in turn; None for a model made elsewhere."""
        found: float | None = getattr(self._spec.engine, "accuracy", None)
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._spec.name!r}, model={self._spec.model!r})"


class Task(_TaskFacts):
    """A task model, to be called with a text; made by `client.task`."""

    def __call__(self, text: str, question: str | None = None) -> TaskAnswer:
        """Do the task on `text`; `question` is what a question-answering model answers from it.

        Raises:
            InvalidRequest: the text is empty.
            ModelError: the model cannot be loaded.
        """
        return self._session.solve(self._spec, text, question)


class AsyncTask(_TaskFacts):
    """The same, awaited."""

    async def __call__(self, text: str, question: str | None = None) -> TaskAnswer:
        """Do what `Task` does, awaited."""
        return await self._session.asolve(self._spec, text, question)
