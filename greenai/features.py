"""Parts of an app that could generate on every page view, and do when a person asks: `client.feature`.

    summary(retrieved=…, messages=…) ── on_request ── what retrieval gave ── .generate() ── the generated text
                                     └─ always, or user_requested=True ──────────────────┘

The ledger counts what each feature gave, what it generated and what somebody used (`result.used()`), so that a summary
nobody reads is seen. How a call is answered is decided as for any other.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, Self, TypeAlias, cast, get_args, overload

from greenai._locks import Lock
from greenai.errors import InvalidRequest
from greenai.given import is_given

if TYPE_CHECKING:
    from typing import Unpack

    from openai.types.chat import ChatCompletionMessageParam

    from greenai._params import ChatParams
    from greenai.session import Session
    from greenai.text import TextAnswer
    from greenai.values import Entry, Receipt, Request

__all__ = ["AsyncFeature", "AsyncFeatureResult", "Feature", "FeatureResult", "Generate", "Retrieved"]

P = ParamSpec("P")
Generate = Literal["on_request", "always"]
Retrieved: TypeAlias = "str | Sequence[str]"
Prompt: TypeAlias = "str | Iterable[ChatCompletionMessageParam]"

_NAME = re.compile(r"[\w][\w./-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What would be asked: `make` gives the prompt or the messages, only when it is."""

    make: Callable[[], Prompt | Awaitable[Prompt]]
    model: str | None
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


class _Declared:
    """What both features are: a name, a rule, and a session whose calls carry the name."""

    def __init__(self, session: Session, name: str, generate: Generate, model: str | None) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                f"{name!r} is no name for a feature. Pass up to 100 letters, digits and _ - . /, such as "
                '"search_summary".'
            )
        if generate not in get_args(Generate):
            raise InvalidRequest(f'generate={generate!r} is no rule. Pass "on_request" or "always".')
        self.name = name
        self.generate: Generate = generate
        self._model = model
        self._session = session.with_options({"feature": name})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, generate={self.generate!r})"

    def _wish(self, messages: Any, prompt: str | None, model: str | None, arguments: Mapping[str, Any]) -> _Wish:
        if (messages is None) == (prompt is None):
            raise InvalidRequest(
                f"The feature {self.name} takes either messages= or prompt=, which say what to generate when asked."
            )
        if is_given(arguments.get("stream")) and arguments.get("stream"):
            raise InvalidRequest(
                f"The feature {self.name} gives its text as a whole, so it takes no stream=True. Leave that out, or "
                f"stream a call that carries its name: client.with_options(feature={self.name!r})"
                ".chat.completions.create(messages=..., stream=True)."
            )
        # Asked later, maybe much later: what the app changes in its messages until then is for other calls.
        given = prompt if messages is None else copy.deepcopy(list(messages))
        asked = {name: value for name, value in arguments.items() if name != "stream"}
        return _Wish(make=lambda: cast("Prompt", given), model=model or self._model, arguments=asked)

    def _at_once(self, *, user_requested: bool) -> bool:
        return user_requested or self.generate == "always"


def _text(retrieved: Retrieved) -> str:
    if isinstance(retrieved, str):
        return retrieved
    pieces: Sequence[Any] = retrieved
    if not all(isinstance(piece, str) for piece in pieces):
        raise InvalidRequest("retrieved must be a text or a list of texts: what is shown until somebody asks for more.")
    return "\n".join(pieces)


_making: ContextVar[tuple[_Given, ...]] = ContextVar("greenai.features", default=())


