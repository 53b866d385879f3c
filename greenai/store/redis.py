"""The cache in Redis or Valkey, for a fleet: the same values under the same seal. The only door to redis.

It never raises, and it never keeps a call waiting: each step has 50 ms, and a server that fails once is passed by until
it answers again. What is dropped where memory is short is the server's to decide (`maxmemory-policy allkeys-lru`).
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from greenai._locks import Lock
from greenai.errors import MissingExtra, SettingsError
from greenai.store.base import SealedStore
from greenai.store.listing import Row, StoreStats
from greenai.store.seal import SCHEMA, Seal
from greenai.units import format_duration

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["RedisCache", "connect", "reached", "shown"]

TIMEOUT_S = 0.05
REST_S = 1.0
"""How long a server that failed is passed by; twice as long each time that it fails again, up to `MOST_REST_S`."""
MOST_REST_S = 15.0
_BATCH = 500
_GLOB = re.compile(r"([*?\[\]\\])")
_SCHEMES = {"valkey://": "redis://", "valkeys://": "rediss://"}

_log = logging.getLogger("greenai")


class RedisCache(SealedStore):
    """JSON values in Redis, each with a time to live; safe from any thread and process.

    Two callers share values only where they have the same secret: it is part of the keys' prefix.

    Args:
        url: `redis://`, `rediss://` (TLS), `unix://`, or `valkey://`.
        seal: seals the values.

    Raises:
        MissingExtra: `redis` is not installed.
        SettingsError: the address is not one.
    """

    def __init__(self, url: str, seal: Seal) -> None:
        self._client = connect(url, TIMEOUT_S, key="cache_url", purpose="A cache in Redis or Valkey (cache_url)")
        super().__init__(shown(self._client))
        self._seal = seal
        self._prefix = f"greenai:{SCHEMA}:{seal.name}:"
        self._lock = Lock()
        self._rest_s = 0.0
        self._down_until = 0.0
        self._met = False

    # --- one value ------------------------------------------------------------------------

    def get(self, key: str) -> Any:
        """Return the value under `key`, or None where there is none that can be read."""
        blob = self._try(lambda redis: redis.get(self._name(key)))
        return None if blob is None else self._unsealed(self._seal, key, blob)

    def put(self, key: str, value: object, ttl_s: float) -> bool:
        """Keep `value` for `ttl_s` seconds; return whether it is kept (not if too large or no JSON)."""
        return self._stored(key, value, ttl_s, only_new=False)

    def add(self, key: str, value: object, ttl_s: float) -> bool:
        """Keep `value` unless there is something under `key`; return True for the one caller whose value it is."""
        return self._stored(key, value, ttl_s, only_new=True)

    def forget(self, key: str) -> bool:
        """Drop what is under `key`; return False where the server did not do so."""
        return self._try(lambda redis: redis.unlink(self._name(key))) is not None

    def _stored(self, key: str, value: object, ttl_s: float, *, only_new: bool) -> bool:
        milliseconds = int(min(ttl_s, 1e10) * 1000)
        blob = self._seal.close(key, value, time.time() + ttl_s) if milliseconds > 0 else None
        if blob is None:
            return False
        name = self._name(key)
        return bool(self._try(lambda redis: redis.set(name, blob, px=milliseconds, nx=only_new), writes=True))

    def _name(self, key: str) -> bytes:
        return (self._prefix + key).encode("utf-8", "surrogatepass")

    # --- all of them ----------------------------------------------------------------------

    def rows(self, prefix: str = "") -> Iterator[Row]:
        """Yield what is kept under keys that begin with `prefix`. It walks the whole server, a batch at a time."""
        for names in self._batches(prefix):
            found = self._try(partial(_measured, names=names)) or []
            now = time.time()
            for name, size, left_ms in found:
                if left_ms > 0:
                    key = name[len(self._prefix) :].decode("utf-8", "surrogatepass")
                    yield Row(key=key, size_bytes=size, expires_at=now + left_ms / 1000)

    def clear(self, prefix: str = "") -> int:
        """Drop all whose keys begin with `prefix`; return how many that were."""
        batches = list(self._batches(prefix))  # a walk may miss what is there while keys go
        return sum(int(self._try(partial(_dropped, names=names)) or 0) for names in batches)

    def _batches(self, prefix: str) -> Iterator[list[bytes]]:
        """Yield each key once, in lists. SCAN, since KEYS would hold up every other client."""
        pattern, cursor = _GLOB.sub(r"\\\1", self._prefix + prefix) + "*", 0
        seen: set[bytes] = set()
        while True:
            step = self._try(partial(_scanned, pattern=pattern, cursor=cursor))
            if step is None:
                return
            cursor, names = step
            new = [name for name in names if name not in seen]
            seen.update(new)
            if new:
                yield new
            if cursor == 0:
                return

    def stats(self) -> StoreStats:
        """Return how full the cache is: its own keys only."""
        sizes = [row.size_bytes for row in self.rows()]
        return StoreStats(
            kind="redis",
            place=self._place,
            count=len(sizes),
            size_bytes=sum(sizes),
            limit_bytes=None,
            problem=self.problem,
        )

    def close(self) -> None:
        """Close every connection that no thread is using; the next use opens one again."""
        self._client.connection_pool.disconnect(inuse_connections=False)

    # --- trouble --------------------------------------------------------------------------

    def _try(self, work: Callable[[Redis], Any], *, writes: bool = False) -> Any:
        """Return what `work` returns; None where the server is passed by, or fails."""
        from redis.exceptions import RedisError, ResponseError

        was_down = self._down_until > 0
        if was_down and not self._is_my_turn():
            self.undone = self.undone or "it does not answer"
            return None
        try:
            if not self._met and not self._reached():
                raise TimeoutError(f"no connection within {3 * TIMEOUT_S * 1000:.0f} ms")
            found = work(self._client)
        except ResponseError as error:  # it answers, but not this: out of memory, a replica that is read only
            self.problem = (
                f"The answer cache in {self._place} refused a command ({error}). Calls go on. "
                "Give the server memory and maxmemory-policy allkeys-lru, or name one that may be written to."
            )
            self._tell("command", self.problem)
            self.undone = f"it refused a command ({error})"
            return None
        except (RedisError, OSError, ValueError) as error:  # ValueError: a host that is no name
            self._pass_by(error)
            return None
        if was_down:
            self._back()
        elif writes and self.problem is not None and not self._down_until:
            self.problem = None
        return found

    def _is_my_turn(self) -> bool:
        """Return whether the server's rest is over: then one caller tries, and the others pass by meanwhile."""
        with self._lock:
            now = time.monotonic()
            if now < self._down_until:
                return False
            self._down_until = now + REST_S
            return True

    def _reached(self) -> bool:
        """Connect for the first time, or again after a failure."""
        self._met = False
        self._met = reached(self._client, 3 * TIMEOUT_S)
        return self._met

    def _pass_by(self, error: Exception) -> None:
        self.undone = f"it does not answer ({str(error).rstrip('.')})"
        with self._lock:
            self._met = False
            self._rest_s = min(max(REST_S, self._rest_s * 2), MOST_REST_S)
            self._down_until = time.monotonic() + self._rest_s
        self._client.connection_pool.disconnect(inuse_connections=False)
        self._fail(
            f"The answer cache in {self._place} does not answer ({error}). Calls go on without it. It is tried again "
            f"in {format_duration(REST_S)}, then every {format_duration(MOST_REST_S)} at the latest; look whether the "
            "server runs."
        )

    def _back(self) -> None:
        with self._lock:
            self._rest_s, self._down_until, self.problem = 0.0, 0.0, None
        _log.info("The answer cache in %s answers again.", self._place)


