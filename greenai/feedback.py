"""What a project's own answers teach: corrected probabilities, limits that keep to a floor, and an alarm on drift.

    label ──> Correction   slope and shift of the log-odds, from 30 labelled answers of smaller rungs on
          └─> limits       by quality: the loss up to which no more was bad than the quality allows
    count ──> warning      the last 500 decisions against the project's first 500

A loss is P(the top is right and this rung is not), a bad answer also what no model gets right. So what the top would
have got wrong too, as the classifier has it, is taken off before anything is learnt.

It keeps no prompt: a label is a call's id, two probabilities, and whether the answer was good. What it is told is
in memory at once and in the ledger's database for other processes; what they are told is read every five minutes.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from greenai._locks import Lock
from greenai.correction import LEAST, Correction, Label, logit
from greenai.values import Quality

__all__ = ["Feedback", "Labels", "binned", "correction_of", "limit_of", "stability", "summary", "warning_of"]

LEAST_LABELS = 30
"""Labelled answers from which a project is corrected; it needs `LEAST_GOOD` good and one bad among them."""

LEAST_GOOD = 5
"""A project that only reports what was bad says nothing about a rate: some good answers must be labelled too."""

PRIOR_LABELS = 30
"""Pseudo-answers that hold the correction to the shipped probabilities: at 30 labels, half the weight."""

MOST_LABELS = 1000
LABEL_DAYS = 90
"""Older labels are left out, so that a limit which keeps every call from the small rung ends by itself."""

MOST_PROJECTS = 1024
"""Projects in memory, the latest used; another is read again, and has lost at most the counts of one batch."""

SLOPES = (0.25, 4.0)
STEPS = 20
_ROUNDING = 1e-9  # sums of probabilities are held against a share
RELOAD_S = 300.0

WINDOW = 500
BINS = 50
GROUPS = 10
DRIFT = 0.25
"""Population stability index from which a population counts as shifted (Siddiqi, Credit Risk Scorecards, 2006).

Between two samples of 500 in ten groups it is 0.036 on average where nothing has changed.
"""

FLUSH_EVERY = 25


class Labels(Protocol):
    """Where labels and counts are kept: the ledger. Everything may wait for the disk, and nothing raises."""

    def label(self, label: Label) -> None:
        """Keep a label; the last word about a call wins."""
        ...

    def labels(self, project: str, method: str, since: float, most: int) -> Sequence[tuple[str, float, bool, float]]:
        """Return (call id, loss, good, top_bad) of the answers of smaller rungs, the oldest first."""
        ...

    def tally(self, project: str, method: str, era: int, counts: Mapping[int, int]) -> None:
        """Add counts of decisions to an era's bins, and drop the eras that nobody compares any more."""
        ...

    def tallies(self, project: str, method: str) -> Sequence[tuple[int, int, int]]:
        """Return (era, bin, count) of the decisions that are kept."""
        ...

    def methods(self, project: str) -> Sequence[str]:
        """Return the classifiers under which a project has labels or decisions."""
        ...


# --- what labels say ------------------------------------------------------------------------

Said = tuple[float, bool, float]
"""The loss of a rung, whether its answer was good, and the probability that the ladder's top is bad too."""


def correction_of(labels: Sequence[Said], allowed: Mapping[Quality, float]) -> Correction | None:
    """Return what labelled answers teach; None where they are too few or all alike."""
    good = sum(1 for _, was_good, _ in labels if was_good)
    if len(labels) < LEAST_LABELS or good < LEAST_GOOD:
        return None
    slope, shift = _fitted(labels)
    found = {quality: limit_of(labels, share) for quality, share in allowed.items()}
    limits: dict[str, float] = {quality: limit for quality, limit in found.items() if limit is not None}
    return Correction(slope=slope, shift=shift, labels=len(labels), limits=limits)


def limit_of(labels: Sequence[Said], allowed: float) -> float | None:
    """Return the loss up to which the share of bad answers, less the top's, keeps to `allowed`; None where all do.

    The share is looked at four times, from the lowest losses up, with the next answer counted as a bad one, and the
    first look that fails ends it: of many looks one would pass by luck. It is a rule that simulations were held
    against (benchmarks/feedback_promises.py), not a theorem: conformal risk control needs a risk that only rises.
    """
    ordered, limit, before, lost = sorted(labels), 0.0, 0, 0.0
    for count in _looks([loss for loss, _, _ in ordered]):
        lost += sum((not was_good) - top_bad for _, was_good, top_bad in ordered[before:count])
        if lost + 1 > allowed * (count + 1) + _ROUNDING:
            return limit
        limit, before = ordered[count - 1][0], count
    return None


