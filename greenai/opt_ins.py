"""How the opt-ins of settings, project, client, blocks and call add up for one call, and who gave each of them.

    settings, or the project's own table     until they expire
    Client(opt_in=...), with_options(...)    in their place
    with client.options(opt_in=...):         in place of what stands outside the block
    with client.opt_in(...):                 besides what stands outside it
    greenai={"opt_in": ...}                  in place of all of these, for one call

What an argument of openai's allows (`reasoning_effort="high"`) comes on top, in request.py. Nothing else is looked at:
no text of a message, a tool or a file gets here.
"""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.around import Around
from greenai.errors import InvalidRequest
from greenai.grants import Grant, Grantor, WithoutOptIn
from greenai.settings import end_of
from greenai.values import OPT_INS

if TYPE_CHECKING:
    from datetime import date, datetime

    from greenai.settings import Settings

__all__ = ["Block", "Policies", "Policy", "blocks", "given", "in_force", "kinds_of", "lapsed", "named"]

Grants: TypeAlias = Mapping[str, Grant]


@dataclass(frozen=True, slots=True)
class Block:
    """A `with` block of a client. `owner` is what the client shares with its copies: no other client's block counts.

    `owner` None is what stands around the calls of every client: a function that `@green` decorates.

    `grants` None says nothing of opt-ins; they stand besides those outside where it `adds`, else in their place.
    """

    owner: object
    changes: Mapping[str, Any]
    grants: tuple[Grant, ...] | None = None
    adds: bool = False


blocks: Around[Block] = Around("greenai.options")


# --- what stands in the settings ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the settings say for a project: what it may use, and what a call gets that needs more; None: not decided.

    `refusal` says why no call may be booked on it; None where calls may.
    """

    grants: tuple[Grant, ...] = ()
    without_opt_in: WithoutOptIn | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of some settings by project, each worked out once."""

    settings: Settings
    _known: dict[str, Policy] = field(default_factory=dict[str, Policy])

    def of(self, project: str) -> Policy:
        """Return the policy of a project: its own table where that has a say, else what holds for all."""
        found = self._known.get(project)
        if found is None:
            found = self._of(project)
            if project in self.settings.projects or len(self._known) < 64:  # names may come from an app's own users
                self._known[project] = found
        return found

    def holding(self, project: str) -> frozenset[str]:
        """Return which opt-ins a project has by the settings, at present."""
        now = time.time()
        return frozenset(grant.kind for grant in self.of(project).grants if grant.holds(now))

    def _of(self, project: str) -> Policy:
        whole, own = self.settings, self.settings.projects.get(project)
        without = (own.without_opt_in if own is not None else None) or whole.without_opt_in
        if own is not None and "opt_in" in own.model_fields_set:  # also an empty list: this project may use none
            grants = _standing(own.opt_in, "project settings", own.opt_in_reason, own.opt_in_expires)
        else:
            grants = _standing(whole.opt_in, "settings", whole.opt_in_reason, whole.opt_in_expires)
        refused = own is None and whole.unknown_project == "refuse"
        refusal = _unknown(project, whole.projects) if refused else None
        return Policy(grants=grants, without_opt_in=without, refusal=refusal)


