"""Write fixtures/litellm_callback.jsonl.gz and litellm_spend_logs.jsonl.gz: what litellm logs of each call.

In a venv of its own:

    pip install "litellm[proxy]>=1.105,!=1.106.*,!=1.107.*,<2"
    python tests/audit/make/make_litellm.py

The callback's `StandardLoggingPayload` is as the SDK makes it. A spend log's row is what the proxy would insert into its
table: it is made by the proxy's own `get_logging_payload`, without a database. What the proxy's sign-in adds to a
request (key, team) and the request as it came are given by hand, in the proxy's names.
"""

from __future__ import annotations

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["STORE_PROMPTS_IN_SPEND_LOGS"] = "True"

import json
import time
from typing import Any

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy.spend_tracking.spend_tracking_utils import get_logging_payload
from making import OTHERS, WORKLOAD, Ask, jsonl, loopback, send, versions, write


class Kept(CustomLogger):
    """Keeps what a callback is given."""

    def __init__(self) -> None:
        super().__init__()
        self.payloads: list[Any] = []
        self.rows: list[Any] = []

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self._keep(kwargs, response_obj, start_time, end_time)

    def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        told = kwargs["standard_logging_object"]["error_information"]
        kwargs["litellm_params"]["metadata"] |= {"status": "failure", "error_information": told}  # as the proxy's hook
        self._keep(kwargs, response_obj, start_time, end_time)

    def _keep(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self.payloads.append(json.loads(json.dumps(kwargs["standard_logging_object"], default=str)))
        if kwargs.get("completion_start_time") is None:
            kwargs.pop("completion_start_time", None)  # nothing came; the proxy's failure hook does not name it
        row = get_logging_payload(kwargs, response_obj, start_time, end_time)
        row["spend"] = kwargs.get("response_cost") or 0.0
        self.rows.append(json.loads(json.dumps(row, default=str)))


def one(ask: Ask, url: str) -> None:
    words = ask.messages[-1]["content"]
    given = {"messages": list(ask.messages)} if ask.kind == "chat" else {"input": words}
    call = {"chat": litellm.completion, "responses": litellm.responses, "embeddings": litellm.embedding}[ask.kind]
    body = {"model": ask.model, **given, **ask.arguments}
    team = {"user_api_key_team_id": ask.project, "user_api_key_team_alias": ask.project}
    send(
        lambda: call(
            **{**body, "model": f"openai/{ask.model}"},
            api_base=f"{url}/v1",
            api_key="none",
            max_retries=0,
            metadata={"user_api_key_alias": f"{ask.project}-key", "user_api_key_user_id": "u1", **team},
            proxy_server_request={"url": "/v1/chat/completions", "method": "POST", "headers": {}, "body": body},
        )
    )


def main() -> None:
    kept = Kept()
    litellm.callbacks = [kept]
    with loopback() as (url, _):
        for number, ask in enumerate((*WORKLOAD, *OTHERS), 1):
            one(ask, url)
            until = time.monotonic() + 10  # its callbacks run on a thread of their own
            while len(kept.rows) < number and time.monotonic() < until:
                time.sleep(0.01)
    first = len(WORKLOAD)
    write("litellm_callback.jsonl.gz", jsonl(kept.payloads[:first]))
    write("litellm_spend_logs.jsonl.gz", jsonl(kept.rows[:first]))
    write("litellm_callback_others.jsonl.gz", jsonl(kept.payloads[first:]))
    write("litellm_spend_logs_others.jsonl.gz", jsonl(kept.rows[first:]))
    versions("litellm", "litellm", "openai")


if __name__ == "__main__":
    main()
