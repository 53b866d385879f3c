"""The fixtures that real libraries wrote, what of the workload each holds, and what its format cannot tell."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from audit_workload import OTHERS, WORKLOAD, Totals, totals

from greenai.audit.ingest import ingest
from greenai.audit.reading import Paths, opened
from greenai.audit.store import working
from greenai.audit.values import Logged, Source

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """One log.

    Attributes:
        files: all files of it, read together.
        format: what they must be taken for.
        untold: fields of `Totals` that the format has no place for; `errors` where failed calls are not logged.
        missing: what the source says that no call of it tells.
        skipped: records of it that are no call.
        promptless: calls without a prompt; None where that hangs on when the library sent what.
        unsaid: prompts of which the library logs a message without its words.
        users: only the last words of the user are kept of a conversation.
    """

    files: tuple[str, ...]
    format: str
    untold: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()
    skipped: int = 0
    promptless: int | None = 0
    unsaid: tuple[str, ...] = ()
    users: bool = False

    @property
    def name(self) -> str:
        return self.files[0].partition(".")[0]

    def truth(self) -> Totals:
        """Return what a reading of it must sum up to."""
        held = [ask for ask in WORKLOAD if ask.ok] if "errors" in self.untold else WORKLOAD
        lacking = dict.fromkeys(self.untold - {"errors"})
        return replace(totals(held), **lacking)

    def paths(self, folder: Path) -> list[Path]:
        """Return its files; a database is unpacked first."""
        return [_unpacked(FIXTURES / name, folder) if ".db." in name else FIXTURES / name for name in self.files]


IN_PARTS = ("What is 7 times 8?",)
"""opentelemetry-instrumentation-openai-v2 logs no content that stands in parts, though they are texts."""
TOOL_RESULTS = ('{"state": "sent"}',)
"""Anthropic's messages have what a tool gave as a part of its own, which is no text."""
COUNTED = frozenset({"cached_tokens", "reasoning_tokens"})

OTHER_KINDS = {
    "openai_responses.jsonl": [ask for ask in OTHERS if ask.kind == "responses" and ask.ok],
    "litellm_callback_others.jsonl.gz": OTHERS,
    "litellm_spend_logs_others.jsonl.gz": OTHERS,
    "langfuse_observations_others.jsonl": OTHERS,
    "langsmith_runs_others.jsonl.gz": [ask for ask in OTHERS if ask.kind == "responses"],
    "otel_others.jsonl": [ask for ask in OTHERS if ask.kind == "embeddings"],
}
"""Fixtures of the other two APIs, and which calls each library logs of them."""

ALL = (
    Fixture(
        files=("openai_stored.jsonl",),
        format="openai",
        untold=frozenset({"errors"}),
        missing=("latency_s", "cost_usd"),
    ),
    Fixture(files=("openai_pairs.jsonl",), format="openai", missing=("cost_usd",)),
    Fixture(
        files=("openai_batch_input.jsonl", "openai_batch_output.jsonl", "openai_batch_error.jsonl"),
        format="openai-batch",
        missing=("latency_s", "cost_usd"),
        skipped=40,
    ),
    Fixture(
        files=("anthropic_batch_requests.jsonl", "anthropic_batch_results.jsonl"),
        format="anthropic-batch",
        untold=frozenset({"projects"}),
        missing=("created", "project", "latency_s", "cost_usd"),
        skipped=40,
        unsaid=TOOL_RESULTS,
    ),
    Fixture(files=("litellm_callback.jsonl.gz",), format="litellm"),
    Fixture(files=("litellm_spend_logs.jsonl.gz",), format="litellm"),
    Fixture(files=("langfuse_observations.jsonl",), format="langfuse", missing=("cost_usd",), skipped=1),
    Fixture(files=("langfuse_otlp.jsonl.gz",), format="otel"),
    Fixture(files=("langsmith_runs.jsonl.gz",), format="langsmith", missing=("cost_usd",), skipped=2),
    Fixture(files=("langsmith_posts.jsonl.gz",), format="langsmith", missing=("cost_usd",), promptless=None),
    Fixture(files=("helicone.jsonl.gz",), format="helicone"),
    Fixture(
        files=("helicone.csv",),
        format="helicone",
        untold=COUNTED,
        missing=("answer", "cached_tokens", "reasoning_tokens"),
    ),
    Fixture(
        files=("otel.jsonl",),
        format="otel",
        untold=COUNTED,
        missing=("cached_tokens", "reasoning_tokens", "cost_usd"),
        unsaid=IN_PARTS,
    ),
    Fixture(
        files=("otel_default.jsonl",),
        format="otel",
        untold=COUNTED,
        missing=("messages", "answer", "cached_tokens", "reasoning_tokens", "cost_usd"),
        promptless=40,
    ),
    Fixture(
        files=("otel_console.json",),
        format="otel",
        untold=COUNTED,
        missing=("cached_tokens", "reasoning_tokens", "cost_usd"),
        skipped=2,
        unsaid=IN_PARTS,
    ),
    Fixture(files=("openinference.jsonl.gz",), format="otel", missing=("cost_usd",)),
    Fixture(files=("mlflow.jsonl.gz",), format="mlflow", missing=("cost_usd",)),
    Fixture(
        files=("llm_logs.db.gz",),
        format="llm",
        untold=frozenset({"errors", "projects"}),
        missing=("project", "cost_usd"),
    ),
    Fixture(files=("greenai_ledger.db.gz",), format="greenai", missing=("answer",), promptless=5, users=True),
)


def calls_of(paths: Iterable[Path]) -> tuple[list[Logged], list[Source]]:
    """Read a log as an audit does, and each call's texts in it again."""
    return read(list(paths))


def read(paths: Paths, form: str | None = None) -> tuple[list[Logged], list[Source]]:
    """Return the calls of a log in its order, and what is told of its files."""
    with working() as store:
        sources = ingest(opened(paths, form), store)
        places = store.sql("SELECT source, position, part FROM calls")
        return [call for _, call in store.texts(cast("list[tuple[int, int, int]]", places))], list(sources)


def summed(calls: Iterable[Logged]) -> Totals:
    """Return what calls sum up to; None where no call tells, or where it is told of no call."""
    listed = list(calls)
    projects = Counter(call.project for call in listed if call.project is not None)
    return Totals(
        calls=len(listed),
        errors=sum(not call.ok for call in listed),
        input_tokens=_sum(call.input_tokens for call in listed),
        output_tokens=_sum(call.output_tokens for call in listed),
        cached_tokens=_sum(call.cached_tokens for call in listed),
        reasoning_tokens=_sum(call.reasoning_tokens for call in listed),
        models=dict(Counter(_bare(call.model) for call in listed)),
        projects=dict(projects) or None,
    )


def _bare(model: str | None) -> str:
    """Return a model's name without its provider's, which greenai's ledger writes before it."""
    assert model is not None
    return model.rpartition("/")[2]


def _sum(counts: Iterable[int | None]) -> int | None:
    told = [count for count in counts if count is not None]
    return sum(told) if told else None


def _unpacked(path: Path, folder: Path) -> Path:
    out = folder / path.name.removesuffix(".gz")
    out.write_bytes(gzip.decompress(path.read_bytes()))
    return out
