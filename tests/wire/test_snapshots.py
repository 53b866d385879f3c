"""The JSON that reaches the wire for every family of the catalog, held against snapshots.json, whole.

Each family's example is asked once as an app would ask it, without an opt-in: through the openai package (an address is
given) and through litellm. litellm finds the server on loopback by `api_base`, which is all that a test adds; Vertex
needs a token besides, which is made up. The bodies are those of the oldest litellm that the project allows; what a later
release sends otherwise stands under `differs`, with the release from which on it does. Checked on 1.105.0, 1.105.3,
1.106.2, 1.108.11 and 1.109.1.

    pytest tests/wire --update-wire          writes snapshots.json anew; run it with the oldest litellm
"""

from __future__ import annotations

import asyncio
import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import litellm_marks
import pytest
import servers

from greenai import AsyncClient, Client
from greenai.catalog import families
from greenai.provider import litellm_path

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path(__file__).with_name("snapshots.json")
MESSAGES: Any = [{"role": "user", "content": "Name a colour."}]
SETTINGS = {"cache": "off", "ledger": ":memory:", "substitute": False}

EXAMPLES = [family.example for family in families()]
HOSTS = [
    "azure/gpt-5.5",
    "azure_ai/claude-sonnet-5",
    "azure_ai/claude-sonnet-5-5",
    "bedrock/anthropic.claude-opus-4-8",
    "bedrock/anthropic.claude-sonnet-5",
    "bedrock/us.anthropic.claude-opus-5-5",
    "deepseek/deepseek-v3.2",
    "fireworks_ai/accounts/fireworks/models/qwen3p5-9b",
    "groq/openai/gpt-oss-20b",
    "groq/qwen/qwen3.8-27b",
    "hosted_vllm/acme/a-model-nobody-knows",
    "hosted_vllm/deepseek-ai/DeepSeek-V4-Flash",
    "hosted_vllm/openai/gpt-oss-20b",
    "hosted_vllm/zai-org/GLM-4.6",
    "huggingface/openai/gpt-oss-20b",
    "llamafile/qwen3-8b",
    "moonshot/kimi-k2.5",
    "ollama/qwen3:8b",
    "ollama/gpt-oss:20b",
    "together_ai/openai/gpt-oss-20b",
    "vertex_ai/claude-sonnet-5",
    "vertex_ai/gemini-2.5-flash",
    "xai/grok-4.3",
]
BEHIND_AN_ADDRESS = [
    "a-model-nobody-knows",
    "claude-sonnet-5",
    "deepseek-ai/DeepSeek-V3.1",
    "gpt-4.1",
    "gpt-5.5",
    "openai/gpt-oss-20b",
    "Qwen/Qwen3-8B",
    "zai-org/GLM-4.6",
]
MODELS = sorted({*EXAMPLES, *HOSTS})
THROUGH_LITELLM = [m for m in MODELS if not m.startswith(("openai/", "ollama_v1/"))]

ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Red."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 11, "output_tokens": 5},
}
GEMINI = {
    "candidates": [{"content": {"parts": [{"text": "Red."}], "role": "model"}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 5, "totalTokenCount": 16},
}
OLLAMA = {
    "model": "m",
    "created_at": "2026-01-01T00:00:00Z",
    "message": {"role": "assistant", "content": "Red."},
    "response": "Red.",
    "done": True,
    "prompt_eval_count": 11,
    "eval_count": 5,
}
CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Red."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 11, "outputTokens": 5, "totalTokens": 16},
    "metrics": {"latencyMs": 1},
}
OPENAI = {**servers.completion_body("Red."), "service_tier": "default"}  # without it litellm fails on Groq's answers
ANSWERS = {
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "ollama": OLLAMA,
    "ollama_chat": OLLAMA,
    "bedrock": CONVERSE,
}
AT_THE_ROOT = ("anthropic", "azure", "bedrock", "gemini", "ollama", "ollama_chat", "vertex_ai")
KEYS = (
    "ANTHROPIC", "AZURE", "AZURE_AI", "CEREBRAS", "DASHSCOPE", "DEEPINFRA", "DEEPSEEK", "FIREWORKS", "GEMINI", "GROQ",
    "HOSTED_VLLM", "HUGGINGFACE", "LM_STUDIO", "MINIMAX", "MISTRAL", "MOONSHOT", "OLLAMA", "OPENROUTER", "TOGETHERAI",
    "XAI", "ZAI",
)  # fmt: skip

ONE_PER_PROVIDER = list({m.partition("/")[0]: m for m in THROUGH_LITELLM}.values())

WRITTEN: dict[str, dict[str, Any]] = {}


def answer_of(model: str) -> Any:
    provider = model.partition("/")[0]
    if provider in ("azure_ai", "vertex_ai"):
        return ANTHROPIC if "claude" in model else GEMINI
    return ANSWERS.get(provider, OPENAI)


def snapshots() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


def held(section: str, model: str, scripted: servers.Scripted, update: bool) -> None:
    """Hold the one request that came against the snapshot, or keep it for the file."""
    (request,) = [r for r in scripted.requests if r.path != "/api/show"]  # litellm asks Ollama what a model can do
    got = {"path": request.path, "body": request.body}
    if update:
        WRITTEN.setdefault(section, {})[model] = got
        return
    expected = snapshots()[section][model]
    assert got == {**expected, **differing(snapshots(), section, model)}


def differing(stored: dict[str, Any], section: str, model: str) -> dict[str, Any]:
    """Return what the installed litellm sends otherwise than the oldest that is allowed."""
    if section != "litellm":
        return {}
    installed = tuple(int(part) for part in metadata.version("litellm").split(".")[:2])
    found: dict[str, Any] = {}
    for since, changed in sorted(stored["differs"].items(), key=lambda item: _release(item[0])):
        if installed >= _release(since):
            found |= changed.get(model, {})
    return found


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


