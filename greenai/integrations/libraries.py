"""What `instrument` has to know of each host library: the methods that make calls, and who holds its HTTP clients.

library         methods                                        HTTP clients in
────────────    ───────────────────────────────────────────    ─────────────────────────────────────
openai          `request` of OpenAI, AsyncOpenAI               the client, Azure's and Bedrock's too
anthropic       `request` of Anthropic, AsyncAnthropic, and    the client
                of the clients of Bedrock and Vertex AI
google-genai    `generate_content`, `…_stream`                 the connection that the parts of a client share
mistralai       `complete`, `stream`, `parse`, `create`, …     the configuration that the parts of a client share
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from greenai.integrations.wrap import host_at
from greenai.wire import genai_client, mistral_client, stainless
from greenai.wire.exchange import Host

__all__ = ["LIBRARIES", "Library", "Put"]

Put: TypeAlias = Callable[..., Any]
"""Takes an HTTP client and `asynchronous`, and returns a copy whose requests pass greenai."""


class Library(Protocol):
    """One host library. An owner is the object whose method is called, a holder what has its HTTP clients."""

    @property
    def name(self) -> str:
        """The module by which it is known whether it is installed."""
        ...

    @property
    def methods(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """The methods that make calls, by module and class."""
        ...

    def slotted(self, kind: Any, plain: Callable[..., Any], ready: stainless.Ready) -> Callable[..., Any]:
        """Return a class's method with a slot around it, and receipts on what it returns, if its owner is `ready`."""
        ...

    def holder(self, owner: Any) -> Any:
        """Return what holds an owner's HTTP clients."""
        ...

    def sending(self, holder: Any) -> Any:
        """Return the transport that sends now; None where nothing here can send."""
        ...

    def host(self, owner: Any) -> Host:
        """Return whose requests an owner's are."""
        ...

    def rig(self, holder: Any, put: Put) -> list[Any]:
        """Have a holder's requests pass greenai; return the HTTP clients that were made for it."""
        ...

    def restore(self, holder: Any) -> None:
        """Give a holder back the HTTP clients that it had, closed where the app has closed them meanwhile."""
        ...


@dataclass(frozen=True, slots=True)
class Stainless:
    """openai or anthropic."""

    name: str
    methods: Mapping[str, Mapping[str, tuple[str, ...]]]

    def slotted(self, kind: Any, plain: Callable[..., Any], ready: stainless.Ready) -> Callable[..., Any]:
        """Return the method with a slot around it."""
        return stainless.slotted(plain, ready, asynchronous=stainless.is_awaited(kind))

    def holder(self, owner: Any) -> Any:
        """Return the client."""
        return owner

    def sending(self, holder: Any) -> Any:
        """Return its transport, where both libraries have kept it since httpx 0.13."""
        return holder._client._transport  # noqa: SLF001

    def host(self, owner: Any) -> Host:
        """Return whose address it has."""
        return host_at(self.name, str(owner.base_url))

    def rig(self, holder: Any, put: Put) -> list[Any]:
        """Put a copy of its HTTP client in that one's place."""
        holder._client = put(holder._client, asynchronous=stainless.is_asynchronous(holder))  # noqa: SLF001
        return [holder._client]  # noqa: SLF001

    def restore(self, holder: Any) -> None:
        """Put the HTTP client back."""
        holder._client = stainless.unrigged(holder._client)  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class GoogleGenAI:
    """google-genai."""

    name: str = "google.genai"

    @property
    def methods(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """The methods of both colours, which chats call too."""
        return {"google.genai.models": dict.fromkeys(("Models", "AsyncModels"), genai_client.METHODS)}

    def slotted(self, kind: Any, plain: Callable[..., Any], ready: stainless.Ready) -> Callable[..., Any]:
        """Return the method with a slot around it."""
        del kind  # a method's colour shows by itself
        return genai_client.slotted(plain, ready)

    def holder(self, owner: Any) -> Any:
        """Return the connection."""
        return owner._api_client  # noqa: SLF001

    def sending(self, holder: Any) -> Any:
        """Return its transport."""
        return holder._httpx_client._transport  # noqa: SLF001

    def host(self, owner: Any) -> Host:
        """Return whose models it asks, and where."""
        return host_at(*genai_client.address_of(owner._api_client))  # noqa: SLF001

    def rig(self, holder: Any, put: Put) -> list[Any]:
        """Put copies of its HTTP clients in their places."""
        return genai_client.rig(holder, put)

    def restore(self, holder: Any) -> None:
        """Put the HTTP clients back."""
        genai_client.restore(holder)


@dataclass(frozen=True, slots=True)
class Mistral:
    """mistralai, whose parts are imported when they are first asked for."""

    name: str = "mistralai"

    @property
    def methods(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """The calls that answer with a receipt."""
        return {f"mistralai.client.{part}": {part.title(): both} for part, both in mistral_client.METHODS.items()}

    def slotted(self, kind: Any, plain: Callable[..., Any], ready: stainless.Ready) -> Callable[..., Any]:
        """Return the method with a slot around it."""
        del kind
        return mistral_client.slotted(plain, ready)

    def holder(self, owner: Any) -> Any:
        """Return the configuration."""
        return owner.sdk_configuration

    def sending(self, holder: Any) -> Any:
        """Return its transport; None where it was closed, or is none of httpx's."""
        return getattr(holder.client or holder.async_client, "_transport", None)

    def host(self, owner: Any) -> Host:
        """Return whose address it has."""
        return host_at("mistral", mistral_client.address_of(owner))

    def rig(self, holder: Any, put: Put) -> list[Any]:
        """Put copies of its HTTP clients in their places."""
        return mistral_client.rig(holder, put)

    def restore(self, holder: Any) -> None:
        """Put the HTTP clients back."""
        mistral_client.restore(holder)


_REQUEST = ("request",)
_OF_CLOUDS = ("AnthropicBedrock", "AsyncAnthropicBedrock", "AnthropicVertex", "AsyncAnthropicVertex",
              "AnthropicBedrockMantle", "AsyncAnthropicBedrockMantle")  # fmt: skip

LIBRARIES: tuple[Library, ...] = (
    Stainless("openai", {"openai": dict.fromkeys(("OpenAI", "AsyncOpenAI"), _REQUEST)}),
    Stainless("anthropic", {"anthropic": dict.fromkeys(("Anthropic", "AsyncAnthropic", *_OF_CLOUDS), _REQUEST)}),
    GoogleGenAI(),
    Mistral(),
)
