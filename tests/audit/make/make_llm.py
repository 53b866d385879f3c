"""Write fixtures/llm_logs.db.gz: what `llm` logs of the calls that it can make.

In a venv of its own:

    pip install llm
    python tests/audit/make/make_llm.py

The models are told as in `extra-openai-models.yaml`, and each call is logged as the command `llm` logs it. `llm` logs no
failed call, and has no names for projects. Earlier turns and results of tools go in as its messages.
"""

# ruff: noqa: E402 - the libraries read the environment as they load

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

HOME = tempfile.mkdtemp()
os.environ["LLM_USER_PATH"] = HOME

import llm
import sqlite_utils
from llm import migrations
from llm.parts import Message, TextPart, ToolCallPart, ToolResultPart
from making import WORKLOAD, Ask, loopback, send, versions, write

MODEL = """- model_id: {name}
  model_name: {name}
  api_base: {url}/v1
  reasoning: true
  supports_tools: true
"""
NOT_OPTIONS = ("stream", "stream_options", "tools", "response_format")


def named(url: str) -> None:
    """Tell llm of the loopback's models."""
    models = [MODEL.format(name=name, url=url) for name in sorted({ask.model for ask in WORKLOAD})]
    Path(HOME, "extra-openai-models.yaml").write_text("".join(models))


def options(ask: Ask) -> dict[str, Any]:
    given = {name: value for name, value in ask.arguments.items() if name not in NOT_OPTIONS and ask.ok}
    return given | ({"json_object": True} if "response_format" in ask.arguments else {})


def order_status(order: str) -> str:
    """Look an order up."""
    return order


def prompted(ask: Ask) -> dict[str, Any]:
    """Return what llm is asked with: a text, or messages where there are earlier turns."""
    texts = [m["content"] if isinstance(m["content"], str) else "" for m in ask.messages]
    roles = [m["role"] for m in ask.messages]
    if roles == ["user"]:
        content = ask.messages[0]["content"]
        return {"prompt": content if isinstance(content, str) else content[0]["text"]}
    if roles == ["system", "user"]:
        return {"system": texts[0], "prompt": texts[1]}
    return {"messages": [message(part) for part in ask.messages]}


def message(part: Any) -> Message:
    if part["role"] == "tool":
        name, number = "order_status", part["tool_call_id"]
        made = ToolResultPart(name=name, output=part["content"], tool_call_id=number)
        return Message(role="tool", parts=[made])
    called = [
        ToolCallPart(name=c["function"]["name"], arguments=json.loads(c["function"]["arguments"]), tool_call_id=c["id"])
        for c in part.get("tool_calls", ())
    ]
    spoken = [TextPart(text=part["content"])] if part["content"] else []
    return Message(role=part["role"], parts=[*spoken, *called])


def one(ask: Ask, db: sqlite_utils.Database) -> None:
    tools = {"tools": [order_status]} if "tools" in ask.arguments else {}
    response = llm.get_model(ask.model).prompt(**prompted(ask), **tools, stream=ask.streams, **options(ask))
    response.text()
    response.log_to_db(db)


def main() -> None:
    path = Path(HOME, "logs.db")
    with loopback() as (url, _):
        named(url)
        db = sqlite_utils.Database(path)
        migrations.migrate(db)
        for ask in WORKLOAD:
            send(lambda ask=ask: one(ask, db))
        db.close()
    small = Path(HOME, "small.db")
    sqlite3.connect(path).execute("VACUUM INTO ?", (str(small),))
    write("llm_logs.db.gz", small.read_bytes())
    versions("llm", "llm", "openai")


if __name__ == "__main__":
    main()
