"""What the tests of frameworks share: a server's scenes, and the clients that ask it, closed at the end."""

from __future__ import annotations

import json
from typing import Any

from servers import Scene, answer

MODEL = "some-model"


def calls(name: str, /, **arguments: Any) -> Scene:
    """A completion that calls a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }
    return answer(choices=[{"index": 0, "message": message, "finish_reason": "tool_calls", "logprobs": None}])
