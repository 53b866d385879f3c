"""What of the environment tells callers apart: whatever a provider's library finds a key, an account or an address in.

For providers whose library was read, its few names. For any other, every variable that is named like a key, an account
or an address, or like the provider: one too many costs a hit, one too few gives an answer to somebody else.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache

__all__ = ["environment_of"]

# By provider, as litellm and openai's library read them.
_NAMES: dict[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    "cohere": ("COHERE_API_KEY", "CO_API_KEY", "COHERE_API_BASE", "CO_API_URL"),
    "cohere_chat": ("COHERE_API_KEY", "CO_API_KEY", "COHERE_API_BASE", "CO_API_URL"),
    "dashscope": (
        "DASHSCOPE_API_KEY", "DASHSCOPE_API_BASE", "QWENCLOUD_API_KEY", "QWENCLOUD_API_BASE",
        "QWEN_AI_PLATFORM_API_KEY", "QWEN_AI_PLATFORM_API_BASE",
    ),
    "deepseek": ("DEEPSEEK_API_KEY", "DEEPSEEK_API_BASE", "DEEPSEEK_ANTHROPIC_API_BASE"),
    "fireworks_ai": (
        "FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN",
        "FIREWORKS_ACCOUNT_ID", "FIREWORKS_API_BASE", "FIREWORKS_AI_API_BASE",
    ),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_BASE"),
    "groq": ("GROQ_API_KEY", "GROQ_API_BASE"),
    "local": (),
    "mistral": ("MISTRAL_API_KEY", "MISTRAL_API_BASE", "MISTRAL_AZURE_API_KEY", "MISTRAL_AZURE_API_BASE"),
    "moonshot": ("MOONSHOT_API_KEY", "MOONSHOT_API_BASE"),
    "openai": (
        "OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL",
        "OPENAI_CUSTOM_HEADERS",
    ),
    "openrouter": ("OPENROUTER_API_KEY", "OR_API_KEY", "OPENROUTER_API_BASE"),
    "together_ai": (
        "TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_AI_TOKEN", "TOGETHER_AI_API_BASE",
    ),
    "xai": ("XAI_API_KEY", "XAI_API_BASE", "XAI_OAUTH_API_BASE", "XAI_OAUTH_AUTH_FILE", "XAI_OAUTH_TOKEN_DIR"),
}  # fmt: skip
_CALLER = re.compile(
    r"(?!SSH_|XDG_|DBUS_)(?:"
    r"(?:AWS|AZURE|CLOUDSDK|DATABRICKS|GCLOUD|GEMINI|GOOGLE|HF|REPLICATE|VERTEX|WATSONX|WX)(?:AI)?_"
    r"|.*(?:KEY|TOKEN|SECRET|PASSWORD|USERNAME|AUTH|CREDENTIALS?|API|BASE|UR[IL]|HOST|ENDPOINT|VERSION|PROJECT|ORG"
    r"|ORGANIZATION|ACCOUNT|WORKSPACE|TENANT|CLIENT|DEPLOYMENT|REGION|LOCATION|PROFILE|ROLE|HEADERS)(?:_ID)?$)"
)


def environment_of(providers: tuple[str, ...]) -> tuple[object, ...]:
    """Return what the environment says now of who calls these providers, and where they are."""
    names, others = _read_by(providers)
    get = os.environ.get
    known = tuple(map(get, names))
    if not others:
        return known
    telling = (item for item in os.environ.items() if any(_tells(item[0], provider) for provider in others))
    return *known, *sorted(telling)


@lru_cache(maxsize=256)
def _read_by(providers: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the variables of those that are known here, and those that are not."""
    names = (name for provider in providers for name in _NAMES.get(provider, ()))
    return tuple(dict.fromkeys(names)), tuple(p for p in dict.fromkeys(providers) if p not in _NAMES)


@lru_cache(maxsize=4096)
def _tells(name: str, provider: str) -> bool:
    own = re.sub(r"\W", "_", provider).upper()
    return bool(own and name.upper().startswith(own)) or _CALLER.match(name.upper()) is not None
