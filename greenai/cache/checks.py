"""What is said where the semantic tier or `vetoes` are handed something of another kind than they take."""

from __future__ import annotations

from greenai.errors import InvalidRequest

__all__ = ["require_callables", "require_numbers", "require_share", "require_texts"]


def require_texts(**given: object) -> None:
    """Refuse whatever is no text.

    Raises:
        InvalidRequest: one of them is no `str`.
    """
    for name, value in given.items():
        if not isinstance(value, str):
            raise InvalidRequest(f"{name}={value!r} is of type {type(value).__name__}. Pass {name} as text (str).")


def require_callables(**given: object) -> None:
    """Refuse whatever cannot be called, None aside.

    Raises:
        InvalidRequest: one of them cannot be called.
    """
    for name, value in given.items():
        if value is not None and not callable(value):
            raise InvalidRequest(f"{name}={value!r} cannot be called. Pass a function, or None.")


def require_numbers(**given: object) -> None:
    """Refuse whatever is no number.

    Raises:
        InvalidRequest: one of them is no `int` or `float`.
    """
    for name, value in given.items():
        if not isinstance(value, (int, float)):
            raise InvalidRequest(f"{name}={value!r} is no number. Pass one, or leave it out.")


def require_share(**given: object) -> None:
    """Refuse whatever is no number from 0 to 1, None aside.

    Raises:
        InvalidRequest: one of them is no such number.
    """
    for name, value in given.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise InvalidRequest(f"{name}={value!r} is no number from 0 to 1. Pass one, or leave it out.")
