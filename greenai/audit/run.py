"""An audit from files to what was found: read into a store, look at a sample, and say what could have been."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenai.audit import assumptions, grid_hours
from greenai.audit.advice import finding_of
from greenai.audit.audited import Audited
from greenai.audit.columns import Calls, Coded, stored, texts_of
from greenai.audit.estimate import SAMPLE, looked_at
from greenai.audit.finding import Finding, Group, Risk, Span, Taken
from greenai.audit.ingest import ingest
from greenai.audit.reading import opened
from greenai.audit.simulate import span
from greenai.audit.store import working
from greenai.errors import InvalidRequest
from greenai.units import format_bytes, format_duration
from greenai.values import text_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.advice import Log
    from greenai.audit.estimate import Looked
    from greenai.audit.grid_hours import GridHours
    from greenai.audit.side_by_side import Check
    from greenai.audit.store import Store
    from greenai.audit.sufficing import Texts
    from greenai.audit.values import Logged, Source
    from greenai.progress import Moved

__all__ = ["Narrowed", "Options", "Reading", "audit"]

EXAMPLES, EXAMPLE_CHARS = 20, 300
MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """Which calls of a log are looked at; None is all of them. Moments are seconds since 1970.

    Where a moment is given, calls that the log gives no time for are left out.
    """

    project: str | None = None
    since: float | None = None
    until: float | None = None

    def of(self, calls: Calls) -> NDArray[np.int64]:
        """Return the numbers of the calls that are looked at.

        Raises:
            InvalidRequest: none is of the project.
        """
        import numpy as np

        kept = np.ones(len(calls), np.bool_)
        if self.project is not None:
            kept &= calls.project.codes == _code(calls.project.names, self.project)
        if self.since is not None:
            kept &= calls.created >= self.since
        if self.until is not None:
            kept &= calls.created < self.until
        return np.flatnonzero(kept)


def _code(names: Sequence[str], project: str) -> int:
    if project in names:
        return names.index(project)
    close = get_close_matches(project, names, n=1)
    has = f"It has: {', '.join(names[:MOST_NAMED])}." if names else "Its calls name no project: leave --project out."
    raise InvalidRequest(
        f"No call of the log is of the project {project!r}. {f'Did you mean {close[0]!r}?' if close else has}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a log is audited.

    Attributes:
        format: of all files, where it shall not be found out.
        narrowed: which calls are looked at.
        sample: about so many texts are looked at.
        folder: where the work is kept, to go on with; None removes it at the end.
        texts: whether a prompt of each of the largest templates is part of what comes out.
        workers: processes that read a large log.
        ladder: the models that would be asked, smallest first.
        zone: the grid that carbon is of.
        grid_hours: a file with what a kWh of it emitted by the hour; None takes its yearly mean.
        check: compares cheaper answers with the log, with what was looked at; None compares none.
    """

    format: str | None = None
    narrowed: Narrowed = field(default_factory=Narrowed)
    sample: int = SAMPLE
    folder: Path | None = None
    texts: bool = False
    workers: int = 2
    ladder: tuple[str, ...] = ()
    zone: str = "WORLD"
    grid_hours: Path | None = None
    check: Callable[[Looked, Texts, Moved | None], Check | None] | None = None


_NONE = Taken()
NOTHING = Finding(
    first=None,
    last=None,
    whole=Group(
        by="all", name="all calls", calls=0, failed=0, unjudged=0, was=_NONE, could_be=_NONE, saved=_NONE,
        saved_share=None, avoidable=Span(mid=0.0, low=0.0, high=0.0), sufficed=(),
    ),
)  # fmt: skip
"""What is found where there is no call."""


def audit(paths: Sequence[str | Path], options: Options, moved: Moved | None = None) -> Audited:
    """Audit files, folders or patterns; `moved` is told how far it is.

    Raises:
        LogUnreadable: there is no such file, it cannot be read, or nobody knows its format.
        InvalidRequest: no call is of the project, or the file of hours is none.
        MissingExtra: DuckDB is not installed.
    """
    hours = None if options.grid_hours is None else grid_hours.read(options.grid_hours, options.zone)
    left: list[Source] = []
    files = opened(paths, options.format, left)
    with working(options.folder) as store:
        read = (*ingest(files, store, workers=options.workers, moved=Reading(moved)), *left)
        return _looked(store, read, options, ([str(path) for path in paths], options.format), hours, moved)


