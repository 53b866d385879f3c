"""How the gateway reaches providers: its own keys and connections, for every server that speaks openai's API.

What is spoken there otherwise goes through the session's own provider, as for any client.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

from greenai.errors import InvalidRequest, MissingKey
from greenai.hosts import is_of
from greenai.serve.asking import AUTH, Asking
from greenai.serve.pool import Spread
from greenai.shapes import http_library
from greenai.wire.sending import Sending

if TYPE_CHECKING:
    from greenai.session import Session
    from greenai.values import Call, Rung

__all__ = ["Upstream"]

OPENAI = "https://api.openai.com/v1"
CONNECT_S = 10.0


class Upstream:
    """The connections of one gateway, on the loop that it was opened on."""

    def __init__(self, session: Session, env: Mapping[str, str]) -> None:
        self.http: Any = http_library()
        self.endpoint = session.config.endpoint
        self._env = env
        self._near = Spread(self.http)
        # A client is needed only for what it makes of proxies; connections alone take a fourth of the time.
        self._far = _Proxied(self.http) if getproxies() else self._near

    def sending(self, asking: Asking) -> Sending:
        """Return the sender of one request."""
        return _Sent(self, asking)

    def transport(self, rung: Rung) -> Any:
        """Return what sends to a rung: no proxy stands before the engine on this machine."""
        return self._near if rung.provider == "local" else self._far

    def key(self, rung: Rung, base_url: str, passed: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that name the caller to a provider: the gateway's own, or those that are passed on.

        Raises:
            MissingKey: OpenAI is asked, and no key was found.
        """
        if rung.api_key:
            return {"authorization": f"Bearer {rung.api_key}"}
        if base_url not in (self.endpoint, OPENAI):
            return {}  # a server of the ladder's that has no key in the settings
        if passed:
            return dict(passed)
        key = self._env.get("OPENAI_API_KEY")
        if not key:
            if is_of("openai", base_url):
                raise MissingKey(
                    "This call goes to OpenAI, and the gateway has no API key. Set one where it runs: "
                    'export OPENAI_API_KEY=... , or name a model on that machine: "local/smollm2-135m".'
                )
            return {}
        named = {"openai-organization": "OPENAI_ORG_ID", "openai-project": "OPENAI_PROJECT_ID"}
        more = {header: self._env[name] for header, name in named.items() if self._env.get(name)}
        return {"authorization": f"Bearer {key}", **(more if is_of("openai", base_url) else {})}

    async def aclose(self) -> None:
        """Close every connection."""
        await self._near.aclose()
        if self._far is not self._near:
            await self._far.aclose()


class _Proxied:
    """A client as a transport: it knows the proxies of the environment."""

    def __init__(self, http: Any) -> None:
        self._http = http
        self._client = http.AsyncClient()

    def request(
        self, url: str, headers: Mapping[str, str], content: bytes, connect_s: float, wait_s: float | None
    ) -> Any:
        timeout = {"connect": connect_s, "read": wait_s, "write": wait_s, "pool": wait_s}
        return self._http.Request("POST", url, headers=headers, content=content, extensions={"timeout": timeout})

    async def handle_async_request(self, request: Any) -> Any:
        return await self._client.send(request, stream=True)

    async def aclose(self) -> None:
        await self._client.aclose()


class _Sent(Sending):
    """Sends one request: by our own connections what speaks openai's API, else by the session's provider."""

    def __init__(self, upstream: Upstream, asking: Asking) -> None:
        super().__init__(upstream.http, None, None, asking)
        self._upstream = upstream
        self._asking = asking

    def _own(self, call: Call) -> bool:
        rung = call.draft.rung
        if rung.provider in ("openai", "endpoint", "local") or rung.base_url is not None:
            self._inner = self._upstream.transport(rung)
            return True
        if self._asking.dialect.name != "chat":
            raise InvalidRequest(
                f"{rung.model} is reached by chat completions only. Call /v1/chat/completions, or name a model of "
                "OpenAI or of a server that speaks its API."
            )
        return False

    def _sent(self, call: Call) -> Any:
        rung, asking = call.draft.rung, self._asking
        base_url = (rung.base_url or self._upstream.endpoint or OPENAI).rstrip("/")
        path, content = asking.sent(call)
        passed = call.transport.extra_headers or {}
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if call.stream else "application/json",
            "user-agent": "greenai",
            **{name: value for name, value in passed.items() if name not in AUTH},
            **self._upstream.key(rung, base_url, {name: passed[name] for name in AUTH if name in passed}),
        }
        left = call.deadline - time.monotonic()
        wait = None if math.isinf(left) else max(left, 0.001)
        url = base_url + path[path.index("/v1") + 3 :]
        return self._inner.request(url, headers, content, min(wait or CONNECT_S, CONNECT_S), wait)
