"""What every test gets: no network but loopback, no provider's key, and state in a folder of its own."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # so that tests import `servers` from any folder below

from browser import Browser, program
from servers import LlamaServer, RedisServer, Scripted

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1,::1,localhost"

# What a developer's shell may hold and a test must not see. The weights stay where they are: they are only read.
PREFIXES = ("GREENAI_", "OPENAI_", "LITELLM_", "ANTHROPIC_", "AZURE_", "AWS_")
SUFFIXES = ("_API_KEY", "_API_BASE", "_BASE_URL", "_PROXY", "_proxy")
KEPT = ("GREENAI_WEIGHTS_DIR",)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-wire", action="store_true", help="write tests/wire/snapshots.json anew")


def pytest_configure(config: pytest.Config) -> None:
    # Runs before pytest-socket reads its own options. A command line that opens the network keeps its word.
    if not config.option.allow_hosts and not config.option.force_enable_socket:
        config.option.allow_hosts = LOOPBACK
        config.option.allow_unix_socket = True


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: str | None) -> None:
    for name in list(os.environ):
        if name not in KEPT and (name.startswith(PREFIXES) or name.endswith(SUFFIXES)):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GREENAI_STATE_DIR", str(tmp_path / "greenai-state"))
    if certificate is not None:
        monkeypatch.setenv("SSL_CERT_FILE", certificate)


@pytest.fixture(autouse=True)
def _own_cards_of_one_test() -> Iterator[None]:
    """Take back the cards that a test's settings registered: they hold for the whole process."""
    from greenai import catalog

    before = catalog._own
    yield
    catalog._own = before


@pytest.fixture(autouse=True)
def _learnt_in_one_test() -> Iterator[None]:
    """Forget what a test's models did with reasoning: that holds for the whole process too."""
    from greenai.nudges import learnt

    yield
    learnt.forget()


@pytest.fixture(autouse=True)
def _languages_of_one_test() -> Iterator[None]:
    """Take back the languages that a test, or an example of the docs, registered."""
    from greenai.nudges import messages

    before = dict(messages._languages)
    yield
    messages._languages.clear()
    messages._languages.update(before)


@pytest.fixture(autouse=True)
def _counted_in_one_test() -> Iterator[None]:
    """Take back what a test, or the gateway in it, had counted: that goes on for the whole process."""
    yield
    for name in ("prometheus", "otel"):
        counting = sys.modules.get(f"greenai.integrations.{name}")
        if counting is not None:
            counting.uninstrument()


@pytest.fixture(scope="session", autouse=True)
def _classifier_weights() -> None:
    """Read the classifier's weights: the first call of a process does, so no test depends on which one came first."""
    from greenai.classify import Classifier

    Classifier.load()


@pytest.fixture(scope="session", autouse=True)
def _no_loop_of_litellms_own() -> None:
    """Take the main thread's default event loop away, as the first `asyncio.run` does.

    litellm's blocking call asks for it, and Python makes one there that nobody closes: whichever later test the
    garbage collector ran in failed, where no test had run a loop before.
    """
    asyncio.run(asyncio.sleep(0))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str | None:
    """One root certificate. Each HTTP client reads all of them, which takes 20 ms, and no test speaks TLS."""
    if importlib.util.find_spec("certifi") is None:
        return None
    import certifi

    everything = Path(certifi.where()).read_text()
    end = "-----END CERTIFICATE-----"
    first = everything[everything.index("-----BEGIN") : everything.index(end) + len(end)]
    path = tmp_path_factory.mktemp("tls") / "one.pem"
    path.write_text(first)
    return str(path)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """An OpenAI-compatible server on loopback that plays what the test scripts, and records what it receives."""
    with Scripted() as server:
        yield server
        # Sockets that a test dropped are closed while its warnings are still watched. The young generations are enough,
        # and a full collection would take 0.2 s once litellm is loaded.
        gc.collect(1)


@pytest.fixture(scope="session")
def weights() -> Path:
    """The real weights of smollm2-135m: a laptop without them skips, CI fails."""
    from greenai.local.names import path_of

    folder = os.environ.get("GREENAI_WEIGHTS_DIR")
    path = path_of("smollm2-135m", Path(folder) if folder else None)
    if path is not None and importlib.util.find_spec("xllamacpp") is not None:
        return path
    lacking = "the weights of smollm2-135m are" if path is None else "the extra `local` is"
    message = f'{lacking} not here: pip install "greenai[local]" && greenai models pull smollm2-135m'
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def llama(weights: Path) -> Iterator[LlamaServer]:
    """llama.cpp's own HTTP server with these weights, in a child process: deterministic, one slot, no prompt cache."""
    with LlamaServer(weights) as server:
        yield server


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A real Chromium: a laptop without one skips, CI fails."""
    path = program()
    if path is None:
        message = "chromium is not here: apt-get install chromium"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(message)
        pytest.skip(message)
    with Browser(path, tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="session")
def redis_program() -> str:
    """The server's program and its client's package: a laptop without them skips, CI fails."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is not None and importlib.util.find_spec("redis") is not None:
        return program
    lacking = "redis-server is not here: apt-get install redis-server"
    message = lacking if program is None else 'the extra `redis` is not here: pip install "greenai[redis]"'
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def redis_server(redis_program: str) -> Iterator[RedisServer]:
    """A real Redis for all tests, which keep their keys apart by their secrets."""
    with RedisServer(redis_program) as server:
        yield server
