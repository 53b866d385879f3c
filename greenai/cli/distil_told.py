"""What `greenai distil` says of a task model that it made, in lines and as JSON."""

from __future__ import annotations

import dataclasses
import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenai.cli.common import console, plain, print_json
from greenai.units import format_duration, format_energy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from greenai.cli.distil_file import Target
    from greenai.distil.asking import Asked
    from greenai.distil.pairs import Pairs
    from greenai.distil.templates import Candidate
    from greenai.distil.train import Trained
    from greenai.distil.worth import Worth
    from greenai.settings import Settings

__all__ = ["Made", "span", "tell", "worth_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A task model that was made: of which pairs and whose answers, what it is worth, and where it was written.

    `labels` tells what asking for labels came to, if that was done; `repeats` says that the log's own repeated prompts
    told by how much numbers may differ.
    """

    trained: Trained
    worth: Worth
    pairs: Pairs
    model: str | None
    target: Target
    sha256: str
    repeats: bool = False
    labels: dict[str, Any] | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.target.path


def worth_of(trained: Trained, pairs: Pairs, chosen: Candidate, settings: Settings, asked: Asked | None) -> Worth:
    """Return what a task model is worth, measured on the latest prompts.

    Where the log does not tell what a call took, it is known of those that were asked for labels, or estimated.
    """
    from greenai.distil import worth

    earlier = worth.before(chosen)
    if earlier.energy_j is None:
        earlier = worth.before(chosen, pairs) if asked is None or asked.each.energy_j is None else asked.each
    prompts = [trained.model.template.filled(slots) for slots in pairs.slots[-worth.MOST_PROMPTS :]]
    item_s = worth.core_seconds(trained.model, prompts)
    return worth.worth(
        earlier, item_s, trained.fit_core_s, trained.tested.coverage, settings.watts_per_core,
        None if asked is None else asked.reading,
    )  # fmt: skip


def tell(made: Made, *, as_json: bool) -> None:
    """Print what was made, where it is, and what to do next."""
    if as_json:
        print_json(_plain(made))
        return
    told = console()
    for line in _report(made):
        told.print(plain(line), markup=False, soft_wrap=True)
    status = f"greenai distil --status {shlex.quote(str(made.path))}"
    next_ = f"Next, in greenai.toml; {status} says when it may be on:"
    told.print(next_, markup=False, soft_wrap=True)
    told.print(f'\n[[distilled]]\nfile = {json.dumps(str(made.path))}\nmode = "shadow"', markup=False, soft_wrap=True)


def _report(made: Made) -> Iterator[str]:
    trained, pairs, found = made.trained, made.pairs, made.worth
    tested = trained.tested
    left = ", ".join(f"{count:,} {why}" for why, count in pairs.left_out.items() if count and why != "other template")
    aside = f" (left out: {left})" if left else ""
    how = {"span": ", and copies words of the text", "score": f", and agrees within {trained.model.tolerance or 0:g}"}
    kind = how.get(trained.model.kind, "")
    yield f"Learnt from {len(pairs.texts):,} pairs of {made.model or 'the log'}{aside}{kind}."
    yield (
        f"On the {tested.pairs:,} latest, not seen before, it answered {tested.coverage:.1%}, and "
        f"{tested.agreement:.1%} ({tested.agreement_low:.1%} to {tested.agreement_high:.1%}) of that as the log says."
    )
    if made.repeats:
        yield (
            f"Two answers of the log's to one prompt differ by {trained.model.tolerance:g} at most in "
            f"{trained.model.promise:.1%} of those that were asked twice: that is the tolerance, and --tolerance sets "
            "another."
        )
    if trained.model.kind != "score":
        yield _slips(trained)
    yield _promise(trained)
    for label, (agreed, count) in trained.held.header.get("overlooked", {}).items():
        yield (
            f"Of {count:,} texts of the log that were answered {label}, it says so of {agreed:,}. Where that answer "
            "matters, collect more calls with it, or leave this template to the ladder."
        )
    yield f"Assumed: {trained.held.header['assumption']}"
    yield f"An item takes {span(found.after)} and {found.item_ms:.1f} ms of a core."
    yield f"A call of the model took {span(found.before)}."
    paid = "when it is paid back is not known" if found.pays_after is None else _paid(found.pays_after)
    asking = "" if found.asking is None else f", and asking for labels {span(found.asking)}"
    yield f"Training took {span(found.training)} in {format_duration(trained.fit_s)}{asking}: {paid}."
    yield _written(made)


def _written(made: Made) -> str:
    said = f"Written: {made.path} (version {made.sha256[:12]})"
    if made.target.replaces is None or made.target.replaces == made.sha256:
        return f"{said}."
    before = made.target.replaces
    return (
        f"{said}, in place of version {before[:12]} of the same template (SHA-256 {before}). What was compared and "
        "audited of that one does not count for this one: begin in shadow."
    )


def _slips(trained: Trained) -> str:
    tested, slips = trained.tested, trained.slips
    return (
        f"The log's model slips in {slips.share:.1%} ({slips.low:.1%} to {slips.high:.1%}) of its answers, by "
        f"{'prompts that it answered twice' if slips.source == 'repeats' else 'the surest pairs'}: "
        f"against what it says when it is consistent, agreement is {tested.corrected:.1%}, "
        f"{tested.corrected_low:.1%} at least."
    )


def _promise(trained: Trained) -> str:
    """Say what was promised, the bound with which the threshold was set, and whether the test bears it out."""
    promise, tested = trained.model.promise, trained.tested
    set_ = f"Promised {promise:.1%}: the threshold was set where it is {1 - trained.held.header['bound']:.1%} at least"
    return f"{set_}. {_TESTED[_verdict(trained)].format(share=tested.corrected, low=tested.corrected_low)}"


_TESTED = {
    "kept": "The test shows that it is kept: {low:.1%} at least.",
    "open": "The test agrees with that ({share:.1%}), and is too small to prove it alone: {low:.1%} at least.",
    "missed": "The test does not bear it out: {share:.1%}, {low:.1%} at least. Shadow decides: do not switch it on "
    "before `--status` says so.",
    "nothing": "In the test it answered nothing: collect more calls of this template.",
}


def _verdict(trained: Trained) -> str:
    promise, tested = trained.model.promise, trained.tested
    if not tested.answered:
        return "nothing"
    if tested.corrected_low >= promise:
        return "kept"
    return "open" if tested.corrected >= promise else "missed"


def _paid(calls: tuple[int, int, int]) -> str:
    return f"paid back after {calls[0]:,} {'call' if calls[0] == 1 else 'calls'} ({calls[1]:,} to {calls[2]:,})"


def span(reading: Any) -> str:
    """Return a reading with its interval; said to be unknown where it is."""
    if reading.energy_j is None or reading.low_j is None or reading.high_j is None:
        return f"an unknown energy ({reading.method})"
    return f"{format_energy(reading.energy_j)} ({format_energy(reading.low_j)} to {format_energy(reading.high_j)})"


def _plain(made: Made) -> dict[str, Any]:
    trained, found = made.trained, made.worth
    readings = {
        f"{name}_{end}": getattr(getattr(found, name), end if end != "j" else "energy_j", None)
        for name in ("before", "after", "training", "asking")
        for end in ("j", "low_j", "high_j")
    }
    return {
        "file": str(made.path),
        "kind": trained.model.kind,
        "version": made.sha256[:12],
        "sha256": made.sha256,
        "replaces": made.target.replaces,
        "pairs": len(made.pairs.texts),
        "left_out": dict(made.pairs.left_out),
        "labels": dict(trained.labels),
        "overlooked": trained.held.header.get("overlooked", {}),
        "tolerance": trained.model.tolerance,
        "promise": trained.model.promise,
        "promise_bound": 1 - trained.held.header["bound"],
        "promise_tested": _verdict(trained),
        "threshold": trained.model.threshold,
        "assumption": trained.held.header["assumption"],
        "tested": {**dataclasses.asdict(trained.tested), "coverage": trained.tested.coverage},
        "slips": dataclasses.asdict(trained.slips),
        "item_ms": found.item_ms,
        **readings,
        "pays_after": found.pays_after,
        "seconds": trained.fit_s,
        "asked": made.labels,
    }
