"""openai's batch API through a wrapped client: what its messages say is booked once, and none of them is changed."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import pytest

from greenai import BudgetExceeded, hooks, last_receipt, wrap
from tests.servers import Exchange, Scripted

MODEL = "gpt-4.1-mini"
CARD = {"name": f"endpoint/{MODEL}", "same_as": f"openai/{MODEL}"}


def line(name: str, read: int = 100, written: int = 50, **body: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    answer = {"object": "chat.completion", "model": f"{MODEL}-2025-04-14", "usage": usage, **body}
    return {
        "id": f"batch_req_{name}",
        "custom_id": name,
        "response": {"status_code": 200, "body": answer},
        "error": None,
    }


def batch(status: str = "completed", **changes: Any) -> dict[str, Any]:
    made = {"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-in"}
    made |= {"completion_window": "24h", "status": status, "created_at": 1, "output_file_id": "file-out"}
    return {**made, "request_counts": {"total": 3, "completed": 2, "failed": 1}, **changes}


FILE = {"id": "file-in", "object": "file", "bytes": 1, "created_at": 1, "filename": "asked.jsonl", "purpose": "batch"}


class Batches:
    """Answers as the batch API does; `state` is the batch as the server has it now, `output` what was answered."""

    def __init__(self, server: Scripted) -> None:
        self.state = batch("in_progress", output_file_id=None)
        self.output: list[dict[str, Any]] = [line("a"), line("b")]
        self.zipped = False
        self.broken = False
        server.play(self)

    def __call__(self, exchange: Exchange) -> None:
        path = exchange.path
        if path.endswith("/content"):
            self.content(exchange)
        elif path.endswith("/files"):
            exchange.whole(200, json.dumps({**FILE, "status": "processed"}).encode())
        elif path.endswith("/batches") and exchange.command == "GET":
            exchange.whole(200, json.dumps({"object": "list", "data": [self.state], "has_more": False}).encode())
        else:
            exchange.whole(200, json.dumps(self.state).encode())

    def content(self, exchange: Exchange) -> None:
        content = b"{" if self.broken else "\n".join(map(json.dumps, self.output)).encode() + b"\n"
        headers = {"content-type": "application/octet-stream"}
        if self.zipped:
            content, headers = gzip.compress(content), {**headers, "content-encoding": "gzip"}
        exchange.whole(200, content, headers)


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as scripted:
        yield scripted


@pytest.fixture
def batches(server: Scripted) -> Batches:
    return Batches(server)


class Clients:
    """Wrapped clients of one server and one ledger, closed at the test's end."""

    def __init__(self, server: Scripted, tmp_path: Path, closing: ExitStack) -> None:
        self._url = server.url
        self._closing = closing
        self.state_dir = str(tmp_path / "state")

    def __call__(self, **settings: Any) -> Any:
        own = self._closing.enter_context(openai.OpenAI(base_url=self._url, api_key="key", max_retries=0))
        return self._closing.enter_context(wrap(own, settings=self.settings(**settings)))

    def awaited(self, **settings: Any) -> Any:
        own = openai.AsyncOpenAI(base_url=self._url, api_key="key", max_retries=0)
        return wrap(own, settings=self.settings(**settings))

    def settings(self, **more: Any) -> dict[str, Any]:
        return {"state_dir": self.state_dir, "cards": [CARD], **more}


@pytest.fixture
def clients(server: Scripted, tmp_path: Path) -> Iterator[Clients]:
    with ExitStack() as closing:
        yield Clients(server, tmp_path, closing)


def rows(client: Any) -> list[Mapping[str, Any]]:
    return client.greenai._session.resources.ledger.recent()  # type: ignore[no-any-return]


def asked(count: int, **body: Any) -> bytes:
    one = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 10, **body}
    made = [{"custom_id": str(n), "method": "POST", "url": "/v1/chat/completions", "body": one} for n in range(count)]
    return "\n".join(map(json.dumps, made)).encode()


def create(client: Any, file: str = "file-in") -> Any:
    return client.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")


# --- what a batch took --------------------------------------------------------------------


def test_a_batch_has_a_receipt_once_its_answers_were_read(batches: Batches, clients: Clients) -> None:
    client = clients()
    client.files.create(file=("asked.jsonl", asked(3)), purpose="batch")
    created = create(client)
    assert client.batches.retrieve(created.id).greenai is None
    batches.state = batch()
    ended = client.batches.retrieve(created.id)
    assert ended.greenai is None
    content = client.files.content(ended.output_file_id)
    assert content.text == "\n".join(map(json.dumps, batches.output)) + "\n"
    receipt = ended.greenai
    assert receipt == content.greenai == last_receipt() == client.batches.retrieve(created.id).greenai
    assert [(a.model, a.usage.input_tokens, a.usage.output_tokens, a.service) for a in receipt.attempts] == [
        (f"endpoint/{MODEL}", 200, 100, "batch")
    ]
    assert receipt.energy.evidence == "modelled_api"
    assert receipt.decision.reasons == ("A batch of 3 requests: 2 answered, 1 failed. It is one call in the ledger.",)
    assert [(row["entry"], row["input_tokens"]) for row in rows(client)] == [("batch", 200)]


