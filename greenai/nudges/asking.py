"""How an app asks for reasoning, or against it, in the arguments of the library that it calls: for a note's override.

Sources: platform.claude.com/docs/en/build-with-claude/adaptive-thinking and …/extended-thinking,
ai.google.dev/gemini-api/docs/thinking, docs.mistral.ai/capabilities/reasoning and
developers.openai.com/api/docs/guides/reasoning, 2026-11-22.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["ask_for_it", "leave_it"]

_CLAUDE_BUDGETED = re.compile(r"claude-(3|haiku-4|(opus|sonnet)-4(-[0-5](?!\d)|-\d{8}|-v|@|$))")
"""Claude models from before adaptive thinking, which came with Opus and Sonnet 4.6."""

_GEMINI_BUDGETED = "gemini-2"
_GEMINI_BUDGETS = {"none": 0, "minimal": 128}
_MEDIUM_TOKENS = 8192
_LEAST_TOKENS = 1024


def ask_for_it(api: str, model: str) -> str:
    """Return the argument that asks a model for reasoning, as the library of this API has it."""
    if api == "messages":
        budget = {"type": "enabled", "budget_tokens": _LEAST_TOKENS}
        return _argument("thinking", budget if _CLAUDE_BUDGETED.search(model) else {"type": "adaptive"})
    if api == "gemini":
        return _thinking({"thinking_budget": _MEDIUM_TOKENS} if _GEMINI_BUDGETED in model else _level("medium"))
    if api == "responses":
        return _argument("reasoning", {"effort": "medium"})
    return _argument("reasoning_effort", "high" if api == "mistral" else "medium")


def leave_it(api: str, model: str, off: Mapping[str, Any]) -> str:
    """Return the argument that asks for the least reasoning; `off` are the fields that switch this model's off."""
    effort = str(off.get("reasoning_effort", "none"))
    if api == "messages":
        name, value = next(iter(off.items()), ("thinking", {"type": "disabled"}))
        return _argument(name, value)
    if api == "gemini":
        budgeted = _GEMINI_BUDGETED in model
        return _thinking({"thinking_budget": _GEMINI_BUDGETS.get(effort, 0)} if budgeted else _level(effort))
    return _argument("reasoning", {"effort": effort}) if api == "responses" else _argument("reasoning_effort", effort)


def _level(effort: str) -> dict[str, Any]:
    return {"thinking_level": "low" if effort == "none" else effort}


def _thinking(said: Mapping[str, Any]) -> str:
    return _argument("config", {"thinking_config": said})


def _argument(name: str, value: object) -> str:
    return f"{name}={json.dumps(value)}"
