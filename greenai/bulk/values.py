"""The values of a batch: one request, and what came of it. JSON values throughout, since both are in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Answered", "Failure", "Item"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One request, once: where a batch has it twice, there is one item.

    Attributes:
        key: what makes two requests the same: a hash of `body` and `options`.
        body: the arguments of `chat.completions.create`.
        options: the arguments of `with_options`: project, opt_in, reason, quality ...
    """

    key: str
    body: Mapping[str, Any] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an item has no answer.

    Attributes:
        code: as openai names it where it does ("rate_limit_exceeded"), else the class of the error.
        message: in words.
        status: the HTTP status; None where there was none.
        final: False where the item may be asked again when the job is resumed.
    """

    code: str
    message: str
    status: int | None = None
    final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a lane found for one item.

    Attributes:
        response: a `ChatCompletion` as JSON; None where it failed.
        receipt: `Receipt.to_dict()`; None where nothing was measured.
        error: why there is no response.
    """

    response: Mapping[str, Any] | None = field(default=None, repr=False)
    receipt: Mapping[str, Any] | None = field(default=None, repr=False)
    error: Failure | None = None
