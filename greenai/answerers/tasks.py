"""Task models: a small model made for one task in place of a general one, and where a request hands it its text.

A task has one of two engines: a head on text vectors, fitted from labelled examples (`heads.py`), or a model that
transformers runs (`greenai.local.torch_engine`). Within `ask` and `create` a task answers where the project named
example requests for it and the request shows which part of it is the text: in quotes, after a colon, or below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenai.answerers.heads import Head
from greenai.answerers.matching import Route
from greenai.answerers.sameness import stems
from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from greenai.local.torch_engine import Kind, TaskModel

__all__ = ["Solved", "TaskSpec", "further", "make", "split_request"]

UNSURE = 0.5  # below it a transformers model's label or answer is worth nothing; its own figures are not calibrated
_NEEDS_EXAMPLES = 'client.task("sentiment", examples={"positive": [...], "negative": [...]})'


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """What a task model made of a text. It is not `sure` below the threshold, and then has no label and no text."""

    text: str
    label: str | None
    confidence: float | None
    threshold: float

    @property
    def sure(self) -> bool:
        """True from the threshold on; a model that says nothing of how sure it is counts as sure."""
        return bool(self.text) and (self.confidence is None or self.confidence >= self.threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One task: its engine, and the requests that it answers."""

    name: str
    model: str
    engine: Head | TaskModel = field(repr=False)
    threshold: float
    labels: tuple[str, ...] = ()
    route: Route | None = None

    @property
    def in_process(self) -> bool:
        """True for a head: pure arithmetic, too small to be measured by itself."""
        return isinstance(self.engine, Head)

    def run(self, text: str, question: str | None = None) -> Solved:
        """Do the task on `text`; `question` is what a question-answering model answers from it.

        Raises:
            GreenAIError: the model cannot be loaded.
        """
        if isinstance(self.engine, Head):
            likeliest, confidence = self.engine(text)
            return Solved(text=likeliest, label=likeliest, confidence=confidence, threshold=self.threshold)
        done = self.engine(text, question)
        label, said = self._named(done.label), done.text
        return Solved(text=label or said, label=label, confidence=done.confidence, threshold=self.threshold)

    def _named(self, label: str | None) -> str | None:
        """Return the project's name of a label that the model only numbers."""
        numbered = re.fullmatch(r"LABEL_(\d+)", label or "")
        if numbered and int(numbered[1]) < len(self.labels):
            return self.labels[int(numbered[1])]
        return label


def make(
    name: str,
    *,
    model: str | None,
    kind: Kind,
    labels: Sequence[str],
    examples: Mapping[str, Sequence[str]] | None,
    requests: Sequence[str],
    threshold: float | None,
) -> TaskSpec:
    """Make a task of what the app gave.

    Raises:
        InvalidRequest: the arguments make no task.
    """
    route = Route(name=name, examples=tuple(requests)) if requests else None
    if (model is None) == (examples is None):
        raise InvalidRequest(
            f'The task "{name}" needs either examples or a model: {_NEEDS_EXAMPLES}, or model="folder or name".'
        )
    if examples is not None:
        _require_texts(name, examples)
        if labels and set(labels) != set(examples):
            raise InvalidRequest(
                f'The task "{name}" has the labels {", ".join(sorted(labels))} and examples for '
                f"{', '.join(sorted(examples))}. Give every label its examples."
            )
        head = Head({label: tuple(examples[label]) for label in labels or examples}, threshold)
        return TaskSpec(
            name=name, model=f"greenai/task:{name}", engine=head, threshold=head.threshold, labels=head.labels,
            route=route,
        )  # fmt: skip
    from greenai.local.torch_engine import KINDS, TaskModel

    if kind not in KINDS:
        raise InvalidRequest(f'"{kind}" is no kind of task. Kinds: {", ".join(KINDS)}.')
    return TaskSpec(
        name=name,
        model=f"local/{model}",
        engine=TaskModel(str(model), kind),
        threshold=UNSURE if threshold is None else threshold,
        labels=tuple(labels),
        route=route,
    )


def _require_texts(name: str, examples: object) -> None:
    """Refuse a text where a list belongs: it would be read as a list of its letters."""
    lists: Iterable[object] = examples.values() if isinstance(examples, Mapping) else (None,)
    for texts in lists:
        some = texts if isinstance(texts, Iterable) and not isinstance(texts, (str, bytes, Mapping)) else (None,)
        if not all(isinstance(text, str) and text.strip() for text in some):
            raise InvalidRequest(
                f'The examples of the task "{name}" must be lists of texts by label, none of them empty: '
                f"{_NEEDS_EXAMPLES}."
            )


# --- which part of a request is the text --------------------------------------------------

_QUOTES = {'"': '"', "\u201d": "\u201c", "\u00bb": "\u00ab", "'": "'"}  # the mark that ends it: the one that begins it
_BEGINS = re.compile(r"""["\u201c\u00ab]|(?<!\w)'""")
_INSIDE = {
    '"': re.compile('"'),
    "\u201d": re.compile("[\u201c\u201d]"),
    "\u00bb": re.compile("[\u00ab\u00bb]"),
    "'": re.compile(r"(?<!\w)'|'(?!\w)"),  # not an apostrophe
}
MOST_REQUEST_CHARS = 200


_FURTHER = frozenset(
    stems(
        "why explain justify reason reasons reasoning elaborate discuss rewrite rephrase paraphrase reword write draft "
        "compose translate summarise summarize shorten improve correct proofread fix convert generate reply respond "
        "suggest compare list extract highlight justification explanation then also"
    )
)


def further(request: str, example: str) -> str | None:
    """Return what a request asks for besides: an instruction that the example of the task has not."""
    known = frozenset(stems(example))
    said = (word for word in request.lower().split() if _FURTHER.intersection(stems(word)) - known)
    return next(said, None)


def split_request(prompt: str) -> tuple[str, str] | None:
    """Return a request without its text, and the text; None where nothing shows which part is the text.

    The text comes last: in quotes, after a colon, or on the lines below the first. Two quotations are no one text: the
    words between them may be another instruction.
    """
    prompt = prompt.strip()
    first, _, rest = prompt.partition("\n")
    for before, text in (_quoted(prompt), prompt.partition(":")[::2], (first, rest)):
        if before.strip() and text.strip() and len(before) <= MOST_REQUEST_CHARS and "\n" not in before.strip():
            bare = _bare(text.strip())
            return None if bare is None else (before.strip(" :,-"), bare)
    return None


def _quoted(prompt: str) -> tuple[str, str]:
    """Return what stands before the quotation that ends the prompt, and what it quotes."""
    end = _end(prompt)
    begin = _BEGINS.search(prompt, 0, MOST_REQUEST_CHARS + 1)
    if end is None or begin is None or begin[0] != _QUOTES[prompt[end]]:
        return "", ""
    text = prompt[begin.end() : end]
    return ("", "") if _INSIDE[prompt[end]].search(text) else (prompt[: begin.start()], text)


def _end(prompt: str) -> int | None:
    """Return where the last closing mark stands, if no word follows it. One look at each character from the end."""
    for at in range(len(prompt) - 1, -1, -1):
        if prompt[at] in _QUOTES:
            return at
        if prompt[at].isalnum() or prompt[at] == "_":
            return None
    return None


def _bare(text: str) -> str | None:
    """Return a text without the quotes around it; None where it begins with a quotation and goes on after it."""
    if _BEGINS.match(text) is None:
        return text
    before, bare = _quoted(text)
    return bare if bare and not before else None