def _unknown(project: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(project, names, n=3)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"Known projects: {', '.join(names) or 'none'}."
    return (
        f'The project {project[:100]!r} has no table in the settings, where unknown_project = "refuse". {hint} '
        'Name one of them with project=, add a table for this one, or allow unknown ones: unknown_project = "allow".'
    )


def _standing(
    kinds: Iterable[str], by: Grantor, reason: str | None, expires: datetime | date | None
) -> tuple[Grant, ...]:
    until = None if expires is None else end_of(expires)
    return tuple(Grant(kind=kind, by=by, reason=reason, until=until) for kind in sorted(kinds))


# --- what code gives ----------------------------------------------------------------------


def kinds_of(value: object) -> frozenset[str]:
    """Return the opt-ins in an option's value: one name, or several.

    Raises:
        InvalidRequest: something in it is no opt-in.
    """
    kinds = (value,) if isinstance(value, str) else value
    if not isinstance(kinds, Iterable) or isinstance(kinds, Mapping):
        raise InvalidRequest(f'opt_in={value!r} names no opt-ins. Pass opt_in={{"reasoning"}}, of: {_known()}.')
    listed: list[Any] = list(kinds)
    unknown = sorted(repr(kind) for kind in listed if not isinstance(kind, str) or kind not in OPT_INS)
    if unknown:
        raise InvalidRequest(f"Unknown opt-in {unknown[0]}. Known opt-ins: {_known()}.")
    return frozenset(listed)


def _known() -> str:
    return ", ".join(sorted(OPT_INS))


def given(changes: Mapping[str, Any], by: Grantor) -> tuple[Grant, ...] | None:
    """Return what a mapping of options allows; None where it says nothing of opt-ins."""
    if "opt_in" not in changes:
        return None
    reason = changes.get("reason")
    if isinstance(reason, str) and not reason.strip():
        reason = None
    return tuple(Grant(kind=kind, by=by, reason=reason) for kind in sorted(kinds_of(changes["opt_in"])))


def named(kinds: Sequence[str], reason: object, user: object) -> tuple[Grant, ...]:
    """Return what a `with client.opt_in(...)` block allows.

    Raises:
        InvalidRequest: no opt-in, one nobody knows, or no reason.
    """
    found = sorted(kinds_of(kinds))
    if not found:
        raise InvalidRequest(
            f'opt_in() names no mode. Pass one of {_known()}, as in client.opt_in("reasoning", reason="...").'
        )
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidRequest(
            f"The opt-in {', '.join(found)} needs a reason, which the ledger keeps. Write for example: "
            f'with client.opt_in({", ".join(json.dumps(kind) for kind in found)}, reason="why this is worth it"): ...'
        )
    if user is not None and (not isinstance(user, str) or not user):
        raise InvalidRequest(f"user={user!r} is no user. Pass the name or id of who allowed it, or None.")
    return tuple(Grant(kind=kind, by="block", reason=reason, user=user) for kind in found)


# --- one call -----------------------------------------------------------------------------


def in_force(
    base: tuple[Grant, ...], around: Sequence[Block] = (), call: tuple[Grant, ...] | None = None
) -> tuple[Grant, ...]:
    """Return what holds for a call, in the order of the kinds; what has expired is left out.

    Args:
        base: what the settings or the client allow.
        around: the client's blocks around the call, the outer ones first.
        call: what the call's own options allow, in place of all else; None where they say nothing.

    Raises:
        InvalidRequest: one was given without a reason, and does not repeat one that holds outside.
    """
    found = {grant.kind: grant for grant in base}
    for block in around:
        if block.grants is not None:
            found = {**(found if block.adds else {}), **_over(block.grants, found)}
    if call is not None:
        found = _over(call, found)
    if not found:
        return ()
    now = time.time()
    return tuple(grant for _, grant in sorted(found.items()) if grant.holds(now))


def lapsed(base: tuple[Grant, ...], held: tuple[Grant, ...]) -> tuple[Grant, ...]:
    """Return which of the settings' opt-ins are over, and not given again by other means."""
    if all(grant.until is None for grant in base):
        return ()
    now, kinds = time.time(), {grant.kind for grant in held}
    return tuple(grant for grant in base if not grant.holds(now) and grant.kind not in kinds)


def _over(inner: Sequence[Grant], outer: Grants) -> dict[str, Grant]:
    """Return the inner grants; one without a reason repeats what stands outside, and stays that one.

    Raises:
        InvalidRequest: one without a reason that does not stand outside.
    """
    bare = [g.kind for g in inner if not g.reason and g.kind not in outer]
    if bare:
        raise InvalidRequest(
            f"The opt-in {', '.join(bare)} needs a reason, which the ledger keeps: "
            'pass reason="why this is worth it" with it.'
        )
    return {g.kind: g if g.reason else outer[g.kind] for g in inner}