@pytest.fixture(scope="module")
def update(request: pytest.FixtureRequest) -> Iterator[bool]:
    wanted: bool = request.config.getoption("--update-wire")
    yield wanted
    if wanted:
        stored = snapshots() if FILE.exists() else {"differs": {}}
        made = {**stored, **{section: dict(sorted(rows.items())) for section, rows in WRITTEN.items()}}
        FILE.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# --- through the openai package -------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_through_the_openai_package(scripted: servers.Scripted, model: str, update: bool) -> None:
    ladder = [{"model": model, "base_url": scripted.url}]
    with Client(api_key="k", max_retries=0, settings={**SETTINGS, "ladder": ladder}) as client:
        client.chat.completions.create(messages=MESSAGES)
    held("openai", model, scripted, update)


@pytest.mark.parametrize("model", BEHIND_AN_ADDRESS)
def test_behind_a_base_url(scripted: servers.Scripted, model: str, update: bool) -> None:
    with Client(api_key="k", base_url=scripted.url, max_retries=0, settings=SETTINGS) as client:
        client.chat.completions.create(model=model, messages=MESSAGES)
    held("base_url", model, scripted, update)


@pytest.mark.parametrize("model", BEHIND_AN_ADDRESS)
def test_a_stream_and_an_awaited_call_send_the_same(scripted: servers.Scripted, model: str) -> None:
    async def awaited() -> None:
        async with AsyncClient(api_key="k", base_url=scripted.url, max_retries=0, settings=SETTINGS) as client:
            await client.chat.completions.create(model=model, messages=MESSAGES)
            async for _ in await client.chat.completions.create(model=model, messages=MESSAGES, stream=True):
                pass

    with Client(api_key="k", base_url=scripted.url, max_retries=0, settings=SETTINGS) as client:
        list(client.chat.completions.create(model=model, messages=MESSAGES, stream=True))
    asyncio.run(awaited())
    streaming = {"stream": True, "stream_options": {"include_usage": True}}
    body = snapshots()["base_url"][model]["body"]
    assert scripted.bodies == [{**body, **streaming}, body, {**body, **streaming}]


# --- through litellm ------------------------------------------------------------------------------


@pytest.fixture
def through_litellm(scripted: servers.Scripted, monkeypatch: pytest.MonkeyPatch) -> Iterator[servers.Scripted]:
    litellm_marks.load()
    for name in KEYS:
        monkeypatch.setenv(f"{name}_API_KEY", "k")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "k")
    monkeypatch.setenv("AWS_REGION_NAME", "us-east-1")
    monkeypatch.setenv("AZURE_API_VERSION", "2026-01-01")
    monkeypatch.setenv("VERTEXAI_PROJECT", "p")
    monkeypatch.setenv("VERTEXAI_LOCATION", "us-east5")
    wire = litellm_path.wire

    def redirected(call: Any) -> dict[str, Any]:
        provider = call.draft.rung.provider
        base = scripted.origin if provider in AT_THE_ROOT else scripted.url
        return {**wire(call), "api_base": base}

    monkeypatch.setattr(litellm_path, "wire", redirected)
    from litellm.llms.vertex_ai.vertex_llm_base import VertexBase

    async def token(*_: Any, **__: Any) -> tuple[str, str]:
        return "token", "p"

    monkeypatch.setattr(VertexBase, "_ensure_access_token", lambda *_, **__: ("token", "p"))
    monkeypatch.setattr(VertexBase, "_ensure_access_token_async", token)
    yield scripted
    litellm_marks.forget_clients()


class TestLiteLLM:
    pytestmark = litellm_marks.ONLY

    @pytest.mark.parametrize("model", THROUGH_LITELLM)
    def test_through_litellm(self, through_litellm: servers.Scripted, model: str, update: bool) -> None:
        through_litellm.play(servers.raw(json.dumps(answer_of(model)).encode()))
        with Client(max_retries=0, settings=SETTINGS) as client:
            response = client.chat.completions.create(model=model, messages=MESSAGES)
        assert response.choices[0].message.content == "Red."
        held("litellm", model, through_litellm, update)

    @pytest.mark.parametrize("model", ONE_PER_PROVIDER)
    def test_an_awaited_call_sends_the_same(self, through_litellm: servers.Scripted, model: str) -> None:
        async def ask() -> None:
            async with AsyncClient(max_retries=0, settings=SETTINGS) as client:
                await client.chat.completions.create(model=model, messages=MESSAGES)
            await litellm_marks.aclose()

        through_litellm.play(servers.raw(json.dumps(answer_of(model)).encode()))
        asyncio.run(ask())
        held("litellm", model, through_litellm, update=False)

    @pytest.mark.parametrize("model", [m for m in ONE_PER_PROVIDER if answer_of(m) is OPENAI])
    def test_a_stream_sends_the_same(self, through_litellm: servers.Scripted, model: str) -> None:
        through_litellm.play(servers.stream(3))
        with Client(max_retries=0, settings=SETTINGS) as client:
            list(client.chat.completions.create(model=model, messages=MESSAGES, stream=True))
        body = {k: v for k, v in through_litellm.bodies[0].items() if k not in ("stream", "stream_options")}
        stored = snapshots()
        assert body == {**stored["litellm"][model], **differing(stored, "litellm", model)}["body"]


def test_every_family_has_its_snapshots() -> None:
    stored = snapshots()
    assert set(stored["openai"]) == set(MODELS)
    assert set(stored["litellm"]) == set(THROUGH_LITELLM)
    assert set(stored["base_url"]) == set(BEHIND_AN_ADDRESS)
