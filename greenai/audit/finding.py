"""What an audit found: calls by what would have sufficed, what they took, and what they could have taken.

Frozen values and no arithmetic. An amount is a `Span`: its middle with a 90% interval. What is not known is None, and
the calls that it is not known of are counted beside it; they are in no sum. Every row names the assumption that it
rests on, by the key of an `Assumption`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

__all__ = [
    "GROUPED",
    "SUFFICING",
    "Assumption",
    "Change",
    "Finding",
    "Group",
    "Grouped",
    "Risk",
    "Sampled",
    "Span",
    "Sufficed",
    "Sufficing",
    "Taken",
    "Waiting",
    "Waste",
    "Wasted",
]

Sufficing = Literal["repeat", "near_repeat", "deterministic", "lookup", "task_model", "small", "large", "reasoning"]
SUFFICING: tuple[Sufficing, ...] = get_args(Sufficing)
"""What can suffice, least energy first. A call is counted under the first that would have."""

Grouped = Literal["all", "project", "template", "model", "hour"]
GROUPED: tuple[Grouped, ...] = get_args(Grouped)

Evidence = Literal["counted", "measured", "estimated", "assumed"]
Wasted = Literal[
    "reasoning", "truncated", "long_output", "prefix", "retries",
    "tools", "choices", "not_json", "unused", "always_on", "history", "little_used",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An amount with its 90% interval; low and high are equal where it was counted."""

    mid: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """What a figure rests on, in one or two sentences, and of what worth that is."""

    key: str
    text: str
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """The share of answers that would have been worse, among those given in a cheaper way; 90% interval.

    `measured` where answers were compared (`compared` of them), else `estimated` by the classifier or `assumed`.
    """

    share: Span
    evidence: Evidence
    compared: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What some calls took or would take; None where it is known of none of them.

    Attributes:
        energy_unknown: how many calls have an energy that is not known, and that is in no sum.
        cost_unknown: the same of the price.
    """

    energy_j: Span | None = None
    carbon_g: Span | None = None
    cost_usd: Span | None = None
    energy_unknown: int = 0
    cost_unknown: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sufficed:
    """The calls for which one way of answering would have sufficed, and none that takes less.

    Attributes:
        calls: how many; a share of calls whose answer could be either way counts as that share.
        share: of the calls that could be judged.
        was: what they took.
        could_be: what they would take in this way.
        assumption: the key of what this row rests on.
        models: the small models that are meant.
    """

    by: Sufficing
    calls: Span
    share: Span
    was: Taken
    could_be: Taken
    risk: Risk | None
    assumption: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Calls that have something in common.

    Attributes:
        by: what they have in common; "hour" is the hour of the day in UTC.
        name: of the project, the model or the hour; a template's number, id and skeleton, never a text.
        calls: all of them.
        failed: those that were not answered: they are in `was`, as far as known, and under no way of answering.
        unjudged: those of which the log says too little; they could be what they were.
        avoidable: the share of the judged calls for which less would have sufficed than what answered them.
        id: a template's, by which `greenai distil` takes it.
        templates: how many templates it is of that are one to a reader (families.py); they have no id together.
        saved: what they took less what they could have taken; an interval of its own, as errors of both are alike.
        saved_share: the same, as a share of the energy of `was`.
    """

    by: Grouped
    name: str
    calls: int
    failed: int
    unjudged: int
    was: Taken
    could_be: Taken
    saved: Taken
    saved_share: Span | None
    avoidable: Span
    sufficed: tuple[Sufficed, ...]
    id: str | None = None
    templates: int = 1

    @property
    def judged(self) -> int:
        """Return of how many calls it is known what would have sufficed; of none, no other figure says anything."""
        return self.calls - self.failed - self.unjudged


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """What calls took for nothing, whatever answers them; these overlap with one another and with `Sufficed`.

    Attributes:
        calls: how many do so.
        saved: what they would take less.
        detail: which calls those are, with the figures.
        risk: the answers that would be worse without it; None where none would.
    """

    kind: Wasted
    calls: int
    of: int
    saved: Taken
    detail: str
    assumption: str
    risk: Risk | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to do, with the literal lines.

    Attributes:
        place: where they belong: "greenai.toml", "code", or a "shell".
        lines: as they are to be written.
        saved: what it would have saved on the calls of this log, as if it were the only change.
        per_line_j: joules saved for each line of change; None where no energy is known.
    """

    what: str
    place: Literal["greenai.toml", "code", "shell"]
    lines: tuple[str, ...]
    calls: Span
    saved: Taken
    per_line_j: float | None
    risk: Risk | None
    assumption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What calls that nobody waits for would have emitted less at better hours; only where a file told the hours.

    Attributes:
        calls: low are those that asked for such a service, high also those that are made in loops.
        was_g: what they emitted in their own hours.
        saved_g: the middle is of the best hour of the day for all of them; see the assumption for the ends.
        share: of the middle in what they emitted; `best_share` at the best hour after each.
        hour: the one that is best on average, UTC.
    """

    calls: Span
    of: int
    was_g: Span
    saved_g: Span
    share: float
    best_share: float
    hour: int
    assumption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """How the estimates were made: the same log and seed give the same figures.

    Attributes:
        calls: whose texts were looked at.
        of: the calls that could be looked at.
        draws: simulations of sampling, of the classifier's error on unseen kinds of text, and of energy's.
        compared: calls in a row in which near repeats were looked for; 0 if they were not.
    """

    calls: int
    of: int
    seed: int
    draws: int
    compared: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """All that an audit found.

    Attributes:
        first: when the first call was made, in seconds since 1970; None where the log does not say.
        templates: the largest by energy, then by calls.
        changes: by what they save per line, most first.
        zone: the grid that the carbon is of.
        grid_hours: the file that told its hours; None where its yearly mean was taken.
        waiting: what calls that nobody waits for would have emitted less.
    """

    first: float | None
    last: float | None
    whole: Group
    projects: tuple[Group, ...] = ()
    templates: tuple[Group, ...] = ()
    models: tuple[Group, ...] = ()
    hours: tuple[Group, ...] = ()
    wastes: tuple[Waste, ...] = ()
    changes: tuple[Change, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    sampled: Sampled = field(default_factory=lambda: Sampled(calls=0, of=0, seed=0, draws=0))
    zone: str = "WORLD"
    grid_hours: str | None = None
    waiting: Waiting | None = None

    def assumption(self, key: str) -> Assumption:
        """Return the assumption with this key.

        Raises:
            KeyError: there is none.
        """
        for assumption in self.assumptions:
            if assumption.key == key:
                return assumption
        raise KeyError(key)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; energies in joules."""
        return asdict(self)