def test_a_batch_is_booked_once_also_by_another_client(batches: Batches, clients: Clients) -> None:
    batches.state = batch()
    energies: list[float] = []
    for _ in range(2):
        client = clients()
        ended = client.batches.retrieve("batch_1")
        for _ in range(2):
            client.files.content("file-out")
        energies.append(ended.greenai.energy.energy_j)
    assert energies[0] == energies[1] > 0
    assert len(rows(client)) == 1


def test_the_provider_s_own_sum_is_booked_when_the_batch_is_asked_after(batches: Batches, clients: Clients) -> None:
    usage = {"input_tokens": 300, "output_tokens": 90, "total_tokens": 390}
    details = {"input_tokens_details": {"cached_tokens": 20}, "output_tokens_details": {"reasoning_tokens": 8}}
    batches.state = batch(usage={**usage, **details}, model=f"{MODEL}-2025-04-14")
    client = clients()
    receipt = client.batches.retrieve("batch_1").greenai
    (attempt,) = receipt.attempts
    assert (attempt.usage.input_tokens, attempt.usage.output_tokens) == (300, 90)
    assert (attempt.usage.cached_tokens, attempt.usage.reasoning_tokens) == (20, 8)
    assert client.files.content("file-out").greenai == receipt
    assert len(rows(client)) == 1


def test_threads_that_ask_after_a_batch_at_once_have_it_told_once(batches: Batches, clients: Clients) -> None:
    batches.state = batch(usage={"input_tokens": 300, "output_tokens": 90}, model=MODEL)
    client, told = clients(), list[Any]()
    forget = hooks.observe(told.append)
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda _: client.batches.retrieve("batch_1").greenai, range(16)))
    forget()
    assert len(told) == 1
    assert {receipt.energy.energy_j for receipt in receipts} == {told[0].energy.energy_j}


def test_a_sum_of_many_short_or_long_requests_is_booked_to_the_token(batches: Batches, clients: Clients) -> None:
    counts = {"total": 50_000, "completed": 50_000, "failed": 0}
    usage = {"input_tokens": 400_000_001, "output_tokens": 174_999}
    batches.state = batch(usage=usage, model=MODEL, request_counts=counts)
    (attempt,) = clients().batches.retrieve("batch_1").greenai.attempts
    assert (attempt.usage.input_tokens, attempt.usage.output_tokens) == (400_000_001, 174_999)


def test_a_sum_that_was_not_filled_in_is_none(batches: Batches, clients: Clients) -> None:
    batches.state = batch(model=MODEL, usage={"input_tokens": 0, "output_tokens": 0, "total_tokens": 0})
    client = clients()
    client.batches.retrieve("batch_1")
    client.files.content("file-out")
    receipt = last_receipt()
    assert receipt is not None
    assert [attempt.usage.input_tokens for attempt in receipt.attempts] == [200]


def test_each_custom_id_counts_once_and_an_error_not_at_all(batches: Batches, clients: Clients) -> None:
    failed = {"id": "r", "custom_id": "c", "response": {"status_code": 400, "body": {"error": {"message": "no"}}}}
    batches.state, batches.output = batch(), [line("a"), line("a"), failed, line("b", 1000, 5)]
    client = clients()
    client.batches.retrieve("batch_1")
    (attempt,) = client.files.content("file-out").greenai.attempts
    assert (attempt.usage.input_tokens, attempt.usage.output_tokens) == (1100, 55)


def test_answers_of_other_apis_are_read(batches: Batches, clients: Clients) -> None:
    of_responses = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    of_vectors = {"prompt_tokens": 9, "total_tokens": 9}
    batches.state = batch()
    batches.output = [line("a", object="response", usage=of_responses), line("b", object="list", usage=of_vectors)]
    client = clients()
    client.batches.retrieve("batch_1")
    (attempt,) = client.files.content("file-out").greenai.attempts
    assert (attempt.usage.input_tokens, attempt.usage.output_tokens) == (16, 3)


def test_an_output_that_was_listed_and_comes_packed_is_read(batches: Batches, clients: Clients) -> None:
    batches.state, batches.zipped = batch(), True
    client = clients()
    (listed,) = client.batches.list().data
    content = client.files.content(listed.output_file_id)
    assert content.text.count("\n") == 2
    assert content.greenai.attempts[0].usage.input_tokens == 200


