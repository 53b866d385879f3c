"""A gateway in this process, on a port of its own."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai

from greenai import serve
from greenai.serve import server
from greenai.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MESSAGES: list[Any] = [{"role": "user", "content": "Write a short friendly reply to a customer."}]


@dataclass(frozen=True, kw_only=True)
class Served:
    """A gateway that runs."""

    address: str

    @property
    def url(self) -> str:
        return f"{self.address}/v1"

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def client(self, key: str = "none", **more: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url, api_key=key, **{"max_retries": 0, **more})

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(self.address + path, headers=dict(headers or {}))) as came:
            return bytes(came.read())

    def live(self) -> dict[str, Any]:
        """Return the live figures, read anew: they are kept for a second."""
        time.sleep(1.05)
        figures: dict[str, Any] = json.loads(self.get("/live.json"))
        return figures


@contextmanager
def serving(settings: Mapping[str, Any] | None = None, **more: Any) -> Iterator[Served]:
    loaded = load_settings(settings or {})
    told: list[str] = []
    listening = threading.Event()

    def listens(address: str) -> None:
        told.append(address)
        listening.set()

    app = serve.app(settings=loaded, **more)
    running = server.server_of(app, loaded.serve, host="127.0.0.1", port=0, told=listens)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    assert listening.wait(30)
    try:
        yield Served(address=told[0])
    finally:
        running.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
