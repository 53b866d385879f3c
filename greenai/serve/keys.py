"""Who may call the gateway: keys, each with the project that its calls are booked on.

Without keys only this machine is served, and only what no foreign web page can have sent: a request with its own
`Host`, and without the `Origin` of somebody else's page.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from greenai.errors import SettingsError

if TYPE_CHECKING:
    from greenai.settings.serve import ServeTable

__all__ = ["OWN", "Caller", "Keys", "Unknown", "is_loopback"]

OWN = "x-greenai-key"
"""Where a caller's key for the gateway stands if `authorization` is for the provider."""

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_LEAST_KEY = 16


class Unknown(Exception):  # an answer, not an error of ours: 401
    """The caller is not known; the text says what to send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose request it is: the project it is booked on (None: the settings'), and the digest of the key.

    `sees_all` is for the live page and the metrics of every project.
    """

    project: str | None = None
    digest: str = ""
    sees_all: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the settings, by their digests."""

    projects: Mapping[str, str] = field(repr=False)
    pages: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, table: ServeTable, env: Mapping[str, str]) -> Keys:
        """Read the settings.

        Raises:
            SettingsError: a variable that should hold a key is not set, or a key is too short to be one.
        """
        projects = {_digest(text, env, "serve.keys"): project for text, project in table.keys.items()}
        if len(projects) < len(table.keys):
            raise SettingsError(
                "serve.keys has the same key twice, so its project is not known. Leave one of them out."
            )
        pages = None if table.pages_key is None else _digest(table.pages_key, env, "serve.pages_key")
        return cls(projects, pages)

    @property
    def any(self) -> bool:
        """Whether there are keys, so that others than this machine are served."""
        return bool(self.projects)

    def caller(self, headers: Mapping[str, str], client: str | None) -> Caller:
        """Return whose request it is.

        Args:
            headers: its headers, by names in small letters.
            client: the address that it comes from.

        Raises:
            Unknown: nobody who may call.
        """
        if not self.projects:
            _refuse_strangers(headers, client)
            return Caller(sees_all=True)
        given = _given(headers)
        if given is None:
            raise Unknown("No API key was sent. Send one of the gateway's: Authorization: Bearer ...")
        digest = sha256(given.encode("utf-8", "surrogateescape")).hexdigest()
        project = self.projects.get(digest)
        if project is None:
            raise Unknown("The API key is none of the gateway's. Its operator lists them in the setting serve.keys.")
        return Caller(project=project, digest=digest)

    def viewer(self, headers: Mapping[str, str], client: str | None) -> Caller:
        """Return who looks at the page: whoever may call, or holds the key for it. Raises what `caller` raises."""
        given = _given(headers)
        if given is not None and self.pages is not None:
            digest = sha256(given.encode("utf-8", "surrogateescape")).hexdigest()
            if digest == self.pages:
                return Caller(sees_all=True, digest=digest)
        return self.caller(headers, client)


def _digest(text: str, env: Mapping[str, str], where: str) -> str:
    if (found := _DIGEST.fullmatch(text)) is not None:
        return found[1]
    key = text
    if _VARIABLE.fullmatch(text) is not None:
        key = env.get(text, "")
        if not key:
            raise SettingsError(f"{where}: the variable {text} is not set. Set it with: export {text}=...")
    if len(key) < _LEAST_KEY:
        raise SettingsError(
            f"{where}: a key has {len(key)} characters, and {_LEAST_KEY} are the least that is not guessed. Make one "
            'with: python -c "import secrets; print(secrets.token_urlsafe())"'
        )
    return sha256(key.encode()).hexdigest()


def _given(headers: Mapping[str, str]) -> str | None:
    """Return the key in a request, wherever clients put it."""
    for name in (OWN, "api-key", "x-api-key"):
        if headers.get(name):
            return headers[name]
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip() or None
    if kind.lower() == "basic":  # a browser that was asked for it: any name, and the key as its password
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2] or None
        except ValueError:
            return None
    return None


def _refuse_strangers(headers: Mapping[str, str], client: str | None) -> None:
    """Refuse what does not come from this machine's own programs."""
    said = "No keys are configured (the setting serve.keys), so only programs on this machine are served"
    if client is None or not is_loopback(client):
        raise Unknown(f"{said}, and this request came from {client or 'an unknown address'}.")
    host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    if not is_loopback(host):
        raise Unknown(f"{said}, under its own name: call it as 127.0.0.1 or localhost.")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise Unknown(f"{said}, and no page of another site.")


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Say whether an address or a name means this machine."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
