"""greenai's callback in a real litellm proxy, a process of its own; runs where the package's proxy extra is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from servers import Scripted, stream

LACKING = [name for name in ("litellm", "fastapi", "orjson", "apscheduler") if find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(LACKING), reason=f'pip install "litellm[proxy]": {", ".join(LACKING)} not here'),
    pytest.mark.needs_litellm,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

HOOKS = """
from greenai.integrations.litellm_callback import GreenCallback

green = GreenCallback(project="proxy", settings={settings!r})
"""
HELLO: Any = [{"role": "user", "content": "Say hello to Ada in a friendly way."}]


class Proxy:
    """A proxy with two names of models at a scripted provider."""

    def __init__(self, folder: Path, provider: str, settings: dict[str, Any]) -> None:
        place = {"api_base": provider, "api_key": "key"}
        models = [
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", **place}} for name in ("gpt-5.5", "m1")
        ]
        config = {
            "model_list": models,
            "litellm_settings": {"callbacks": "hooks.green", "num_retries": 0},
            "general_settings": {"master_key": "sk-master"},
        }
        (folder / "config.yaml").write_text(json.dumps(config))  # which is YAML too
        (folder / "hooks.py").write_text(HOOKS.format(settings=settings))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = Path(sys.executable).with_name("litellm")
        self.log = folder / "log"
        self._process = subprocess.Popen(
            [command, "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder, stdout=self.log.open("w"), stderr=subprocess.STDOUT,
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": str(folder)},
        )  # fmt: skip

    def wait(self) -> None:
        for _ in range(600):
            assert self._process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/health/liveliness").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise AssertionError(self.log.read_text())

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="sk-master", max_retries=2)


@pytest.fixture(scope="module")
def provider() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(provider: Scripted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("proxy")
    budget = {"projects": {"proxy": {"budget": {"calls": "3/hour"}}}, "state_dir": str(folder / "state")}
    made = Proxy(folder, provider.url, budget)
    try:
        made.wait()
        yield made
    finally:
        made.end()


def test_a_proxy_holds_budgets_sends_no_reasoning_and_gives_receipts(provider: Scripted, proxy: Proxy) -> None:
    client = proxy.client()
    whole = client.chat.completions.with_raw_response.create(model="gpt-5.5", messages=HELLO)
    assert whole.parse().choices[0].message.content == "Hello there."
    receipt = json.loads(whole.headers["x-greenai-receipt"])
    assert (receipt["outcome"], receipt["model"], receipt["evidence"]) == ("large", "openai/gpt-5.5", "modelled_api")
    assert receipt["low_j"] < receipt["energy_j"] < receipt["high_j"]
    assert provider.bodies[-1]["reasoning_effort"] == "none"

    asked = client.chat.completions.with_raw_response.create(model="gpt-5.5", messages=HELLO, reasoning_effort="high")
    assert json.loads(asked.headers["x-greenai-receipt"])["call_id"] == asked.headers["x-greenai-call-id"]
    assert provider.bodies[-1]["reasoning_effort"] == "high"

    provider.play(stream(3))
    with client.chat.completions.with_streaming_response.create(model="m1", messages=HELLO, stream=True) as streamed:
        assert streamed.headers["x-greenai-call-id"]
        assert "word2" in streamed.read().decode()

    sent = len(provider.requests)
    with pytest.raises(openai.PermissionDeniedError) as refusal:
        client.chat.completions.create(model="m1", messages=HELLO)
    assert "budget_exceeded" in str(refusal.value.body)
    assert "project/proxy has 0 calls left of its budget of 3/hour (3 calls settled, 0 calls held)" in str(
        refusal.value
    )
    assert len(provider.requests) == sent
