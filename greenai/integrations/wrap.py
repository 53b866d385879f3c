"""`wrap`: an app's own client of a provider, of the same type, whose model calls pass greenai. No global patch.

host library          what is wrapped                             by
──────────────────    ────────────────────────────────────────    ──────────────────────
openai, anthropic     the transport of a copy's HTTP client       wire/stainless.py
google-genai          the transports of a copy's HTTP clients     wire/genai_client.py
mistralai             the transports of a copy's HTTP clients     wire/mistral_client.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from greenai.client import AsyncClient, Client
from greenai.errors import InvalidRequest
from greenai.hosts import is_of
from greenai.session import Session
from greenai.wire import genai_client, mistral_client, stainless
from greenai.wire.exchange import Host

if TYPE_CHECKING:
    from pathlib import Path

    from greenai.hooks import Observer
    from greenai.settings import Settings

__all__ = ["host_at", "wrap"]

C = TypeVar("C")

_ON_CLOUDS = {"anthropic": ("bedrock", "vertex_ai"), "openai": ("bedrock",)}
"""Clouds that these libraries have clients of: a model is called there as litellm's provider of this name calls it."""


def wrap(
    client: C,
    *,
    project: str | None = None,
    settings: Settings | Mapping[str, Any] | Path | str | None = None,
    opt_in: str | Iterable[str] | None = None,
    reason: str | None = None,
    observe: bool | None = None,
    observers: Sequence[Observer] = (),
) -> C:
    """Return a copy of a provider's client whose model calls pass greenai: cached, budgeted, metered.

    It has the client's type, its connections and its options, and its responses have one attribute more, `greenai`:
    the receipt (of a stream, once it has ended). The model that a call names is the one that answers, unless the
    settings name a ladder for it. `wrapped.greenai` is greenai's own client over the same settings.

    Args:
        client: of openai (`OpenAI`, `AsyncOpenAI`, Azure's too), anthropic, google-genai or mistralai.
        project: the project that calls are booked on.
        settings: as in `Client`.
        opt_in: expensive modes that every call of it may use; needs a `reason`.
        reason: why, for the ledger.
        observe: change nothing, and record what would have been saved.
        observers: callables that take every receipt.

    Raises:
        InvalidRequest: the client is of a library that greenai does not know.
        SettingsError: a setting is wrong.
    """
    host, put = _host_of(client)
    session = Session.open(
        settings,
        {"base_url": host.base_url},
        project=project,
        observe=observe,
        opt_in=opt_in,
        reason=reason,
        timeout=None,
        max_retries=None,
        observers=observers,
        pinned=True,
    )
    wrapped = put(client, session, host)
    wrapped.greenai = (AsyncClient if stainless.is_asynchronous(client) else Client)._of(session, owner=True)  # noqa: SLF001
    result: C = wrapped
    return result


def _host_of(client: Any) -> tuple[Host, Callable[[Any, Session, Host], Any]]:
    """Return whose client it is, and what wraps it.

    Raises:
        InvalidRequest: a library that is not known.
    """
    libraries = {cls.__module__.partition(".")[0] for cls in type(client).__mro__}
    if "openai" in libraries:
        return host_at("openai", str(client.base_url)), stainless.wrapped
    if "anthropic" in libraries:
        return host_at("anthropic", str(client.base_url)), stainless.wrapped
    if type(client).__module__.startswith("google.genai"):
        return host_at(*genai_client.address_of(client)), genai_client.wrapped
    if "mistralai" in libraries:
        return host_at("mistral", mistral_client.address_of(client)), mistral_client.wrapped
    raise InvalidRequest(
        "wrap() knows the clients of openai, anthropic, google-genai and mistralai, not "
        f"{type(client).__module__}.{type(client).__qualname__}. "
        "Code that takes a base_url can use the gateway: greenai serve."
    )


def host_at(provider: str, base_url: str) -> Host:
    """Return whose requests go to an address: the provider's own, or a server of somebody else's there."""
    if is_of(provider, base_url):
        return Host(provider=provider)
    if is_of("azure", base_url):
        return Host(provider="azure" if provider == "openai" else "azure_ai")
    if provider in _ON_CLOUDS and (cloud := next((name for name in _ON_CLOUDS[provider] if is_of(name, base_url)), "")):
        return Host(provider=cloud)
    return Host(provider=provider, base_url=base_url.rstrip("/"))
