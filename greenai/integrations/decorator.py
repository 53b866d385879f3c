"""`@green`: a function that calls a model, with everything else left as it is. Removing the line removes greenai.

    inside it                                    what happens
    ─────────                                    ────────────
    a client that passes greenai                 its calls belong to the function's project, opt-ins and budgets
    any other, and the value says its tokens     the call is metered, booked, and cached where that was asked for
    any other                                    nothing but the budgets' and options' context

How one call passes the flow is in function.py, and how its value is read in returned.py.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload

from greenai.answerers.shelf import Listed, listed
from greenai.errors import InvalidRequest
from greenai.integrations.arguments import Bound
from greenai.integrations.decorated import Function, Stay
from greenai.integrations.function import awaited, called
from greenai.integrations.generated import AsyncRunning, Ended, Running
from greenai.integrations.slots import checked
from greenai.opt_ins import Block, given
from greenai.request import changed
from greenai.spending import Run, run_of
from greenai.values import Options

if TYPE_CHECKING:
    from pathlib import Path

    from greenai.answerers.shelf import Mode
    from greenai.settings import Settings
    from greenai.settings.projects import WhenSpent
    from greenai.values import CacheMode, Receipt

__all__ = ["Decorator", "green"]

F = TypeVar("F", bound="Callable[..., Any] | staticmethod[..., Any] | classmethod[Any, ..., Any]")


class Decorator(Protocol):
    """What `green(...)` returns."""

    def __call__(self, function: F, /) -> F:
        """Decorate a function."""
        ...


@overload
def green(function: F, /) -> F: ...
@overload
def green(
    *,
    project: str | None = ...,
    feature: str | None = ...,
    opt_in: str | Iterable[str] | None = ...,
    reason: str | None = ...,
    budget: str | Iterable[str] | None = ...,
    when_spent: WhenSpent = ...,
    cache: CacheMode | bool | None = ...,
    distil: Path | str | None = ...,
    distil_mode: Mode = ...,
    distil_slots: str | Sequence[str] | None = ...,
    settings: Settings | Mapping[str, Any] | Path | str | None = ...,
) -> Decorator: ...
def green(
    function: Any = None,
    /,
    *,
    project: str | None = None,
    feature: str | None = None,
    opt_in: str | Iterable[str] | None = None,
    reason: str | None = None,
    budget: str | Iterable[str] | None = None,
    when_spent: WhenSpent = "downgrade",
    cache: CacheMode | bool | None = None,
    distil: Path | str | None = None,
    distil_mode: Mode = "shadow",
    distil_slots: str | Sequence[str] | None = None,
    settings: Settings | Mapping[str, Any] | Path | str | None = None,
) -> Any:
    """Have the model calls of a function pass greenai: a plain one, one that is awaited, a generator of either kind.

    Calls of greenai's own, wrapped and instrumented clients inside it belong to the project, the opt-ins and the
    budgets that are named here. Without such a client the function itself is the call: metered by what it returns,
    booked, and stored where `cache` says so, by all its arguments. The receipt is on what the function returns, where
    that takes an attribute; `last_receipt(reply)` of a function `reply` has that of its latest call.

    Args:
        function: the function.
        project: the project that its calls are booked on.
        feature: the part of the app that they are made for.
        opt_in: expensive modes that they may use; needs a `reason`.
        reason: why, for the ledger.
        budget: limits for each call of the function, such as "0.5 Wh".
        when_spent: what happens when that is used: "downgrade", then refuse; "refuse" at once; or "observe".
        cache: "auto" to store answers that stay the same; True to store also those that were sampled; another mode of
            `Client`'s option, or False for "off".
        distil: a file of `greenai distil`, whose task model may answer the calls of greenai's clients inside it, or
            the function itself where it is the call.
        distil_mode: "shadow", where the large model answers and both are compared, or "on".
        distil_slots: the arguments whose texts fill that file's template, in its order; not needed where the function
            takes `messages`, or one text and the template has one slot.
        settings: as in `Client`, for calls that no client of greenai's makes.

    Raises:
        InvalidRequest: an option is wrong, an opt-in has no reason, or there is no such file.
    """
    options = {"project": project, "feature": feature, "opt_in": opt_in, "reason": reason, **_cached(cache)}
    changes = {name: value for name, value in options.items() if value is not None}
    if opt_in is not None and not (reason and reason.strip()):
        raise InvalidRequest(
            f'The opt-in {opt_in!r} needs a reason, which the ledger keeps: pass reason="why this is worth it" with it.'
        )
    if distil_slots is not None and distil is None:
        raise InvalidRequest(
            "distil_slots says how a task model's template is filled: pass distil= with its file, too."
        )
    changed(Options(), changes)
    limits = () if budget is None else (budget,) if isinstance(budget, str) else tuple(budget)
    if budget is not None:
        run_of(limits, when_spent)  # which refuses what cannot be read
    stored = _cached(cache) if cache not in (None, False, "off") else {}
    made = _Making(
        block=Block(None, changes, given(changes, "block")),
        opening=(lambda: run_of(limits, when_spent)) if limits else None,
        settings=settings,
        cache=stored,
        distilled=() if distil is None else (listed(distil, distil_mode),),
        slots=distil_slots,
    )
    return made if function is None else made(function)


def _cached(cache: object) -> dict[str, Any]:
    if isinstance(cache, bool):
        return {"cache": "auto", "cache_also": "sampled"} if cache else {"cache": "off"}
    return {} if cache is None else {"cache": cache}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    """What decorates functions with the same options."""

    block: Block
    opening: Callable[[], Run] | None
    settings: Any
    cache: Mapping[str, Any]
    distilled: tuple[Listed, ...] = ()
    slots: str | Sequence[str] | None = None

    def __call__(self, function: Any, /) -> Any:
        if isinstance(function, (staticmethod, classmethod)):
            inner: Any = cast("Any", function).__func__
            return type(cast("Any", function))(self(inner))
        if not callable(function):
            raise InvalidRequest(
                f"@green decorates a function, not {type(function).__name__}. Write @green above a def, or green(f)."
            )
        made = Function(func=function, settings=self.settings, cache=self.cache, distilled=self.distilled)
        if self.slots is not None:
            made.slots = checked(self.slots, made.signature, self.distilled[0].file)
        if self.distilled:
            _typed(made, self.distilled[0].file)
        decorated: Any = _coloured(made, self._stay)
        decorated.last_receipt = partial(_last_of, made)
        return decorated

    def _stay(self) -> Stay:
        return Stay(self.block, None if self.opening is None else self.opening(), self.distilled)


def _typed(function: Function, file: Path) -> None:
    """Note how a task model's answers are what a function returns; where they cannot be, say so."""
    from greenai.integrations import typed  # with what reads numbers, which no other function needs

    found = typed.typed(function.func, file)
    if isinstance(found, typed.Untyped):
        function.tell_once(f"{file.name} does not answer its calls: {found.why}")
        function.distilled = ()  # text that it returns later makes no value of the type; clients within it still ask
    elif isinstance(found, typed.Typed):
        function.typed = found
    elif found is not None:
        function.form = found


