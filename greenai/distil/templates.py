"""The templates of a log that a task model could answer: those that an audit numbers, with the same numbers and ids.

An audit's rows say how many calls a template has, what they took and how many labels its answers are; what a skeleton
and a label read is found in some of the texts. Calls are read twice, in bounded memory: once into the audit's store, of
which `--work` keeps the rows, and then what is looked at.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from greenai.audit.columns import Calls, Coded, places_of, stored, texts_of
from greenai.audit.exact import exact
from greenai.audit.ingest import ingest
from greenai.audit.labels import LEAST, SHARE, Labels, labels_of, spelling, whole_of
from greenai.audit.reading import opened
from greenai.audit.run import Reading
from greenai.audit.store import Store, working
from greenai.distil.pairs import OWN, Pairs, collect, is_formed
from greenai.distil.scores import are_numbers, suggested
from greenai.distil.spans import COPIED, copied

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.answerers.distilled import Kind
    from greenai.answerers.skeleton import Template
    from greenai.audit.exact import Exact
    from greenai.audit.values import Logged, Source
    from greenai.progress import Moved

__all__ = ["Candidate", "Log", "reading"]

SAMPLE = 200
MOST_TEMPLATES = 100
"""So many are looked at, those with most calls."""
MOST_NAMED = 3
FORMED_SHARE = 0.5
"""Where so many calls ask for a form of the answer, the rest is not worth a task model. Assumption."""
TOLD = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A template of a log, and whether a task model could answer it.

    Attributes:
        number: what an audit of the same files calls it; `id` is of its digest, and stays when other templates grow.
        calls: how many calls are of it, as far as the sample tells.
        labels: its most frequent answers, with how often each was given.
        share: how much of its answers these are.
        input_tokens: all tokens of its prompts, where the log tells them; `output_tokens` likewise.
        counted: calls of which the log tells both.
        models: who answered, most calls first.
        why_not: why no task model can be made of it; None where one can.
        kind: "label"; "score" where its answers are many numbers, which want a tolerance; or "span" where they are no
            labels and stand in the texts.
        tolerance: one to begin with, where they are numbers.
        unanswered: different prompts that were never answered whole, where the others' answers are labels, numbers or
            copies, or there are none.
    """

    number: int
    id: str
    template: Template
    calls: int
    labels: tuple[tuple[str, int], ...]
    share: float
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    models: tuple[str, ...]
    projects: tuple[str, ...]
    why_not: str | None
    kind: Kind = "label"
    tolerance: str | None = None
    unanswered: int = 0
    counted: int = 0


@contextmanager
def reading(
    paths: Sequence[str | Path],
    *,
    format: str | None = None,  # noqa: A002 - the option's name
    folder: Path | None = None,
    workers: int = 2,
    moved: Moved | None = None,
) -> Generator[Log]:
    """Read a log as an audit does.

    Args:
        paths: files, folders or patterns.
        format: the format of all of them, where it shall not be found out.
        folder: where the rows are kept, to go on with: that of an audit of the same files is not read again.
        workers: processes that read a large log.
        moved: told how far it is.

    Raises:
        LogUnreadable: there is no such file, it cannot be read, or nobody knows its format.
        MissingExtra: DuckDB is not installed.
    """
    left: list[Source] = []
    files = opened(paths, format, left)
    with working(folder) as store:
        read = ingest(files, store, workers=workers, moved=Reading(moved))
        yield Log(store, (*read, *left), moved)