def _looked(
    store: Store, read: tuple[Source, ...], options: Options, log: Log, hours: GridHours | None, moved: Moved | None
) -> Audited:
    if moved is not None:
        moved("looking", done=0, total=None, said="at a sample of the calls' texts")
    every, read_texts = stored(store), texts_of(store)
    kept = options.narrowed.of(every)
    calls = _taken(every, kept)

    def texts(rows: Sequence[int]) -> Sequence[Logged | None]:
        return read_texts(kept[list(rows)].tolist())

    audited = Audited(
        finding=NOTHING,
        sources=read,
        twice=sum(source.rows for source in read) - len(every) - store.folded(),
        folded=store.folded(),
        project=options.narrowed.project,
        since=options.narrowed.since,
        until=options.narrowed.until,
    )
    if not len(calls):
        return audited
    looked = looked_at(calls, texts, ladder=options.ladder, sample=options.sample, zone=options.zone, hours=hours)
    check = None if options.check is None else options.check(looked, texts, moved)
    audited = replace(audited, finding=_found(looked, options.ladder, check, log), check=check)
    if check is not None:
        small = Risk(share=span(looked.drawn.worse), evidence="estimated")
        audited = replace(audited, estimated={**assumptions.RISKS, "small": small})
    return replace(audited, texts=_examples(looked, texts, audited.finding)) if options.texts else audited


def _found(looked: Looked, ladder: tuple[str, ...], check: Check | None, log: Log) -> Finding:
    """Return the finding, with the risks that were measured where those stand for all of such calls."""
    if check is None:
        return finding_of(looked, ladder=ladder, log=log)
    from greenai.audit.side_by_side import applied

    return applied(finding_of(looked, ladder=ladder, measured=check.measured, log=log), looked, check)


def _taken(calls: Calls, rows: NDArray[np.int64]) -> Calls:
    """Return some of the calls."""
    held: dict[str, Any] = {column.name: getattr(calls, column.name) for column in fields(calls)}
    for name, column in held.items():
        held[name] = replace(column, codes=column.codes[rows]) if isinstance(column, Coded) else column[rows]
    return Calls(**held)


def _examples(looked: Looked, texts: Texts, finding: Finding) -> dict[str, str]:
    """Return the prompt of a call for each of the largest templates, by the template's name."""
    codes = looked.calls.template.codes[looked.judged.rows].tolist()
    rows = dict(zip(reversed(codes), reversed(looked.judged.rows.tolist()), strict=True))
    names = {looked.template(code): row for code, row in rows.items() if code >= 0}
    shown = [group.name for group in finding.templates[:EXAMPLES] if group.name in names]
    calls = texts([names[name] for name in shown])
    return {name: _prompt(call) for name, call in zip(shown, calls, strict=True) if call is not None}


def _prompt(call: Logged) -> str:
    """Return what was asked last, cut where it is long."""
    asked = [text_of(part.get("content")) for part in call.messages or () if part.get("role") == "user"]
    text = asked[-1] if asked else ""
    return text if len(text) <= EXAMPLE_CHARS else f"{text[: EXAMPLE_CHARS - 1]}\N{HORIZONTAL ELLIPSIS}"


class Reading:
    """Says how far the reading is, in bytes, with the time that is left at this pace."""

    def __init__(self, moved: Moved | None) -> None:
        self.moved = moved
        self.begun = time.monotonic()
        self.before: int | None = None

    def __call__(self, done: int, of: int, calls: int) -> None:
        """Show it; what an earlier run had read already is no pace of this one."""
        if self.moved is None:
            return
        if self.before is None:
            self.before, self.begun = done, time.monotonic()
        took, came = time.monotonic() - self.begun, done - self.before
        left = f", {format_duration(took * (of - done) / came)} left" if came and done < of else ""
        said = f"{format_bytes(done)} of {format_bytes(of)}, {calls:,} calls{left}"
        self.moved("reading", done=done, total=of, said=said)
