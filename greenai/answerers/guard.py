"""Whether prompts of a kind that a task model never saw arrive, told by its scores, and what it may answer meanwhile.

    every prompt ── its score ── watch ── the alarm: the guard is on
    guard ── both looks are taken at every text, for it is the first that strangers slip through; nothing is answered
             until FIRST answers were compared; then what leads by the guarded lead, of labels that are not in doubt;
             what is held back is compared with what the large model answers, and costs no call more
          ── the scores are as usual again and no label surely disagrees, or the comparisons show that all it would
             answer keeps the promise: off

New kinds of prompts show in the scores long before audits find them. The watch is a likelihood ratio of "one prompt in
five is of a kind that was never seen" against "as usual", by how often texts of the log score so, and how often texts
of a label do when that label is left out of it. It starts anew whenever it has lost (a CUSUM of e-values: Shin, Ramdas
and Rinaldo, "E-detectors", 2024; to watch the scores for when to train again: Vovk et al., "Retrain or not retrain",
2021, https://arxiv.org/abs/2102.10439): while all is as usual, it takes `ALARM_AFTER` prompts on average, or more,
until it is raised by chance. Under guard the same ratio is read the other way round.

The guarded lead holds on average over labels that may come. The label that does come may be closer to one of the
known ones than any of those is to another, so that its prompts are answered with that label and lead by much. That
label then disagrees with the large model more often than others do, and is left out while it does.

Everything here is pure: what is kept is a line of JSON in the ledger, and holds numbers only.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

__all__ = ["ALARM_AFTER", "AUDITED", "DRIFT", "FIRST", "Compared", "Event", "Familiar", "Guard"]

DRIFT = 0.2
"""The share of prompts of a new kind that is watched for. Assumption: fewer do less harm and are found later."""

ALARM_AFTER = 10_000
ALARM = math.log(ALARM_AFTER)

FIRST = 60
"""So many answers are compared, and none is given, when the guard goes on."""

AUDITED = 0.1
"""The share of the answers given under guard that is audited."""

DOUBTED = (0.1, 0.4)
"""How often a label that is well disagrees with the large model, at most, and one that attracts strangers."""

DOUBT = 1.3
"""The logarithm of the odds from which on a label is in doubt: one disagreement, until some agreements follow."""

SURE_DOUBT = math.log(20)
"""The logarithm of the odds from which on a label keeps the guard on, however its prompts score."""

MOST_DOUBT = 6.0

WELL = math.log(100)
"""The logarithm of the odds at which the guard goes off."""

WORSE = 0.03
"""By how much less than promised the large model agrees where all is not well."""

MEMORY = 500.0
"""Over about so many prompts what is usual is learnt anew under guard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Familiar:
    """What a file knows of the scores of its prompts, and of those of strangers.

    Attributes:
        edges: scores that part the texts of the log in bins, ascending.
        known: the share of them in each bin, one more than there are edges.
        strangers: the same for texts whose label was left out.
        lead: the least lead of an answer under guard; infinite where none keeps the promise.
        allowed: how often answers disagree with the large model where the promise is kept.
        worse: the same where it is kept no longer.
    """

    edges: tuple[float, ...]
    known: tuple[float, ...]
    strangers: tuple[float, ...]
    lead: float
    allowed: float
    worse: float

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> Familiar | None:
        """Read what a file's header has; None where it was made before there was a guard.

        Raises:
            KeyError, TypeError, ValueError: it is not what is needed.
        """
        told = header.get("guard")
        if told is None:
            return None
        edges, known, strangers = (tuple(map(float, told[name])) for name in ("edges", "known", "strangers"))
        shares = (*known, *strangers)
        if not len(known) == len(strangers) == len(edges) + 1 or list(edges) != sorted(edges) or min(shares) < 0:
            raise ValueError("its scores have no bins")
        slips = header.get("slips")
        steady = 1 - float(slips["share"] if slips else 0.0)
        promise = float(header["promise"])
        return cls(
            edges=edges,
            known=known,
            strangers=strangers,
            lead=math.inf if told["lead"] is None else float(told["lead"]),
            allowed=1 - promise * steady,
            worse=1 - (promise - WORSE) * steady,
        )

    def bin_of(self, score: float) -> int:
        """Return in which bin a score lies."""
        return bisect_left(self.edges, score)


