"""A Redis that is killed, stopped, full or not there: calls go on, wait little, and the cache comes back."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from greenai import Client
from greenai.errors import SettingsError
from greenai.resources import Outside
from greenai.session import Session
from greenai.store import redis as redis_store
from greenai.store.redis import RedisCache
from greenai.store.seal import Seal
from greenai.testing import FakeProvider

if TYPE_CHECKING:
    from servers import RedisServer

SEAL = Seal(b"one secret for these tests")
# What one step may take, three of which make a connection, and what a busy machine adds.
BOUND_S = 3 * redis_store.TIMEOUT_S + 0.25


@pytest.fixture
def server(redis_program: str) -> Iterator[RedisServer]:
    """A Redis for one test alone, which may kill it."""
    from servers import RedisServer

    with RedisServer(redis_program) as server:
        yield server


@pytest.fixture(autouse=True)
def _short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "REST_S", 0.2)
    monkeypatch.setattr(redis_store, "MOST_REST_S", 0.4)


def wait_until_back(store: RedisCache, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not store.put("back", 1, 60.0):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert store.get("back") == 1


class Load:
    """Threads that get and put without a pause, and how long each step took at most."""

    def __init__(self, store: RedisCache, threads: int = 4) -> None:
        self._store = store
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(threads)]
        self.worst_s = 0.0
        self.steps = self.hits = 0
        self.wrong: list[object] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, name: int) -> None:
        n = 0
        while not self._stop.is_set():
            n += 1
            key = f"{name}-{n % 50}"
            started = time.perf_counter()
            if n % 10 == 0:
                self._store.put(key, [key] * 100, 60.0)
            found = self._store.get(key)  # what it raised would fail the test
            self.worst_s = max(self.worst_s, time.perf_counter() - started)
            if found is not None and found != [key] * 100:
                self.wrong.append(found)
            self.hits += found is not None
            self.steps += 1
            time.sleep(0.0005)

    def waits_for_hits(self) -> None:
        before, deadline = self.hits, time.monotonic() + 15
        while self.hits < before + 20:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.timeout(120)
def test_a_server_that_is_killed_and_started_again_under_load(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisCache(server.url, SEAL)
    with caplog.at_level(logging.WARNING, "greenai"), Load(store) as load:
        for _ in range(3):
            load.waits_for_hits()
            server.kill()
            before = load.steps
            time.sleep(0.6)
            assert load.steps > before + 100  # calls go on
            assert store.problem is not None
            server.start()
        load.waits_for_hits()
    assert load.wrong == []
    assert load.worst_s < 2 * BOUND_S
    wait_until_back(store)
    assert store.problem is None
    assert 3 <= len(caplog.records) <= 9  # one for each time it went; a busy machine may be late for a few more


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="SIGSTOP")
@pytest.mark.timeout(120)
def test_a_server_that_hangs_costs_a_step_and_is_then_passed_by(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisCache(server.url, SEAL)
    assert store.put("key", 1, 60.0)
    server.signal(signal.SIGSTOP)
    try:
        started = time.perf_counter()
        assert store.get("key") is None
        assert time.perf_counter() - started < BOUND_S
        with caplog.at_level(logging.WARNING, "greenai"), Load(store) as load:
            time.sleep(1.5)
            assert load.worst_s < 2 * BOUND_S
        assert load.steps > 1000
        started, tries = time.perf_counter(), 2000
        for _ in range(tries):
            store.get("key")
        assert time.perf_counter() - started < 1.0 + 4 * BOUND_S  # nearly all are passed by
    finally:
        server.signal(signal.SIGCONT)
    wait_until_back(store)
    assert store.get("key") == 1


def test_the_first_connection_to_nobody_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store = RedisCache(f"redis://ada:hunter2@127.0.0.1:{port}/0", SEAL)
    with caplog.at_level(logging.WARNING, "greenai"):
        assert store.get("key") is None
        assert not store.put("key", 1, 60.0)
        assert not store.add("key", 1, 60.0)
        assert not store.forget("key")
        assert list(store.rows()) == []
        assert store.clear() == 0
        assert store.undone is not None
        assert store.undone.startswith("it does not answer (Error ")
        assert store.stats().count == 0
        store.close()
    assert caplog.messages == [
        (
            f"The answer cache in Redis at 127.0.0.1:{port} does not answer (Error {errno.ECONNREFUSED} connecting to "
            f"127.0.0.1:{port}. Connection refused.). Calls go on without it. It is tried again in 200 ms, then every "
            "400 ms at the latest; look whether the server runs."
        )
    ]
    assert store.problem == caplog.messages[0]


def test_a_listener_that_never_answers_costs_one_connection(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        store = RedisCache(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", SEAL)
        started = time.perf_counter()
        assert store.get("key") is None
        assert time.perf_counter() - started < BOUND_S
        assert len(caplog.records) == 1


def test_a_name_that_is_not_resolved_costs_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        asked.set()
        time.sleep(1.0)
        raise socket.gaierror("no name servers could be reached")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    store = RedisCache("redis://cache.example:6379/0", SEAL)
    started = time.perf_counter()
    assert store.get("key") is None
    assert time.perf_counter() - started < BOUND_S
    assert asked.is_set()
    assert "does not answer (no connection within 150 ms)" in caplog.messages[0]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$-99\r\n", b"\x00\xff" * 50, b"*3\r\n", b":7\r\n", b""]
)
def test_what_is_no_redis_is_a_miss(answer: bytes) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        listener.settimeout(0.3)

        def serve() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1000)
                        connection.sendall(answer * 5)
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        store = RedisCache(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", SEAL)
        for _ in range(3):
            assert store.get("key") is None
            assert not store.put("key", 1, 60.0)
            store._down_until = 0.0
        listener.close()
        store.close()
        thread.join(5)


def test_a_server_without_memory_keeps_nothing_more_and_answers_on(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisCache(server.url, SEAL)
    assert store.put("key", "here", 60.0)
    server.say(b"CONFIG", b"SET", b"maxmemory", b"1")
    with caplog.at_level(logging.WARNING, "greenai"):
        for _ in range(3):
            assert not store.put("more", "x" * 1000, 60.0)
            assert store.get("key") == "here"
    assert store.problem is not None
    assert len(caplog.records) == 1
    assert "refused a command (command not allowed when used memory > 'maxmemory'" in caplog.messages[0]
    assert caplog.messages[0].endswith(
        "). Calls go on. Give the server memory and maxmemory-policy allkeys-lru, or name one that may be written to."
    )
    server.say(b"CONFIG", b"SET", b"maxmemory", b"0")
    assert store.put("more", "x" * 1000, 60.0)
    assert store.problem is None


def test_a_wrong_password_is_told_without_it(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    server.say(b"CONFIG", b"SET", b"requirepass", b"open sesame")
    store = RedisCache(server.url.replace("//", "//:hunter2@"), SEAL)
    with caplog.at_level(logging.WARNING, "greenai"):
        assert store.get("key") is None
    assert len(caplog.records) == 1
    assert "invalid username-password pair" in caplog.messages[0]
    assert "hunter2" not in caplog.messages[0]
    good = RedisCache(server.url.replace("//", "//:open%20sesame@"), SEAL)
    assert good.put("key", 1, 60.0)


def test_keys_end_by_themselves_and_say_whose_they_are(server: RedisServer) -> None:
    store = RedisCache(server.url.replace("redis:", "valkey:"), SEAL)
    store.put("key", 1, 100.0)
    name = f"greenai:1:{SEAL.name}:key".encode()
    assert server.say(b"EXISTS", name) == b":1\r\n"
    assert 90_000 < int(server.say(b"PTTL", name)[1:]) <= 100_000
    server.say(b"SET", b"another:app", b"1")
    server.say(b"SET", f"greenai:1:{SEAL.name}:for ever".encode(), b"1")
    assert [row.key for row in store.rows()] == ["key"]
    store.clear()
    assert server.say(b"EXISTS", b"another:app") == b":1\r\n"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://127.0.0.1:port/0", "Port could not be cast to integer value as 'port'"),
        ("redis://127.0.0.1:99999/0", "Port out of range 0-65535"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, why: str) -> None:
    with pytest.raises(SettingsError) as caught:
        RedisCache(url, SEAL)
    assert str(caught.value) == (
        f"cache_url is no address of a Redis ({why}). Write for example: "
        'cache_url = "redis://127.0.0.1:6379/0" (or rediss://, unix://, valkey://).'
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_child_has_connections_of_its_own(server: RedisServer) -> None:
    script = """
    import os, sys, threading
    from greenai.store.redis import RedisCache
    from greenai.store.seal import Seal
    store = RedisCache(sys.argv[1], Seal(b"a secret"))
    store.put("parent", 1, 60.0)
    stop, wrong = threading.Event(), []
    def run():
        while not stop.is_set():
            if store.get("parent") != 1:
                wrong.append(1)
    thread = threading.Thread(target=run)
    thread.start()
    ends = []
    for n in range(20):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if store.get("parent") == 1 and store.put(f"child-{n}", n, 60.0) else 1)
        ends.append(os.waitpid(pid, 0)[1])
    stop.set()
    thread.join()
    print(set(ends), sum(store.get(f"child-{n}") == n for n in range(20)), wrong)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), server.url],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == "{0} 20 []\n", done.stderr