def test_raw_and_streamed_responses_are_what_they_are(batches: Batches, clients: Clients) -> None:
    batches.state = batch()
    client = clients()
    raw = client.batches.with_raw_response.retrieve("batch_1")
    assert raw.parse().output_file_id == "file-out"
    with client.files.with_streaming_response.content("file-out") as response:
        lines = list(response.iter_lines())
    assert [json.loads(one)["custom_id"] for one in lines] == ["a", "b"]
    assert raw.greenai == last_receipt()
    assert raw.greenai.attempts[0].usage.input_tokens == 200


def test_other_files_and_lists_have_no_receipt(batches: Batches, clients: Clients) -> None:
    client = clients()
    content = client.files.content("file-other")
    assert not hasattr(content, "greenai")
    assert not hasattr(client.batches.list(), "greenai")
    assert rows(client) == []
    assert batches.state["status"] == "in_progress"


def test_an_output_that_cannot_be_read_is_delivered(
    batches: Batches, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    batches.state, batches.broken = batch(), True
    client = clients()
    ended = client.batches.retrieve("batch_1")
    assert client.files.content("file-out").text == "{"
    assert ended.greenai is None
    assert caplog.messages == ["A batch could not be booked; what came is delivered."]


def test_a_part_of_an_output_is_not_booked_for_the_whole(batches: Batches, clients: Clients) -> None:
    batches.state = batch()
    whole, client = batches.content, clients()
    client.batches.retrieve("batch_1")
    batches.content = lambda exchange: exchange.whole(206, json.dumps(line("a")).encode())  # type: ignore[method-assign]
    client.files.content("file-out", extra_headers={"range": "bytes=0-99"})
    assert rows(client) == []
    batches.content = whole  # type: ignore[method-assign]
    client.files.content("file-out")
    assert [row["input_tokens"] for row in rows(client)] == [200]


def test_a_batch_is_booked_by_an_awaited_client(batches: Batches, clients: Clients) -> None:
    batches.state = batch()

    async def go() -> tuple[Any, Any]:
        async with clients.awaited() as client:
            await client.files.create(file=("asked.jsonl", asked(1)), purpose="batch")
            ended = await client.batches.retrieve("batch_1")
            content = await client.files.content(str(ended.output_file_id))
            assert last_receipt() is not None
            return ended, content

    ended, content = asyncio.run(go())
    assert ended.greenai == content.greenai
    assert ended.greenai.attempts[0].usage.input_tokens == 200


# --- budgets ------------------------------------------------------------------------------


def test_a_budget_refuses_a_batch_that_it_cannot_afford(server: Scripted, batches: Batches, clients: Clients) -> None:
    client = clients(budget={"calls": "5/hour"})
    client.files.create(file=("asked.jsonl", asked(6)), purpose="batch")
    assert batches.state["status"] == "in_progress"
    before = len(server.requests)
    with pytest.raises(BudgetExceeded) as refusal:
        create(client)
    assert (refusal.value.needed, refusal.value.left) == (6, 5)
    assert len(server.requests) == before


def test_what_is_held_for_a_batch_is_not_there_for_another(batches: Batches, clients: Clients) -> None:
    client = clients(budget={"calls": "5/hour"})
    client.files.create(file=("asked.jsonl", asked(3)), purpose="batch")
    create(client)
    with pytest.raises(BudgetExceeded):
        create(client)
    batches.state = batch("failed", output_file_id=None)
    client.batches.retrieve("batch_1")
    create(client)


def test_a_batch_of_a_file_from_elsewhere_is_counted_at_its_end(batches: Batches, clients: Clients) -> None:
    client = clients(budget={"calls": "1/hour"})
    create(client, "file-from-elsewhere")
    batches.state = batch()
    client.batches.retrieve("batch_1")
    receipt = client.files.content("file-out").greenai
    assert (receipt.budget.left, receipt.budget.limit) == (0, 1)


def test_an_upload_for_another_purpose_is_no_batch(batches: Batches, clients: Clients) -> None:
    client = clients(budget={"calls": "1/hour"})
    client.files.create(file=("rows.jsonl", asked(6)), purpose="fine-tune")
    create(client)
    assert batches.state["status"] == "in_progress"


def test_an_awaited_batch_is_refused_too(batches: Batches, clients: Clients) -> None:
    async def go() -> None:
        async with clients.awaited(budget={"tokens": "100/hour"}) as client:
            await client.files.create(file=("asked.jsonl", asked(9)), purpose="batch")
            await create(client)

    with pytest.raises(BudgetExceeded):
        asyncio.run(go())
    assert batches.state["status"] == "in_progress"


def test_vectors_are_expected_to_write_nothing(batches: Batches, clients: Clients) -> None:
    client = clients(budget={"tokens": "100/hour"})
    one = {"custom_id": "a", "url": "/v1/embeddings", "body": {"model": "some-embedder", "input": "hello"}}
    client.files.create(file=("asked.jsonl", json.dumps(one).encode()), purpose="batch")
    create(client)
    assert batches.state["status"] == "in_progress"
