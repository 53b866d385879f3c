"""The finding: calls by what would have sufficed, with what they took and could have taken, in whole and in parts.

Columns of all calls and the texts of a sample go in, a `Finding` comes out; the same calls and seed give the same
one. Shares are found by stratum (simulate.py), and every part of the log is made of strata: a project's or an hour's
figures are those of its calls' strata, weighed with its own calls and joules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit import assumptions
from greenai.audit.chains import Chains, Little, planned, seen
from greenai.audit.energy import Took, alike, law_of, smaller, took, usd_of
from greenai.audit.families import Families, families
from greenai.audit.finding import (
    SUFFICING,
    Finding,
    Group,
    Grouped,
    Risk,
    Sampled,
    Span,
    Sufficed,
    Sufficing,
    Taken,
)
from greenai.audit.grid_hours import GridHours, grams_of_each, grams_per_j
from greenai.audit.pairs import Pair, Pairs
from greenai.audit.simulate import Alternatives, Drawn, Strata, drawn, span, strata
from greenai.audit.sufficing import LIFETIMES_S, Judged, NearRepeats, Texts, judge, near_repeats, repeats
from greenai.classify import Classifier
from greenai.route import FLOORS
from greenai.units import significant
from greenai.values import text_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls
    from greenai.audit.values import Logged

    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]
    Codes: TypeAlias = NDArray[np.int64]

__all__ = ["DRAWS", "Looked", "Measured", "found", "looked_at", "routed"]

SAMPLE = 2_000
"""About so many calls' texts are looked at."""
IN_A_ROW = 400
"""In so many calls made one after the other near repeats are looked for."""
DRAWS = 400
SHOWN, SHOWN_PROJECTS = 30, 200
"""So many templates, models and projects are told apart: some logs have a project for each user. All hours are."""

NOT_LOOKED = NearRepeats(hits=0, tried=0, calls=0, looked=False)

Measured: TypeAlias = "Mapping[Sufficing, Risk]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looked:
    """What was looked at, and all that follows from it; other parts of the finding start from here."""

    calls: Calls
    took: Took
    plan: Strata
    judged: Judged
    near: NearRepeats
    drawn: Drawn
    chains: Chains
    little: tuple[Little, ...]
    families: Families
    shapes: Mapping[int, str]
    seed: int
    draws: int
    zone: str
    hours: GridHours | None = None
    grams_of_each: Floats | None = None

    def grams_per_j(self, of: Flags) -> float:
        """Return grams of CO2 equivalent for a joule of these calls: of their hours, else of the yearly mean."""
        return grams_per_j(self.grams_of_each, self.took.energy_j, of, self.zone)

    def template(self, code: int) -> str:
        """Return what a template is called: its number, its id, and what its prompts share, or else are."""
        shown = self.families.skeletons.get(code) or self._known(code)
        return " ".join(part for part in (self.calls.template.name(code), self.template_id(code), shown) if part)

    def _known(self, code: int) -> str:
        """Return what is known of a template whose words are not shown: whose they are, its answers, and its model."""
        import numpy as np

        of = self.calls.template.codes == code
        answers = len(np.unique(self.calls.answer.codes[of & (self.calls.answer.codes >= 0)]))
        models = self.calls.model.codes[of]
        most = int(np.bincount(models[models >= 0]).argmax()) if (models >= 0).any() else -1
        said = f"{answers:,} different answers" if answers > 1 else "one answer" if answers else ""
        parts = (self.shapes.get(code, ""), said, self.calls.model.name(most, ""))
        return f"({', '.join(part for part in parts if part)})" if any(parts) else ""

    def template_id(self, code: int) -> str | None:
        """Return the id of a template; None where the calls come from no store."""
        ids = self.calls.template.ids
        return ids[code] if 0 <= code < len(ids) else None

    def family(self) -> Codes:
        """Return each call's template, or the one that stands for it."""
        import numpy as np

        every = np.arange(-1, len(self.calls.template.names))
        heads = np.array([self.families.of(code) for code in every.tolist()], np.int64)
        return heads[self.calls.template.codes + 1]


