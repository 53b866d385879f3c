"""What answers without a general model, beside the logged answers: free, so that it needs no budget.

    a built-in tool is sure ────────── its answer, in what the log's answer says
    a task model of the settings ───── its label, as the log wrote it
    the semantic cache gives a hit ─── the stored answer, as the cache itself compares answers

The shares of other answers take the place of what was assumed. The log's answer is taken to be right here, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from greenai import answerers
from greenai.answerers.replies import alike
from greenai.audit.check_plan import weights
from greenai.audit.finding import Assumption, Risk, Sufficing
from greenai.audit.labels import WHOLE
from greenai.audit.matching import form_of, same, told
from greenai.audit.shares import measured
from greenai.audit.sufficing import near_repeats, requested
from greenai.errors import GreenAIError

if TYPE_CHECKING:
    from greenai.answerers.distilled import TaskModel
    from greenai.audit.estimate import Looked
    from greenai.audit.sufficing import Texts
    from greenai.audit.values import Logged
    from greenai.cache.semantic import Hit

__all__ = ["Tried", "tried"]

IN_A_ROW = 400
"""In so many calls in a row the semantic cache is tried."""
HOW: dict[Sufficing, str] = {
    "deterministic": "its number or word was looked for in the log's answer",
    "task_model": "without case and quotes; calls that it was trained on may be among them, and flatter it",
    "near_repeat": "stored answers compared as the cache does itself, to which doubt means different",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What one way of answering said beside the log.

    Attributes:
        name: what answered: the tools, a file, the cache.
        answered: calls that were looked at and that it would have answered; `compared` of them could be, `differ` said
            something else than the log.
        risk: their share, each with the calls that it stands for; None where none was compared.
        why: why it could not be tried.
    """

    by: Sufficing
    name: str
    answered: int = 0
    compared: int = 0
    differ: int = 0
    risk: Risk | None = None
    why: str | None = None

    @property
    def assumption(self) -> Assumption:
        """What its measured risk rests on."""
        return Assumption(
            key=f"check_{self.by}",
            text=f"{self.name} would have answered {self.answered:,} of the calls that were looked at. "
            f"{self.compared:,} of these answers could be compared with the log, and {self.differ:,} say something "
            f"else: {HOW[self.by]}. The log's answer is taken to be right.",
            evidence="measured",
        )


def tried(
    looked: Looked, texts: Texts, files: Sequence[Path] = (), reading: Callable[[Path], TaskModel] | None = None
) -> tuple[Tried, ...]:
    """Return what each of them said; those that answered nothing are there as well.

    Args:
        looked: what was looked at.
        texts: reads the texts of some calls.
        files: task models.
        reading: reads such a file.
    """
    rows = looked.judged.rows.tolist()
    stands_for = weights(looked).tolist()
    row = _in_a_row(looked)
    held = dict(zip((wanted := sorted({*rows, *row})), texts(wanted), strict=True))
    calls = [(held[at], weight) for at, weight in zip(rows, stands_for, strict=True)]
    sure = (looked.judged.deterministic & ~looked.judged.repeat).tolist()
    computed = [pair for pair, is_sure in zip(calls, sure, strict=True) if is_sure]
    return (
        _counted("deterministic", "Built-in tools", _tools(computed)),
        *(_distilled(file, calls, reading) for file in files),
        _cached([call for at in row if (call := held[at]) is not None]),
    )


def _in_a_row(looked: Looked) -> list[int]:
    import numpy as np

    judged = np.flatnonzero(looked.calls.judged)
    start = int(np.random.default_rng(looked.seed).integers(0, max(len(judged) - IN_A_ROW, 0) + 1))
    row: list[int] = judged[start : start + IN_A_ROW].tolist()
    return row


def _is_whole(call: Logged) -> bool:
    return bool(call.answer) and not call.tool_calls and call.finish_reason in WHOLE


def _counted(by: Sufficing, name: str, found: Iterator[tuple[bool | None, float]]) -> Tried:
    """Return counts of what is the same as the log, None where that cannot be told, each with its weight."""
    answers = list(found)
    known = [(not is_same, weight) for is_same, weight in answers if is_same is not None]
    if not known:
        return Tried(by=by, name=name, answered=len(answers))
    flags, stand_for = [flag for flag, _ in known], [weight for _, weight in known]
    risk = Risk(share=measured(flags, stand_for), evidence="measured", compared=len(known))
    return Tried(by=by, name=name, answered=len(answers), compared=len(known), differ=sum(flags), risk=risk)


def _tools(calls: Sequence[tuple[Logged | None, float]]) -> Iterator[tuple[bool | None, float]]:
    for call, weight in calls:
        found = None if call is None else answerers.answer(requested(call))
        if call is not None and found is not None:
            asked = requested(call).last_user_text
            yield told(found.reply.text, call.answer or "", asked) if _is_whole(call) else None, weight


def _distilled(
    file: Path, calls: Sequence[tuple[Logged | None, float]], reading: Callable[[Path], TaskModel] | None
) -> Tried:
    from greenai.answerers.distilled import read

    try:
        model = (reading or read)(file)
    except GreenAIError as error:
        return Tried(by="task_model", name=file.name, why=str(error))
    found = [
        (alike(said.text, call.answer or "") if _is_whole(call) else None, weight)
        for call, weight in calls
        if call is not None and (said := model.answer(call.messages or ())) is not None
    ]
    return _counted("task_model", f"{model.name} ({file.name})", iter(found))


def _cached(calls: Sequence[Logged]) -> Tried:
    given: list[tuple[Logged, str]] = []

    def gave(call: Logged, hit: Hit) -> None:
        given.append((call, hit.answer))

    if not near_repeats(calls, gave).looked:
        why = 'its encoder is not installed: pip install "greenai[semantic]"'
        return Tried(by="near_repeat", name="The semantic cache", why=why)
    return _counted("near_repeat", "The semantic cache", ((_as_cached(*one), 1.0) for one in given))


def _as_cached(call: Logged, stored: str) -> bool | None:
    """Say whether a stored answer says what was answered anew: by its form, else as the cache compares."""
    from greenai.cache.compare import Comparison
    from greenai.cache.vetoes import vetoes
    from greenai.embed import minilm

    answer = call.answer or ""
    form = form_of(answer, is_label=True)
    if not _is_whole(call):
        return None
    if form is not None:
        return same(form, answer, stored)
    comparison = Comparison(minilm.load().encode, vetoes, None)
    return comparison.same(requested(call).last_user_text, comparison.read(stored), comparison.read(answer))
