"""Whose machines answer at an address: the provider in the model's name, or somebody else."""

from __future__ import annotations

import pytest

from greenai import catalog, hosts
from greenai.meters import sites
from greenai.values import Rung

# A server of one's own, or a gateway, whatever its name promises.
PRIVATE = [
    "http://localhost:8000/v1",
    "http://vllm-openai.prod.svc:8000",
    "http://openai:8000/v1",
    "https://openai.com.proxy.internal/v1",
    "https://notopenai.com/v1",
    "https://openai.example.com/v1",
    "https://gateway.example.com/openai.com/v1",
    "https://gateway.example.com/v1?to=api.openai.com",
    "https://api.openai.com@example.com/v1",
    "https://com/v1",
    "https://[::1]:8000/v1",
    "https://[api.openai.com/v1",
    "api.openai.com/v1",
    "",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_a_server_of_ones_own_is_nobody_elses(url: str) -> None:
    assert Rung(model="openai/gpt-5.5", base_url=url).site == "endpoint"


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("openai/gpt-5.5", "https://api.openai.com/v1"),
        ("openai/gpt-5.5", "https://eu.api.openai.com/v1"),
        ("openai/gpt-5.5", "HTTPS://API.OpenAI.com:443/v1"),
        ("openai/gpt-5.5", "https://api.openai.com./v1"),
        ("openai/gpt-5.5", "https://user:secret@api.openai.com/v1"),
        ("azure/gpt-5.5", "https://mine.openai.azure.com/"),
        ("azure_ai/claude-opus-5", "https://mine.services.ai.azure.com/anthropic"),
        ("anthropic/claude-opus-5", "https://api.anthropic.com"),
        ("gemini/gemini-2.5-flash", "https://generativelanguage.googleapis.com/v1beta/openai/"),
        ("vertex_ai/claude-opus-5", "https://europe-west1-aiplatform.googleapis.com/v1"),
        ("xai/grok-4", "https://api.x.ai/v1"),
        ("mistral/mistral-small-latest", "https://api.mistral.ai/v1"),
        ("codestral/codestral-latest", "https://codestral.mistral.ai/v1"),
        ("deepseek/deepseek-chat", "https://api.deepseek.com/beta"),
        ("together_ai/openai/gpt-oss-20b", "https://api.together.xyz/v1"),
        ("together_ai/openai/gpt-oss-20b", "https://api.together.ai/v1"),
        ("groq/openai/gpt-oss-20b", "https://api.groq.com/openai/v1"),
        ("fireworks_ai/x", "https://api.fireworks.ai/inference/v1"),
        ("deepinfra/x", "https://api.deepinfra.com/v1/openai"),
        ("cohere_chat/command-a-03-2025", "https://api.cohere.ai/compatibility/v1"),
        ("cohere/command-a-03-2025", "https://api.cohere.com/v2"),
        ("openrouter/x", "https://openrouter.ai/api/v1"),
        ("perplexity/sonar", "https://api.perplexity.ai"),
        ("moonshot/kimi-k2.5", "https://api.moonshot.cn/v1"),
        ("zai/glm-5", "https://api.z.ai/api/paas/v4"),
        ("zai/glm-5", "https://open.bigmodel.cn/api/paas/v4"),
        ("dashscope/qwen-plus", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        ("bedrock/amazon.nova-micro-v1:0", "https://bedrock-runtime.eu-west-3.amazonaws.com"),
        ("bedrock/amazon.nova-micro-v1:0", "https://vpce-0a1-b2.bedrock-runtime.eu-west-3.vpce.amazonaws.com"),
        ("minimax/MiniMax-M2", "https://api.minimax.io/v1"),
        ("nvidia_nim/x", "https://integrate.api.nvidia.com/v1"),
        ("cerebras/gpt-oss-120b", "https://api.cerebras.ai/v1"),
        ("baseten/x", "https://model-abc.api.baseten.co/v1"),
        ("nebius/x", "https://api.studio.nebius.ai/v1"),
        ("novita/x", "https://api.novita.ai/v3/openai"),
        ("hyperbolic/x", "https://api.hyperbolic.xyz/v1"),
    ],
)
def test_a_providers_own_address(model: str, url: str) -> None:
    rung = Rung(model=model, base_url=url)
    assert rung.site == rung.provider


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("openai/grok-4", "https://api.x.ai/v1"),
        ("openai/gpt-5.5", "https://mine.openai.azure.com/"),
        ("azure/gpt-5.5", "https://vllm.westeurope.cloudapp.azure.com/v1"),
        ("xai/grok-4", "https://max.ai/v1"),
        ("xai/grok-4", "https://ai/v1"),
        ("bedrock/x", "https://ec2-1-2-3-4.eu-west-3.compute.amazonaws.com/v1"),
        ("bedrock/x", "https://bedrock-gateway-1.eu-west-3.elb.amazonaws.com/v1"),
        ("dashscope/x", "https://mine.cn-shanghai.pai-eas.aliyuncs.com/v1"),
        ("hosted_vllm/Qwen/Qwen3-8B", "https://hosted_vllm.example.com/v1"),
        ("endpoint/gpt-5.5", "https://endpoint.example.com/v1"),
        ("other/big", "https://other.example.com/v1"),
    ],
)
def test_an_address_of_somebody_else(model: str, url: str) -> None:
    assert Rung(model=model, base_url=url).site == "endpoint"


@pytest.mark.parametrize(
    ("model", "url"),
    [("openai/gpt-5.5", None), ("other/big", None), ("local/smollm2-135m", "http://localhost:1/v1"), ("local/x", None)],
)
def test_without_an_address_and_on_this_machine_it_is_the_provider(model: str, url: str | None) -> None:
    rung = Rung(model=model, base_url=url)
    assert rung.site == rung.provider


def test_every_provider_of_the_catalog_and_of_a_site_has_domains() -> None:
    known = {card.provider for card in catalog.cards()} | set(sites.providers())
    assert known - set(hosts._DOMAINS) == {"local", "hosted_vllm"}


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini"),
        ("https://api.openai.com.evil.example/v1", None),
        ("http://127.0.0.1:11434/v1", None),
        ("http://[", None),
    ],
)
def test_the_provider_whose_domain_it_is(url: str, provider: str | None) -> None:
    assert hosts.provider_of(url) == provider


@pytest.mark.parametrize(
    ("url", "port"), [("http://h:11434/v1", 11434), ("http://h/v1", None), ("http://h:x/v1", None), ("http://[", None)]
)
def test_the_port_that_an_address_names(url: str, port: int | None) -> None:
    assert hosts.port_of(url) == port


@pytest.mark.parametrize("name", sorted(hosts.TELEMETRY))
def test_what_telemetry_calls_a_provider_is_told_back(name: str) -> None:
    assert hosts.named(hosts.TELEMETRY[name]) == name


def test_other_spellings_of_a_provider() -> None:
    assert [hosts.named(said) for said in ("google_genai", "ANTHROPIC", "amazon_bedrock", " Acme ")] == [
        "gemini", "anthropic", "bedrock", "acme",
    ]  # fmt: skip
