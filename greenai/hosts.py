"""Whose machines an address reaches: the domains on which each provider answers, by litellm's name of it.

From the providers' API references and the addresses in litellm 1.105.3, 2026-11-21. A provider without a row has no
domain that only its own machines answer on. A `*` stands for one label, such as a cloud's region; a cloud that also
hosts its customers' servers has the name of the service in its row, never the cloud's whole domain.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["is_of", "port_of", "provider_of"]

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
