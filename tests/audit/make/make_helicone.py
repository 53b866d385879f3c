"""Write fixtures/helicone.jsonl and helicone.csv: no library on PyPI writes these, so they are made by hand.

    pip install openai
    python tests/audit/make/make_helicone.py

The names are those of `HeliconeRequest`, which its API (`POST /v1/request/query-clickhouse`) answers with and its export
tool writes as JSONL; as CSV that tool writes the twelve columns below, which say neither what came back nor the cached
and reasoning tokens (Helicone/helicone, `examples/export/typescript/index.ts`, read 2026-11-22). The bodies are what
openai's client sent and got.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import openai
from making import WORKLOAD, Ask, jsonl, loopback, versions, write

COLUMNS = (
    "response_id", "response_created_at", "response_status", "request_created_at", "request_body",
    "request_properties", "request_user_id", "model", "prompt_tokens", "completion_tokens", "latency", "cost",
)  # fmt: skip


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def record(client: openai.OpenAI, number: int, ask: Ask) -> dict[str, Any]:
    begun, status = now(), 200
    request = {"model": ask.model, "messages": list(ask.messages), **ask.arguments}
    unstreamed = {name: value for name, value in request.items() if name not in {"stream", "stream_options"}}
    try:
        response: Any = client.chat.completions.create(**unstreamed).to_dict()
    except openai.APIStatusError as error:
        status, response = error.status_code, {"error": error.body}
    return {
        "response_id": f"11111111-0000-4000-8000-{number:012d}",
        "response_created_at": now(),
        "response_body": response,
        "response_status": status,
        "response_model": ask.model if ask.ok else None,
        "request_id": f"22222222-0000-4000-8000-{number:012d}",
        "request_created_at": begun,
        "request_body": request,
        "request_path": "https://api.openai.com/v1/chat/completions",
        "request_user_id": "u1",
        "request_properties": {"project": ask.project},
        "request_model": ask.model,
        "model_override": None,
        "helicone_user": "00000000-0000-4000-8000-000000000000",
        "provider": "OPENAI",
        "delay_ms": 20,
        "time_to_first_token": None,
        "total_tokens": ask.input_tokens + ask.output_tokens,
        "prompt_tokens": ask.input_tokens,
        "prompt_cache_write_tokens": 0,
        "prompt_cache_read_tokens": ask.cached_tokens,
        "completion_tokens": ask.output_tokens,
        "reasoning_tokens": ask.reasoning_tokens,
        "llmSchema": None,
        "country_code": "US",
        "scores": {},
        "costUSD": 0.0001,
        "properties": {"project": ask.project},
        "assets": [],
        "target_url": "https://api.openai.com/v1/chat/completions",
        "model": ask.model,
        "cache_enabled": False,
    }


def table(records: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in records:
        cells = {**row, "latency": row["delay_ms"], "cost": row["costUSD"]}
        writer.writerow([told(cells[name]) for name in COLUMNS])
    return out.getvalue()


def told(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else "" if value is None else str(value)


def main() -> None:
    with loopback() as (url, _):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        records = [record(client, number, ask) for number, ask in enumerate(WORKLOAD)]
    write("helicone.jsonl.gz", jsonl(records))
    write("helicone.csv", table(records))
    versions("helicone", "openai")


if __name__ == "__main__":
    main()
