"""For whom a job is asked, and with which options: written down as it is begun, so that it goes on so elsewhere.

What the settings say is not written down, since it is read anew. What a client or `with_options` says over them is: an
opt-in that half of a batch was asked with holds for the other half too, and a tenant's answers stay the tenant's.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from greenai.errors import BatchError
from greenai.request import options_from
from greenai.values import Options

if TYPE_CHECKING:
    from greenai.session import Session

__all__ = ["name_of", "refuse_others", "restored", "said"]

SCOPES = ("tenant", "user_scope", "namespace")
"""The options that say whose answers these are."""


def said(session: Session) -> dict[str, Any]:
    """Return the options that a client has over those of the settings, as JSON values; the project in any case."""
    usual, own = _plain(_usual(session)), _plain(session.config.options)
    return {name: value for name, value in own.items() if value != usual[name]}


def name_of(session: Session, digest: str) -> str:
    """Return the name of a job that nobody named: the same requests, asked alike at the same place, have the same."""
    who = json.dumps((session.config.endpoint, said(session), digest), sort_keys=True)
    return f"batch-{sha256(who.encode()).hexdigest()[:12]}"


def restored(session: Session, begun: dict[str, Any]) -> Session:
    """Return a session with the options that a job was begun with, where this one has none of its own."""
    own = said(session)
    lacking = {name: value for name, value in begun.items() if name not in own}
    return session.with_options(lacking) if lacking else session


def refuse_others(session: Session, begun: dict[str, Any], job: str) -> None:
    """Refuse a caller whose answers those of a job are not.

    Raises:
        BatchError: it was begun for another tenant, user or namespace.
    """
    own = said(session)
    others = [scope for scope in SCOPES if own.get(scope) != begun.get(scope)]
    if others:
        raise BatchError(
            f"The batch {job} was begun with another {' and '.join(others)}, whose answers are not this caller's. Give "
            "this one another name."
        )


def _usual(session: Session) -> Options:
    """Return the options of the settings alone; a project always counts as a client's own."""
    return replace(options_from(session.resources.settings), project=Options().project)


def _plain(options: Options) -> dict[str, Any]:
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(options).items()}
