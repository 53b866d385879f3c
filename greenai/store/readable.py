"""What is kept of errors and of what apps wrote: short, and without what looks like a key."""

from __future__ import annotations

import re

from greenai.errors import BudgetExceeded, OptInRequired

__all__ = ["clean", "told"]

MAX_ERROR_CHARS = 200
MAX_REFUSAL_CHARS = 1000

_SECRETS = re.compile(
    r"(?i)(\b(?:sk|pk|rk|key|api|gsk|xai|hf|AIza)[-_][\w-]{8,}|\bAIza[\w-]{20,}|bearer\s+\S+|key=[^\s&]+)"
)


def told(error: BaseException | str) -> str | None:
    """Return what is kept of an error: its class, because messages may quote prompts.

    The messages of two refusals are kept whole: they have limits, numbers and names of models, and quote no prompt.
    """
    if isinstance(error, str):
        return clean(error)
    name = type(error).__name__
    if type(error) not in (BudgetExceeded, OptInRequired):
        return clean(name)
    return clean(f"{name}: {error}", MAX_REFUSAL_CHARS)


def clean(error: str | None, most: int = MAX_ERROR_CHARS) -> str | None:
    """Shorten an error and take out what looks like a key: providers put both into their messages."""
    return None if error is None else _SECRETS.sub("[redacted]", error)[:most]
