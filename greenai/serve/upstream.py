"""How the gateway reaches providers: its own keys and connections, for every server that speaks openai's API.

What is spoken there otherwise goes through the session's own provider, as for any client.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from greenai.errors import InvalidRequest, MissingKey
from greenai.hosts import is_of
from greenai.serve.asking import AUTH, Asking
from greenai.serve.pool import Outgoing, Pool
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
        self.pool = Pool(self.http)

    def sending(self, asking: Asking) -> Sending:
        """Return the sender of one request."""
        return _Sent(self, asking)

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
        await self.pool.aclose()


class _Sent(Sending):
    """Sends one request: by our own connections what speaks openai's API, else by the session's provider."""

    def __init__(self, upstream: Upstream, asking: Asking) -> None:
        super().__init__(upstream.http, upstream.pool, None, asking)
        self._upstream = upstream
        self._asking = asking

    def _own(self, call: Call) -> bool:
        rung = call.draft.rung
        if rung.provider in ("openai", "endpoint", "local") or rung.base_url is not None:
            return True
        if self._asking.dialect.name != "chat":
            raise InvalidRequest(
                f"{rung.model} is reached by chat completions only. Call /v1/chat/completions, or name a model of "
                "OpenAI or of a server that speaks its API."
            )
        return False

    def _sent(self, call: Call) -> Outgoing:
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
        return Outgoing(
            url=url,
            headers=headers,
            content=content,
            connect_s=min(wait or CONNECT_S, CONNECT_S),
            wait_s=wait,
            is_near=rung.provider == "local",
        )
