"""`greenai distil`: make a task model of the most repetitive calls of a log, and say how those in use are doing."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greenai.audit.labels import command
from greenai.cli.common import AsJson, SettingsFile, console, plain, print_json, reported, settings_of
from greenai.progress import bar
from greenai.units import format_duration, format_energy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from greenai.distil.pairs import Pairs
    from greenai.distil.templates import Candidate
    from greenai.distil.train import Trained
    from greenai.distil.worth import Worth
    from greenai.progress import Moved
    from greenai.settings import Settings

__all__ = ["distil"]

Logs = Annotated[list[Path] | None, typer.Argument(help="Logs of calls: files or folders, as for greenai audit.")]
Format = Annotated[str | None, typer.Option("--format", help="The logs' format, where it is not found out.")]
Which = Annotated[
    str | None, typer.Option("--template", metavar="ID", help="The template to distil: its id, or its number.")
]
Work = Annotated[
    Path | None, typer.Option("--work", help="Keep the rows in this folder, or go on with those of greenai audit.")
]
Listed = Annotated[bool, typer.Option("--list", help="Only list the templates.")]
Promise = Annotated[float, typer.Option(min=0.5, max=0.999, help="How often it is to say what the large model says.")]
Tolerance = Annotated[
    float | None, typer.Option(help="For answers that are numbers on a scale: by how much two may differ and agree.")
]
Labels = Annotated[int | None, typer.Option(min=1, help="Prompts of the log that --teacher answers (anew).")]
Teacher = Annotated[str | None, typer.Option(help='The large model, such as "openai/gpt-5.5".')]
Spend = Annotated[str | None, typer.Option("--budget", help='What asking --teacher may take, such as "5Wh".')]
Out = Annotated[Path | None, typer.Option(help="The file to write; without it, a name is made of the template's.")]
Name = Annotated[str | None, typer.Option(help="What receipts call it; by default the file's name.")]
Status = Annotated[Path | None, typer.Option("--status", help="Say how a task model in use is doing.")]
Again = Annotated[bool, typer.Option("--again", help="With --status: switch it on again after it fell back.")]

MOST_NAMED = 8


def distil(
    logs: Logs = None,
    *,
    template: Which = None,
    list_: Listed = False,
    promise: Promise = 0.98,
    tolerance: Tolerance = None,
    labels: Labels = None,
    teacher: Teacher = None,
    budget: Spend = None,
    out: Out = None,
    name: Name = None,
    format_: Format = None,
    work: Work = None,
    status: Status = None,
    again: Again = False,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a task model of a log's most repetitive calls, which answers them where it is sure.

    Without --template, the templates of the log are listed. Nothing leaves this machine, unless --labels asks a model.
    """
    with reported(as_json=as_json):
        loaded = settings_of(settings)
        if status is not None:
            from greenai.cli import distil_status

            distil_status.show(status, loaded, again=again, as_json=as_json)
            return
        if not logs:
            raise typer.BadParameter("Name a log, such as calls.jsonl, or a file with --status.")
        if (labels is None) != (teacher is None) or (budget is not None and labels is None):
            raise typer.BadParameter(
                'Asking a model takes both: --labels 200 --teacher openai/gpt-5.5; --budget "5Wh".'
            )
        if template is None and not list_:
            _only_listed({"--out": out, "--name": name, "--tolerance": tolerance, "--labels": labels})
        try:
            chosen, pairs = _read(logs, format_, work, None if list_ else template, as_json=as_json)
            if chosen is None or pairs is None:
                return
            if labels is not None and teacher is not None:
                from greenai.cli import distil_labels

                pairs = distil_labels.asked(pairs, labels, teacher, budget, loaded, as_json=as_json)
            target = out or Path(f"{_slug(chosen)}.greenai")
            asking = {"promise": promise, "tolerance": tolerance, "teacher": teacher or _model(chosen)}
            made = _trained(pairs, name or target.stem, asking, as_json=as_json)
            _tell(made, _worth(made, pairs, chosen, loaded), pairs, chosen, _written(made, target), target, as_json)
        except KeyboardInterrupt:
            console(stderr=True).print("Stopped. No file was written.", markup=False)
            raise typer.Exit(130) from None


def _only_listed(options: Mapping[str, object]) -> None:
    """Refuse options that make a task model, where no template is named and the log is only listed."""
    given = next((option for option, value in options.items() if value is not None), None)
    if given is not None:
        raise typer.BadParameter(
            f"{given} is for making a task model: name its template, too, with --template. Without options the "
            "templates are listed."
        )


# --- reading --------------------------------------------------------------------------------


def _watched(*, as_json: bool) -> bool:
    return not as_json and sys.stderr.isatty()


