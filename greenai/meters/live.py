"""The carbon intensity of a grid now, from Electricity Maps or the UK's Carbon Intensity API. Optional.

Nobody ever waits for it. `Feed.intensity` looks into memory and, where the figure is old or missing, has a thread of
its own ask for it; until that has come, and whenever it fails, the answer is None and the yearly mean serves. A failure
is logged once and never raised. With a state folder the last figures are kept in a file, for processes that live
shortly.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from greenai.background import Background
from greenai.errors import SettingsError
from greenai.meters import carbon
from greenai.meters.footprint import Intensity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["ElectricityMaps", "Feed", "Source", "UkCarbonIntensity", "opened"]

logger = logging.getLogger("greenai")

TOKEN = "ELECTRICITY_MAPS_TOKEN"  # noqa: S105 (the variable's name)
STATIC, MAPS, UK = "static", "electricity-maps", "uk-carbon-intensity"

# Both sources have a new figure every half hour or hour.
TTL_S = 900.0
"""Age in seconds from which a figure is asked for again; also the pause after a failure."""
EXPIRES_S = 7200.0
"""Age in seconds from which a figure is not used any more: it is of another hour."""
AHEAD_S = 300.0
"""Seconds by which a figure may be dated ahead of this machine's clock: clocks differ."""
TIMEOUT_S = 10.0
MOST_BYTES = 100_000
MOST_G_PER_KWH = 3000.0
"""Above any grid: burning lignite in an old plant emits about 1,200."""
MOST_LOGGED = 200
"""Characters of an error that are logged: a server may answer anything."""


class Source(Protocol):
    """A service that knows the intensity of some grids."""

    @property
    def name(self) -> str:
        """As the setting `carbon_source` spells it."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """What is sent with each request."""
        ...

    def url(self, grid: carbon.Zone) -> str | None:
        """Return where this grid's figure is to be had; None where the service does not know the grid."""
        ...

    def read(self, body: Any, grid: carbon.Zone) -> Intensity:
        """Read the service's JSON; a `LookupError`, `TypeError` or `ValueError` says that it is something else."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectricityMaps:
    """Electricity Maps, `carbon-intensity/latest`: what is consumed, imports included, over the life cycle.

    `own` maps one of our codes to a zone of theirs where the names differ.
    """

    token: str = field(repr=False)
    own: Mapping[str, str] = field(default_factory=dict)
    base_url: str = "https://api.electricitymaps.com/v3"
    name: str = MAPS

    @property
    def headers(self) -> Mapping[str, str]:
        """The token."""
        return {"auth-token": self.token}

    def url(self, grid: carbon.Zone) -> str | None:
        """Return the address: countries by two letters, Canadian provinces and bidding zones as we call them."""
        theirs = self._theirs(grid)
        return None if theirs is None else f"{self.base_url}/carbon-intensity/latest?zone={theirs}"

    def _theirs(self, grid: carbon.Zone) -> str | None:
        theirs = self.own.get(grid.code) or _two_letters(grid)
        if theirs is None and grid.grid[:3] in ("CA-", "SE-", "NO-"):
            theirs = grid.grid
        return theirs

    def read(self, body: Any, grid: carbon.Zone) -> Intensity:
        """Read `carbonIntensity`, of the zone that was asked for and no other."""
        at = body["datetime"]
        if body["zone"] != (asked := self._theirs(grid)):
            raise ValueError(f"asked for zone {asked}, got {body['zone']!r}")
        kind = str(body.get("emissionFactorType", "lifecycle"))
        estimated = ", estimated" if body.get("isEstimated") else ""
        cited = f"Electricity Maps carbon-intensity/latest of zone {body['zone']}, {kind}{estimated}"
        return _checked(body["carbonIntensity"], at, f"{grid.name} grid live, {at}: {cited}")


@dataclass(frozen=True, slots=True, kw_only=True)
class UkCarbonIntensity:
    """The Carbon Intensity API of the National Energy System Operator: Great Britain, generation and imports."""

    base_url: str = "https://api.carbonintensity.org.uk"
    name: str = UK
    headers: Mapping[str, str] = field(default_factory=dict)

    def url(self, grid: carbon.Zone) -> str | None:
        """Return the address of the current half hour, for the United Kingdom's grid."""
        return f"{self.base_url}/intensity" if grid.grid == "GBR" else None

    def read(self, body: Any, grid: carbon.Zone) -> Intensity:
        """Read `actual`, or `forecast` while there is none."""
        now = body["data"][0]
        found, at = now["intensity"], now["from"]
        kind = "actual" if "actual" in found and found["actual"] is not None else "forecast"
        cited = f"carbonintensity.org.uk (NESO, CC BY 4.0), {kind}, CO2 of generating alone, Great Britain"
        return _checked(found[kind], at, f"{grid.name} grid live, {at}: {cited}")