def _looks(ordered: Sequence[float]) -> list[int]:
    """Return how many labels each look takes in: the quarters, at least `LEAST_LABELS`, all of one loss together."""
    least = min(LEAST_LABELS, len(ordered))
    wanted = (max(least, len(ordered) * quarter // 4) for quarter in range(1, 5))
    return sorted({bisect_right(ordered, ordered[count - 1]) for count in wanted})


def _fitted(labels: Sequence[Said]) -> tuple[float, float]:
    """Fit slope and shift by Fisher's scoring, each label with a share of the pseudo-answers at its own loss."""
    share = PRIOR_LABELS / len(labels)
    points = [
        (logit(loss), top_bad, ((not was_good) + share * min(loss + top_bad, 1.0)) / (1 + share))
        for loss, was_good, top_bad in labels
    ]
    slope, shift = _scored(points, 1.0, 0.0, free=True)
    if SLOPES[0] <= slope <= SLOPES[1]:
        return slope, shift
    return _scored(points, min(max(slope, SLOPES[0]), SLOPES[1]), 0.0, free=False)


def _scored(
    points: Sequence[tuple[float, float, float]], slope: float, shift: float, *, free: bool
) -> tuple[float, float]:
    """Maximise the likelihood of P(bad) = loss + P(the top is bad too).

    A unit of ridge round slope 1 and shift 0 serves where all losses are the same.
    """
    for _ in range(STEPS):
        g0, g1, h00, h01, h11 = -shift, 1.0 - slope, 1.0, 0.0, 1.0
        for x, top_bad, target in points:
            loss = 1 / (1 + math.exp(-slope * x - shift))
            bad = min(loss + top_bad, 1 - LEAST)
            rise, spread = loss * (1 - loss), bad * (1 - bad)
            weight, off = rise * rise / spread, (target - bad) * rise / spread
            g0, g1 = g0 + off, g1 + off * x
            h00, h01, h11 = h00 + weight, h01 + weight * x, h11 + weight * x * x
        if free:
            found = h00 * h11 - h01 * h01
            d0, d1 = (h11 * g0 - h01 * g1) / found, (h00 * g1 - h01 * g0) / found
        else:
            d0, d1 = g0 / h00, 0.0
        # Steps are kept short, so that a fit from far away cannot jump past its aim.
        shift, slope = shift + min(max(d0, -2.0), 2.0), slope + min(max(d1, -1.0), 1.0)
    return slope, shift


# --- drift ----------------------------------------------------------------------------------


def binned(counts: Sequence[tuple[int, int, int]]) -> dict[int, list[int]]:
    """Return the bins of each era, of counts by (era, bin)."""
    eras: dict[int, list[int]] = {}
    for era, position, count in counts:
        eras.setdefault(era, [0] * BINS)[position] += count
    return eras


def stability(reference: Sequence[int], now: Sequence[int]) -> float:
    """Return the population stability index of two histograms with the same bins, in ten groups of the reference."""
    groups = _groups(reference)
    total, there = sum(reference), sum(now)
    index = 0.0
    for low, high in pairwise(groups):
        expected = (sum(reference[low:high]) + 0.5) / (total + 0.5 * (len(groups) - 1))
        actual = (sum(now[low:high]) + 0.5) / (there + 0.5 * (len(groups) - 1))
        index += (actual - expected) * math.log(actual / expected)
    return index


def _groups(reference: Sequence[int]) -> list[int]:
    """Return the edges of groups of whole bins that hold about a tenth of the reference each."""
    total, edges, held = sum(reference), [0], 0
    for position, count in enumerate(reference, 1):
        held += count
        if held * GROUPS >= total * len(edges) and len(edges) < GROUPS:
            edges.append(position)
    return [*edges, len(reference)] if edges[-1] < len(reference) else edges


def warning_of(project: str, eras: Mapping[int, Sequence[int]]) -> str | None:
    """Return what to say where the project's last full window of decisions has drifted from its first."""
    full = [era for era, bins in eras.items() if era > 0 and sum(bins) >= WINDOW]
    if not full or sum(eras.get(0, ())) < WINDOW:
        return None
    index = stability(eras[0], eras[max(full)])
    if index <= DRIFT:
        return None
    return (
        f"The requests of project {project} have drifted: the stability index of its last {WINDOW} decisions against "
        f"its first {WINDOW} is {index:.2f}, above {DRIFT:.2f}. Label some answers with client.feedback(r, good=...), "
        "so that its thresholds follow."
    )


# --- for `greenai doctor` -------------------------------------------------------------------


def summary(project: str, store: Labels, allowed: Mapping[Quality, float]) -> list[dict[str, object]]:
    """Return what is kept of a project under each classifier, as JSON values."""
    return [_summary(project, method, store, allowed) for method in store.methods(project) if method]


def _summary(project: str, method: str, store: Labels, allowed: Mapping[Quality, float]) -> dict[str, object]:
    labels = [(loss, good, top_bad) for _, loss, good, top_bad in store.labels(project, method, _since(), MOST_LABELS)]
    correction, eras = correction_of(labels, allowed), binned(store.tallies(project, method))
    return {
        "classifier": method,
        "labels": len(labels),
        "bad": sum(1 for _, good, _ in labels if not good),
        "corrected": correction is not None,
        "limits": {} if correction is None else dict(correction.limits),
        "decisions": sum(map(sum, eras.values())),
        "drift": warning_of(project, eras),
    }


def _since() -> float:
    return time.time() - LABEL_DAYS * 86_400


# --- the step -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Project:
    """What is known of one project under one classifier."""

    labels: OrderedDict[str, Said] = field(default_factory=OrderedDict[str, Said])
    told: dict[str, float] = field(default_factory=dict[str, float])  # when, of the labels given in this process
    changes: int = 0
    corrected_at: int = 0
    correction: Correction | None = None
    eras: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    pending: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])  # by era and bin
    read_at: float = -math.inf
    checked: bool = False
    warned: bool = False


