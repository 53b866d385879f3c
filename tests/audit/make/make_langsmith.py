"""Write fixtures/langsmith_posts.jsonl.gz and langsmith_runs.jsonl.gz: runs as LangSmith's SDK posts them.

In a venv of its own:

    pip install langsmith openai
    python tests/audit/make/make_langsmith.py

The first holds the bodies of the SDK's requests. LangSmith's server puts what a run began and ended with together and
exports it as a run: the second is made of the same bodies with the SDK's own type (`langsmith.schemas.Run`).
"""

from __future__ import annotations

import os

os.environ["LANGSMITH_TRACING"] = "true"
os.environ["LANGSMITH_REVISION_ID"] = "none"

import json
from collections.abc import Sequence
from typing import Any

from langsmith import Client, traceable
from langsmith.schemas import Run
from langsmith.wrappers import wrap_openai
from making import OTHERS, Ask, create, jsonl, loopback, send, versions, workload_of, write
from openai import OpenAI

BATCHES = {
    "use_multipart_endpoint": False,
    "size_limit": 10,
    "size_limit_bytes": 1_000_000,
    "scale_up_nthreads_limit": 1,
    "scale_up_qsize_trigger": 1000,
    "scale_down_nempty_trigger": 4,
}


def traced(project: str, url: str, asks: Sequence[Ask]) -> None:
    langsmith = Client(
        api_url=url,
        api_key="none",
        info={"batch_ingest_config": BATCHES, "instance_flags": {}},
        omit_traced_runtime_info=True,
    )
    extra = {"client": langsmith, "metadata": {"project": project}}
    client = wrap_openai(OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0), tracing_extra=extra)

    @traceable(client=langsmith, project_name=project)
    def work() -> None:
        for ask in asks:
            send(lambda ask=ask: create(client, ask))

    work()
    langsmith.flush()


def runs(posts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each run once, with what it ended with."""
    merged: dict[str, dict[str, Any]] = {}
    for post in posts:
        for part in (*post.get("post", ()), *post.get("patch", ())):
            told = {name: value for name, value in part.items() if value is not None}
            merged.setdefault(part["id"], {}).update(told)
    return [json.loads(Run(**run).model_dump_json(exclude_none=True)) for run in merged.values()]


def bodies(sent: list[tuple[str, bytes]]) -> list[dict[str, Any]]:
    return [json.loads(body) for path, body in sent if path.endswith("/batch")]


def main() -> None:
    with loopback() as (url, sent):
        for project in ("support", "reports"):
            traced(project, url, workload_of(project))
        first = len(sent)
        for project in ("support", "reports"):
            traced(project, url, workload_of(project, [ask for ask in OTHERS if ask.kind == "responses"]))
    posts, others = bodies(sent[:first]), bodies(sent[first:])
    write("langsmith_posts.jsonl.gz", jsonl(posts))
    write("langsmith_runs.jsonl.gz", jsonl(runs(posts)))
    write("langsmith_runs_others.jsonl.gz", jsonl(runs(others)))
    versions("langsmith", "langsmith", "openai")


if __name__ == "__main__":
    main()
