"""Write the fixtures openai_stored.jsonl, openai_batch_*.jsonl and openai_pairs.jsonl, through openai's own client.

In a venv of its own:

    pip install openai
    python tests/audit/make/make_openai.py

Stored completions are listed from a loopback that keeps what was sent with `store=True`; failed calls are not stored.
A batch's files have no type in the client: their lines are as openai's documentation has them, and the bodies in them
are what the client got. A batch does not stream. The pairs are lines as an app would log its own calls.
"""

from __future__ import annotations

import time
from typing import Any

import openai
from making import OTHERS, WORKLOAD, Ask, create, jsonl, loopback, send, versions, write

CHAT = "/v1/chat/completions"


def given(ask: Ask) -> dict[str, Any]:
    return {"model": ask.model, "messages": list(ask.messages), **ask.arguments, "metadata": {"project": ask.project}}


def stored(client: openai.OpenAI) -> list[Any]:
    for ask in WORKLOAD:
        send(lambda ask=ask: client.chat.completions.create(**given(ask), store=True))
    rows = []
    for completion in client.chat.completions.list():
        messages = client.chat.completions.messages.list(completion.id)
        rows.append({**completion.to_dict(), "messages": [message.to_dict() for message in messages]})
    return rows


def whole(ask: Ask) -> dict[str, Any]:
    """Return a request that does not stream."""
    return {name: value for name, value in given(ask).items() if name not in {"stream", "stream_options"}}


def batch(client: openai.OpenAI) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the lines of a batch's three files: what was asked, what was answered, what failed."""
    lines: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for number, ask in enumerate(WORKLOAD):
        named = {"custom_id": f"ask-{number:02d}"}
        lines[0].append({**named, "method": "POST", "url": CHAT, "body": whole(ask)})
        response = answered(client, ask)
        told = {"status_code": response[0], "request_id": f"req-{number:02d}", "body": response[1]}
        file = lines[1] if response[0] < 400 else lines[2]
        file.append({"id": f"batch_req_{number:02d}", **named, "response": told, "error": None})
    return lines


def answered(client: openai.OpenAI, ask: Ask) -> tuple[int, Any]:
    try:
        came = client.post(CHAT.removeprefix("/v1"), body=whole(ask), cast_to=dict[str, Any])
    except openai.APIStatusError as error:
        return error.status_code, {"error": error.body}
    return 200, came


def pairs(client: openai.OpenAI) -> list[Any]:
    rows = []
    for number, ask in enumerate(WORKLOAD):
        begun = time.time()
        request = whole(ask)
        del request["metadata"]
        row = {"id": f"call-{number}", "created": round(begun, 3), "project": ask.project, "request": request}
        try:
            row["response"] = client.chat.completions.create(**request).to_dict()
            row["status"] = 200
        except openai.APIStatusError as error:
            row |= {"response": {"error": error.body}, "status": error.status_code}
        rows.append({**row, "latency_s": round(time.time() - begun, 4)})
    return rows


def responses(client: openai.OpenAI) -> list[Any]:
    """Return responses with what was asked beside them, as an app keeps both."""
    asks = [ask for ask in OTHERS if ask.kind == "responses" and ask.ok]
    said = [create(client, ask, metadata={"project": ask.project}).to_dict() for ask in asks]
    told = zip(asks, said, strict=True)
    return [{**one, "input": ask.messages[-1]["content"], "metadata": {"project": ask.project}} for ask, one in told]


def main() -> None:
    with loopback() as (url, _):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        write("openai_stored.jsonl", jsonl(stored(client)))
        for name, lines in zip(("input", "output", "error"), batch(client), strict=True):
            write(f"openai_batch_{name}.jsonl", jsonl(lines))
        write("openai_pairs.jsonl", jsonl(pairs(client)))
        write("openai_responses.jsonl", jsonl(responses(client)))
    versions("openai", "openai")


if __name__ == "__main__":
    main()
