"""The same for every store: what is put is there, for whoever has the secret, and nothing else ever is."""

from __future__ import annotations

import json
import logging
import os
import pickle
import random
import secrets
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.cache.exact import ManagedStore
from greenai.store.disk import JsonCache
from greenai.store.redis import RedisCache
from greenai.store.seal import SCHEMA, Seal

if TYPE_CHECKING:
    from servers import RedisServer

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ANSWER = {"text": "answer " * 50, "n": 7}


class Bomb:
    """Unpickling one leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


@dataclass(frozen=True)
class Kind:
    """One kind of store: how it is opened with a secret, and how its bytes are read and written by hand."""

    open: Callable[..., ManagedStore]
    read: Callable[[ManagedStore, str], Any]
    write: Callable[[ManagedStore, str, Any], None]


def on_disk(folder: Path) -> Kind:
    def sql(statement: str, *values: object) -> list[Any]:
        con = sqlite3.connect(folder / "cache.db", timeout=5)
        try:
            with con:
                return con.execute(statement, values).fetchall()
        finally:
            con.close()

    def read(_: ManagedStore, key: str) -> Any:
        rows = sql("SELECT value FROM Cache WHERE key = ?", key)
        return rows[0][0] if rows else None

    def write(store: ManagedStore, key: str, blob: Any) -> None:
        store.put(key, "to be replaced", 60.0)
        sql("UPDATE Cache SET value = ? WHERE key = ?", blob, key)

    return Kind(lambda secret, **more: JsonCache(folder, secret=secret, **more), read, write)


def in_redis(server: RedisServer) -> Kind:
    import redis

    raw = redis.Redis(port=server.port)

    def name(store: ManagedStore, key: str) -> bytes:
        assert isinstance(store, RedisCache)
        return store._name(key)

    return Kind(
        lambda secret, **more: RedisCache(server.url, Seal(secret, **more)),
        lambda store, key: raw.get(name(store, key)),
        lambda store, key, blob: raw.set(name(store, key), blob, ex=60) and None,
    )


@pytest.fixture(params=["disk", "redis"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    if request.param == "disk":
        return on_disk(tmp_path / "cache")
    return in_redis(request.getfixturevalue("redis_server"))


@pytest.fixture
def secret() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
def store(kind: Kind, secret: bytes) -> Iterator[ManagedStore]:
    store = kind.open(secret)
    yield store
    store.close()


# --- values -------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(value=JSON)
@pytest.mark.parametrize("encrypt", [False, True])
def test_values_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, encrypt: bool, value: object
) -> None:
    for kind in (on_disk(tmp_path_factory.getbasetemp() / f"round-trip-{encrypt}"), in_redis(redis_server)):
        store = kind.open(b"one secret for all of this", encrypt=encrypt)
        assert store.put("key", value, 60.0)
        found = store.get("key")
        assert found == value
        assert json.dumps(found) == json.dumps(value)
        store.close()


def test_text_is_kept_to_the_byte(store: ManagedStore) -> None:
    text = "half \ud800 pair, NUL \x00, bidi \u202e, é and e\u0301, \r\n \u2028, 👩\u200d💻"
    store.put("key", {"text": text}, 60.0)
    assert store.get("key") == {"text": text}


def test_an_entry_ends(store: ManagedStore) -> None:
    store.put("key", 1, 0.1)
    assert store.get("key") == 1
    time.sleep(0.15)
    assert store.get("key") is None
    assert store.add("key", 2, 60.0)


def test_what_is_put_again_is_replaced(store: ManagedStore) -> None:
    store.put("key", 1, 60.0)
    store.put("key", 2, 0.1)
    assert store.get("key") == 2
    time.sleep(0.15)
    assert store.get("key") is None


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", float("nan")])
def test_what_is_no_json_is_not_kept(store: ManagedStore, value: object) -> None:
    assert not store.put("key", value, 60.0)
    assert store.stats().problem is None


def test_too_large_is_not_kept(store: ManagedStore) -> None:
    assert not store.put("noise", os.urandom(9 * 1024**2).hex(), 60.0)
    assert not store.put("long", "a" * 70_000_000, 60.0)
    assert store.put("fits", "a" * 60_000_000, 60.0)
    assert store.get("fits") == "a" * 60_000_000
    assert store.stats().problem is None


def test_a_key_that_is_no_text_for_the_store_harms_nothing(store: ManagedStore) -> None:
    store.put("half \ud800", 1, 60.0)
    assert store.get("half \ud800") in (None, 1)
    store.forget("half \ud800")
    assert store.put("key", 1, 60.0)
    assert store.stats().problem is None


# --- the one of many ----------------------------------------------------------------------


def test_only_one_adds(store: ManagedStore) -> None:
    assert store.add("key", "first", 60.0)
    assert not store.add("key", "second", 60.0)
    assert store.get("key") == "first"
    assert store.forget("key")
    assert store.forget("key")
    assert store.add("key", "third", 60.0)


def test_of_many_threads_one_adds(store: ManagedStore) -> None:
    begin = threading.Barrier(8)
    won: list[int] = []

    def run(name: int) -> None:
        begin.wait()
        won.extend(n for n in range(20) if store.add(f"key-{n}", name, 60.0))

    threads = [threading.Thread(target=run, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(20))


# --- all of them --------------------------------------------------------------------------


def test_rows_are_listed_and_dropped_by_their_prefix(store: ManagedStore) -> None:
    ends = time.time() + 60
    for key in (*(f"one:{n}" for n in range(30)), "two:1", "two:2", "on", "one", "o*e:3"):
        store.put(key, ANSWER, 60.0)
    assert {row.key for row in store.rows("one:")} == {f"one:{n}" for n in range(30)}
    assert {row.key for row in store.rows("o*")} == {"o*e:3"}
    assert len(list(store.rows())) == 35
    row = next(store.rows("two:1"))
    assert 40 < row.size_bytes < 200
    assert row.expires_at == pytest.approx(ends, abs=5)

    told = store.stats()
    assert (told.count, told.problem) == (35, None)
    assert told.size_bytes > 35 * row.size_bytes / 2
    assert store.clear("one:") == 30
    assert {row.key for row in store.rows()} == {"two:1", "two:2", "on", "one", "o*e:3"}
    assert store.clear() == 5
    assert store.stats().count == 0
    assert store.get("two:1") is None


def test_many_rows_are_listed_once_each(store: ManagedStore) -> None:
    for n in range(1500):
        store.put(f"key-{n}", n, 60.0)
    listed = [row.key for row in store.rows()]
    assert sorted(listed) == sorted(f"key-{n}" for n in range(1500))
    assert store.clear("key-") == 1500


def test_what_ended_is_not_listed(store: ManagedStore) -> None:
    store.put("key", 1, 0.1)
    time.sleep(0.15)
    assert list(store.rows()) == []
    assert store.stats().count == 0


def test_another_secret_sees_nothing(kind: Kind, store: ManagedStore) -> None:
    store.put("key", 1, 60.0)
    assert kind.open(secrets.token_bytes(32)).get("key") is None


def test_two_stores_with_one_secret_share(kind: Kind, store: ManagedStore, secret: bytes) -> None:
    store.put("key", ANSWER, 60.0)
    assert kind.open(secret).get("key") == ANSWER


# --- forged rows --------------------------------------------------------------------------


def flipped(blob: bytes) -> Iterator[bytes]:
    """Yield the blob with one bit of each byte turned, whatever stands there, but the schema."""
    rng = random.Random(3)
    for at in range(len(blob)):
        if at != 2:
            yield blob[:at] + bytes((blob[at] ^ (1 << rng.randrange(8)),)) + blob[at + 1 :]


def test_no_turned_bit_is_believed(kind: Kind, store: ManagedStore, caplog: pytest.LogCaptureFixture) -> None:
    store.put("key", "An answer.", 60.0)
    blob = kind.read(store, "key")
    with caplog.at_level(logging.WARNING, "greenai"):
        for forged in flipped(blob):
            kind.write(store, "key", forged)
            assert store.get("key") is None
            assert kind.read(store, "key") is None  # it is removed
    assert len(caplog.records) == 1
    place = store.stats().place
    assert caplog.messages[0] == (
        f"A row of the answer cache in {place} was not read: it is not a value that greenai writes. It is removed, as "
        "any other such row will be. If the secret of the cache or cache_encrypt was changed, that is why; else find out "
        "who can write there."
    )
    kind.write(store, "key", blob)
    assert store.get("key") == "An answer."


def test_a_row_under_another_key_is_not_believed(kind: Kind, store: ManagedStore) -> None:
    store.put("mine", "my answer", 60.0)
    kind.write(store, "yours", kind.read(store, "mine"))
    assert store.get("yours") is None
    assert store.get("mine") == "my answer"


def test_a_longer_life_is_not_believed(kind: Kind, store: ManagedStore) -> None:
    store.put("key", 1, 0.1)
    blob = kind.read(store, "key")
    time.sleep(0.15)
    kind.write(store, "key", blob)  # its row ends in a minute now
    assert store.get("key") is None


def test_pickles_are_never_opened(kind: Kind, store: ManagedStore, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    bomb = pickle.dumps(Bomb(mark))
    for blob in (bomb, zlib.compress(bomb), b"gA" + bytes((SCHEMA,)) + bytes(40) + bomb):
        kind.write(store, "key", blob)
        assert store.get("key") is None
    assert not mark.exists()
    pickle.loads(bomb)
    assert mark.exists()  # it would have been


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"g",
        b"gA",
        b"gA\x01",
        zlib.compress(b"{}"),
        b"{}",
        zlib.compress(b" " * 200_000_000),
        b"gA\x00" + bytes(60),
    ],
    ids=["empty", "one", "magic", "schema", "zlib", "json", "bomb", "schema-0"],
)
def test_what_greenai_did_not_write_is_removed(kind: Kind, store: ManagedStore, blob: bytes) -> None:
    kind.write(store, "key", blob)
    assert store.get("key") is None
    assert kind.read(store, "key") is None
    assert store.stats().problem is None
    assert store.put("key", "new", 60.0)
    assert store.get("key") == "new"


def test_a_newer_schema_is_left_alone(kind: Kind, store: ManagedStore, caplog: pytest.LogCaptureFixture) -> None:
    store.put("key", 1, 60.0)
    newer = kind.read(store, "key")
    newer = newer[:2] + bytes((SCHEMA + 1,)) + newer[3:] + b"more"
    kind.write(store, "key", newer)
    with caplog.at_level(logging.WARNING, "greenai"):
        assert store.get("key") is None
        assert store.get("key") is None
    assert kind.read(store, "key") == newer
    assert caplog.messages == [
        (
            f"A row of the answer cache in {store.stats().place} was written by a newer greenai: it has schema 2, and "
            "this version reads 1. It is left alone, and its question is asked anew. Update this one: pip install "
            '--upgrade "greenai"'
        )
    ]
    assert store.put("key", 2, 60.0)
    assert store.get("key") == 2


# --- encryption ---------------------------------------------------------------------------


def _unpacked(body: bytes) -> object:
    try:
        return json.loads(zlib.decompress(body))
    except zlib.error:
        return None


def test_encrypted_values_are_not_in_the_store(kind: Kind, secret: bytes) -> None:
    text = "The patient's name is Ada Lovelace."
    plain, sealed = kind.open(secret), kind.open(secret, encrypt=True)
    plain.put("plain", text, 60.0)
    sealed.put("sealed", text, 60.0)
    sealed.put("again", text, 60.0)
    assert sealed.get("sealed") == text
    for store, key, is_readable in ((plain, "plain", True), (sealed, "sealed", False)):
        body = kind.read(store, key)[43:]
        assert (_unpacked(body) == text) is is_readable
    assert kind.read(sealed, "sealed")[43:] != kind.read(sealed, "again")[43:]
    assert plain.get("sealed") is None
    assert kind.open(secret, encrypt=True).get("plain") is None


# --- threads and forks --------------------------------------------------------------------


def test_threads_share_one_store(store: ManagedStore) -> None:
    wrong: list[object] = []

    def run(name: int) -> None:
        for n in range(30):
            store.put(f"{name}-{n}", [name, n], 60.0)
            found = store.get(f"{name}-{n}")
            if found not in ([name, n], None):
                wrong.append(found)
        store.close()

    threads = [threading.Thread(target=run, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert store.stats().problem is None


def test_a_store_that_was_closed_opens_again(store: ManagedStore) -> None:
    store.put("key", 1, 60.0)
    store.close()
    store.close()
    assert store.get("key") == 1