class _Given:
    """What both results are: what retrieval gave, and the answer once there is one."""

    def __init__(self, session: Session, retrieved: Retrieved, wish: _Wish) -> None:
        self.retrieved = _text(retrieved)
        self.answer: TextAnswer | None = None
        self._session = session
        self._wish = wish
        self._project = session.record_offer()
        self._told: set[str | None] = set()

    @property
    def text(self) -> str:
        """What to show: what retrieval gave, or the generated text once somebody asked for it."""
        return self.retrieved if self.answer is None else self.answer.text

    @property
    def generated(self) -> bool:
        """Whether a model, the cache or an answerer was asked."""
        return self.answer is not None

    @property
    def greenai(self) -> Receipt | None:
        """The receipt; None while nothing was asked."""
        return None if self.answer is None else self.answer.greenai

    def __str__(self) -> str:
        return self.text

    @contextmanager
    def _generating(self) -> Generator[None]:
        """Mark that this result is being generated, by whoever runs in this context."""
        token = _making.set((*_making.get(), self))
        try:
            yield
        finally:
            _making.reset(token)

    def _require_free(self) -> None:
        """Refuse what would wait for itself."""
        if self.answer is None and any(one is self for one in _making.get()):
            raise InvalidRequest(
                "generate() was called on a result by the function that makes its prompt, which would wait for itself "
                "for ever. Use result.retrieved there, which is what retrieval gave."
            )

    def _request(self, made: Prompt) -> Request:
        session, wish = self._session, self._wish
        entry: Entry = "ask" if isinstance(made, str) else "create"
        messages = session.ask_messages(made, None) if isinstance(made, str) else made
        return session.request(entry, messages, wish.model, stream=False, arguments=wish.arguments)

    def _news(self) -> dict[str, Any] | None:
        """Return what is to be recorded, each thing once: the call, and whether it is the first word of this result."""
        call = None if self.answer is None else self.answer.greenai.call_id
        if call in self._told:
            return None
        first = not self._told
        self._told.add(call)
        return {"project": self._project, "call": call, "first": first}


# --- sync -----------------------------------------------------------------------------------


class FeatureResult(_Given):
    """What a feature gave. `text` is the retrieved text until `generate()`."""

    def __init__(self, session: Session, retrieved: Retrieved, wish: _Wish) -> None:
        super().__init__(session, retrieved, wish)
        self._lock = Lock()

    def generate(self) -> Self:
        """Generate, because a person asked; asking again changes nothing. Raises what `create` raises."""
        self._require_free()
        with self._lock, self._generating():
            if self.answer is None:
                request = self._request(cast("Prompt", self._wish.make()))
                self.answer = self._session.text_answer(self._session.answer(request))
        return self

    def used(self) -> None:
        """Record that a person used the output, generated or not."""
        news = self._news()
        if news is not None:
            self._session.record_use(**news)


class FeatureFunction(Generic[P]):
    """A function that makes a feature's prompt, called with what retrieval gave and then its own arguments."""

    def __init__(self, feature: Feature, function: Callable[P, Prompt]) -> None:
        self.feature = feature
        self.__wrapped__ = function

    def __call__(self, retrieved: Retrieved, /, *args: P.args, **kwargs: P.kwargs) -> FeatureResult:
        """Return what retrieval gave; the function runs when somebody asks for more."""
        function = self.__wrapped__
        return self.feature.give(retrieved, lambda: function(*args, **kwargs))

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> FeatureFunction[...]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Self | FeatureFunction[...]:
        """Return this function as a method of an instance, as Python does with any function of a class."""
        if instance is None:
            return self
        return FeatureFunction(self.feature, MethodType(self.__wrapped__, instance))


class Feature(_Declared):
    """A declared feature; made by `client.feature`."""

    @overload
    def __call__(self, function: Callable[P, Prompt]) -> FeatureFunction[P]: ...
    @overload
    def __call__(
        self,
        *,
        retrieved: Retrieved,
        messages: Iterable[ChatCompletionMessageParam] | None = ...,
        prompt: str | None = ...,
        user_requested: bool = ...,
        model: str | None = ...,
        **arguments: Unpack[ChatParams],
    ) -> FeatureResult: ...
    def __call__(
        self,
        function: Callable[..., Any] | None = None,
        *,
        retrieved: Retrieved = "",
        messages: Any = None,
        prompt: str | None = None,
        user_requested: bool = False,
        model: str | None = None,
        **arguments: Any,
    ) -> Any:
        """Return what retrieval gave, to be generated from on request; or decorate a function that makes the prompt.

        Args:
            function: makes the prompt or the messages; it runs when somebody asks for more.
            retrieved: what is shown until then, a text or a list of texts.
            messages: what to send a model then, as `create` takes it.
            prompt: the same in short form, as `ask` takes it.
            user_requested: a person has asked already, so it is generated now.
            model: the model to name; by default the feature's, else the ladder's choice.
            arguments: what `create` takes besides.

        Raises:
            InvalidRequest: neither or both of `messages` and `prompt` were given, or `retrieved` is no text.
        """
        if function is not None:
            return FeatureFunction(self, function)
        wish = self._wish(messages, prompt, model, arguments)
        return self._given(retrieved, wish, user_requested=user_requested)

    def give(self, retrieved: Retrieved, make: Callable[[], Prompt], *, user_requested: bool = False) -> FeatureResult:
        """Return what retrieval gave; `make` gives the prompt or the messages when somebody asks for more."""
        return self._given(retrieved, _Wish(make=make, model=self._model), user_requested=user_requested)

    def _given(self, retrieved: Retrieved, wish: _Wish, *, user_requested: bool) -> FeatureResult:
        result = FeatureResult(self._session, retrieved, wish)
        return result.generate() if self._at_once(user_requested=user_requested) else result


