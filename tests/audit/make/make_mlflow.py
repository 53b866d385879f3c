"""Write fixtures/mlflow.jsonl.gz: traces of mlflow's autolog for openai, a line each, as `Trace.to_json` gives them.

In a venv of its own:

    pip install mlflow-skinny openai sqlalchemy alembic pandas
    python tests/audit/make/make_mlflow.py
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mlflow
from making import Ask, create, loopback, send, versions, workload_of, write
from openai import OpenAI


def traced(url: str, asks: Sequence[Ask]) -> Iterator[str]:
    """Send one project's calls; the project is an experiment. Its first two are in one trace, in a span of the app."""
    mlflow.set_experiment(asks[0].project)
    client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    with mlflow.start_span("work"):
        for ask in asks[:2]:
            send(lambda ask=ask: create(client, ask))
    for ask in asks[2:]:
        send(lambda ask=ask: create(client, ask))
    mlflow.flush_trace_async_logging()
    for trace in mlflow.search_traces(return_type="list"):
        mlflow.set_trace_tag(
            trace.info.trace_id, "project", asks[0].project
        )  # a trace has its experiment's number only
    for trace in mlflow.search_traces(return_type="list", order_by=["timestamp_ms ASC"]):
        yield _unplaced(json.loads(trace.to_json()))


def _unplaced(trace: dict[str, Any]) -> str:
    """Return a trace without what tells of the machine that made it."""
    told = trace["info"]["trace_metadata"]
    for name in [name for name in told if name.startswith(("mlflow.source.", "mlflow.user"))]:
        del told[name]
    return json.dumps(trace)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, loopback() as (url, _):
        mlflow.set_tracking_uri(f"sqlite:///{Path(folder) / 'mlflow.db'}")
        mlflow.openai.autolog()
        lines = [line for project in ("support", "reports") for line in traced(url, workload_of(project))]
    write("mlflow.jsonl.gz", "\n".join(lines) + "\n")
    versions("mlflow", "mlflow-skinny", "openai")


if __name__ == "__main__":
    main()
