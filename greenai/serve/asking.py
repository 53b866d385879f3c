"""A request to the gateway as an exchange of wire/: what its caller may set by headers, and whose budgets hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from greenai.errors import InvalidRequest
from greenai.serve.errors import Refusal
from greenai.wire import Asked, dialect_of
from greenai.wire.exchange import Exchange, Host

if TYPE_CHECKING:
    from greenai.serve.keys import Caller
    from greenai.session import Session
    from greenai.steps import Flow
    from greenai.values import Answer

__all__ = ["AUTH", "Asking", "opened"]

AUTH = ("authorization", "openai-organization", "openai-project")
"""The caller's own headers that go to the provider where the settings pass keys on."""

_SERVED = ("chat", "responses", "embeddings", "decisions")
_FORWARDED = ("openai-beta",)
_OPTIONS = ("opt-in", "reason", "cache", "quality", "feature", "tenant", "user-scope", "namespace", "strict-opt-in")
_BEGINNING = "x-greenai-"
_OURS = frozenset(("greenai", "timeout", "extra_headers", "extra_query", "extra_body"))
"""What openai's Python client takes beside a request's fields. In content that somebody sends, it must mean nothing."""

_WORDS: Mapping[str, object] = {"true": True, "false": False}


class Asking(Exchange):
    """One request, and the options that its headers give it."""

    def __init__(self, *args: Any, options: Mapping[str, Any], key: str) -> None:
        super().__init__(*args)
        self._options = options
        self._key = key

    @cached_property
    def asked(self) -> Asked:
        """What the request asks, with the options of its headers beside its arguments."""
        asked = super().asked
        return replace(asked, arguments={**asked.arguments, "greenai": self._options}) if self._options else asked

    def flow(self) -> Flow[Answer]:
        """Return the flow that answers it; budgets of a key are those of the caller's key."""
        laddered = self.request.model == "auto" and self.session.config.endpoint is None
        return self.session.flow(self.request, self._key, laddered=laddered)


def opened(
    session: Session,
    host: Host,
    path: str,
    content: bytes,
    headers: Mapping[str, str],
    caller: Caller,
    *,
    pass_keys: bool,
) -> Asking:
    """Read a request.

    Raises:
        Refusal: it is none that this gateway answers.
        InvalidRequest: a header gives an option that there is not.
    """
    dialect = dialect_of("POST", path)
    if dialect is None or dialect.name not in _SERVED:
        raise Refusal(404, "not_found", f"There is nothing at {path}. This gateway answers calls of models only.")
    try:
        body = json.loads(content)
    except ValueError as error:
        raise Refusal(400, "invalid_json", f"The request's content is no JSON: {error}.") from None
    if not isinstance(body, dict):
        raise Refusal(400, "invalid_json", "The request's content must be a JSON object.")
    own = {name: value for name, value in body.items() if name not in _OURS}
    kept = (*_FORWARDED, *AUTH) if pass_keys else _FORWARDED
    forwarded = {name: headers[name] for name in kept if name in headers}
    asking = Asking(
        session, host, dialect, path, own, forwarded, session.config.timeout,
        options=_options(headers, caller), key=caller.digest or "gateway",
    )  # fmt: skip
    if len(own) == len(body):
        asking.content = content  # sent as it is where nothing is changed
    try:
        asking.asked  # noqa: B018  # read now: what follows relies on it
    except Exception as error:  # whatever a caller may have written there
        raise Refusal(400, "invalid_request", f"The request cannot be read ({type(error).__name__}).") from error
    return asking


def _options(headers: Mapping[str, str], caller: Caller) -> dict[str, Any]:
    """Return the options that headers give; a project only where no key decides on it."""
    given: dict[str, Any] = {}
    for name in _OPTIONS:
        text = headers.get(f"{_BEGINNING}{name}")
        if text:
            given[name.replace("-", "_")] = _WORDS.get(text, text)
    if "opt_in" in given:
        given["opt_in"] = tuple(kind.strip() for kind in str(given["opt_in"]).split(",") if kind.strip())
    named = headers.get(f"{_BEGINNING}project")
    if caller.project is not None:
        if named not in (None, caller.project):
            raise InvalidRequest(
                f"The header x-greenai-project names {named!r}, and this key's calls are booked on {caller.project!r}. "
                "Leave the header out, or use a key of that project."
            )
        given["project"] = caller.project
    elif named:
        given["project"] = named
    return given
