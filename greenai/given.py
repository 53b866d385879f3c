"""Whether an argument was given: the default of one whose None means something, and openai's own sentinels."""

from __future__ import annotations

__all__ = ["NOT_GIVEN", "NotGiven", "is_given"]


class NotGiven:
    """The default of an argument whose None means something; openai's sentinels of this name count as it too."""

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN = NotGiven()


def is_given(value: object) -> bool:
    """Say whether an argument was given: openai's sentinels are told by name, their classes would import openai."""
    return type(value).__name__ not in ("NotGiven", "Omit")
