"""What a call gets that needs an opt-in nobody gave: less, told in one line, or `OptInRequired`.

    large            a larger model is expected to answer better, and no ceiling was named
    reasoning        it is expected to help; or an argument asks for it, and strict_opt_in is set
    semantic_cache   cache="semantic" asks for it, and strict_opt_in is set

The setting `without_opt_in` decides which of the two. A project that has not decided is answered with less, and asked
for its choice once: in the log and on that receipt. The ledger remembers it, so that no later process asks again.
Where an opt-in of the settings is over, that is told in place of the question, once in each process.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from greenai.errors import OptInRequired
from greenai.grants import ended, fix
from greenai.nudges import effort
from greenai.steps import Flow, Steps
from greenai.values import Assessment, Request, Rung, Work

if TYPE_CHECKING:
    from greenai.route import Route

__all__ = ["Missing", "Told", "missing", "settled"]

MOST_PROJECTS = 10_000  # known to have been asked; an app may name projects after its own users

LATER = "set a later opt_in_expires"

logger = logging.getLogger("greenai")


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An opt-in that would have changed a call: why it was wanted, what stands in the receipt, another way to it."""

    kind: str
    why: str
    line: str | None = None
    instead: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the receipt says of opt-ins that were missing: among the decision's reasons, and as warnings."""

    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def settled(request: Request, chosen: Route, assessment: Assessment, steps: Steps, *, dry: bool) -> Flow[Told]:
    """Settle what a call gets whose opt-ins are missing. A `dry` run asks nobody for a choice.

    Raises:
        OptInRequired: one is missing, and `without_opt_in` is "refuse".
    """
    lacking = missing(request, chosen, assessment, steps)
    if not lacking:
        return Told()
    if request.options.without_opt_in == "refuse":
        raise refusal(lacking, request)
    reasons = tuple(m.line for m in lacking if m.line is not None)
    if dry:
        return Told(reasons=reasons)
    over = _ended(request, *(lack.kind for lack in lacking))
    said = _told_once(over, steps) if over else (yield from _asked_once(request, lacking[0], steps))
    return Told(reasons=reasons, warnings=said)


def missing(request: Request, chosen: Route, assessment: Assessment, steps: Steps) -> tuple[Missing, ...]:
    """Return the opt-ins that this call lacks, the dearest first."""
    found = (_large(request, chosen), _reasoning(request, chosen, assessment, steps), _semantic(request))
    return tuple(one for one in found if one is not None)


def refusal(lacking: Sequence[Missing], request: Request) -> OptInRequired:
    """Return the error that names what is missing, and the line of code that gives it besides what holds already."""
    kinds = [lack.kind for lack in lacking]
    line, over = fix(*request.options.opt_in, *kinds), _ended(request, *kinds)
    whys = ". ".join(f"{lack.why}, which needs the opt-in {lack.kind}" for lack in lacking)
    ways = [LATER] if over else []
    if lacking[0].instead and len(lacking) == 1:
        ways.append(lacking[0].instead)
    other = _sentence(f"{', '.join(ways)}, or allow it") if ways else "To allow it"
    message = f'{whys}. {_sentence(over or "nobody opted in")}, and without_opt_in = "refuse" is set. {other}: {line}'
    return OptInRequired(message, kind=kinds[0], fix=line)


def _ended(request: Request, *kinds: str) -> str:
    """Return in words which of these opt-ins the settings gave until a day that is over; empty where none."""
    return ended((grant for grant in request.lapsed if grant.kind in kinds), request.options.project)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


# --- what is missing ----------------------------------------------------------------------


def _large(request: Request, chosen: Route) -> Missing | None:
    if chosen.lacks is None:
        return None
    why = f"{chosen.lacks} is expected to answer better than {chosen.rungs[0].model}"
    over = _ended(request, "large")
    line = f"{_sentence(over)}. To allow it again: {LATER}." if over else None  # the route's reasons say the rest
    return Missing(kind="large", why=why, line=line, instead='name the model with model="..."')


def _reasoning(request: Request, chosen: Route, assessment: Assessment, steps: Steps) -> Missing | None:
    options, asks = request.options, effort.asks(request.arguments)
    if "reasoning" in options.opt_in or asks is False:
        return None
    if asks:  # only strict_opt_in keeps an argument from being its own opt-in; the nudge says that it is not sent
        return Missing(kind="reasoning", why="An argument of this call asks for reasoning")
    thresholds = getattr(steps.classifier, "thresholds", {}) if assessment.calibrated else {}
    # Also where the larger model was wanted: who allows that one shall not be refused again for this.
    wanted = (Rung(model=chosen.lacks),) if chosen.lacks is not None else ()
    gains = (effort.expected_gain(rung, assessment, thresholds) for rung in (chosen.rungs[0], *wanted))
    gain = next((gain for gain in gains if gain is not None), None)
    if gain is None:
        return None
    why = f"Reasoning is expected to help (P(it helps) {gain:.2f} reaches {thresholds[effort.GAIN]:.2f})"
    over = _ended(request, "reasoning")
    line = (
        f"{why}; it stays at its least, as {over or 'nobody gave the opt-in reasoning'}. "
        f'To allow it: {f"{LATER}, or " if over else ""}with_options(opt_in={{"reasoning"}}, reason="...").'
    )
    return Missing(kind="reasoning", why=why, line=line)


def _semantic(request: Request) -> Missing | None:
    options = request.options
    if options.cache != "semantic" or "semantic_cache" in options.opt_in:
        return None
    why = 'cache="semantic" asks for the semantic cache'
    return Missing(
        kind="semantic_cache",
        why=why[:1].upper() + why[1:],
        line=(
            f"{why}; strict_opt_in is set and {_ended(request, 'semantic_cache') or 'nobody opted in'}, "
            "so only the same request is looked up."
        ),
    )


# --- asking once --------------------------------------------------------------------------


def _told_once(over: str, steps: Steps) -> tuple[str, ...]:
    """Tell of an opt-in that is over, once in this process; return what the receipt says."""
    said = f"{_sentence(over)}, so calls are answered without. To allow it again: {LATER}; if not, take opt_in out."
    if said in steps.asked:
        return ()
    if len(steps.asked) < MOST_PROJECTS:
        steps.asked.add(said)
    logger.warning("%s", said)
    return (said,)


def _asked_once(request: Request, lack: Missing, steps: Steps) -> Flow[tuple[str, ...]]:
    """Ask a project that has not decided, where no process has yet; return what its receipt says."""
    project = request.options.project
    given = any("settings" in grant.by for grant in (*request.grants, *request.lapsed))
    if given or request.options.without_opt_in is not None or project in steps.asked:
        return ()
    if len(steps.asked) < MOST_PROJECTS:
        steps.asked.add(project)
    first: bool = yield Work("ask", partial(steps.ledger.ask_choice, project))
    if not first:
        return ()
    question = choice(project, lack)
    logger.warning("%s", question)
    return (question,)


def choice(project: str, lack: Missing) -> str:
    """Return the question that a project is asked once."""
    return (
        f"A call of the project {project!r} would use the opt-in {lack.kind}, which nobody gave; it is answered "
        'without. Choose once: without_opt_in = "downgrade" in greenai.toml keeps it so ("refuse" raises an error '
        f"instead), and this line allows it: {fix(lack.kind)}"
    )
