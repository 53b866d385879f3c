"""`greenai distil --status`: how often a task model in use says what the large model says, and what to do about it."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenai.cli.common import console, plain, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from greenai.answerers.distilled import TaskModel
    from greenai.answerers.guard import Guard
    from greenai.settings import Settings

__all__ = ["show"]

SHOWN = 5
"""So many of the new answers are printed; JSON has all that are kept."""


def show(path: Path, settings: Settings, *, again: bool, as_json: bool) -> None:
    """Print what the ledger counted of the task model in a file, by project."""
    from greenai.answerers.distilled import read
    from greenai.ledger import open_ledger

    model, ledger = read(path), open_ledger(settings)
    try:
        if again:
            ledger.distilled_again(model.version)
        rows = [row for row in ledger.all_distilled() if row["file"] == model.version]
    finally:
        ledger.close()
    told = [_told(row, model) for row in rows]
    if as_json:
        print_json(
            {
                "file": str(path),
                "version": model.version,
                "kind": model.kind,
                "promise": model.promise,
                "projects": told,
            }
        )
        return
    screen = console()
    for line in _lines(path, model, told):
        screen.print(plain(line), markup=False, soft_wrap=True)


def _told(row: Mapping[str, Any], model: TaskModel) -> dict[str, Any]:
    from greenai.answerers import agreement
    from greenai.answerers.guard import Guard
    from greenai.answerers.shelf import floor_of

    floor = floor_of(model)
    shadow, audit = (row["shadow_same"], row["shadow_other"]), (row["audit_same"], row["audit_other"])
    low, high = agreement.interval(*shadow)
    audit_low, audit_high = agreement.interval(*audit)
    return {
        "project": row["project"],
        "answered": row["answered"],
        "abstained": row["abstained"],
        "uncompared": row["uncompared"],
        "shadow": {"compared": sum(shadow), "agreed": shadow[0], "low": low, "high": high},
        "audits": {"compared": sum(audit), "agreed": audit[0], "low": audit_low, "high": audit_high},
        "floor": floor,
        "has_been_on": row["answered"] + sum(audit) > 0,
        "may_be_on": row["fell"] is None and low >= floor,
        "more_needed": agreement.more_needed(*shadow, floor),
        "fell": row["fell"],
        "guard": _guard(Guard.read(row["guard"]), model),
    }


def _guard(guard: Guard, model: TaskModel) -> dict[str, Any] | None:
    """Return since when the model is under guard, what was compared since, what is in doubt, and what is new."""
    if guard.on is None:
        return None
    doubted = [model.labels[label] for label in guard.doubted if label < len(model.labels)]
    return {
        "since": guard.on,
        "compared": guard.same + guard.other,
        "agreed": guard.same,
        "doubted": doubted,
        "new_answers": dict(guard.news),
    }


def _lines(path: Path, model: TaskModel, told: list[dict[str, Any]]) -> Iterator[str]:
    kinds = {"span": "copies words of the text", "score": f"numbers that agree within {model.tolerance or 0:g}"}
    what = kinds.get(model.kind, f"{len(model.labels)} labels")
    yield f"{model.name}, version {model.version}: {what}, {model.promise:.1%} promised."
    if not told:
        yield "No call of its template was made yet. To register it, in greenai.toml:"
        yield f'\n[[distilled]]\nfile = {json.dumps(str(path))}\nmode = "shadow"'
    for one in told:
        yield f"Project {one['project']}:"
        yield from (f"  {line}" for line in _of(one, path))


def _of(one: Mapping[str, Any], path: Path) -> Iterator[str]:
    yield f"{one['answered']:,} calls answered; {one['abstained']:,} left to the ladder, where it was not sure."
    for name, said in (("shadow", "In shadow"), ("audits", "Audited")):
        found = one[name]
        if found["compared"]:
            share = found["agreed"] / found["compared"]
            yield (
                f"{said}: it said the same in {found['agreed']:,} of {found['compared']:,} calls, {share:.1%} "
                f"({found['low']:.1%} to {found['high']:.1%})."
            )
    if one["uncompared"]:
        yield f"{one['uncompared']:,} calls were answered by a smaller model, and not compared: name the large one."
    if one["guard"]:
        yield _under_guard(one["guard"], path)
    yield _verdict(one, path)


def _under_guard(guard: Mapping[str, Any], path: Path) -> str:
    since = datetime.fromtimestamp(guard["since"], UTC)
    doubted = f" In doubt: {', '.join(guard['doubted'])}." if guard["doubted"] else ""
    told = ", ".join(f'"{name}" {count:,} times' for name, count in [*guard["new_answers"].items()][:SHOWN])
    news = f" New answers since: {told}; make it again from newer calls." if told else ""
    return (
        f"Under guard since {since:%Y-%m-%d %H:%M} UTC, for prompts of a kind that its log does not have arrive, by "
        f"their scores or by what models answer: {guard['agreed']:,} of {guard['compared']:,} comparisons since "
        f"agreed.{doubted}{news} It ends when all is as usual again, or with: "
        f"greenai distil --status {shlex.quote(str(path))} --again"
    )


def _verdict(one: Mapping[str, Any], path: Path) -> str:
    floor = f"{one['floor']:.1%}"
    if one["fell"] is not None:
        return (
            f"It fell back to shadow: audits showed less than {floor}. Make it again from newer calls, or switch it on "
            f"again: greenai distil --status {shlex.quote(str(path))} --again"
        )
    if one["has_been_on"]:
        return _while_on(one, floor)
    if one["may_be_on"]:
        return f'It may be on: at least {floor} is what its promise comes to. In greenai.toml: mode = "on"'
    if one["more_needed"] is None and one["shadow"]["high"] >= one["floor"]:
        return f"It is not known yet whether it comes to {floor}, from when on it may be on: leave it in shadow."
    if one["more_needed"] is None:
        return f"It should not be on: at this rate it does not come to {floor}. Make it again from newer calls."
    return f"It may be on when the lower bound is {floor}: after about {one['more_needed']:,} more calls at this rate."


def _while_on(one: Mapping[str, Any], floor: str) -> str:
    """Say what holds of a model that has answered calls already."""
    audits = one["audits"]
    if audits["compared"] and audits["low"] >= one["floor"]:
        return f"It has been on, and audits show that it comes to {floor}, which is what its promise comes to."
    if audits["high"] < one["floor"]:
        return f'It should not be on: audits show less than {floor}. In greenai.toml: mode = "shadow"'
    return f"It has been on, and nothing speaks against that: audits allow for {floor}, where its promise is kept."
