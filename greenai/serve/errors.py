"""What went wrong, as openai's JSON says it, with the status that clients go by.

    status   of                                                     do clients retry it
    ──────   ──────────────────────────────────────────────────     ──────────────────────────
    400      a request that cannot be read, or sent to any model    no
    401      a caller without a key of the gateway's                no
    403      a spent budget, an opt-in that nobody gave             no, `x-should-retry: false`
    404      a path or a model that is not there                    no
    408, 413 content that comes too slowly, or is too large         no
    429      too many requests at once                              yes, after `retry-after`
    502, 504 a provider that cannot be reached, or is too slow      yes
    500      the gateway's own settings or ledger                   no, `x-should-retry: false`

What a provider refuses leaves as the provider said it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from greenai.errors import (
    BudgetExceeded,
    GreenAIError,
    InvalidRequest,
    NoSufficientModel,
    OptInRequired,
    RequestTooLarge,
    UnknownModel,
)
from greenai.wire.exchange import Packet

__all__ = ["Refusal", "of", "packet"]

logger = logging.getLogger("greenai")

_KINDS: tuple[tuple[type[GreenAIError], int, str], ...] = (
    (BudgetExceeded, 403, "budget_exceeded"),
    (OptInRequired, 403, "opt_in_required"),
    (RequestTooLarge, 413, "request_too_large"),
    (UnknownModel, 404, "model_not_found"),
    (InvalidRequest, 400, "invalid_request"),
    (NoSufficientModel, 400, "no_sufficient_model"),
)
_NUMBERS = ("scope", "budget", "unit", "needed", "left", "limit", "settled", "held")


class Refusal(Exception):  # an answer, not an error of ours
    """The gateway refuses a request with a status of its own."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}


def packet(
    status: int,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Packet:
    """Return an error as a response."""
    kind = "server_error" if status >= 500 else "invalid_request_error" if status in (400, 404, 405, 413) else code
    error = {"message": message, "type": kind, "param": None, "code": code, **(more or {})}
    content = json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    return Packet(status=status, headers={"content-type": "application/json", **(headers or {})}, content=content)


def of(error: Exception) -> Packet:
    """Return any error of a call as a response."""
    if isinstance(error, Refusal):
        return packet(error.status, error.code, str(error), error.headers)
    if isinstance(error, GreenAIError):
        return _own(error)
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 600:
        return _providers(error, status)
    name = type(error).__name__
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return packet(504, "upstream_timeout", "The provider did not answer in time.")
    if _is_of_transport(error):
        return packet(502, "upstream_unreachable", f"The provider could not be reached ({name}).")
    logger.error("A call of the gateway failed.", exc_info=error)
    return packet(500, "internal_error", f"The gateway failed ({name}); its log has the details.")


def _own(error: GreenAIError) -> Packet:
    found = ((status, code) for kind, status, code in _KINDS if isinstance(error, kind))
    status, code = next(found, (500, "gateway_misconfigured"))
    more: dict[str, Any] = {}
    if isinstance(error, BudgetExceeded):
        more = {"greenai": {name: getattr(error, name) for name in _NUMBERS} | {"window_end": error.window_end}}
    final = {"x-should-retry": "false"} if status in (403, 500) else {}
    return packet(status, code, str(error), final, more)


def _providers(error: Exception, status: int) -> Packet:
    """Return what the openai package raised for a provider's answer as that answer."""
    body, response = getattr(error, "body", None), getattr(error, "response", None)
    came: Mapping[str, str] = getattr(response, "headers", None) or {}
    headers = {name: came[name] for name in ("retry-after", "retry-after-ms", "x-should-retry") if name in came}
    if isinstance(body, Mapping):
        whole = body if "error" in body else {"error": body}
        content = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), default=str).encode()
        return Packet(status=status, headers={"content-type": "application/json", **headers}, content=content)
    return packet(status, "upstream_error", str(getattr(error, "message", error)), headers)


def _is_of_transport(error: Exception) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"TransportError", "APIConnectionError", "ConnectionError"})