# --- async ----------------------------------------------------------------------------------


class AsyncFeatureResult(_Given):
    """The same, awaited."""

    def __init__(self, session: Session, retrieved: Retrieved, wish: _Wish) -> None:
        super().__init__(session, retrieved, wish)
        import asyncio  # 27 ms that an import of greenai shall not take; where a result is awaited it is loaded

        self._lock = asyncio.Lock()

    async def generate(self) -> Self:
        """Do what `FeatureResult.generate` does, awaited."""
        self._require_free()
        async with self._lock:
            if self.answer is None:
                with self._generating():
                    made = self._wish.make()
                    request = self._request(await made if inspect.isawaitable(made) else made)
                    self.answer = self._session.text_answer(await self._session.aanswer(request))
        return self

    async def used(self) -> None:
        """Do what `FeatureResult.used` does, awaited."""
        news = self._news()
        if news is not None:
            await self._session.arecord_use(**news)


class AsyncFeatureFunction(Generic[P]):
    """The same, awaited; the function may be a coroutine."""

    def __init__(self, feature: AsyncFeature, function: Callable[P, Prompt | Awaitable[Prompt]]) -> None:
        self.feature = feature
        self.__wrapped__ = function

    async def __call__(self, retrieved: Retrieved, /, *args: P.args, **kwargs: P.kwargs) -> AsyncFeatureResult:
        """Return what retrieval gave; the function runs when somebody asks for more."""
        function = self.__wrapped__
        return await self.feature.give(retrieved, lambda: function(*args, **kwargs))

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> AsyncFeatureFunction[...]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Self | AsyncFeatureFunction[...]:
        """Return this function as a method of an instance, as Python does with any function of a class."""
        if instance is None:
            return self
        return AsyncFeatureFunction(self.feature, MethodType(self.__wrapped__, instance))


class AsyncFeature(_Declared):
    """The same, awaited; see `Feature`."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[Prompt]]) -> AsyncFeatureFunction[P]: ...
    @overload
    def __call__(self, function: Callable[P, Prompt]) -> AsyncFeatureFunction[P]: ...
    @overload
    def __call__(
        self,
        *,
        retrieved: Retrieved,
        messages: Iterable[ChatCompletionMessageParam] | None = ...,
        prompt: str | None = ...,
        user_requested: bool = ...,
        model: str | None = ...,
        **arguments: Unpack[ChatParams],
    ) -> Awaitable[AsyncFeatureResult]: ...
    def __call__(
        self,
        function: Callable[..., Any] | None = None,
        *,
        retrieved: Retrieved = "",
        messages: Any = None,
        prompt: str | None = None,
        user_requested: bool = False,
        model: str | None = None,
        **arguments: Any,
    ) -> Any:
        """Do what `Feature.__call__` does; the result is awaited, the decorated function too."""
        if function is not None:
            return AsyncFeatureFunction(self, function)
        wish = self._wish(messages, prompt, model, arguments)
        return self._given(retrieved, wish, user_requested=user_requested)

    async def give(
        self, retrieved: Retrieved, make: Callable[[], Prompt | Awaitable[Prompt]], *, user_requested: bool = False
    ) -> AsyncFeatureResult:
        """Do what `Feature.give` does, awaited."""
        return await self._given(retrieved, _Wish(make=make, model=self._model), user_requested=user_requested)

    async def _given(self, retrieved: Retrieved, wish: _Wish, *, user_requested: bool) -> AsyncFeatureResult:
        result = AsyncFeatureResult(self._session, retrieved, wish)
        return await result.generate() if self._at_once(user_requested=user_requested) else result