def looked_at(
    calls: Calls,
    texts: Texts,
    *,
    classifier: Classifier | None = None,
    ladder: Sequence[str] = (),
    sample: int = SAMPLE,
    in_a_row: int = IN_A_ROW,
    seed: int = 0,
    draws: int = DRAWS,
    zone: str = "WORLD",
    hours: GridHours | None = None,
    large_gain: Callable[[Logged], float] | None = None,
    pairs: Pairs | None = None,
) -> Looked:
    """Look at a sample of the texts, and draw what would have sufficed.

    Args:
        calls: all calls of the log.
        texts: reads the texts of some calls.
        classifier: None is the packaged one.
        ladder: the models that would be asked, smallest first; none takes siblings at the same provider.
        sample: about so many texts are looked at.
        in_a_row: in so many calls in a row near repeats are looked for.
        seed: the same one gives the same finding.
        draws: how many simulations the intervals are from.
        zone: the grid that carbon is of.
        hours: what its kWh emitted by the hour; None takes its yearly mean.
        large_gain: another judge of P(a large model is right where a small one is not), for a trial.
        pairs: what is known of pairs of models; None is what ships.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    spent = took(calls)
    plan = strata(calls, spent.energy_j, repeats(calls, LIFETIMES_S[0]), sample, rng)
    row = _in_a_row(calls, in_a_row, rng)
    passing = planned(calls, seed)
    wanted = sorted({*plan.rows.tolist(), *row, *passing.rows})
    read = dict(zip(wanted, texts(wanted), strict=True))  # once: a log is read from its beginning each time
    judged = judge(
        calls,
        plan.rows.tolist(),
        lambda rows: [read[row] for row in rows],
        classifier or Classifier.load(),
        ladder=ladder,
        large_gain=large_gain,
        pairs=pairs,
    )
    near = near_repeats([call for at in row if (call := read[at]) is not None]) if row else NOT_LOOKED
    other = _otherwise(calls, spent, judged, tuple(ladder))
    by_stratum = drawn(calls, spent, plan, judged, other, near, draws, rng, FLOORS["standard"])
    return Looked(
        calls=calls,
        took=spent,
        plan=plan,
        judged=judged,
        near=near,
        drawn=by_stratum,
        chains=passing,
        little=seen(calls, passing, read),
        families=families(calls, read, np.unique(calls.template.codes[judged.rows[judged.task >= 0]]).tolist()),
        shapes=_shapes(calls, read),
        seed=seed,
        draws=draws,
        zone=zone,
        hours=hours,
        grams_of_each=grams_of_each(calls.created, zone, hours),
    )


def _in_a_row(calls: Calls, count: int, rng: np.random.Generator) -> Sequence[int]:
    import numpy as np

    judged = np.flatnonzero(calls.judged)
    if not count or not len(judged):
        return ()
    start = int(rng.integers(0, max(len(judged) - count, 0) + 1))
    row: list[int] = judged[start : start + count].tolist()
    return row


def _shapes(calls: Calls, read: Mapping[int, Logged | None]) -> Mapping[int, str]:
    """Return by template whose messages its prompts are, and how long: of one of them."""
    found: dict[int, str] = {}
    for row, call in read.items():
        code = int(calls.template.codes[row])
        if code >= 0 and code not in found and call is not None and call.messages:
            roles = dict.fromkeys(str(message.get("role")) for message in call.messages)
            words = sum(len(text_of(message.get("content")).split()) for message in call.messages)
            found[code] = f"{' and '.join(roles)}, about {significant(words)} words"
    return found


def _otherwise(calls: Calls, spent: Took, judged: Judged, ladder: tuple[str, ...]) -> Alternatives:
    """Return what the calls would take of the smaller model, and without reasoning: so much less than they took."""
    import numpy as np

    of = np.zeros(len(calls), np.bool_)
    of[judged.rows] = True
    made = {
        name: np.full(len(calls), np.nan) for name in ("small_j", "small_usd", "small_sigma", "plain_j", "plain_usd")
    }
    for model, tier, rows in alike(calls, of):
        prompt, wrote = (calls.input_tokens[rows], calls.cached_tokens[rows]), calls.output_tokens[rows]
        said = np.maximum(wrote - np.nan_to_num(calls.reasoning_tokens[rows]), 0.0)
        law, name = law_of(model, tier), smaller(model, ladder)
        with np.errstate(invalid="ignore", divide="ignore"):
            if law is not None:
                made["plain_j"][rows] = spent.energy_j[rows] * law.joules(*prompt, said) / law.joules(*prompt, wrote)
            less, all_of_it = (usd_of(model, *prompt, out, tier=tier) for out in (said, wrote))
            made["plain_usd"][rows] = spent.cost_usd[rows] * less / all_of_it
        law = None if name is None else law_of(name, tier)
        if law is not None:
            made["small_j"][rows], made["small_sigma"][rows] = law.joules(*prompt, said), law.sigma
        if name is not None:
            made["small_usd"][rows] = usd_of(name, *prompt, said, tier=tier)
    return Alternatives(**{name: held[judged.rows] for name, held in made.items()})


# --- in whole and in parts ------------------------------------------------------------------


def found(looked: Looked, measured: Measured | None = None) -> Finding:
    """Return the finding, without wastes and changes.

    Args:
        looked: what was looked at.
        measured: risks that were measured by asking the cheaper way; others are estimated or assumed.
    """
    import numpy as np

    calls, created = looked.calls, looked.calls.created[np.isfinite(looked.calls.created)]
    hours = np.where(np.isfinite(calls.created), np.nan_to_num(calls.created) // 3600 % 24, -1).astype(np.int64)
    parts = _Parts(looked, dict(measured or {}))
    return Finding(
        first=float(created.min()) if len(created) else None,
        last=float(created.max()) if len(created) else None,
        whole=parts.group("all", "all calls", np.ones(len(calls), np.bool_)),
        projects=parts.groups("project", calls.project.codes, calls.project.name, SHOWN_PROJECTS),
        templates=parts.groups(
            "template", looked.family(), looked.template, SHOWN, none=False, looked=looked
        ),
        models=parts.groups("model", calls.model.codes, calls.model.name, SHOWN),
        hours=tuple(
            parts.group("hour", f"{hour:02}", of) for hour in range(24) if (of := hours == hour).any()
        ),
        assumptions=assumptions.of(
            looked.near, zone=looked.zone, hours=looked.hours, created=calls.created,
            pairs=_often(looked, np.ones(len(calls), np.bool_)),
            tasks=looked.judged.tasks,
        ),
        sampled=Sampled(
            calls=len(looked.judged.rows), of=int(calls.judged.sum()), seed=looked.seed, draws=looked.draws,
            compared=looked.near.calls if looked.near.looked else 0,
        ),
        zone=looked.zone,
        grid_hours=None if looked.hours is None else looked.hours.name,
    )  # fmt: skip


def routed(looked: Looked, of: Flags) -> tuple[Span, Taken]:
    """Return how many of these calls routing would give to the small model, and what they would take less.

    Those are the calls of which the classifier expects little loss: not all for which the small model would suffice,
    and some for which it does not.
    """
    import numpy as np

    inside = of & (looked.plan.of >= 0)
    part, size = looked.plan.of[inside], len(looked.plan.sizes)
    count = np.bincount(part, minlength=size).astype(np.float64)
    joules, dollars = (_summed(part, amounts[inside], size) for amounts in (looked.took.energy_j, looked.took.cost_usd))
    energy = _Energy(looked, of, looked.grams_per_j(of))
    rest = _Rest(looked, of & (looked.plan.of < 0))
    energy.centre(_weighed(looked.drawn.was_j, joules).sum(1) + rest.joules * looked.drawn.factor)
    saved, paid = looked.drawn.routed_j @ joules, looked.drawn.routed_usd @ dollars
    return span(looked.drawn.routed @ count), energy.taken(np.maximum(saved, 0.0), np.maximum(paid, 0.0))


def worse(looked: Looked, of: Flags) -> Risk | None:
    """Return the share of worse answers among these calls, of those that tell how the small model does; None for none.

    As a check does, it takes the log's answer to be right.
    """
    import numpy as np

    size = len(looked.plan.sizes)
    count = np.bincount(looked.plan.of[of & (looked.plan.of >= 0)], minlength=size)
    weight = looked.drawn.tried * (count / np.maximum(looked.plan.sizes, 1))
    if not weight.any():
        return None
    share = (looked.drawn.worse * weight).sum(1) / np.maximum(weight.sum(1), 1e-12)
    return Risk(share=span(share), evidence="estimated")


def _often(looked: Looked, of: Flags) -> tuple[Pair, ...]:
    """Return the pairs of the model that answered these calls and a smaller one, most calls first."""
    import numpy as np

    inside = of[looked.judged.rows] & (looked.judged.pair >= 0)
    often = np.bincount(looked.judged.pair[inside], minlength=len(looked.judged.pairs))
    return tuple(looked.judged.pairs[at] for at in np.argsort(-often, kind="stable").tolist() if often[at])


class _Parts:
    """Groups of calls, each made of the strata that its calls are in."""

    def __init__(self, looked: Looked, measured: dict[Sufficing, Risk]) -> None:
        self.looked, self.drawn, self.measured = looked, looked.drawn, measured

    def groups(
        self,
        by: Grouped,
        codes: Codes,
        name: Callable[[int], str],
        most: int,
        *,
        none: bool = True,
        looked: Looked | None = None,
    ) -> tuple[Group, ...]:
        """Return the groups that take most, those without a name last."""
        import numpy as np

        size = int(codes.max(initial=-1)) + 2
        joules = np.bincount(codes + 1, weights=np.nan_to_num(self.looked.took.energy_j), minlength=size)
        count = np.bincount(codes + 1, minlength=size)
        order = np.lexsort((-count, -joules))
        wanted = [int(at) - 1 for at in order.tolist() if count[at] and (at or none)][:most]
        made = [self.group(by, name(code), codes == code) for code in wanted]
        if looked is None:
            return tuple(made)
        sizes = map(looked.families.size, wanted)
        return tuple(
            replace(one, templates=size, id=looked.template_id(code) if size == 1 else None)
            for one, size, code in zip(made, sizes, wanted, strict=True)
        )

    def group(self, by: Grouped, name: str, of: Flags) -> Group:
        """Return one group of calls."""
        import numpy as np

        looked, drawn = self.looked, self.drawn
        in_stratum = of & (looked.plan.of >= 0)
        part = looked.plan.of[in_stratum]
        size = len(looked.plan.sizes)
        count = np.bincount(part, minlength=size).astype(np.float64)
        joules = _summed(part, looked.took.energy_j[in_stratum], size)
        dollars = _summed(part, looked.took.cost_usd[in_stratum], size)
        was_j, could_j = _weighed(drawn.was_j, joules), _weighed(drawn.could_j, joules)
        was_usd, could_usd = _weighed(drawn.was_usd, dollars), _weighed(drawn.could_usd, dollars)
        calls = _weighed(drawn.share, count)
        amounts = (was_j, was_usd, could_j, could_usd)
        rest = _Rest(looked, of & (looked.plan.of < 0))
        judged = int(count.sum())
        energy = _Energy(looked, of, looked.grams_per_j(of))
        all_j, saved_j = was_j.sum(1) + rest.joules * drawn.factor, (was_j - could_j).sum(1)
        saved_usd = (was_usd - could_usd).sum(1)
        energy.centre(all_j)
        # By rounding, a little more than all may be saved.
        saved = min(float(np.median(saved_j / np.maximum(all_j, 1e-300))), 1.0) * energy.joules
        fewer = min(float(np.median(saved_usd)), energy.dollars)
        return Group(
            by=by,
            name=name,
            calls=int(of.sum()),
            failed=int((of & ~looked.calls.ok).sum()),
            unjudged=int((of & looked.calls.ok & (looked.plan.of < 0)).sum()),
            was=energy.taken(all_j, energy.dollars + 0 * saved_usd, mid=(energy.joules, energy.dollars)),
            could_be=energy.taken(
                all_j - saved_j, energy.dollars - saved_usd, mid=(energy.joules - saved, energy.dollars - fewer)
            ),
            saved=energy.taken(saved_j, saved_usd, mid=(saved, fewer)),
            saved_share=span(saved_j / all_j) if energy.known else None,
            avoidable=span(drawn.less @ count / max(judged, 1)),
            sufficed=tuple(
                self._row(name, calls[:, at], judged, energy, [part[:, at] for part in amounts], of)
                for at, name in enumerate(SUFFICING)
            ),
        )  # fmt: skip

    def _row(
        self, name: Sufficing, calls: Floats, judged: int, energy: _Energy, drawn: Sequence[Floats], of: Flags
    ) -> Sufficed:
        was_j, was_usd, could_j, could_usd = drawn
        small = name == "small"
        risk = self.measured.get(name) or (worse(self.looked, of) if small else assumptions.RISKS.get(name))
        return Sufficed(
            by=name,
            # Means, of which those of all ways add up to all calls: medians do not.
            calls=span(calls, float(calls.mean())),
            share=span(calls / max(judged, 1), float(calls.mean()) / max(judged, 1)),
            was=energy.taken(was_j, was_usd),
            could_be=energy.taken(could_j, could_usd),
            risk=risk,
            assumption=name,
            models=tuple(dict.fromkeys(pair.small for pair in _often(self.looked, of))) if small else (),
        )


def _summed(part: Codes, amounts: Floats, size: int) -> Floats:
    import numpy as np

    return np.bincount(part, weights=np.nan_to_num(amounts), minlength=size).astype(np.float64)


def _weighed(by_stratum: Floats, weights: Floats) -> Floats:
    """Return (draw, rung): what the strata have, each with its weight."""
    import numpy as np

    made: Floats = np.einsum("dhr,h->dr", by_stratum, weights)
    return made


class _Rest:
    """Calls that nothing is simulated of."""

    def __init__(self, looked: Looked, of: Flags) -> None:
        import numpy as np

        self.joules = float(np.nansum(looked.took.energy_j[of]))


class _Energy:
    """What is known of the amounts of some calls, to make draws of them into values."""

    def __init__(self, looked: Looked, of: Flags, grams_per_j: float) -> None:
        import numpy as np

        joules, dollars = looked.took.energy_j[of], looked.took.cost_usd[of]
        self.joules, self.dollars = float(np.nansum(joules)), float(np.nansum(dollars))
        self.unknown, self.unpriced = int(np.isnan(joules).sum()), int(np.isnan(dollars).sum())
        self.known, self.priced = self.unknown < len(joules), self.unpriced < len(dollars)
        self.grams_per_j = grams_per_j
        self._to_centre = 1.0

    def centre(self, joules: Floats) -> None:
        """Have the draws lie around what the calls took, given draws of that.

        The median of some hundred draws of so wide a distribution is off by some percent: more would be saved than
        was taken.
        """
        import numpy as np

        middle = float(np.median(joules))
        self._to_centre = self.joules / middle if middle > 0 else 1.0

    def taken(self, joules: Floats, dollars: Floats, mid: tuple[float, float] | None = None) -> Taken:
        """Return draws as amounts; None where nothing is known of any call."""
        energy = span(joules * self._to_centre, None if mid is None else mid[0]) if self.known else None
        return Taken(
            energy_j=energy,
            carbon_g=None if energy is None else _times(energy, self.grams_per_j),
            cost_usd=span(dollars, None if mid is None else mid[1]) if self.priced else None,
            energy_unknown=self.unknown,
            cost_unknown=self.unpriced,
        )


def _times(amount: Span, factor: float) -> Span:
    return replace(amount, mid=amount.mid * factor, low=amount.low * factor, high=amount.high * factor)
