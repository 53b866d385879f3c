"""Whether prompts of a kind that a task model never saw arrive, and what it may answer meanwhile.

    every prompt ── its score ── a watch ─────────────────────────────────────────── the alarm: the guard is on
    what is left to the ladder ── is a model's answer one of the labels? ── a watch ──┘
    guard ── both looks are taken at every text, for it is the first that strangers slip through; nothing is answered
             until FIRST answers were compared; then what leads by the guarded lead, of labels that are not in doubt;
             what is held back is compared with what the large model answers, and costs no call more
          ── the scores are as usual again, models answer with labels, and none of these surely disagreed lately; or
             the comparisons show that all it would answer keeps the promise: off

New kinds of prompts show in the scores long before audits find them. The first watch is a likelihood ratio
of "one prompt in five is of a kind that was never seen" against "as usual", by how often texts of the log score so, and
how often texts of a label do when that label is left out of it. It starts anew whenever it has lost (a CUSUM of
e-values: Shin, Ramdas and Rinaldo, "E-detectors", 2024; to watch the scores for when to train again: Vovk et al.,
"Retrain or not retrain", 2021, https://arxiv.org/abs/2102.10439): while all is as usual, it takes `ALARM_AFTER` prompts
on average, or more, until it is raised by chance. Under guard the same ratio is read the other way round.

The second watch costs no call, either: to a prompt of a new kind that was left to the ladder, a model often answers
something that is no label of the log's. How often it does so to others, is what the log says of the texts of which the
head was not sure, where a model's first `LEARNT` answers do not say otherwise; else what those and all later ones say.
So a model that writes its labels in a form of its own raises no alarm, and one that never writes them as the log does
tells nothing.

The guarded lead holds on average over labels that may come. The label that does come may be closer to one of the
known ones than any of those is to another, so that its prompts are answered with that label and lead by much. That
label then disagrees with the large model more often than others do, and is left out while it does.

Everything here is pure: what is kept is a line of JSON in the ledger, and holds numbers, names of models, and
what they answered several times under guard where it is no label.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from zlib import crc32

__all__ = [
    "ALARM_AFTER", "ANSWERED", "AUDITED", "DRIFT", "FIRST", "LEARNT", "SCORED", "Answered", "Compared", "Event",
    "Familiar", "Guard", "raised",
]  # fmt: skip

DRIFT = 0.2
"""The share of prompts of a new kind that is watched for. Assumption: fewer do less harm and are found later."""

ALARM_AFTER = 10_000
ALARM = math.log(2 * ALARM_AFTER)
"""The logarithm at which one of the two watches raises the alarm: their mean is then as large as `ALARM_AFTER`."""

LEARNT = 20
"""So many answers of each model to what was left to it show whether it writes labels as the log does. Assumption."""

LOGGED = 100
"""For so many of its own answers the log's rows stand at most, where it does. Assumption."""

NOVEL = 0.3
"""The share of strangers' answers among those, where one prompt in five is a stranger. Assumption: often more."""

LEAST_NOVEL, MOST_NOVEL = 0.02, 0.5
"""However rarely a model answered with no label, it is held to do so as often as the first; beyond the second, what it
answers says nothing."""

BOUND = 1.645
"""Of the upper bound of that share, in standard deviations: 95%."""

LIKE = 1.0
"""So many standard deviations may a model's own share lie above the log's for the two to count as alike. Assumption."""

MODELS = 8
"""Of so many models of a ladder the answers are counted."""

NAMES, RECURS = 32, 5
"""Of so many different answers that are no labels it is counted under guard how often they come; their text is kept
from so many times on, when a log would make a label of them."""
HASHED = " "  # with which no answer begins

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

MEMORY = 500
"""Over about so many prompts what is usual is learnt anew under guard; for so many a disagreement keeps it on."""


SCORED = "its latest prompts score as if one in five were of a kind that its log does not have"
ANSWERED = "models answer what it leaves to them with none of its labels, and more often than they did"