def _read(
    logs: Sequence[Path], format_: str | None, work: Path | None, template: str | None, *, as_json: bool
) -> tuple[Candidate | None, Pairs | None]:
    """Read the log; list its templates where none is chosen, else return the one chosen and its pairs."""
    from greenai.audit import wording
    from greenai.distil.templates import reading

    with (
        bar("reading", watched=_watched(as_json=as_json)) as moved,
        reading([str(log) for log in logs], format=format_, folder=work, moved=moved) as log,
    ):
        found = log.templates()
        chosen = None if template is None else _chosen(found, template)
        pairs = None if chosen is None else log.pairs(chosen)
    for line in wording.unread(log.sources):
        console(stderr=True).print(plain(line), markup=False, soft_wrap=True)
    if chosen is None:
        _list(found, logs, format_, as_json=as_json)
    return chosen, pairs


def _chosen(found: Sequence[Candidate], which: str) -> Candidate:
    """Return the template with this id or number."""
    named = [one for one in found if which.lower() == one.id]
    named = named or [one for one in found if which.removeprefix("#") == str(one.number)]
    if len(named) == 1:
        return named[0]
    has = ", ".join(f"{one.number} ({one.id})" for one in sorted(found, key=lambda one: one.number)[:MOST_NAMED])
    why = f"{len(named)} templates have it, name one by its number" if named else f"the log has {has or 'none'}"
    raise typer.BadParameter(f"--template {which}: {why}. List them with --list.")


def _model(chosen: Candidate) -> str | None:
    return chosen.models[0] if chosen.models else None


def _slug(chosen: Candidate) -> str:
    words = re.findall(r"[a-z]+", chosen.template.skeleton.partition(":")[2].lower())
    return "-".join(words[:4]) or "task"


# --- the list -------------------------------------------------------------------------------


