"""What the settings say of the gateway: the table `serve`. Who may call, what is too much, and how long things take.

Only the shape is checked here. What a key's text means is for `greenai.serve.keys`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from greenai.settings.fields import ONE_LINE, duration_s, size_bytes

__all__ = ["ServeTable", "explain"]

_EXAMPLES: Mapping[str, str] = {
    "keys": 'keys = { SUPPORT_BOT_KEY = "support-bot" }',
    "pages_key": 'pages_key = "PAGES_KEY"',
    "pass_keys": "pass_keys = true",
    "largest_body": 'largest_body = "20MB"',
    "at_once": "at_once = 512",
    "waiting": "waiting = 512",
    "longest_wait": 'longest_wait = "10s"',
    "slowest_request": 'slowest_request = "30s"',
    "slowest_reader": 'slowest_reader = "60s"',
    "grace": 'grace = "30s"',
}

_Secret = Annotated[str, Field(min_length=1, max_length=500), ONE_LINE]
_Duration = str | float


class ServeTable(BaseModel):
    """How `greenai serve` answers.

    Attributes:
        keys: who may call, each with the project that its calls are booked on. A key is written as the name of the
            variable that holds it, as `sha256:` and its digest, or as itself.
        pages_key: the key that sees the live page and the metrics of every project.
        pass_keys: the caller's own key goes to the provider, in place of the gateway's.
        largest_body: a request's content above this is refused.
        at_once: requests that are answered at the same time, open streams among them.
        waiting: requests that wait beyond those; what comes above is refused.
        longest_wait: how long one of them waits.
        slowest_request: how long a request's header and content may take to come.
        slowest_reader: how long a reader may take nothing of an answer.
        grace: how long open streams may go on after the gateway was told to end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    keys: dict[_Secret, Annotated[str, Field(min_length=1, max_length=100), ONE_LINE]] = Field(
        default_factory=dict, repr=False
    )
    pages_key: _Secret | None = Field(default=None, repr=False)
    pass_keys: bool = False
    largest_body: str | float = "20MB"
    at_once: Annotated[int, Field(ge=1, le=100_000)] = 512
    waiting: Annotated[int, Field(ge=0, le=100_000)] = 512
    longest_wait: _Duration = "10s"
    slowest_request: _Duration = "30s"
    slowest_reader: _Duration = "60s"
    grace: _Duration = "30s"

    @field_validator("longest_wait", "slowest_request", "slowest_reader", "grace")
    @classmethod
    def _is_duration(cls, value: str | float) -> str | float:
        duration_s(value)
        return value

    @field_validator("largest_body")
    @classmethod
    def _is_size(cls, value: str | float) -> str | float:
        size_bytes(value)
        return value

    @property
    def body_bytes(self) -> int:
        """How large a request's content may be."""
        return size_bytes(self.largest_body)


def explain(detail: Mapping[str, Any], message: str, where: str) -> str:
    """Return what pydantic found in the table, in words; never a key of a caller, which may be the secret itself."""
    path: Sequence[str | int] = detail["loc"]
    key = str(path[1]) if len(path) > 1 else ""
    if detail["type"] == "extra_forbidden":
        return f"{where}: serve.{key} is not a setting. Known keys: {', '.join(ServeTable.model_fields)}."
    if not key:
        return f"{where}: serve is not valid: {message}. Write for example: serve = {{ at_once = 512 }}."
    example = f" Write for example: {_EXAMPLES[key]}." if key in _EXAMPLES else ""
    return f"{where}: serve.{key} is not valid: {message}.{example}"
