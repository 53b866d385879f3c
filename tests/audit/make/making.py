"""What the scripts beside it share: sending a workload, and writing fixtures with the versions that made them."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from audit_loopback import loopback
from audit_workload import OTHERS, WORKLOAD, Ask

__all__ = [
    "FIXTURES",
    "OTHERS",
    "WORKLOAD",
    "Ask",
    "create",
    "jsonl",
    "loopback",
    "send",
    "versions",
    "workload_of",
    "write",
]

FIXTURES = Path(__file__).parent.parent / "fixtures"
MOST_BYTES = 60_000


def workload_of(project: str, asks: Sequence[Ask] = WORKLOAD) -> list[Ask]:
    return [ask for ask in asks if ask.project == project]


def create(client: Any, ask: Ask, **more: Any) -> Any:
    """Make one call with openai's client, or one of its shape."""
    if ask.kind == "chat":
        return client.chat.completions.create(model=ask.model, messages=ask.messages, **ask.arguments, **more)
    words = ask.messages[-1]["content"]
    own = client.responses if ask.kind == "responses" else client.embeddings
    return own.create(model=ask.model, input=words, **ask.arguments, **more)


def send(call: Callable[[], Any]) -> None:
    """Make one call and read its stream to the end; an error of the script is as it should be."""
    import openai

    try:
        came = call()
        if came is not None and not hasattr(came, "model_dump"):
            for _ in came:
                pass
    except openai.APIStatusError as error:
        sys.stderr.write(f"as scripted: {error.status_code}\n")


def jsonl(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write(name: str, text: str | bytes) -> None:
    """Write a fixture, compressed where its name ends in .gz."""
    if isinstance(text, str):
        text = _unplaced(text).encode()
    data = gzip.compress(text, 9, mtime=0) if name.endswith(".gz") else text
    if len(data) > MOST_BYTES:
        sys.exit(
            f"{name} has {len(data)} bytes, more than the {MOST_BYTES} of a fixture. Shorten the workload's texts."
        )
    (FIXTURES / name).write_bytes(data)
    sys.stderr.write(f"{name}: {len(data)} bytes\n")


def _unplaced(text: str) -> str:
    for path in (f"{sys.prefix}/", f"{FIXTURES.parents[2]}/"):  # tracebacks name where they were made
        text = text.replace(path, "")
    return text


def versions(fixture: str, *packages: str) -> None:
    """Note what made a fixture, and when."""
    path = FIXTURES / "made_by.json"
    made = json.loads(path.read_text()) if path.exists() else {}
    made[fixture] = {"date": datetime.now(UTC).date().isoformat(), **{name: version(name) for name in packages}}
    path.write_text(json.dumps(made, indent=2, sort_keys=True) + "\n")
