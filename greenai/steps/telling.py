"""Who is told how a call ended: its client's observers, those of the whole process, and the blocks around it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import lru_cache, partial
from typing import TypeVar, cast

from greenai import hooks
from greenai.steps import Flow, NotOursError, Steps, fail_open
from greenai.values import Answer, Receipt, Request

__all__ = ["watched"]

T = TypeVar("T")

# What ends a call other than by being closed.
_RAISED = (Exception, KeyboardInterrupt, SystemExit)


def watched(flow: Flow[T], request: Request, steps: Steps, answer_of: Callable[[T], Answer]) -> Flow[T]:
    """Do a whole call, and tell how it ended. What an observer raises is logged."""
    watch = hooks.Watch()
    try:
        result = yield from flow
    except NotOursError:
        raise
    except BaseException as error:
        ending = error if isinstance(error, _RAISED) else CancelledError("The call was cancelled.")
        _tell("failed", ending, watch, request, steps)
        raise
    receipt = answer_of(result).receipt
    hooks.keep_last(receipt)
    for collected in watch.lists:
        collected.append(receipt)
    _tell("finished", receipt, watch, request, steps)
    return result


def _tell(event: str, told_of: Receipt | BaseException, watch: hooks.Watch, request: Request, steps: Steps) -> None:
    for observer in (*steps.observers, *hooks.everywhere()):
        if _takes(type(observer), event):
            work = partial(_with_facts, getattr(observer, event), told_of, watch, request)
        elif event == "finished":
            work = partial(cast("hooks.Observer", observer), cast("Receipt", told_of))
        else:
            continue
        fail_open(f"The observer {observer!r} failed.", work, None)


@lru_cache(maxsize=256)
def _takes(kind: type, event: str) -> bool:
    """Say whether a class has a method; an instance may make up whatever it is asked for, as doubles in tests do."""
    return hasattr(kind, event)


def _with_facts(
    tell: Callable[[object, hooks.Asked], None], told_of: object, watch: hooks.Watch, request: Request
) -> None:
    tell(told_of, watch.asked(request))