def _two_letters(grid: carbon.Zone) -> str | None:
    return carbon.zone(grid.grid).iso2


def _checked(value: object, at: object, source: str) -> Intensity:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < MOST_G_PER_KWH:
        raise ValueError(f"{value!r} is no intensity in g/kWh")
    if not isinstance(at, str):
        raise TypeError(f"{at!r} is no time")
    return Intensity(g_per_kwh=float(value), at=at, source=source)


def _refuse_other_times(at: str, now: float, expires_s: float) -> None:
    moment = datetime.fromisoformat(at)
    age_s = now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not -AHEAD_S <= age_s <= expires_s:
        raise ValueError(f"the figure is of {at}")


_UNREADABLE = (LookupError, TypeError, ValueError, OverflowError, RecursionError)
"""What reading JSON that somebody else wrote may raise."""


# --- the feed -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Cell:
    """What is known of one grid: the last figure, when it was fetched, and when to ask again."""

    intensity: Intensity | None = None
    fetched: float = 0.0
    ask_at: float = 0.0


class Feed:
    """Live figures by grid. `clock` is seconds since 1970."""

    def __init__(
        self,
        source: Source,
        *,
        file: Path | None = None,
        ttl_s: float = TTL_S,
        expires_s: float = EXPIRES_S,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.source = source
        self._file = file
        self._ttl_s, self._expires_s, self._timeout_s = ttl_s, expires_s, timeout_s
        self._clock = clock
        self._background = Background()  # its own: a server that hangs must not hold up what settles calls
        self._said: set[str] = set()
        self._cells = self._kept()

    def intensity(self, code: str) -> Intensity | None:
        """Return the grid's figure if there is one that has not expired; ask for a new one where it is due."""
        grid = carbon.zone(code)
        url = self.source.url(grid)
        if url is None:
            return None
        cell, now = self._cells.setdefault(grid.code, _Cell()), self._clock()
        if now >= cell.ask_at:
            cell.ask_at = now + self._ttl_s
            with suppress(RuntimeError):  # no thread can be started any more, as at the end of a process
                self._background.start()
                self._background.put(partial(self._refresh, grid, url, cell))
        found = cell.intensity
        return found if found is not None and now - cell.fetched < self._expires_s else None

    def wait(self, timeout_s: float) -> bool:
        """Wait until what was asked for has come or failed; return whether it has. For tests and the command line."""
        return self._background.drain(timeout_s)

    def _refresh(self, grid: carbon.Zone, url: str, cell: _Cell) -> None:
        from http.client import HTTPException

        try:
            found = self.source.read(_fetched(url, self.source.headers, self._timeout_s), grid)
            _refuse_other_times(found.at, self._clock(), self._expires_s)
        except _UnsendableError as error:
            self._say(f"the request cannot be built: {error}")
            return
        except (OSError, HTTPException, *_UNREADABLE) as error:
            self._say(f"{type(error).__name__}: {error}")
            return
        cell.intensity, cell.fetched = found, self._clock()
        self._keep()

    def _say(self, what: str) -> None:
        what = _without(self.source.headers.values(), what)[:MOST_LOGGED]
        if what not in self._said:
            self._said.add(what)
            logger.warning("No live carbon intensity from %s (%s). The yearly mean serves.", self.source.name, what)

    # --- the file -----------------------------------------------------------------------

    def _kept(self) -> dict[str, _Cell]:
        if self._file is None:
            return {}
        try:
            raw = json.loads(self._file.read_text(encoding="utf-8"))
            rows = dict(raw["grids"]) if raw["source"] == self.source.name else {}
            return {code: self._cell(row) for code, row in rows.items()}
        except FileNotFoundError:
            return {}
        except (OSError, *_UNREADABLE) as error:
            self._say(f"{self._file.name} is not readable, {type(error).__name__}")
            return {}

    def _cell(self, row: Mapping[str, Any]) -> _Cell:
        fetched, now = float(row["fetched"]), self._clock()
        if not fetched <= now + AHEAD_S:  # not a number, or of a clock that went wrong
            raise ValueError(f"fetched at {fetched}")
        found = _checked(row["g_per_kwh"], row["at"], str(row["source"]))
        _refuse_other_times(found.at, now, math.inf)
        return _Cell(intensity=found, fetched=fetched, ask_at=fetched + self._ttl_s)

    def _keep(self) -> None:
        if self._file is None:
            return
        import tempfile

        cells = self._cells.copy().items()
        rows = {c: {**asdict(x.intensity), "fetched": x.fetched} for c, x in cells if x.intensity is not None}
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd, name = tempfile.mkstemp(dir=self._file.parent, prefix=".carbon-")  # made with mode 0600
            try:
                with os.fdopen(fd, "w", encoding="utf-8") as file:
                    json.dump({"source": self.source.name, "grids": rows}, file)
                Path(name).replace(self._file)
            except BaseException:
                with suppress(OSError):
                    Path(name).unlink()
                raise
        except OSError as error:
            self._say(f"{self._file} cannot be written: {error.strerror}")


class _UnsendableError(Exception):
    """The request cannot be built; the text is the name of the reason alone, which may quote the token."""


def _without(secrets: Iterable[str], text: str) -> str:
    """Return `text` with each secret struck out, however the text spells its end and its escapes."""
    for secret in secrets:
        for spelled in (secret, repr(secret)[1:-1], secret.strip()):
            text = text.replace(spelled, "***") if spelled else text
    return text


def _fetched(url: str, headers: Mapping[str, str], timeout_s: float) -> Any:
    """Return the JSON at `url`; a redirect is an error, since it would carry the token elsewhere."""
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_args: object, **_kwargs: object) -> None:
            return None

    if not url.startswith(("https://", "http://")):
        raise ValueError(f"{url} is no web address")
    try:
        request = Request(url, headers={"accept": "application/json", **headers})  # noqa: S310 (checked above)
        opened = build_opener(NoRedirect).open(request, timeout=timeout_s)
    except ValueError as error:  # of a header, which it quotes
        raise _UnsendableError(type(error).__name__) from None
    with opened as response:
        if response.status != HTTPStatus.OK:
            raise ValueError(f"the server answered {response.status}")
        return json.loads(response.read(MOST_BYTES))