def raised(name: str, why: str, lead: float, file: str) -> str:
    """Say that the guard went on, for one of the two reasons above, and what follows."""
    given = "no answer" if math.isinf(lead) else f"what leads by {lead:.3f}"
    return (
        f"{name} is under guard: {why}. After {FIRST} comparisons it gives {given}, of labels that agree with the "
        "large model; the rest is held back and compared. That ends by itself when its prompts score as usual again. "
        f"Where they do not, make it again from newer calls: greenai distil LOG --out {file}"
    )


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
        left: of the log's texts of which it was not sure, how many have one of its labels, and how many have none.
    """

    edges: tuple[float, ...]
    known: tuple[float, ...]
    strangers: tuple[float, ...]
    lead: float
    allowed: float
    worse: float
    left: tuple[float, float] = (0.0, 0.0)

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
            left=_left(told.get("left")),
        )

    def bin_of(self, score: float) -> int:
        """Return in which bin a score lies."""
        return bisect_left(self.edges, score)


def _left(told: Any) -> tuple[float, float]:
    """Return the counts of a file's header; none where it was made before they were kept."""
    if told is None:
        return 0.0, 0.0
    known, novel = map(float, told)
    if min(known, novel) < 0:
        raise ValueError("what it was not sure of has no counts")
    return known, novel


@dataclass(frozen=True, slots=True)
class Compared:
    """One answer under guard beside that of the large model."""

    label: int
    same: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model of the ladder answered to a prompt that the task model was not sure of.

    Attributes:
        model: which one did.
        novel: whether that is no label.
        said: it, as answers are compared, where it is novel and short enough to be one.
    """

    model: str
    novel: bool
    said: str | None = None


Event = int | Compared | Answered
"""A prompt, by the bin of its score; a comparison; or what a model answered to a prompt that was left to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What is known of a model's prompts in a project.

    Attributes:
        on: since when it holds, in seconds of the epoch; None while it does not.
        watch: the logarithm of the evidence that strangers arrive, by the scores.
        novel: the same by what models answer to prompts that are left to them.
        heard: by model, how often it answered those with a label, and with none.
        calm: under guard, the logarithm of the evidence that they are gone.
        usual: the shares of the bins, where they are no longer those of the file.
        lately: the shares of the bins of the latest prompts, under guard.
        well: the logarithm of the evidence that all that it would answer keeps the promise.
        names: under guard, how often answers with no label came: by text from `RECURS` times on, before by hash.
        doubts: by label, the logarithm of the evidence that strangers are answered with it.
        prompts: how many came since the guard is on; `latest`, by label, after how many it last disagreed.
        same: comparisons since the guard is on that agreed, `other` that did not.
        times: how often it went on.
    """

    on: float | None = None
    watch: float = 0.0
    novel: float = 0.0
    heard: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    calm: float = 0.0
    usual: tuple[float, ...] = ()
    lately: tuple[float, ...] = ()
    well: float = 0.0
    names: Mapping[str, int] = field(default_factory=dict[str, int])
    doubts: Mapping[int, float] = field(default_factory=dict[int, float])
    prompts: int = 0
    latest: Mapping[int, int] = field(default_factory=dict[int, int])
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
        told["latest"] = {int(label): int(at) for label, at in told.get("latest", {}).items()}
        told["heard"] = {model: (known, novel) for model, (known, novel) in told.get("heard", {}).items()}
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

    @property
    def news(self) -> Mapping[str, int]:
        """What recurred under guard and is no label, the commonest first."""
        often = [(name, count) for name, count in self.names.items() if not name.startswith(HASHED)]
        return dict(sorted(often, key=lambda one: (-one[1], one[0])))

    @property
    def disagrees(self) -> bool:
        """Whether a label is surely in doubt that disagreed lately: a rare one holds no guard on for long."""
        sure = (label for label, doubt in self.doubts.items() if doubt >= SURE_DOUBT)
        return any(self.prompts - self.latest.get(label, 0) < MEMORY for label in sure)

    def after(self, events: Iterable[Event], familiar: Familiar, now: float) -> Guard:
        """Return what is known after some events, oldest first, of which the last was at `now`."""
        guard = self
        for event in events:
            if isinstance(event, Compared):
                guard = _compared(guard, event, familiar)
            elif isinstance(event, Answered):
                guard = _answered(guard, event, familiar, now)
            else:
                guard = _seen(guard, event, familiar, now)
        return guard


def _seen(guard: Guard, at: int, familiar: Familiar, now: float) -> Guard:
    usual = guard.usual or familiar.known
    # No bin is so rare that one prompt raises the alarm.
    won = math.log(1 - DRIFT + DRIFT * familiar.strangers[at] / max(usual[at], 1e-3))
    if guard.on is None:
        watch = max(guard.watch, 0.0) + won
        return replace(guard, watch=watch) if watch < ALARM else _raised(guard, now)
    calm = max(guard.calm, 0.0) - won
    # Strangers may score as known prompts do for a while; what is answered to them is still another thing.
    if calm >= ALARM and guard.novel < SURE_DOUBT and not guard.disagrees:
        return Guard(usual=guard.usual, heard=guard.heard, times=guard.times)
    lately = tuple(share + ((number == at) - share) / MEMORY for number, share in enumerate(guard.lately or usual))
    return replace(guard, calm=calm, lately=lately, prompts=guard.prompts + 1)


def _raised(guard: Guard, now: float) -> Guard:
    return Guard(
        on=now, usual=guard.usual, heard=guard.heard, novel=min(guard.novel, MOST_DOUBT), times=guard.times + 1
    )


def _answered(guard: Guard, event: Answered, familiar: Familiar, now: float) -> Guard:
    known, new = guard.heard.get(event.model, (0, 0))
    usual = _usual(known, new, familiar) if known + new >= LEARNT else 1.0
    novel = guard.novel
    if usual < MOST_NOVEL:
        novel = max(novel + _ratio(not event.novel, usual, usual + (1 - usual) * NOVEL), 0.0)
    if guard.on is not None:
        return replace(guard, novel=min(novel, MOST_DOUBT), names=_named(guard.names, event.said))
    if novel >= ALARM:
        return _raised(replace(guard, novel=novel), now)
    if guard.novel > 0:  # what is suspected is not learnt as usual
        return replace(guard, novel=novel)
    heard = {**guard.heard, event.model: (known + (not event.novel), new + event.novel)}
    return replace(guard, novel=novel, heard=heard if len(heard) <= MODELS else guard.heard)


def _named(names: Mapping[str, int], said: str | None) -> Mapping[str, int]:
    """Count an answer that is no label; of one that did not recur, and may be about a single user, by its hash only."""
    if said is None:
        return names
    hashed = f"{HASHED}{crc32(said.encode('utf-8', 'surrogatepass')):08x}"
    if said in names:
        return {**names, said: names[said] + 1}
    count = names.get(hashed, 0) + 1
    if hashed not in names and len(names) >= NAMES:
        return names
    others = {name: times for name, times in names.items() if name != hashed}
    return {**others, said if count >= RECURS else hashed: count}


def _usual(known: float, new: float, familiar: Familiar) -> float:
    """Return how often at most a model usually answers with no label, by its own answers, and by the log's if alike."""
    logged = sum(familiar.left)
    weight = LOGGED / max(LOGGED, logged)
    if _wilson(new, known + new, -LIKE) <= max(LEAST_NOVEL, familiar.left[1] / max(1.0, logged)):
        known, new = known + weight * familiar.left[0], new + weight * familiar.left[1]
    return max(LEAST_NOVEL, _wilson(new, known + new, BOUND))