# --- whole calls --------------------------------------------------------------------------


def client_of(server: RedisServer, folder: Path, provider: FakeProvider) -> Client:
    settings = {
        "state_dir": folder,
        "cache_url": server.url,
        "cache_secret_env": "CACHE_SECRET",
        "ladder": ["openai/gpt-5.4-nano", "openai/gpt-5.5"],
    }
    session = Session.open(
        settings, {}, project=None, observe=None, opt_in=None, reason=None, timeout=None, max_retries=None,
        observers=(), outside=Outside(provider=lambda _: provider),
    )  # fmt: skip
    return Client._of(session, owner=True)


@pytest.mark.timeout(120)
def test_two_machines_share_answers_and_go_on_without_the_server(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHE_SECRET", secrets.token_hex())
    provider = FakeProvider(default="Grass has chlorophyll, which takes in red and blue light.")
    question = {"model": "gpt-5.5", "temperature": 0, "messages": [{"role": "user", "content": "Why is grass green?"}]}
    with client_of(server, tmp_path / "a", provider) as a, client_of(server, tmp_path / "b", provider) as b:
        assert a.chat.completions.create(**question).greenai.outcome != "cache"  # type: ignore[call-overload]
        assert b.chat.completions.create(**question).greenai.outcome == "cache"  # type: ignore[call-overload]
        server.kill()
        started = time.perf_counter()
        answers = [b.chat.completions.create(**question) for _ in range(20)]  # type: ignore[call-overload]
        assert time.perf_counter() - started < 5.0
        assert {answer.greenai.outcome for answer in answers} & {"cache"} == set()
        assert all(answer.choices[0].message.content for answer in answers)
        server.start()
        deadline = time.monotonic() + 15
        while b.chat.completions.create(**question).greenai.outcome != "cache":  # type: ignore[call-overload]
            assert time.monotonic() < deadline
            time.sleep(0.05)
