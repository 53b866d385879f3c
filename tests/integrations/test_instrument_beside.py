"""`instrument()` beside EcoLogits, Langfuse and OpenTelemetry's instrumentors, whichever comes first.

Each runs in a process of its own, since some of them cannot be undone.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.servers import Scripted, answer, stream

SCRIPT = """
import json, sys
library, first, url = sys.argv[1:]
import greenai, openai
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))

def theirs():
    if library == "ecologits":
        from ecologits import EcoLogits
        EcoLogits.init(providers=["openai"])
    elif library == "langfuse":
        from langfuse import Langfuse
        Langfuse(public_key="pk", secret_key="sk", base_url="http://127.0.0.1:9", tracer_provider=provider,
                 span_exporter=exporter)
        import langfuse.openai
    elif library == "otel-v2":
        from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
        OpenAIInstrumentor().instrument(tracer_provider=provider)
    else:
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
        OpenAIInstrumentor().instrument(tracer_provider=provider)

steps = [theirs, greenai.instrument]
for step in steps if first == "theirs" else reversed(steps):
    step()
client = openai.OpenAI(base_url=url, api_key="key", max_retries=0)
messages = [{"role": "user", "content": "Say hello to Ada in a friendly way."}]
whole = client.chat.completions.create(model="gpt-4o-mini", messages=messages, temperature=1)
outcome = greenai.last_receipt().outcome
# EcoLogits makes a response anew of its JSON, in which a receipt is JSON as well.
assert (whole.greenai["outcome"] if library == "ecologits" else whole.greenai.outcome) == outcome
chunks = client.chat.completions.create(
    model="gpt-4o-mini", messages=messages, stream=True, temperature=1, stream_options={"include_usage": True}
)
text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
receipts = []
with greenai.collecting() as receipts:
    client.chat.completions.create(model="gpt-4o-mini", messages=messages, temperature=1)
greenai.uninstrument()
after = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
provider.force_flush()
print(json.dumps({
    "content": whole.choices[0].message.content, "text": text, "receipt": outcome,
    "receipts": len(receipts), "after": hasattr(after, "greenai"), "impacts": hasattr(whole, "impacts"),
    "spans": len(exporter.get_finished_spans()),
}))
"""

MODULES = {
    "ecologits": "ecologits",
    "langfuse": "langfuse",
    "otel": "opentelemetry.instrumentation.openai",
    "otel-v2": "opentelemetry.instrumentation.openai_v2",
}


def is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("first", ["theirs", "ours"])
@pytest.mark.parametrize("library", MODULES)
def test_both_see_every_call(library: str, first: str) -> None:
    if not is_there(MODULES[library]):
        pytest.skip(f"{MODULES[library]} is not installed")
    with Scripted() as server:
        named = {"model": "gpt-4o-mini"}
        server.play(answer("Hello there.", **named), stream(3), answer("Again.", **named), answer("After.", **named))
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, library, first, server.url],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, "OTEL_SDK_DISABLED": "false"},
        )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert seen["content"] == "Hello there."
    assert seen["text"] == "word0 word1 word2 "
    assert (seen["receipt"], seen["receipts"], seen["after"]) == ("large", 1, False)
    if library == "ecologits":
        assert seen["impacts"]
    else:
        assert seen["spans"] >= 4