class Log:
    """A log that was read; texts are read in its files again. Made by `reading`.

    Attributes:
        sources: how each file was read, and what was not.
    """

    def __init__(self, store: Store, sources: Sequence[Source], moved: Moved | None = None) -> None:
        self.sources = tuple(sources)
        self._store, self._moved = store, moved

    @cached_property
    def _calls(self) -> Calls:
        return stored(self._store)

    def templates(self, *, least: int = LEAST) -> tuple[Candidate, ...]:
        """Return the templates with so many calls, those that a task model could answer first, most tokens first."""
        calls, draw = self._calls, random.Random(0)  # noqa: S311 (a sample, no secret)
        labels = dict(sorted(labels_of(calls, least).items())[:MOST_TEMPLATES])  # the largest have the lowest numbers
        looked = {code: _Rows.of(calls, code, found, draw) for code, found in labels.items()}
        wanted = sorted({row for rows in looked.values() for row in (*rows.sample, *rows.labels.values())})
        read = dict(zip(wanted, texts_of(self._store)(wanted), strict=True))
        found = [
            _candidate(calls, labels[code], rows, seen, read)
            for code, rows in looked.items()
            if (seen := exact([call for row in rows.sample if (call := read[row]) is not None])) is not None
        ]
        return tuple(
            sorted(found, key=lambda one: (one.why_not is not None, -one.input_tokens - one.output_tokens, -one.calls))
        )

    def pairs(self, chosen: Candidate) -> Pairs:
        """Return the pairs of a template, of the model that answered most of its calls."""
        return collect(self._of(chosen), chosen.template, chosen.models[0] if chosen.models else None)

    def _of(self, chosen: Candidate) -> Iterator[Logged]:
        import numpy as np

        rows = np.flatnonzero(self._calls.template.codes == chosen.number - 1)
        keys = [(int(source), int(position), int(part)) for source, position, part in places_of(self._store)[rows]]
        for count, (_, call) in enumerate(self._store.texts(keys), 1):
            if self._moved is not None and count % TOLD == 0:
                self._moved("pairs", done=count, total=len(keys), said=f"{count:,} of {len(keys):,} calls")
            yield call


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The numbers of a template's calls: of all, of some drawn at random, and of one for each label."""

    every: NDArray[np.int64]
    sample: Sequence[int]
    labels: Mapping[int, int]

    @classmethod
    def of(cls, calls: Calls, code: int, labels: Labels, draw: random.Random) -> _Rows:
        import numpy as np

        every = np.flatnonzero(calls.template.codes == code)
        answers, first = np.unique(calls.answer.codes[every], return_index=True)
        row = dict(zip(answers.tolist(), every[first].tolist(), strict=True))
        return cls(
            every=every,
            sample=every[draw.sample(range(len(every)), min(SAMPLE, len(every)))].tolist(),
            labels={answer: row[answer] for answer, _ in labels.counts},
        )


def _candidate(calls: Calls, labels: Labels, rows: _Rows, seen: Exact, read: Mapping[int, Logged | None]) -> Candidate:
    import numpy as np

    code = int(calls.template.codes[rows.every[0]])
    sample = [call for row in rows.sample if (call := read[row]) is not None]
    copies = _copies(labels, seen, sample)
    answers = [] if copies is not None else [call.answer for call in sample if call.answer is not None]
    numbers = labels.different >= LEAST and are_numbers(answers)
    cost = calls.cost_usd[rows.every]
    counted = int((~np.isnan(calls.input_tokens[rows.every]) & ~np.isnan(calls.output_tokens[rows.every])).sum())
    learnable = numbers or copies is not None or labels.share >= SHARE or not labels.answered
    said = {answer: call.answer or "" for answer, row in rows.labels.items() if (call := read[row]) is not None}
    return Candidate(
        number=code + 1,
        id=calls.template.ids[code],
        template=seen.template,
        calls=round(seen.matching * len(rows.every)),
        labels=tuple((spelling(said[answer]), count) for answer, count in labels.counts if answer in said),
        share=1.0 if numbers else labels.share if copies is None else copies,
        input_tokens=round(seen.matching * float(np.nansum(calls.input_tokens[rows.every]))),
        output_tokens=round(seen.matching * float(np.nansum(calls.output_tokens[rows.every]))),
        cost_usd=None if np.isnan(cost).all() else seen.matching * float(np.nansum(cost)),
        models=_names(calls.model, rows.every),
        projects=_names(calls.project, rows.every),
        why_not=seen.why_not or _formed(sample) or (None if numbers or copies is not None else _why_not(labels)),
        kind="score" if numbers else "label" if copies is None else "span",
        tolerance=suggested(answers) if numbers else None,
        counted=round(seen.matching * counted),
        unanswered=_unanswered(calls, rows) if learnable and seen.why_not is None else 0,
    )


def _unanswered(calls: Calls, rows: _Rows) -> int:
    import numpy as np

    whole, keys = whole_of(calls)[rows.every], calls.key.codes[rows.every]
    return len(np.setdiff1d(keys[~whole], keys[whole]))


def _why_not(labels: Labels) -> str | None:
    return labels.why_not if labels.answered else "none of its calls has a whole answer"


def _formed(sample: Sequence[Logged]) -> str | None:
    """Say why no task model can answer calls of which most ask for a form of the answer."""
    share = sum(map(is_formed, sample)) / max(1, len(sample))
    if share < FORMED_SHARE:
        return None
    return (
        f"{share:.0%} of its calls ask for tools or a form of the answer, such as response_format, and no task model "
        "answers those"
    )


def _copies(labels: Labels, seen: Exact, sample: Sequence[Logged]) -> float | None:
    """Return which share of the answers are copied out of the texts, where they are no labels; None where they are."""
    if labels.share >= SHARE or labels.different < LEAST:
        return None
    pairs = collect(sample, seen.template)
    how = copied(pairs.texts, pairs.answers) if pairs.texts else None
    return how.share if how is not None and how.spans and how.share >= COPIED else None


def _names(column: Coded, rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the names that most of the calls have, without those of what greenai answered itself."""
    often = (column.name(code, "?") for code, _ in Counter(column.codes[rows].tolist()).most_common())
    return tuple(islice((name for name in often if not name.startswith(OWN)), MOST_NAMED))
