"""What greenai itself can refuse or fail at.

    GreenAIError
    ├── SettingsError          a settings file, variable or argument is wrong
    ├── InvalidRequest         the arguments of a call cannot be sent (also a ValueError)
    │   └── RequestTooLarge    the prompt exceeds the size limit
    ├── MissingExtra           an optional dependency is not installed (also an ImportError)
    ├── ModelError
    │   ├── UnknownModel       no catalog card, no file and no endpoint has that name
    │   ├── ModelMissing       a local model whose weights are not on this machine
    │   └── EngineError        the engine on this machine did not start or stopped
    ├── WeightsDamaged         a weights file of the package is missing or not the one that was built
    ├── MissingKey             the provider needs an API key and none was found
    ├── NoSufficientModel      no rung of the ladder may and can answer
    ├── OptInRequired          the request needs an opt-in that nobody gave
    ├── BudgetExceeded         a configured budget has too little left
    ├── BatchError             a batch cannot be begun, continued or forgotten
    │   └── BatchPaused        a batch ended before all of it was answered, and can go on later
    ├── CacheError             the answer cache could not do what it was told to, such as to forget
    ├── LogUnreadable          a log cannot be audited: no file, or of a format that is not known
    └── LedgerError            the ledger cannot be read or written
        └── LedgerCorrupt      the ledger file is damaged; it is never reset silently

Every message says what happened with the numbers, against which limit, and the literal next step.
A provider's failure is none of these: it reaches the app as the openai class that it already catches.
None of these derives from a class that openai or tenacity retries, so no retry loop can spin on a refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "BatchError",
    "BatchPaused",
    "BudgetExceeded",
    "CacheError",
    "EngineError",
    "GreenAIError",
    "InvalidRequest",
    "LedgerCorrupt",
    "LedgerError",
    "LogUnreadable",
    "MissingExtra",
    "MissingKey",
    "ModelError",
    "ModelMissing",
    "NoSufficientModel",
    "OptInRequired",
    "RequestTooLarge",
    "SettingsError",
    "UnknownModel",
    "WeightsDamaged",
]


E = TypeVar("E", bound="GreenAIError")


class GreenAIError(Exception):
    """Base of everything that greenai raises on its own account."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Python's own way calls the class with the message alone, which fails where it takes more: an error of a
        # worker process then breaks its whole pool.
        return _again, (type(self), self.args), self.__dict__.copy()


def _again(kind: type[E], args: tuple[object, ...]) -> E:
    """Make an error of its message, for copy and pickle, which set its attributes after that."""
    error = kind.__new__(kind, *args)
    super(GreenAIError, error).__init__(*args)
    return error


class SettingsError(GreenAIError):
    """A setting is wrong; the message names the source, the key and the fix."""


class InvalidRequest(GreenAIError, ValueError):
    """The arguments of a call cannot be sent to any model."""


class RequestTooLarge(InvalidRequest):
    """The prompt is larger than the limit. `size_bytes` and `limit_bytes` carry the numbers."""

    def __init__(self, message: str, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(message)
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class MissingExtra(GreenAIError, ImportError):
    """An optional dependency is not installed; `extra` names the extra that brings it."""

    def __init__(self, extra: str, needs: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {needs}, which is not installed. "
            f'Install it with: pip install "greenai[{extra}]"'
        )
        self.extra = extra


class ModelError(GreenAIError):
    """Something is wrong with a model's name, its weights or its engine."""


class UnknownModel(ModelError):
    """No catalog card, no file and no endpoint has that name; `suggestions` lists close names."""

    def __init__(self, message: str, *, model: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.model = model
        self.suggestions = suggestions


class ModelMissing(ModelError):
    """A local model's weights are not on this machine yet."""

    def __init__(self, message: str, *, model: str) -> None:
        super().__init__(message)
        self.model = model


class EngineError(ModelError):
    """The engine on this machine did not start, or stopped in the middle."""


class WeightsDamaged(GreenAIError):
    """A file of weights in the package is missing, or its hash is not that of the file that was built."""


class MissingKey(GreenAIError):
    """The provider needs an API key and none was found."""


class NoSufficientModel(GreenAIError):
    """No rung of the ladder may and can answer this request."""


class OptInRequired(GreenAIError):
    """The request needs an opt-in that nobody gave: `kind` names it, `fix` is the line of code that gives it."""

    def __init__(self, message: str, *, kind: str, fix: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.fix = fix


class BudgetExceeded(GreenAIError):
    """A configured budget has too little left for this call. Quantities are in joules, US dollars, grams, or counts.

    Attributes:
        scope: whose budget it is, such as "project/support-bot".
        budget: the budget as it was written, such as "50 Wh/day".
        unit: the quantity that it limits, by its name in `greenai.budget.Amount`.
        needed: what the call may use.
        left: what may still be used; negative where more was used than was held.
        limit: what may be used in all.
        settled: what was used.
        held: what other calls may use that have not ended.
        window_end: when the window ends, or its oldest part leaves one that rolls; None where it never does.
    """

    def __init__(
        self,
        message: str,
        *,
        scope: str = "",
        budget: str = "",
        unit: str = "",
        needed: float = 0.0,
        left: float = 0.0,
        limit: float = 0.0,
        settled: float = 0.0,
        held: float = 0.0,
        window_end: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.scope = scope
        self.budget = budget
        self.unit = unit
        self.needed = needed
        self.left = left
        self.limit = limit
        self.settled = settled
        self.held = held
        self.window_end = window_end


class BatchError(GreenAIError):
    """A batch cannot be begun, continued or forgotten: another process has it, or its name is another one's."""


class BatchPaused(BatchError):
    """A batch ended before all of it was answered. What was answered is kept, and it goes on when it is run again.

    Attributes:
        name: the job's.
        done: how many of its requests are answered, or failed for good.
        of: how many it has.
    """

    def __init__(self, message: str, *, name: str = "", done: int = 0, of: int = 0) -> None:
        super().__init__(message)
        self.name = name
        self.done = done
        self.of = of


class CacheError(GreenAIError):
    """The answer cache could not do what it was told to. No call raises this: one whose cache fails is a miss."""


class LogUnreadable(GreenAIError):
    """A log cannot be audited: there is no such file, it cannot be read, or its format is not known."""


class LedgerError(GreenAIError):
    """The ledger cannot be read or written."""


class LedgerCorrupt(LedgerError):
    """The ledger file is damaged. It is never reset silently: the message says how to keep what is left."""
