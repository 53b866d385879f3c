"""The distilled task models that a client may ask: which is for a prompt, whether it answers, and what became of that.

    prompt of a file's template ── shadow, or fallen back ── the large model answers, and both are compared
                                ├─ sure ── its answer; one in fifty is answered by the large model, and compared
                                ├─ sure, under guard ── its answer, or held back: the large model, and compared
                                └─ not sure ── the ladder; what it answers is heard

Counts are kept, by project and file, in the ledger, and what guard.py says: so a fall-back and a guard hold in every
process and after a restart. What an interval and a bet say is in agreement.py, when a guard goes on and off in
guard.py; where a call is asked and answered, in steps/distilling.py.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from greenai._locks import Lock
from greenai.answerers import agreement
from greenai.answerers.guard import ANSWERED, AUDITED, SCORED, Answered, Compared, Event, Guard, raised
from greenai.answerers.replies import novelty
from greenai.around import Around
from greenai.errors import GreenAIError, InvalidRequest

if TYPE_CHECKING:
    from greenai.answerers.distilled import Abstained, Said, TaskModel
    from greenai.answerers.guard import Familiar

__all__ = ["CUT", "Compares", "Counts", "Listed", "Mode", "Shelf", "State", "Tried", "around", "listed"]

logger = logging.getLogger("greenai")

Mode: TypeAlias = Literal["shadow", "on"]
Compares: TypeAlias = Literal["shadow", "audit", "guard"]

FLUSH_EVERY = 25
RELOAD_S = 60.0
"""How long a process does not look whether another one found that a model fell back. Assumption."""


class Counts(Protocol):
    """Where counts are kept: the ledger. Everything may wait for the disk, and nothing raises."""

    def distilled(
        self, row: Sequence[object], alarm: float, guard: Callable[[str | None], str] | None = None
    ) -> dict[str, Any]:
        """Add to the counts of a model and change what is kept of its guard; return what they are now."""
        ...

    def all_distilled(self) -> list[dict[str, Any]]:
        """Return the counts of every model, by project."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A file that was registered, what it may do, and the part of its answers that is audited."""

    file: Path
    mode: Mode = "shadow"
    audited: float = agreement.AUDITED


def listed(file: object, mode: object, audited: object = None) -> Listed:
    """Return what is registered.

    Raises:
        InvalidRequest: there is no such file, or the mode or the share is none.
    """
    if not isinstance(file, (str, Path)) or not str(file):
        raise InvalidRequest(f'{file!r} is no file. Pass what greenai distil wrote, such as "intents.greenai".')
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        raise InvalidRequest(f"There is no file {path}. Make it with: greenai distil LOG --out {path.name}")
    if mode not in ("shadow", "on"):
        raise InvalidRequest(
            f'mode={mode!r} is none. Pass "shadow", to have the large model answer and both compared, or "on".'
        )
    share = agreement.AUDITED if audited is None else audited
    least = agreement.LEAST_AUDITED
    if not isinstance(share, (int, float)) or isinstance(share, bool) or not least <= share <= 1:
        raise InvalidRequest(f"audit={audited!r} is no share of the answered calls. Pass {least:g} to 1, such as 0.02.")
    return Listed(file=path, mode="on" if mode == "on" else "shadow", audited=float(share))


around: Around[tuple[Listed, ...]] = Around("greenai.distilled")
"""The files of the functions around a call that `@green(distil=...)` decorates."""


# --- one model ------------------------------------------------------------------------------