def _list(found: Sequence[Candidate], logs: Sequence[Path], format_: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json([_candidate(one) for one in found])
        return
    from greenai.audit.labels import LEAST

    told = console()
    if not found:
        told.print(
            f"No template recurs in this log: a prompt that is the same but for some slots, {LEAST} times or more.",
            soft_wrap=True,
        )
        return
    for one in found:
        for line in _lines(one):
            told.print(plain(line), markup=False, soft_wrap=True)
    first = next((one for one in found if one.why_not is None), None)
    if first is not None:
        within = "" if first.tolerance is None else f" --tolerance {first.tolerance}"
        line = f"Next: {command([str(log) for log in logs], format_, first.id)}{within}"
        told.print(line, markup=False, soft_wrap=True)


def _lines(one: Candidate) -> Iterator[str]:
    from greenai.distil import worth

    skeleton = " ".join(one.template.skeleton.split())
    yield f"#{one.number} {one.id}  {skeleton if len(skeleton) <= 100 else skeleton[:97] + '...'}"
    answers = ", ".join([*(label for label, _ in one.labels[:4]), *(["..."] if len(one.labels) > 4 else [])])
    recur = f", {len(one.labels)} answers make up {one.share:.0%}: {answers}" if one.labels else ""
    if one.kind == "score":
        recur = ", whose answers are numbers: --tolerance says by how much two may differ and agree"
    if one.kind == "span":
        recur = f", {one.share:.0%} of the answers are copied out of the text"
    yield f"   {one.calls:,} calls{recur}"
    if one.why_not is not None:
        yield f"   Not distilled: {one.why_not}"
        return
    each = worth.before(one)
    if each.energy_j is None or each.low_j is None or each.high_j is None:
        yield f"   What a call takes is not known: {each.method}."
        return
    most = one.calls * one.share
    yield (
        f"   {_model(one)} takes {_span(each.energy_j, each.low_j, each.high_j)} a call: at most "
        f"{_span(*(most * end for end in (each.energy_j, each.low_j, each.high_j)))} of this log could be saved."
    )


def _span(middle: float, low: float, high: float) -> str:
    return f"{format_energy(middle)} ({format_energy(low)} to {format_energy(high)})"


def _candidate(one: Candidate) -> dict[str, Any]:
    from greenai.distil import worth

    each = worth.before(one)
    return {
        "template": one.number,
        "id": one.id,
        "skeleton": one.template.skeleton,
        "digest": one.template.digest,
        "calls": one.calls,
        "labels": dict(one.labels),
        "share": one.share,
        "models": list(one.models),
        "kind": one.kind,
        "tolerance": None if one.tolerance is None else float(one.tolerance),
        "why_not": one.why_not,
        "call_j": each.energy_j,
        "call_low_j": each.low_j,
        "call_high_j": each.high_j,
    }


# --- making one -----------------------------------------------------------------------------


def _trained(pairs: Pairs, name: str, asking: dict[str, Any], *, as_json: bool) -> Trained:
    from greenai.distil import kinds

    with bar("training", watched=_watched(as_json=as_json)) as moved:
        progress = None if moved is None else partial(_moved, moved)
        return kinds.made(pairs, name=name, progress=progress, **asking)


def _moved(moved: Moved, step: str, share: float) -> None:
    moved("training", done=round(share * 100), total=100, said=step)


def _worth(made: Trained, pairs: Pairs, chosen: Candidate, settings: Settings) -> Worth:
    from greenai.cli.distil_labels import prompt
    from greenai.distil import worth

    prompts = [prompt(made.model.template, text) for text in pairs.texts[-worth.MOST_PROMPTS :]]
    item_s = worth.core_seconds(made.model, prompts)
    return worth.worth(worth.before(chosen), item_s, made.fit_core_s, made.tested.coverage, settings.watts_per_core)


def _written(made: Trained, target: Path) -> str:
    from greenai.distil import file
    from greenai.errors import InvalidRequest

    try:
        return file.write(made, target)
    except OSError as error:
        raise InvalidRequest(f"{target} cannot be written: {error}. Name another file with --out.") from None


def _tell(
    made: Trained, found: Worth, pairs: Pairs, chosen: Candidate, sha256: str, target: Path, as_json: bool
) -> None:
    if as_json:
        print_json(_plain(made, found, pairs, sha256, target))
        return
    told = console()
    for line in _report(made, found, pairs, chosen):
        told.print(plain(line), markup=False, soft_wrap=True)
    told.print(f"Written: {target} (version {sha256[:12]}).", markup=False, soft_wrap=True)
    next_ = f"Next, in greenai.toml; greenai distil --status {target} says when it may be on:"
    told.print(next_, markup=False, soft_wrap=True)
    told.print(f'\n[[distilled]]\nfile = {json.dumps(str(target))}\nmode = "shadow"', markup=False, soft_wrap=True)


def _report(made: Trained, found: Worth, pairs: Pairs, chosen: Candidate) -> Iterator[str]:
    tested = made.tested
    left = ", ".join(f"{count:,} {why}" for why, count in pairs.left_out.items() if why != "other template")
    aside = f" (left out: {left})" if left else ""
    how = {"span": ", and copies words of the text", "score": f", and agrees within {made.model.tolerance or 0:g}"}
    kind = how.get(made.model.kind, "")
    yield f"Learnt from {len(pairs.texts):,} pairs of {_model(chosen) or 'the log'}{aside}{kind}."
    yield (
        f"On the {tested.pairs:,} latest, not seen before, it answered {tested.coverage:.1%}, and "
        f"{tested.agreement:.1%} ({tested.agreement_low:.1%} to {tested.agreement_high:.1%}) of that as the log says."
    )
    if made.model.kind != "score":
        yield _slips(made)
    yield f"Assumed: {made.held.header['assumption']}"
    yield f"An item takes {_reading(found.after)} and {found.item_ms:.1f} ms of a core."
    yield f"A call of the model took {_reading(found.before)}."
    paid = "when it is paid back is not known" if found.pays_after is None else _paid(found.pays_after)
    yield f"Training took {_reading(found.training)} in {format_duration(made.fit_s)}: {paid}."


def _slips(made: Trained) -> str:
    tested, slips = made.tested, made.slips
    return (
        f"The log's model slips in {slips.share:.1%} ({slips.low:.1%} to {slips.high:.1%}) of its answers, by "
        f"{'prompts that it answered twice' if slips.source == 'repeats' else 'the surest pairs'}: "
        f"against what it says when it is consistent, agreement is {tested.corrected:.1%}, "
        f"{tested.corrected_low:.1%} at least."
    )


def _paid(calls: tuple[int, int, int]) -> str:
    return f"paid back after {calls[0]:,} {'call' if calls[0] == 1 else 'calls'} ({calls[1]:,} to {calls[2]:,})"


def _reading(reading: Any) -> str:
    if reading.energy_j is None or reading.low_j is None or reading.high_j is None:
        return f"an unknown energy ({reading.method})"
    return _span(reading.energy_j, reading.low_j, reading.high_j)


def _plain(made: Trained, found: Worth, pairs: Pairs, sha256: str, target: Path) -> dict[str, Any]:
    readings = {
        f"{name}_{end}": getattr(getattr(found, name), end if end != "j" else "energy_j")
        for name in ("before", "after", "training")
        for end in ("j", "low_j", "high_j")
    }
    return {
        "file": str(target),
        "kind": made.model.kind,
        "version": sha256[:12],
        "sha256": sha256,
        "pairs": len(pairs.texts),
        "left_out": dict(pairs.left_out),
        "labels": dict(made.labels),
        "promise": made.model.promise,
        "threshold": made.model.threshold,
        "assumption": made.held.header["assumption"],
        "tested": {**dataclasses.asdict(made.tested), "coverage": made.tested.coverage},
        "slips": dataclasses.asdict(made.slips),
        "item_ms": found.item_ms,
        **readings,
        "pays_after": found.pays_after,
        "seconds": made.fit_s,
    }
