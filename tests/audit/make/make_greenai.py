"""Write fixtures/greenai_ledger.db.gz: what greenai's own ledger keeps of the calls, prompts among it.

pip install -e .
python tests/audit/make/make_greenai.py
"""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from making import Ask, send, versions, workload_of, write

from greenai.testing import FakeProvider, FakeReply, error, offline


def scripted(ask: Ask) -> FakeReply | Exception:
    if not ask.ok:
        return error(ask.status)
    called = ask.message().get("tool_calls", ())
    return FakeReply(
        text=ask.answer,
        finish_reason=ask.finish_reason,
        input_tokens=ask.input_tokens,
        output_tokens=ask.output_tokens - ask.reasoning_tokens,
        cached_tokens=ask.cached_tokens,
        reasoning_tokens=ask.reasoning_tokens,
        tool_calls=tuple(called),
    )


def asked(project: str, ledger: Path) -> None:
    asks = workload_of(project)
    provider = FakeProvider(*map(scripted, asks))
    settings = {"ledger": str(ledger), "store_prompts": True}
    with offline(provider, project=project, observe=True, settings=settings) as client:
        for ask in asks:
            given = {"model": ask.model, "messages": list(ask.messages), **ask.arguments}
            send(lambda given=given: client.chat.completions.create(**given))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger, small = Path(folder, "ledger.db"), Path(folder, "small.db")
        for project in ("support", "reports"):
            asked(project, ledger)
        sqlite3.connect(ledger).execute("VACUUM INTO ?", (str(small),))
        write("greenai_ledger.db.gz", small.read_bytes())
    versions("greenai", "greenai")


if __name__ == "__main__":
    main()
