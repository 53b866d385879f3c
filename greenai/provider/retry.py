"""Retries: the only retry layer (every provider's own is set to 0) and the only door to tenacity.

Bounded in attempts and by the call's deadline; Retry-After is honoured; a budget for the whole client keeps
an outage from multiplying requests. The schedule (0.5 s doubling to 8 s, full jitter downwards) and the
statuses (408, 409, 429, 5xx, connection errors, time-outs) are those of openai's own client, so that an app
that changes its import sees no other behaviour.
"""

from __future__ import annotations

import email.utils
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import openai
from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_base, stop_after_attempt
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from greenai._locks import Lock
from greenai.values import Try

T = TypeVar("T")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0
# openai's client follows a Retry-After up to this long and gives up beyond it.
LONGEST_RETRY_AFTER_S = 120.0

# Each call earns a fifth of a retry, up to ten saved: at a 100% failure rate requests grow by 1.2 in the long run.
EARNED_PER_CALL = 0.2
MOST_SAVED = 10.0


class RetryBudget:
    """How many retries this client may still make: calls earn them, retries spend them."""

    def __init__(self) -> None:
        self._saved = MOST_SAVED
        self._lock = Lock()

    def earn(self) -> None:
        """Count one call."""
        with self._lock:
            self._saved = min(self._saved + EARNED_PER_CALL, MOST_SAVED)

    def spend(self) -> bool:
        """Take one retry out, if there is one."""
        with self._lock:
            if self._saved < 1:
                return False
            self._saved -= 1
            return True


class _Retryable(retry_base):
    def __call__(self, retry_state: RetryCallState) -> bool:
        outcome = retry_state.outcome
        error = outcome.exception() if outcome is not None else None
        return error is not None and is_retryable(error)


def is_retryable(error: BaseException) -> bool:
    """Say whether openai's client would send the request again after this error."""
    if isinstance(error, openai.APIStatusError):
        wish = error.response.headers.get("x-should-retry")
        if wish in ("true", "false"):
            return bool(wish == "true")
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)


def retry_after_s(error: BaseException, now: float) -> float | None:
    """Return the seconds the server asked to wait (`retry-after-ms`, or Retry-After in seconds or as a date).

    None where it asked for nothing, or for nonsense: nothing above 0, not a number, a broken date.
    """
    if not isinstance(error, openai.APIStatusError):
        return None
    headers = error.response.headers
    for text, scale in ((headers.get("retry-after-ms"), 1e-3), (headers.get("retry-after"), 1.0)):
        seconds = _seconds(text, now) * scale if text is not None else 0.0
        if seconds > 0 and math.isfinite(seconds):
            return seconds
    return None


def _seconds(text: str, now: float) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError, OSError):
        return 0.0


class _Wait(wait_base):
    def __call__(self, retry_state: RetryCallState) -> float:
        outcome = retry_state.outcome
        error = outcome.exception() if outcome is not None else None
        asked = retry_after_s(error, time.time()) if error is not None else None
        if asked is not None:
            return asked
        longest = min(FIRST_WAIT_S * 2 ** (retry_state.attempt_number - 1), LONGEST_WAIT_S)
        return float(longest * (1 - 0.25 * random.random()))  # noqa: S311  # jitter, not a secret


class _Stop(stop_base):
    """Stop where the server asks for too long a wait, the deadline would pass, or the budget is spent."""

    def __init__(self, deadline: float, budget: RetryBudget) -> None:
        self._deadline = deadline
        self._budget = budget

    def __call__(self, retry_state: RetryCallState) -> bool:
        wait_s = retry_state.upcoming_sleep
        if wait_s > LONGEST_RETRY_AFTER_S or time.monotonic() + wait_s >= self._deadline:
            return True
        return not self._budget.spend()


def _recorder(tries: list[Try]) -> Callable[[RetryCallState], None]:
    def record(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        tries.append(
            Try(
                error=type(error).__name__,
                status=getattr(error, "status_code", None),
                waited_s=state.upcoming_sleep,
            )
        )

    return record


def _options(max_retries: int, deadline: float, budget: RetryBudget, tries: list[Try]) -> dict[str, Any]:
    return {
        # The attempts come first, so that the last one does not spend from the budget.
        "stop": stop_after_attempt(max_retries + 1) | _Stop(deadline, budget),
        "wait": _Wait(),
        "retry": _Retryable(),
        "before_sleep": _recorder(tries),
        "reraise": True,
    }


def run(send: Callable[[], T], *, max_retries: int, deadline: float, budget: RetryBudget) -> tuple[T, tuple[Try, ...]]:
    """Call `send` until it succeeds or must not be repeated; return its result and the tries that failed.

    The error that ends it carries those tries as `greenai_tries`.
    """
    budget.earn()
    tries: list[Try] = []
    try:
        return send(), ()  # tenacity is entered once there is something to retry: it costs 0.03 ms
    except openai.OpenAIError as error:
        again = _Again(error)

    def once() -> T:
        again.first()
        return send()

    try:
        return Retrying(**_options(max_retries, deadline, budget, tries))(once), tuple(tries)
    except openai.OpenAIError as error:
        _mark(error, tries)
        raise


async def arun(
    send: Callable[[], Awaitable[T]], *, max_retries: int, deadline: float, budget: RetryBudget
) -> tuple[T, tuple[Try, ...]]:
    """Do what `run` does, awaiting `send`."""
    budget.earn()
    tries: list[Try] = []
    try:
        return await send(), ()
    except openai.OpenAIError as error:
        again = _Again(error)

    async def once() -> T:  # tenacity awaits only what it can see to be a coroutine function
        again.first()
        return await send()

    try:
        return await AsyncRetrying(**_options(max_retries, deadline, budget, tries))(once), tuple(tries)
    except openai.OpenAIError as error:
        _mark(error, tries)
        raise


class _Again:
    """Hands the first try's error to tenacity, as if it had made that try itself."""

    def __init__(self, error: openai.OpenAIError) -> None:
        self._error: openai.OpenAIError | None = error

    def first(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


def _mark(error: openai.OpenAIError, tries: list[Try]) -> None:
    error.greenai_tries = tuple(tries)  # type: ignore[attr-defined]  # read back by the flow for the receipt
