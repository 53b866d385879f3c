"""The errors: each comes out of a worker process as it was raised."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from greenai import errors
from greenai.errors import GreenAIError
from greenai.local.transfer import TransferError
from greenai.store.budget_base import StepRefused, Unanswered

VALUES: dict[str, Any] = {
    "message": "What happened. What to do.",
    "extra": "anthropic",
    "needs": "anthropic",
    "purpose": "Asking Claude",
    "size_bytes": 12,
    "limit_bytes": 10,
    "model": "acme/nano",
    "suggestions": ("acme/mini",),
    "kind": "large",
    "fix": "client = ...",
    "name": "reviews",
    "done": 3,
    "of": 12,
    "scope": "project/support-bot",
    "budget": "5 calls/day",
    "unit": "calls",
    "needed": 1.0,
    "left": -1.0,
    "limit": 5.0,
    "settled": 4.0,
    "held": 2.0,
    "window_end": datetime(2026, 3, 1, tzinfo=UTC),
}

KINDS = [getattr(errors, name) for name in errors.__all__] + [TransferError, StepRefused, Unanswered]


def made(kind: type[GreenAIError]) -> GreenAIError:
    """Make one with every argument that it takes."""
    if not inspect.isfunction(kind.__init__):
        return kind(VALUES["message"])
    named = inspect.signature(kind).parameters.values()
    first = [VALUES[p.name] for p in named if p.kind is not p.KEYWORD_ONLY]
    return kind(*first, **{p.name: VALUES[p.name] for p in named if p.kind is p.KEYWORD_ONLY})


def pickled(error: GreenAIError) -> Any:
    return pickle.loads(pickle.dumps(error))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("through", [pickled, copy.copy, copy.deepcopy])
def test_an_error_is_whole_after_pickle_and_copy(kind: type[GreenAIError], through: Callable[[Any], Any]) -> None:
    error = made(kind)
    error.add_note("A note of the app.")
    again = through(error)
    assert type(again) is kind
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
    assert getattr(again, "msg", None) == getattr(error, "msg", None)
    assert again.__notes__ == ["A note of the app."]
