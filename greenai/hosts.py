"""Whose machines an address reaches: the domains on which each provider answers, by litellm's name of it.

From the providers' API references and the addresses in litellm 1.105.3, 2026-11-21. A provider without a row has no
domain that only its own machines answer on. A `*` stands for one label, such as a cloud's region; a cloud that also
hosts its customers' servers has the name of the service in its row, never the cloud's whole domain.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

__all__ = ["TELEMETRY", "is_of", "named", "port_of", "provider_of"]

_AZURE = (
    "openai.azure.com",
    "cognitiveservices.azure.com",
    "services.ai.azure.com",
    "models.ai.azure.com",
    "inference.ai.azure.com",
    "api.cognitive.microsoft.com",
)
_COHERE = ("cohere.com", "cohere.ai")
_GOOGLE = ("googleapis.com",)
_MISTRAL = ("mistral.ai",)

_DOMAINS: dict[str, tuple[str, ...]] = {
    # The second is Claude on AWS: anthropic 2.12, lib/aws/_credentials.py.
    "anthropic": ("anthropic.com", "aws-external-anthropic.*.api.aws"),
    "azure": _AZURE,
    "azure_ai": _AZURE,
    "baseten": ("baseten.co",),
    "bedrock": (
        "bedrock-runtime.*.amazonaws.com",
        "bedrock-runtime-fips.*.amazonaws.com",
        "bedrock-runtime.*.vpce.amazonaws.com",
        "bedrock-runtime.*.amazonaws.com.cn",
        "bedrock-mantle.*.api.aws",
    ),
    "cerebras": ("cerebras.ai",),
    "codestral": _MISTRAL,
    "cohere": _COHERE,
    "cohere_chat": _COHERE,
    "dashscope": ("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com"),
    "deepinfra": ("deepinfra.com",),
    "deepseek": ("deepseek.com",),
    "fireworks_ai": ("fireworks.ai",),
    "gemini": _GOOGLE,
    "groq": ("groq.com",),
    "huggingface": ("huggingface.co",),
    "hyperbolic": ("hyperbolic.xyz",),
    "minimax": ("minimax.io", "minimaxi.com"),
    "mistral": _MISTRAL,
    "moonshot": ("moonshot.ai", "moonshot.cn"),
    "nebius": ("studio.nebius.ai", "studio.nebius.com", "tokenfactory.nebius.com"),
    "novita": ("novita.ai",),
    "nvidia_nim": ("api.nvidia.com",),
    "openai": ("openai.com",),
    "openrouter": ("openrouter.ai",),
    "perplexity": ("perplexity.ai",),
    "sambanova": ("sambanova.ai",),
    "together_ai": ("together.ai", "together.xyz"),
    "vertex_ai": _GOOGLE,
    "xai": ("x.ai",),
    "zai": ("z.ai", "bigmodel.cn"),
}

# What OpenTelemetry calls providers whose names here are others
# (open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-metrics.md, November 2026).
TELEMETRY: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}

# As LangChain's `ls_provider`, older conventions of OpenTelemetry and Helicone have them, by litellm's.
_SPELLED = {
    **{theirs: ours for ours, theirs in TELEMETRY.items()},
    "amazon_bedrock": "bedrock",
    "az.ai.inference": "azure_ai",
    "az.ai.openai": "azure",
    "azure_openai": "azure",
    "cohere": "cohere_chat",
    "fireworks": "fireworks_ai",
    "google_genai": "gemini",
    "google_vertexai": "vertex_ai",
    "mistralai": "mistral",
    "together": "together_ai",
    "togetherai": "together_ai",
}


def named(provider: str) -> str:
    """Return litellm's name of a provider that a log spells in its own way; one that nobody knows in small letters."""
    said = provider.strip().lower()
    return _SPELLED.get(said, said)


@lru_cache(maxsize=256)
def is_of(provider: str, url: str) -> bool:
    """Say whether the host of `url` lies in one of the provider's own domains."""
    labels = _labels(url)
    return any(_within(labels, domain.split(".")) for domain in _DOMAINS.get(provider, ()))


def provider_of(url: str) -> str | None:
    """Return the first provider in whose domains the host of `url` lies, or None."""
    labels = _labels(url)
    owners = (name for name, domains in _DOMAINS.items() for d in domains if _within(labels, d.split(".")))
    return next(owners, None)


def port_of(url: str) -> int | None:
    """Return the port that `url` names, or None."""
    from urllib.parse import urlsplit

    try:
        return urlsplit(url).port
    except ValueError:  # no number, or a bracket without its pair
        return None


def _labels(url: str) -> list[str]:
    from urllib.parse import urlsplit

    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # a bracket without its pair
        return []
    return host.removesuffix(".").split(".")


def _within(labels: list[str], domain: list[str]) -> bool:
    last = labels[-len(domain) :]
    return len(last) == len(domain) and all(d in ("*", label) for d, label in zip(domain, last, strict=True))
