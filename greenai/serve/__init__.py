"""The gateway: openai's API over HTTP, answered through the flow, for whatever takes a base URL. Extra `serve`.

    module        what it does
    ──────────    ────────────────────────────────────────────────────────────────────────────────
    server        runs the app: time limits for headers, graceful shutdown; the door to uvicorn
    site          which path is answered by what; opening and closing; the door to starlette
    gateway       one call: who, how much at once, read, the flow, the answer or the stream
    asking        what a caller's headers allow, and the request that the flow takes
    upstream      how the flow reaches a provider: the gateway's own keys and connections
    pool          the connections to providers; the door to aiohttp
    keys, gate    who may call, on which project; how many at once
    receipts      the receipt as a header and in the JSON
    errors        what went wrong, in openai's JSON
    listing       GET /v1/models
    live, page    what the calls took, as JSON and as a page

A call is taken through the flow as in a host library's transport (wire/): the bytes of a provider reach the caller as
they came, and what no dialect changes is sent as it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from greenai.serve.asgi import App
    from greenai.settings import Settings

__all__ = ["app"]


def app(
    *,
    settings: Settings | Mapping[str, Any] | Path | str | None = None,
    project: str | None = None,
    upstream: str | None = None,
) -> App:
    """Return the gateway as an ASGI app, for any server of such: `uvicorn "greenai.serve:app" --factory`.

    Args:
        settings: as in `Client`; the table `serve` is the gateway's own.
        project: the project of calls that bring no key, where no keys are configured.
        upstream: an OpenAI-compatible server that takes the calls in place of the providers; without it the variable
            OPENAI_BASE_URL is read.

    Raises:
        MissingExtra: starlette is not installed.
        SettingsError: a setting is wrong.
    """
    from greenai.serve.site import make

    return make(settings, project=project, upstream=upstream)