# --- from settings ------------------------------------------------------------------------


def opened(
    carbon_source: str, zone: str, provider_zones: Mapping[str, str], *, env: Mapping[str, str], state_dir: Path | None
) -> Feed | None:
    """Return the feed that the settings name, None for the yearly means.

    Raises:
        SettingsError: the token is missing or unusable, or the service knows none of the settings' grids.
    """
    kind, _, theirs = carbon_source.partition(":")
    if kind == STATIC:
        return None
    source: Source
    if kind == UK:
        source = UkCarbonIntensity()
        if not any(source.url(carbon.zone(code)) for code in (zone, *provider_zones.values())):
            raise SettingsError(
                f'carbon_source="{UK}" knows the grid of Great Britain, and zone={zone!r} is another. '
                f'Set zone = "GBR", or carbon_source = "{MAPS}".'
            )
    else:
        source = ElectricityMaps(token=_token(env), own={carbon.zone(zone).code: theirs} if theirs else {})
    return Feed(source, file=None if state_dir is None else state_dir / "carbon.json")


def _token(env: Mapping[str, str]) -> str:
    token = env.get(TOKEN, "").strip()  # a file that `export` read may have ended in a line's end
    if not token:
        raise SettingsError(
            f'carbon_source="{MAPS}" needs a token in the variable {TOKEN}, which is not set. '
            f"Set it with: export {TOKEN}=..."
        )
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise SettingsError(
            f"The token in the variable {TOKEN} has a space, a line's end or a letter outside ASCII in it, "
            f"so it was copied wrongly. Set it again with: export {TOKEN}=..."
        )
    return token