def _keep(labels: OrderedDict[str, Said], call_id: str, said: Said) -> None:
    """Keep the last word about a call, and no more labels than count."""
    labels[call_id] = said
    labels.move_to_end(call_id)
    while len(labels) > MOST_LABELS:
        labels.popitem(last=False)


class Feedback:
    """What the projects of one client have taught. Safe from any thread.

    Args:
        allowed: the largest loss of each quality, which is also the share of losses that it allows.
        store: where labels and counts are kept; without one, in memory alone.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        allowed: Mapping[Quality, float],
        store: Labels | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = allowed
        self._store = store
        self._clock = clock
        self._projects: OrderedDict[tuple[str, str], _Project] = OrderedDict()
        self._lock = Lock()

    def is_read(self, project: str, method: str) -> bool:
        """Say whether what other processes know was read lately."""
        found = self._projects.get((project, method))
        return self._store is None or (found is not None and self._clock() < found.read_at + RELOAD_S)

    def read(self, project: str, method: str) -> None:
        """Read what is stored of a project; it waits for the disk."""
        if self._store is None:
            return
        began = self._clock()
        stored = self._store.labels(project, method, _since(), MOST_LABELS)
        stored_counts = self._store.tallies(project, method)
        with self._lock:
            found = self._of(project, method)
            # What was told since then may have been stored too late to be read.
            found.told = {call_id: told for call_id, told in found.told.items() if told >= began}
            late = [(call_id, *found.labels[call_id]) for call_id in found.told]
            found.labels = OrderedDict()
            for call_id, loss, good, top_bad in (*stored, *late):
                _keep(found.labels, call_id, (loss, good, top_bad))
            found.eras = binned(stored_counts)
            for (era, position), count in found.pending.items():  # counted here, and not written yet
                found.eras.setdefault(era, [0] * BINS)[position] += count
            found.read_at = self._clock()
        self._correct(found)

    def correction(self, project: str, method: str) -> Correction | None:
        """Return what the project's labels teach about this classifier's losses, if they are enough."""
        found = self._projects.get((project, method))
        return None if found is None else found.correction

    def label(self, label: Label) -> None:
        """Learn from one answer; it waits for the disk."""
        if self._store is not None:
            self._store.label(label)
        if label.loss is None:
            return
        with self._lock:
            found = self._of(label.project, label.method)
            _keep(found.labels, label.call_id, (label.loss, label.good, label.top_bad))
            if self._store is not None:
                found.told[label.call_id] = self._clock()
                found.told = {call_id: told for call_id, told in found.told.items() if call_id in found.labels}
        self._correct(found)

    def _correct(self, found: _Project) -> None:
        """Learn from the labels; it takes milliseconds, in which a call must not wait."""
        with self._lock:
            found.changes += 1
            change, labels = found.changes, tuple(found.labels.values())
        correction = correction_of(labels, self._allowed)
        with self._lock:
            if change > found.corrected_at:  # another thread may have learnt from more labels meanwhile
                found.correction, found.corrected_at = correction, change

    def count(self, project: str, method: str, large_gain: float) -> str | None:
        """Count a decision; return, once, the warning that the project has drifted."""
        with self._lock:
            found = self._of(project, method)
            era = max(found.eras, default=0)
            if sum(found.eras.get(era, ())) >= WINDOW:
                era += 1
            bins = found.eras.setdefault(era, [0] * BINS)
            position = min(int(max(large_gain, 0.0) * BINS), BINS - 1)
            bins[position] += 1
            if self._store is not None:
                found.pending[era, position] = found.pending.get((era, position), 0) + 1
            for old in [e for e in found.eras if 0 < e < era - 1]:
                del found.eras[old]
            due, found.checked = sum(bins) == WINDOW or not found.checked, True
            return self._warning(found, project) if due else None

    @staticmethod
    def _warning(found: _Project, project: str) -> str | None:
        said, before = warning_of(project, found.eras), found.warned
        found.warned = said is not None
        return None if before else said

    def flush(self, project: str, method: str) -> None:
        """Write counts once there are some; it waits for the disk."""
        found = self._projects.get((project, method))
        if self._store is None or found is None:
            return
        with self._lock:
            if sum(found.pending.values()) < FLUSH_EVERY:
                return
            pending, found.pending = found.pending, {}
        for era in sorted({era for era, _ in pending}):
            self._store.tally(project, method, era, {bin_: count for (at, bin_), count in pending.items() if at == era})

    def _of(self, project: str, method: str) -> _Project:
        found = self._projects.get((project, method)) or self._projects.setdefault((project, method), _Project())
        self._projects.move_to_end((project, method))
        while len(self._projects) > MOST_PROJECTS:
            self._projects.popitem(last=False)
        return found