def _wilson(count: float, of: float, away: float) -> float:
    """Return the end of a share's interval (Wilson 1927) that lies so many standard deviations away from it."""
    square = away**2
    half = away * math.sqrt(count * (of - count) / of + square / 4)
    return (count + square / 2 + half) / (of + square)


def _compared(guard: Guard, event: Compared, familiar: Familiar) -> Guard:
    if guard.on is None:
        return guard
    well = max(guard.well, 0.0) + _ratio(event.same, familiar.worse, familiar.allowed)
    if well >= WELL:
        return Guard(usual=guard.lately, times=guard.times)
    usual = max(DOUBTED[0], familiar.allowed)
    doubt = guard.doubts.get(event.label, 0.0) + _ratio(event.same, usual, max(DOUBTED[1], 2 * usual))
    doubts = {**guard.doubts, event.label: min(max(doubt, 0.0), MOST_DOUBT)}
    latest = guard.latest if event.same else {**guard.latest, event.label: guard.prompts}
    return replace(
        guard,
        well=well,
        doubts=doubts,
        latest=latest,
        same=guard.same + event.same,
        other=guard.other + (not event.same),
    )


def _ratio(same: bool, expected: float, instead: float) -> float:
    """Return the logarithm of what a comparison says for one share of disagreements instead of the expected one."""
    return math.log((1 - instead) / (1 - expected)) if same else math.log(instead / expected)