@dataclass(frozen=True, slots=True)
class Compared:
    """One answer under guard beside that of the large model."""

    label: int
    same: bool


Event = int | Compared
"""A prompt, by the bin of its score; or a comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What is known of a model's prompts in a project.

    Attributes:
        on: since when it holds, in seconds of the epoch; None while it does not.
        watch: the logarithm of the evidence that strangers arrive.
        calm: under guard, the logarithm of the evidence that they are gone.
        usual: the shares of the bins, where they are no longer those of the file.
        lately: the shares of the bins of the latest prompts, under guard.
        well: the logarithm of the evidence that all that it would answer keeps the promise.
        doubts: by label, the logarithm of the evidence that strangers are answered with it.
        same: comparisons since the guard is on that agreed, `other` that did not.
        times: how often it went on.
    """

    on: float | None = None
    watch: float = 0.0
    calm: float = 0.0
    usual: tuple[float, ...] = ()
    lately: tuple[float, ...] = ()
    well: float = 0.0
    doubts: Mapping[int, float] = field(default_factory=dict[int, float])
    same: int = 0
    other: int = 0
    times: int = 0

    @classmethod
    def read(cls, text: str | None) -> Guard:
        """Read what the ledger kept."""
        if not text:
            return cls()
        told: dict[str, Any] = json.loads(text)
        told["doubts"] = {int(label): float(doubt) for label, doubt in told["doubts"].items()}
        told["usual"], told["lately"] = tuple(told["usual"]), tuple(told["lately"])
        return cls(**told)

    def written(self) -> str:
        """Return the line that `read` takes."""
        return json.dumps(asdict(self))

    def answers(self, label: int, lead: float, familiar: Familiar) -> bool:
        """Say whether an answer may be given."""
        if self.on is None:
            return True
        enough = self.same + self.other >= FIRST and lead >= familiar.lead
        return enough and self.doubts.get(label, 0.0) < DOUBT

    @property
    def doubted(self) -> tuple[int, ...]:
        """The labels in doubt."""
        return tuple(label for label, doubt in self.doubts.items() if doubt >= DOUBT)

    def after(self, events: Iterable[Event], familiar: Familiar, now: float) -> Guard:
        """Return what is known after some events, oldest first, of which the last was at `now`."""
        guard = self
        for event in events:
            if isinstance(event, Compared):
                guard = _compared(guard, event, familiar)
            else:
                guard = _seen(guard, event, familiar, now)
        return guard


def _seen(guard: Guard, at: int, familiar: Familiar, now: float) -> Guard:
    usual = guard.usual or familiar.known
    # No bin is so rare that one prompt raises the alarm.
    won = math.log(1 - DRIFT + DRIFT * familiar.strangers[at] / max(usual[at], 1e-3))
    if guard.on is None:
        watch = max(guard.watch, 0.0) + won
        return replace(guard, watch=watch) if watch < ALARM else Guard(on=now, usual=guard.usual, times=guard.times + 1)
    calm = max(guard.calm, 0.0) - won
    # Strangers may score as known prompts do for a while; the label that they get still disagrees.
    if calm >= ALARM and max(guard.doubts.values(), default=0.0) < SURE_DOUBT:
        return Guard(usual=guard.usual, times=guard.times)
    lately = tuple(share + ((number == at) - share) / MEMORY for number, share in enumerate(guard.lately or usual))
    return replace(guard, calm=calm, lately=lately)


def _compared(guard: Guard, event: Compared, familiar: Familiar) -> Guard:
    if guard.on is None:
        return guard
    well = max(guard.well, 0.0) + _ratio(event.same, familiar.worse, familiar.allowed)
    if well >= WELL:
        return Guard(usual=guard.lately, times=guard.times)
    usual = max(DOUBTED[0], familiar.allowed)
    doubt = guard.doubts.get(event.label, 0.0) + _ratio(event.same, usual, max(DOUBTED[1], 2 * usual))
    doubts = {**guard.doubts, event.label: min(max(doubt, 0.0), MOST_DOUBT)}
    return replace(guard, well=well, doubts=doubts, same=guard.same + event.same, other=guard.other + (not event.same))


def _ratio(same: bool, expected: float, instead: float) -> float:
    """Return the logarithm of what a comparison says for one share of disagreements instead of the expected one."""
    return math.log((1 - instead) / (1 - expected)) if same else math.log(instead / expected)
