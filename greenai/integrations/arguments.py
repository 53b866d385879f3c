"""The arguments of a decorated function: what they ask of a model, and what the nudges change in them.

What is read: `model`, `messages` or `prompt`, and how much to reason, to write and to vary. What is changed is only
what the function names among its own parameters: nothing is added to `**kwargs`, which may go anywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from greenai import nudges
from greenai.catalog import find, switch_of
from greenai.integrations import slots
from greenai.integrations.decorated import holding
from greenai.nudges import effort
from greenai.steps import FUNCTION, Steps

if TYPE_CHECKING:
    from greenai.integrations.decorated import Function, Stay
    from greenai.steps import Flow
    from greenai.values import Answer, Draft, Request

__all__ = ["Bound"]

_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_SAID = ("reasoning_effort", "thinking", "max_tokens", "max_completion_tokens", "temperature", "top_p", "tools",
         "response_format")  # fmt: skip


class Bound:
    """The arguments of one call: what they ask of a model, and what the flow made of that."""

    def __init__(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._function = function
        self._args = args
        self._kwargs = dict(kwargs)

    @cached_property
    def _bound(self) -> Mapping[str, Any] | None:
        """The arguments by their names; None where they do not fit, which the function says itself."""
        return self._function.bound(self._args, self._kwargs)

    @cached_property
    def _given(self) -> Mapping[str, Any]:
        return {} if self._bound is None else self._bound

    @cached_property
    def _named(self) -> str | None:
        named = self._given.get("model")
        return named if isinstance(named, str) and named else None

    @property
    def is_contextual(self) -> bool:
        """Whether the call needs nothing but its context: its clients pass greenai, or its arguments are wrong."""
        return self._function.inside or (self._bound is None and self._function.signature is not None)

    def alone(self, stay: Stay, *, awaited: bool = False) -> Any:
        """Call the function as it is, without the flow."""
        if awaited:
            return self._alone(stay)
        with stay.body():
            return self._function.func(*self._args, **self._kwargs)

    async def _alone(self, stay: Stay) -> Any:
        with stay.body():
            return await self._function.func(*self._args, **self._kwargs)

    def left(self, stay: Stay) -> None:
        """End what stood around the call, and note what it was."""
        self._function.inside = bool(stay.collected.begun)
        if stay.last() is not None or stay.collected.begun:
            self._function.last.set(stay)
        stay.end()

    @cached_property
    def model(self) -> str:
        """The model that it names, as the catalog knows it; else the function's own name.

        A model of greenai's own engine is not taken for it: the function asks it elsewhere, and what this process's
        engine uses meanwhile would be the wrong figure.
        """
        known = None if self._named is None else find(self._named)
        if known is None or known.name.startswith("local/"):
            return f"{FUNCTION}{self._named or self._function.name}"
        return known.name

    @cached_property
    def messages(self) -> list[Any]:
        """The messages among them, or one with the prompt, or an empty one."""
        given = self._given.get("messages")
        if isinstance(given, (list, tuple)) and given and all(_is_message(m) for m in cast("Sequence[Any]", given)):
            return list(cast("Sequence[Any]", given))
        prompt = self._given.get("prompt")
        return [{"role": "user", "content": prompt if isinstance(prompt, str) else ""}]

    def request(self) -> Request:
        """Return the request that the call is to the flow.

        Raises:
            InvalidRequest: an option around it is wrong.
        """
        said = {name: value for name in _SAID if (value := self._given.get(name)) is not None and _is_json(value)}
        digest = self._digest() if self._function.cache else None
        cache = dict(self._function.cache) if digest is not None else {"cache": "off"}
        arguments = {**said, "timeout": None, "greenai": cache}
        # A model that nobody knows is of no provider, whose variables would tell callers apart.
        named = None if self.model.startswith(FUNCTION) else self.model
        filled = self._filled()
        messages = self.messages if filled is None else filled
        request = self._function.session.request("create", messages, named, stream=False, arguments=arguments)
        told = request.arguments
        if not any(self._takes(name) for name in _LIMITS):
            told = {**told, "extra_body": {"function": self._function.name}}  # its answer's length is not ours to limit
        api = f"{FUNCTION}{self._function.name}/{digest}"
        return replace(request, model=self.model, api=api, arguments=told, distils=filled is not None)

    def _filled(self) -> list[Any] | None:
        """Return the messages that a distilled task model reads; None where none may answer this function's calls.

        What the function returns must be known, by its annotation or by an earlier call, to answer in its stead.
        """
        if not self._function.distilled or (self._function.form is None and self._function.typed is None):
            return None
        if "messages" in self._given and not self._function.slots:
            return self.messages
        (one,) = self._function.distilled
        template = slots.template_of(one.file)
        found = None if template is None else slots.filled(template, self._given, self._function.slots)
        if template is not None and found is None and (why := slots.unfit(template, self._given, self._function.slots)):
            self._function.tell_once(f"{one.file.name} does not answer its calls: {why}")
        return found

    def _digest(self) -> str | None:
        """Return a digest of all arguments; None where one is no JSON, so that no two calls can be compared."""
        try:
            text = _written(_named(self._given))
        except (TypeError, ValueError, RecursionError):
            self._function.tell_once("an argument is no JSON, so nothing is stored in the cache.")
            return None
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def flow(self, request: Request) -> Flow[Answer]:
        """Return the flow that answers the call."""
        return self._function.session.flow_with(request, self._steps)

    def _steps(self, steps: Steps) -> Steps:
        """Return the steps without what the function cannot take, which is the same for all calls that are alike."""
        alike = self.model, self._bound is None, self._states_effort
        known = self._function.fitted
        if known is not None and known[0] is steps and known[1] == alike:
            return known[2]
        found = self._fitted(steps)
        self._function.fitted = steps, alike, found
        return found

    def _fitted(self, steps: Steps) -> Steps:
        """Return the steps without other providers' models, and without what sets fields that the function lacks."""
        provider = self.model.partition("/")[0]
        ladder = [r for r in steps.ladder if r.base_url is None and r.provider == provider and self._takes("model")]
        models = [self.model, *(rung.model for rung in ladder)]
        lacking = {
            nudges.BUILT_IN["effort"]: not all(self._takes_effort(model) for model in models),
            nudges.BUILT_IN["brevity"]: "messages" not in self._given,
            nudges.BUILT_IN["output_length"]: not any(self._takes(name) for name in _LIMITS),
        }
        endpoint = None if steps.endpoint is not None and self.model.startswith(FUNCTION) else steps.endpoint
        kept = tuple(nudge for nudge in steps.nudges if not lacking.get(nudge, False))
        spending = None if steps.spending is None else holding(steps.spending)
        return replace(steps, endpoint=endpoint, ladder=tuple(ladder), nudges=kept, spending=spending)

    def _takes(self, name: str) -> bool:
        return name in self._given

    @cached_property
    def _states_effort(self) -> bool:
        return bool(effort.stated({name: self._given.get(name) for name in ("reasoning_effort", "thinking")}))

    def _takes_effort(self, model: str) -> bool:
        if self._states_effort:
            return True
        switch = switch_of(model)
        return all(self._takes(name) for name in {*switch.off, *switch.on})

    def sent(self, request: Request, draft: Draft) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments as the draft has them; what it did not change is as the app wrote it."""
        changes = self._changes(request, draft)
        signature = self._function.signature
        if not changes or self._bound is None or signature is None:
            return self._args, self._kwargs
        bound = signature.bind(*self._args, **self._kwargs)
        bound.arguments.update(changes)
        return bound.args, bound.kwargs

    def _changes(self, request: Request, draft: Draft) -> dict[str, Any]:
        before, after = _flat(request.arguments), {**_flat(draft.arguments), **draft.extra}
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        changed |= {name: None for name in before if name not in after}
        if draft.messages != request.messages and "messages" in self._given:
            changed["messages"] = list(draft.messages)
        if draft.rung.model != self.model and not draft.rung.model.startswith("endpoint/"):
            prefixed = self._named is not None and "/" in self._named
            changed["model"] = draft.rung.model if prefixed else draft.rung.name
        limits = [name for name in _LIMITS if changed.get(name) is not None and not self._takes(name)]
        for name in limits:  # the function calls it otherwise
            changed[next(own for own in _LIMITS if self._takes(own))] = changed.pop(name)
        return {name: value for name, value in changed.items() if self._takes(name)}


def _is_message(value: object) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "model_dump")


def _is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _dumped(value: Any) -> Any:
    if isinstance(value, type):
        return {"type": f"{value.__module__}.{value.__qualname__}"}
    if hasattr(value, "model_dump"):
        return {type(value).__qualname__: value.model_dump(mode="json")}
    raise TypeError(f"{type(value).__name__} is no JSON")


_written = json.JSONEncoder(sort_keys=True, default=_dumped).encode


def _named(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments for a digest; an object that a method belongs to must be JSON too, as any other."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}


def _flat(arguments: Mapping[str, Any]) -> dict[str, Any]:
    body = arguments.get("extra_body")
    rest = {name: value for name, value in arguments.items() if name != "extra_body"}
    return {**rest, **(cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {})}