def _scanned(redis: Redis, pattern: str, cursor: int) -> tuple[int, list[bytes]]:
    step: Any = redis.scan(cursor, match=pattern, count=_BATCH)
    return step[0], step[1]


def _dropped(redis: Redis, names: list[bytes]) -> Any:
    return redis.unlink(*names)


def _measured(redis: Redis, names: list[bytes]) -> list[tuple[bytes, int, int]]:
    """Return each key with its size in bytes and the milliseconds that it has left."""
    pipe = redis.pipeline(transaction=False)
    for name in names:
        pipe.strlen(name)
        pipe.pttl(name)
    told: list[Any] = pipe.execute()
    return list(zip(names, told[::2], told[1::2], strict=True))


def reached(client: Redis, within_s: float) -> bool:
    """Return whether a server answers within that time: also where its name is not resolved, which has no bound.

    Raises:
        RedisError: it failed, as the client's package says it.
        OSError: it failed.
    """
    from redis.exceptions import RedisError

    done = threading.Event()
    failed: list[Exception] = []

    def ping() -> None:
        try:
            client.ping()
        except (RedisError, OSError, ValueError) as error:  # the caller raises it, if it still waits
            failed.append(error)
        done.set()

    threading.Thread(target=ping, name="greenai-redis", daemon=True).start()
    in_time = done.wait(within_s)
    if failed:
        raise failed[0]
    return in_time


def connect(url: str, timeout_s: float, *, connect_s: float | None = None, key: str, purpose: str) -> Redis:
    """Return a client, which connects at its first use and never sends a command twice by itself.

    Args:
        url: `redis://`, `rediss://` (TLS), `unix://`, or `valkey://`.
        timeout_s: how long one step may take, in seconds.
        connect_s: how long a connection may take; None as long as a step.
        key: the setting that the address is from.
        purpose: what needs it.

    Raises:
        MissingExtra: `redis` is not installed.
        SettingsError: the address is not one.
    """
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise MissingExtra("redis", "redis", purpose) from None
    for scheme, known in _SCHEMES.items():
        if url.startswith(scheme):
            url = known + url.removeprefix(scheme)
    try:
        # RESP2: every server speaks it, and it needs no greeting, which would be one more wait.
        return Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s if connect_s is None else connect_s,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            protocol=2,
        )
    except ValueError as error:
        raise SettingsError(
            f"{key} is no address of a Redis ({error}). Write for example: "
            f'{key} = "redis://127.0.0.1:6379/0" (or rediss://, unix://, valkey://).'
        ) from None


def shown(client: Redis) -> str:
    """Return where a client connects, without a password."""
    to = client.connection_pool.connection_kwargs
    path = to.get("path")
    return f"Redis at {path or '{}:{}'.format(to.get('host', 'localhost'), to.get('port', 6379))}"
