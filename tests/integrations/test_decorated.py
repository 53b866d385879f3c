"""What is known of a decorated function: how the arguments of its calls are named."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from greenai.integrations.decorated import Function


def simple(messages: Any, model: str = "m", *, effort: str | None = None) -> None: ...
def placed(messages: Any, /, model: str = "m") -> None: ...
def gathering(messages: Any, *more: Any, **fields: Any) -> None: ...
def nothing() -> None: ...


def bound(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Return what Python itself makes of the arguments."""
    try:
        found = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return None
    found.apply_defaults()
    return found.arguments


@pytest.mark.parametrize("function", [simple, placed, gathering, nothing])
@pytest.mark.parametrize("args", [(), ("a",), ("a", "b"), ("a", "b", "c")])
@pytest.mark.parametrize(
    "kwargs", [{}, {"messages": 1}, {"model": 1}, {"effort": 1}, {"messages": 1, "effort": 2}, {"unknown": 1}]
)
def test_arguments_are_named_as_python_names_them(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    made = Function(func=function, settings=None, cache={})
    assert made.bound(args, kwargs) == bound(function, args, kwargs)
