"""Which store the settings ask for: the folder on this machine, or a Redis for a fleet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from greenai.errors import SettingsError
from greenai.store.disk import JsonCache
from greenai.store.files import own_secret, private_folder
from greenai.store.redis import RedisCache
from greenai.store.seal import Seal

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["StoreSettings", "open_store"]

LEAST_SECRET = 16


class StoreSettings(Protocol):
    """What the cache's store needs to know of the settings, which name budgets, whose rows are in a store too."""

    @property
    def cache_url(self) -> str | None:
        """The address of a Redis; None keeps the answers on this machine."""
        ...

    @property
    def cache_dir(self) -> Path | None:
        """The folder on this machine; None keeps nothing."""
        ...

    @property
    def cache_bytes(self) -> int:
        """How large that folder may become."""
        ...

    @property
    def cache_secret_env(self) -> str | None:
        """The variable that holds the secret with which answers are sealed."""
        ...

    @property
    def cache_encrypt(self) -> bool:
        """Whether stored answers are encrypted."""
        ...


def open_store(settings: StoreSettings, env: Mapping[str, str] | None = None) -> JsonCache | RedisCache:
    """Return the cache's store. No file and no connection is opened before it is used.

    Args:
        settings: what the user wants.
        env: holds the secret; the process's variables where it is None.

    Raises:
        SettingsError: the secret is missing or too short, or the address is none.
        MissingExtra: the package for Redis or for encryption is not installed.
    """
    secret = _secret(settings, os.environ if env is None else env)
    if settings.cache_url is None:
        return JsonCache(
            settings.cache_dir, size_limit=settings.cache_bytes, secret=secret, encrypt=settings.cache_encrypt
        )
    return RedisCache(settings.cache_url, Seal(secret or _of_this_machine(settings), encrypt=settings.cache_encrypt))


def _secret(settings: StoreSettings, env: Mapping[str, str]) -> bytes | None:
    variable = settings.cache_secret_env
    if variable is None:
        return None
    secret = env.get(variable, "").encode("utf-8", "surrogateescape")
    if len(secret) < LEAST_SECRET:
        state = f"has {len(secret)} bytes, and {LEAST_SECRET} are the least" if secret else "is not set"
        raise SettingsError(
            f"cache_secret_env: the variable {variable}, which holds the secret of the cache, {state}. "
            f'Set it on every machine that shares the cache, with one value of: python -c "import secrets; '
            f'print(secrets.token_hex())"'
        )
    return secret


def _of_this_machine(settings: StoreSettings) -> bytes:
    """Return the secret beside the cache's folder, or one of this process where nothing can be kept."""
    folder = settings.cache_dir
    if folder is None:
        return os.urandom(32)
    try:
        private_folder(folder.parent)
        return own_secret(folder.with_name(folder.name + ".key"))
    except OSError:
        return os.urandom(32)
