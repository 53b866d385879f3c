"""What to do about a provider's failure: notes on openai's own exceptions, whose message says only what happened."""

from __future__ import annotations

from collections.abc import Sequence

from greenai.catalog import find, suggest
from greenai.errors import GreenAIError
from greenai.values import Attempt, Rung

__all__ = ["annotate"]


def annotate(error: Exception, rung: Rung, attempts: Sequence[Attempt]) -> None:
    """Add to the exception what greenai had tried, and the next step where one is known."""
    if not isinstance(error, GreenAIError) or len(attempts) > 1:  # ours say what they were about
        error.add_note(f"greenai tried: {', '.join(_told(a) for a in attempts)}.")
    step = _next_step(error, rung)
    if step is not None:
        error.add_note(step)


def _told(attempt: Attempt) -> str:
    retries = f" after {len(attempt.tries)} retries" if attempt.tries else ""
    return f"{attempt.model} ({attempt.error}{retries})"


def _next_step(error: Exception, rung: Rung) -> str | None:
    # By name: this module must not import openai, which an answer from the cache never loads.
    kind = type(error).__name__
    if kind == "APITimeoutError":
        return "No answer came before the deadline of the whole call. Raise timeout=, or ask a smaller model."
    if kind == "APIConnectionError":
        return _unreached(rung)
    if kind in ("NotFoundError", "MissingKey") and rung.base_url is None and find(rung.model) is None:
        return _unknown(rung)
    if kind == "AuthenticationError":
        return f"{_where(rung)} refused the API key. Check api_key= or the provider's environment variable."
    return None


def _unreached(rung: Rung) -> str:
    if rung.provider == "local":
        return "The engine on this machine stopped in the middle. Ask again: it is started anew."
    if rung.base_url is None:
        return f"{rung.provider} could not be reached. Check the network, or the proxy in HTTPS_PROXY."
    return f"No server answered at {rung.base_url}. Start it, or correct base_url (or OPENAI_BASE_URL)."


def _where(rung: Rung) -> str:
    return rung.base_url or rung.provider


def _unknown(rung: Rung) -> str:
    close = suggest(rung.model) or suggest(rung.name)
    meant = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"The catalog does not know {rung.model} either.{meant} `greenai models list --all` lists what it knows."
