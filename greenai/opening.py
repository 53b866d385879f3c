"""How a client is opened, optioned and copied: what `Client` and `AsyncClient` (client.py) have in common."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from greenai._params import MORE
from greenai.around import block
from greenai.given import NOT_GIVEN, NotGiven
from greenai.own import Registering
from greenai.surface import SETTABLE, Connections, Rest, options_of_a_copy, refuse_what_openai_does

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Unpack

    import httpx
    import openai

    from greenai._params import ClientParams
    from greenai.hooks import Observer
    from greenai.hours import CleanHour, Forecast
    from greenai.session import Session
    from greenai.settings import Settings
    from greenai.settings.projects import WhenSpent
    from greenai.spending import Run
    from greenai.values import OptIn

__all__ = ["Opening"]


class Opening(Registering):
    """What both clients are: settings opened once, options, and the making of copies."""

    _owner: bool
    _closed: bool
    _connections: Connections
    _asynchronous = False

    def __init__(
        self,
        *,
        api_key: Any = None,
        organization: str | None = None,
        base_url: str | httpx.URL | None = None,
        timeout: float | httpx.Timeout | NotGiven | openai.NotGiven | openai.Omit | None = NOT_GIVEN,
        max_retries: int | NotGiven | openai.NotGiven | openai.Omit = NOT_GIVEN,
        default_headers: Mapping[str, str] | None = None,
        default_query: Mapping[str, object] | None = None,
        http_client: Any = None,
        openai_project: str | None = None,
        project: str | None = None,
        settings: Settings | Mapping[str, Any] | Path | str | None = None,
        opt_in: str | Iterable[str] | None = None,
        reason: str | None = None,
        observe: bool | None = None,
        observers: Sequence[Observer] = (),
        forecast: Forecast | None = None,
        **more: Unpack[ClientParams],
    ) -> None:
        """Open a client.

        The first eight arguments are openai's own and mean what they mean there; `timeout` is the deadline of the
        whole call, in seconds, every rung and retry included.

        Args:
            api_key: the key for OpenAI or for `base_url`; without it OPENAI_API_KEY is read.
            organization: openai's organization header.
            base_url: an OpenAI-compatible server; model names then go there exactly as written.
            timeout: the deadline of a whole call in seconds, or an `httpx.Timeout`; None for no deadline;
                600 s by the settings where it is not given.
            max_retries: tries after the first; 2 by the settings.
            default_headers: headers for every request.
            default_query: query parameters for every request.
            http_client: the app's own HTTP client.
            openai_project: openai's `project` header. The name `project` is taken by greenai's own.
            project: the project that calls are booked on.
            settings: a mapping of settings, the path of a settings file, or a `Settings` object; over it stand
                the arguments here, below it `GREENAI_*` variables, `greenai.toml` and `[tool.greenai]`.
            opt_in: expensive modes that every call of this client may use; needs a `reason`.
            reason: why, for the ledger.
            observe: change nothing, and record what would have been saved.
            observers: callables that take every receipt.
            forecast: a function of a zone's code that returns the hours to come, for `when_clean` and for calls with
                `urgent=False`; by default the file that the setting `carbon_forecast` names.
            more: what openai's client takes besides, such as `admin_api_key` or `webhook_secret`.

        Raises:
            SettingsError: a setting is wrong; the message names the source, the key and the fix.
            InvalidRequest: an opt-in nobody knows, or one without a reason.
            TypeError: an argument that neither client has; None for `max_retries`, as openai raises it.
        """
        from greenai.session import Session

        for name in more.keys() - MORE:
            raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument {name!r}")
        if max_retries is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise TypeError("max_retries cannot be None. For no retries pass 0; leave it out for the settings' number.")
        refuse_what_openai_does(more, api_key, http_client, asynchronous=self._asynchronous)
        if project is not None and project.startswith("proj_"):
            warnings.warn(
                f"project={project!r} looks like the id of an OpenAI project. greenai's project is the name that "
                f"calls are booked on; for OpenAI's header pass openai_project={project!r}.",
                UserWarning,
                stacklevel=2,
            )
        connection = {
            "api_key": api_key,
            "base_url": base_url,
            "organization": organization,
            "openai_project": openai_project,
            "default_headers": default_headers,
            "default_query": default_query,
            "http_client": http_client,
            "more": more,
        }
        self._owner = True
        self._connections = Connections(asynchronous=self._asynchronous)
        self._attach(
            Session.open(
                settings,
                connection,
                project=project,
                observe=observe,
                opt_in=opt_in,
                reason=reason,
                timeout=float("inf") if timeout is None else timeout,
                max_retries=max_retries,
                observers=observers,
                forecast=forecast,
            )
        )

    def _attach(self, session: Session) -> None:
        self._session = session
        self._closed = False
        self._rest = Rest(session, self._connections)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in SETTABLE:
            super().__setattr__(name, value)
            return
        self._session = self._session.with_options({name: value})
        self._rest.move(self._session)

    def is_closed(self) -> bool:
        """Say whether `close` was called."""
        return self._closed

    @property
    def settings(self) -> Settings:
        """The settings this client was opened with."""
        return self._session.resources.settings

    def when_clean(self, within: str | float = "24h", *, zone: str | None = None) -> CleanHour:
        """Return when a kWh emits least, now or within a time such as "12h"; its `delay_s` is how long to wait.

        No call waits by itself: `time.sleep(client.when_clean("8h").delay_s)` does, or the app's own scheduler.

        Raises:
            InvalidRequest: no forecast is configured, it does not know the present, or `within` is no duration.
        """
        return self._session.when_clean(within, zone)

    @block
    def options(self, **changes: Any) -> Generator[Self]:
        """Apply options to every call inside the block, of this context only (threads and tasks have their own).

        Raises:
            InvalidRequest: an option nobody knows, or an opt-in without a reason.
        """
        with self._session.block(changes):
            yield self

    @block
    def opt_in(self, *kinds: OptIn, reason: str = "", user: str | None = None) -> Generator[Self]:
        """Allow expensive modes to every call inside the block, of this context only, besides what they may do already.

        Args:
            kinds: the modes: "reasoning", "large", "long_output", "semantic_cache".
            reason: why, for the ledger; none is an error.
            user: who allowed it, for the ledger.

        Raises:
            InvalidRequest: no opt-in, one nobody knows, or one without a reason.
        """
        with self._session.opted_in(kinds, reason, user):
            yield self

    @block
    def budget(self, *limits: str, when_spent: WhenSpent = "downgrade", eur_usd: float | None = None) -> Generator[Run]:
        """Hold every call inside the block, of this context only, to budgets; what it yields says what was used.

        Args:
            limits: amounts such as "0.5 Wh", "0.10 USD", "20 calls", "5 g CO2e".
            when_spent: "downgrade" to a cheaper model, no reasoning and a shorter answer, then refuse; "refuse" at
                once; or "observe".
            eur_usd: how many US dollars a euro is, for limits in EUR.

        Raises:
            InvalidRequest: a limit cannot be read.
        """
        with self._session.budget(limits, when_spent, eur_usd) as run:
            yield run

    def with_options(self, **changes: Any) -> Self:
        """Return a client that shares this one's models, ledger and cache, with other options.

        Takes greenai's options (`opt_in` with `reason`, `project`, `quality`, `cache`, `substitute`, `tenant`, …) and
        openai's own (`api_key`, `base_url`, `timeout`, `max_retries`, `default_headers`, …). Closing the copy leaves
        the connections, the models, the ledger and the cache open.

        Raises:
            InvalidRequest: an option nobody knows, or an opt-in without a reason.
        """
        session = self._session
        changes = options_of_a_copy(session.config.connection, changes)
        return self._of(session.with_options(changes), owner=False, connections=self._connections)

    copy = with_options

    @classmethod
    def _of(cls, session: Session, *, owner: bool, connections: Connections | None = None) -> Self:
        client = object.__new__(cls)
        client._owner = owner
        client._connections = connections or Connections(asynchronous=cls._asynchronous)
        client._attach(session)
        return client