def _last_of(function: Function) -> Receipt | None:
    stay = function.last.get()
    return None if stay is None else stay.last()


def _coloured(function: Function, begin: Callable[[], Stay]) -> Callable[..., Any]:
    """Return the decorated function, of the kind that it is."""
    func = function.func
    forms = (func,) if inspect.isroutine(func) else (func, type(func).__call__)  # an object that is called, too
    if any(inspect.isasyncgenfunction(form) for form in forms):
        return _async_generator(function, begin)
    if any(inspect.isgeneratorfunction(form) for form in forms):
        return _generator(function, begin)
    if any(inspect.iscoroutinefunction(form) for form in forms):
        return _coroutine(function, begin)

    @wraps(func)
    def plain(*args: Any, **kwargs: Any) -> Any:
        return called(function, begin(), Bound(function, args, kwargs))

    return plain


def _coroutine(function: Function, begin: Callable[[], Stay]) -> Callable[..., Any]:
    @wraps(function.func)
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        return await awaited(function, begin(), Bound(function, args, kwargs))

    return coroutine


def _generator(function: Function, begin: Callable[[], Stay]) -> Callable[..., Any]:
    @wraps(function.func)
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        running = Running(function, begin(), Bound(function, args, kwargs))
        value, error = None, None
        while True:
            try:
                item = running.next(value, error)
            except Ended as ended:
                return ended.value
            try:
                value, error = (yield item), None
            except GeneratorExit:
                running.close()
                raise
            except BaseException as thrown:  # noqa: BLE001  # handed to the function's own generator
                value, error = None, thrown

    return generator


def _async_generator(function: Function, begin: Callable[[], Stay]) -> Callable[..., Any]:
    @wraps(function.func)
    async def generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        running = AsyncRunning(function, begin(), Bound(function, args, kwargs))
        value, error = None, None
        while True:
            try:
                item = await running.next(value, error)
            except Ended:
                return
            try:
                value, error = (yield item), None
            except GeneratorExit:
                await running.close()
                raise
            except BaseException as thrown:  # noqa: BLE001  # handed to the function's own generator
                value, error = None, thrown

    return generator