def floor_of(model: TaskModel) -> float:
    """Return the agreement with single answers of the large model that the file's promise comes to."""
    slips = model.header.get("slips")
    high = slips.get("high") if isinstance(slips, dict) else None
    return agreement.floor_of(model.promise, high if isinstance(high, (int, float)) else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is known of a model in a project: the ledger's counts, when the other processes' were read."""

    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    evidence: float = 0.0
    fell: float | None = None
    guard: Guard = field(default_factory=Guard)
    read_at: float = 0.0

    @classmethod
    def of(cls, row: Mapping[str, Any], read_at: float) -> State:
        """Read a row of the ledger."""
        counts = {name: value for name, value in row.items() if isinstance(value, int)}
        guard = Guard.read(row["guard"])
        evidence = max(row["slow"], row["fast"])
        return cls(counts=counts, evidence=evidence, fell=row["fell"], guard=guard, read_at=read_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a model of the shelf made of a prompt: what it `said`, or `why` it abstained.

    `compares` says that the large model is to answer the prompt, too; `guarded`, since when the model is under guard;
    `watched`, that its prompts are, for a kind that it never saw.
    """

    listed: Listed
    model: TaskModel
    project: str
    said: str | None
    why: str | None
    confidence: float | None
    label: int | None
    compares: Compares | None
    fell: float | None
    guarded: float | None
    watched: bool
    core_s: float
    elapsed_s: float

    @property
    def name(self) -> str:
        """The name under which it stands in a receipt, with the file's version."""
        return f"greenai/distilled:{self.model.name}@{self.model.version}"

    @property
    def threshold(self) -> float:
        """The least lead of an answer, which is more under guard."""
        if self.guarded is None or self.model.guard is None:
            return self.model.threshold
        return min(1.0, max(self.model.threshold, self.model.guard.lead))


def _read(file: Path) -> TaskModel:
    from greenai.answerers.distilled import read  # with what reads its vectors: an app without such a file needs none

    return read(file)


OTHER, CUT = "other template", "cut"


def _told(found: Said | Abstained, limit: int | None) -> tuple[str | None, str | None]:
    """Return what a model said, or why it abstained; a token is taken for four bytes, as English has them."""
    said: str | None = getattr(found, "text", None)
    is_cut = said is not None and limit is not None and len(said.encode()) > 4 * limit
    return (None, CUT) if is_cut else (said, getattr(found, "why", None))


# --- all of them ----------------------------------------------------------------------------


class Shelf:
    """What one client and its copies may ask. Safe from any thread and process; false while nothing is registered.

    Args:
        counts: where counts are kept; None forgets them.
        clock: monotonic seconds.
        draw: a number from 0 to 1, which decides what is audited.
        reading: reads a file.
    """

    def __init__(
        self,
        counts: Counts | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        reading: Callable[[Path], TaskModel] | None = None,
    ) -> None:
        self._counts = counts
        self._clock = clock
        self._draw = draw
        self._reading = reading or _read
        self._lock = Lock()
        self._listed: tuple[Listed, ...] = ()
        self._models: dict[Path, TaskModel | None] = {}
        self._known: dict[str, TaskModel] = {}
        self._states: dict[tuple[str, str], State] = {}
        self._pending: dict[tuple[str, str], Counter[str]] = {}
        self._events: dict[tuple[str, str], list[Event]] = {}
        self._guards: dict[tuple[str, str], Guard] = {}
        self._audits: set[tuple[str, str]] = set()
        self._read_at = -RELOAD_S

    def __bool__(self) -> bool:
        return bool(self._listed or around.get())

    def add(self, one: Listed) -> TaskModel:
        """Register a file, read now so that what is wrong with it is told here.

        Raises:
            TaskFileRefused: it is damaged, changed, too new, or none.
            MissingExtra: what it needs is not installed.
            InvalidRequest: it is registered already.
        """
        model = self._reading(one.file)
        with self._lock:
            if any(other.file == one.file for other in self._listed):
                raise InvalidRequest(f"{one.file} is registered already, and one file is one task model.")
            self._listed = (*self._listed, one)
            self._models[one.file] = model
        return model

    def add_unread(self, some: Iterable[Listed]) -> None:
        """Register files that are read at the first call."""
        self._listed = (*self._listed, *some)

    def asked(self) -> tuple[Listed, ...]:
        """Return what a call of this context may ask: the files of its functions first, the inner ones before."""
        return (*(one for block in reversed(around.get()) for one in block), *self._listed)

    def tried(
        self, some: Sequence[Listed], messages: Sequence[Mapping[str, Any]], project: str, *,
        limit: int | None = None, dry: bool = False,
    ) -> Tried | None:  # fmt: skip
        """Return what the first model says, in `limit` tokens, whose template the prompt has; files are waited for."""
        core, started = time.thread_time(), time.perf_counter()
        for one in some:
            model = self._model(one.file)
            if model is None:
                continue
            key = (project, model.version)
            self._known[model.version] = model
            state = self._state(key)
            found = model.explain(messages, guarded=self._guards.get(key, state.guard).on is not None)
            said, why = _told(found, limit)
            if why == OTHER:
                continue
            guard = self._watched(one, key, model, found, state, dry=dry)
            held = guard is not None and said is not None and not _passes(guard, found, model)
            compares = None if said is None else self._compares(one, key, state, guard, held=held, dry=dry)
            if not dry:
                self._note(key, "abstained" if said is None or held else "answered", compares)
            return Tried(
                listed=one,
                model=model,
                project=project,
                said=said,
                why=why,
                confidence=found.confidence,
                label=None if found.told is None else found.told.label,
                compares=compares,
                fell=state.fell,
                guarded=None if guard is None else guard.on,
                watched=guard is not None and why != CUT,
                core_s=time.thread_time() - core,
                elapsed_s=time.perf_counter() - started,
            )
        return None

    def _model(self, file: Path) -> TaskModel | None:
        """Return the model of a file, read once; None where it was refused, which is told once."""
        if file not in self._models:
            with self._lock:
                if file not in self._models:
                    self._models[file] = self._opened(file)
        return self._models[file]

    def _opened(self, file: Path) -> TaskModel | None:
        try:
            return self._reading(file)
        except GreenAIError as error:
            logger.warning("%s does not answer: %s", file, error)
            return None

    @property
    def refused(self) -> tuple[Path, ...]:
        """The files that could not be read."""
        return tuple(file for file, model in self._models.items() if model is None)

    # What a model may do.

    def _state(self, key: tuple[str, str]) -> State:
        now = self._clock()
        if self._counts is not None and now >= self._read_at + RELOAD_S:
            self._read_at = now
            for row in self._counts.all_distilled():
                self._take((row["project"], row["file"]), State.of(row, now))
        return self._states.get(key, State())

    def _take(self, key: tuple[str, str], state: State) -> None:
        """Take what the ledger says of a model, and add what was not written yet."""
        model = self._known.get(key[1])
        with self._lock:
            self._states[key] = state
            if model is not None and model.guard is not None:
                self._guards[key] = state.guard.after(self._events.get(key, ()), model.guard, time.time())

    def _watched(
        self, one: Listed, key: tuple[str, str], model: TaskModel, found: Said | Abstained, state: State, *, dry: bool
    ) -> Guard | None:
        """Return what is known of a model's prompts, this one among them; None where nothing is watched."""
        familiar = model.guard
        if familiar is None or found.told is None or one.mode == "shadow" or state.fell is not None:
            return None
        if dry:
            return self._guards.get(key, state.guard)
        return self._turned(one, key, model, familiar, familiar.bin_of(found.told.watched), SCORED)

    def _turned(
        self, one: Listed, key: tuple[str, str], model: TaskModel, familiar: Familiar, event: Event, why: str
    ) -> Guard:
        """Note an event; where the guard goes on or off by it, say so here and to the other processes."""
        before, after = self._happened(key, event, familiar)
        if (before.on is None) == (after.on is None):
            return after
        self._write(key, Counter(), (0.0, 0.0))
        if after.on is not None:
            name = f"greenai/distilled:{model.name}@{model.version}"
            logger.warning("%s", raised(name, why, max(familiar.lead, model.threshold), one.file.name))
        else:
            logger.info("%s@%s is under guard no longer: its prompts score as usual again.", model.name, model.version)
        return after

    def heard(self, tried: Tried, model: str, reply: str) -> None:
        """Note what a model of the ladder said to a prompt that was left to it: strangers get no label that is known.

        It waits for the disk where that raises the alarm.
        """
        familiar, key = tried.model.guard, (tried.project, tried.model.version)
        if familiar is not None and tried.watched and tried.said is None:
            event = Answered(model, *novelty(reply, tried.model.labels))
            self._turned(tried.listed, key, tried.model, familiar, event, ANSWERED)

    def _happened(self, key: tuple[str, str], event: Event, familiar: Familiar) -> tuple[Guard, Guard]:
        """Note a prompt or a comparison; return what was known before, and what is known now."""
        with self._lock:
            before = self._guards.get(key) or self._states.get(key, State()).guard
            after = self._guards[key] = before.after((event,), familiar, time.time())
            self._events.setdefault(key, []).append(event)
        return before, after

    def _compares(
        self, one: Listed, key: tuple[str, str], state: State, guard: Guard | None, *, held: bool, dry: bool
    ) -> Compares | None:
        if one.mode == "shadow" or state.fell is not None:
            return "shadow"
        if held:
            return "guard"
        if dry:
            return None
        counts = state.counts
        never = not counts.get("audit_same", 0) + counts.get("audit_other", 0)
        share = agreement.share(one.audited, state.evidence)
        if guard is not None and guard.on is not None:
            share = max(share, AUDITED)
        if (never and key not in self._audits) or self._draw() < share:
            self._audits.add(key)
            return "audit"
        return None

    # What became of it.

    def _note(self, key: tuple[str, str], done: str, compares: str | None) -> None:
        """Count what a model did; what is compared is counted when the large model has answered."""
        with self._lock:
            pending = self._pending.setdefault(key, Counter())
            if compares != "shadow":  # which is counted when it is compared; an audited one would have been answered
                pending[done] += 1
            due = pending.total() >= FLUSH_EVERY
        _at_exit_flush(self)
        if due:
            self._write(key, Counter(), (0.0, 0.0))

    def compared(self, tried: Tried, reply: str | None) -> str | None:
        """Count whether the large model said the same, None where it did not answer; return what is to be told, once.

        It waits for the disk.
        """
        key, kind = (tried.project, tried.model.version), tried.compares
        before = self._states.get(key, State())
        if reply is None:
            self._write(key, Counter(uncompared=1), (0.0, 0.0))
            return None
        same = tried.model.agrees(tried.said or "", reply)
        won = agreement.bets(floor_of(tried.model), same=same) if kind == "audit" else (0.0, 0.0)
        counted = Counter[str]() if kind == "guard" else Counter({f"{kind}_{'same' if same else 'other'}": 1})
        if tried.guarded is not None and tried.label is not None and tried.model.guard is not None:
            held, let_go = self._happened(key, Compared(tried.label, same=same), tried.model.guard)
            if held.on is not None and let_go.on is None:
                logger.info("%s is under guard no longer: what it would answer agrees as promised.", tried.name)
        state = self._write(key, counted, won)
        if kind != "audit" or state.fell is None or before.fell is not None:
            return None
        told = _fallen(tried, state)
        logger.warning("%s", told)
        return told

    def _write(self, key: tuple[str, str], counted: Counter[str], won: tuple[float, float]) -> State:
        """Write what was counted; return what is known now."""
        model = self._known[key[1]]
        with self._lock:
            pending = self._pending.pop(key, Counter()) + counted
            events = self._events.pop(key, [])
        if self._counts is None:
            return self._states.get(key, State())
        numbers = [pending[name] for name in _COUNTS]
        row = (*key, model.name, *numbers, *won, time.time())
        change = None if model.guard is None or not events else partial(_changed, model.guard, events)
        state = State.of(self._counts.distilled(row, agreement.ALARM, change), self._clock())
        self._take(key, state)
        return state

    def flush(self) -> None:
        """Write what was counted and not written yet."""
        for key in {*self._pending, *self._events}:
            self._write(key, Counter(), (0.0, 0.0))

    def forget(self) -> None:
        """Leave what was counted before a fork to the parent, which writes it."""
        self._pending.clear()
        self._events.clear()


_unwritten: weakref.WeakKeyDictionary[Shelf, int] = weakref.WeakKeyDictionary()


def _at_exit_flush(shelf: Shelf) -> None:
    """See to it that a process which ends without closing its client writes what was counted.

    The hook is registered with the first count, after that of the ledger's file, and so runs before it.
    """
    if not _unwritten:
        atexit.register(_flush_all)
    if shelf not in _unwritten:
        _unwritten[shelf] = os.getpid()


def _flush_all() -> None:
    for shelf, process in tuple(_unwritten.items()):
        if process == os.getpid():  # what a fork took along is written by its parent
            shelf.flush()


def _leave_to_the_parent() -> None:
    for shelf in tuple(_unwritten):
        shelf.forget()
    _unwritten.clear()  # so that the child's own counts are written when it ends


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)


_COUNTS = ("answered", "abstained", "shadow_same", "shadow_other", "audit_same", "audit_other", "uncompared")


def _changed(familiar: Familiar, events: Sequence[Event], kept: str | None) -> str:
    """Return what the ledger is to keep of a guard after some events."""
    return Guard.read(kept).after(events, familiar, time.time()).written()


def _passes(guard: Guard, found: Said | Abstained, model: TaskModel) -> bool:
    """Say whether an answer may be given, under guard or without."""
    if found.told is None or model.guard is None:
        return True
    return guard.answers(found.told.label, found.told.lead, model.guard)


def _fallen(tried: Tried, state: State) -> str:
    same, other = state.counts["audit_same"], state.counts["audit_other"]
    return (
        f"{tried.name} fell back to shadow: of its answers, {same} of {same + other} audited ones were what the large "
        f"model said, and the latest of them are too few for the {floor_of(tried.model):.1%} that its promise comes "
        f"to. The ladder answers. Make it again from newer calls: greenai distil LOG --out {tried.listed.file.name}; "
        f"or switch it on again: greenai distil --status {tried.listed.file.name} --again"
    )
