"""Items through a provider's batch API: what is sent, what comes back, and what is left where a process is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

import greenai
from greenai import BudgetExceeded, GreenAIError
from greenai.bulk import provider_files
from greenai.bulk.lanes import Bench
from greenai.bulk.provider_api import Remote
from greenai.bulk.provider_lane import Pace, ProviderLane, cancel, why_not
from greenai.bulk.values import Answered, Failure, Item
from tests.batch_server import MODEL, BatchServer, Made, answered, refused
from tests.servers import Exchange, Scripted, status

CARDS = [{"name": f"endpoint/{name}", "same_as": f"openai/{name}"} for name in (MODEL, "gpt-5-mini")]
PACE = Pace(first_s=0.0, longest_s=0.0)
SOON = {"retry-after-ms": "1"}


class Memory:
    """What a lane remembers; `killed` ends the process, as it were, before or after the n-th writing."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.left: float = float("inf")
        self.late = False

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    def set(self, name: str, text: str | None) -> None:
        self.left -= 1
        if self.left < 0 and not self.late:
            raise KilledError
        if text is None:
            self.values.pop(name, None)
        else:
            self.values[name] = text
        if self.left < 0:
            raise KilledError


class KilledError(BaseException):
    pass


class Jobs:
    """Runs the lane as a new process would: a new client each time, the same state and journal."""

    def __init__(self, server: Scripted, tmp_path: Path, closing: ExitStack) -> None:
        self._url = server.url
        self._closing = closing
        self._settings = {"state_dir": str(tmp_path / "state"), "cards": CARDS}
        self.memory = Memory()
        self.key = "key"
        self.journal: dict[str, Answered] = {}
        self.kept: list[str] = []
        self.told: list[str] = []
        self.client: Any = None

    def bench(self, **settings: Any) -> Bench:
        client = greenai.Client(base_url=self._url, api_key=self.key, settings={**self._settings, **settings})
        self.client = self._closing.enter_context(client)
        return Bench(session=self.client._session, state=self.memory, job="nightly", digest="d")

    def run(self, items: list[Item], until: Callable[[], bool] = lambda: False, **settings: Any) -> None:
        left = [item for item in items if item.key not in self.journal or not self._final(item.key)]
        lane = ProviderLane(self.bench(**settings), pace=PACE)
        lane.answer(left, self.keep, self.told.append, until)

    def _final(self, key: str) -> bool:
        error = self.journal[key].error
        return error is None or error.final

    def keep(self, key: str, answered: Answered) -> None:
        json.dumps([answered.response, answered.receipt])
        self.kept.append(key)
        self.journal[key] = answered

    @property
    def texts(self) -> dict[str, str]:
        found = {key: a.response for key, a in self.journal.items() if a.response is not None}
        return {key: response["choices"][0]["message"]["content"] for key, response in found.items()}

    @property
    def errors(self) -> dict[str, Failure]:
        return {key: a.error for key, a in self.journal.items() if a.error is not None}

    def rows(self) -> list[Any]:
        return list(self.client._session.resources.ledger.recent())


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with Scripted() as scripted:
        yield BatchServer(scripted)


@pytest.fixture
def jobs(server: BatchServer, tmp_path: Path) -> Iterator[Jobs]:
    with ExitStack() as closing:
        yield Jobs(server.server, tmp_path, closing)


def item(name: str, model: str = MODEL, options: dict[str, Any] | None = None, **body: Any) -> Item:
    messages = [{"role": "user", "content": f"Question {name}"}]
    return Item(key=f"key-{name}", body={"model": model, "messages": messages, **body}, options=options or {})


ITEMS = [item(name) for name in "abcde"]
ALL = {f"key-{name}": f"Re: Question {name}" for name in "abcde"}


# --- the whole way ------------------------------------------------------------------------


def test_items_are_answered_by_one_batch(server: BatchServer, jobs: Jobs) -> None:
    jobs.run(ITEMS)
    assert jobs.texts == ALL
    assert sorted(jobs.kept) == sorted(ALL)
    (made,) = server.batches
    assert made.metadata["greenai_job"] == "nightly"
    assert [line["custom_id"] for line in made.lines] == [one.key for one in ITEMS]
    assert server.files == {}
    assert jobs.memory.values == {"provider": "[]"}
    assert jobs.told == [
        "5 requests are in batch_2 at the provider, to endpoint/gpt-4.1-mini, to be done within 24 hours.",
        "batch_2: in progress, 0 of 5 answered.",
        "batch_2: completed, 5 of 5 answered.",
    ]


def test_each_receipt_is_a_share_of_what_is_booked(server: BatchServer, jobs: Jobs) -> None:
    jobs.run([*ITEMS, item("a" * 400)])
    (row,) = jobs.rows()
    found = [a.receipt for a in jobs.journal.values() if a.receipt is not None]
    assert len(found) == 6
    for name in ("energy_j", "low_j", "high_j"):
        assert sum(receipt["energy"][name] for receipt in found) == pytest.approx(row[name])
    assert sum(receipt["cost_usd"] for receipt in found) == pytest.approx(row["cost_usd"])
    assert sum(receipt["attempts"][0]["usage"]["input_tokens"] for receipt in found) == row["input_tokens"]
    assert {receipt["attempts"][0]["service"] for receipt in found} == {"batch"}
    assert {receipt["parent"] for receipt in found} == {row["call_id"]}
    assert len({receipt["call_id"] for receipt in found}) == 6
    assert row["entry"] == "batch"
    shares = {key: a.receipt["energy"]["energy_j"] for key, a in jobs.journal.items() if a.receipt is not None}
    assert shares[item("a" * 400).key] > shares["key-a"]


def test_shares_add_up_where_the_provider_itself_sums_up(server: BatchServer, jobs: Jobs) -> None:
    server.sums = True
    jobs.run([*ITEMS, item("a" * 400)])
    (row,) = jobs.rows()
    found = [a.receipt for a in jobs.journal.values() if a.receipt is not None]
    assert sum(receipt["energy"]["energy_j"] for receipt in found) == pytest.approx(row["energy_j"])
    assert sum(receipt["cost_usd"] for receipt in found) == pytest.approx(row["cost_usd"])
    assert sum(receipt["attempts"][0]["usage"]["input_tokens"] for receipt in found) == row["input_tokens"]


def test_a_batch_costs_half_of_what_calls_cost(server: BatchServer, jobs: Jobs) -> None:
    jobs.run([item("a")])
    receipt = jobs.journal["key-a"].receipt
    assert receipt is not None
    usage = receipt["attempts"][0]["usage"]
    price = usage["input_tokens"] * 0.4e-6 + usage["output_tokens"] * 1.6e-6  # gpt-4.1-mini, list price
    assert receipt["cost_usd"] == pytest.approx(price / 2)


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ({}, {}),
        ({}, {"seed": 7, "verbosity": "low", "temperature": 0}),
        ({}, {"reasoning_effort": "high"}),
        ({"strict_opt_in": True}, {"reasoning_effort": "high"}),
        ({"opt_in": "reasoning", "reason": "proofs"}, {}),
        ({"quality": "high"}, {}),
        ({"observe": True}, {}),
    ],
)
def test_a_line_is_what_a_call_would_send(
    server: BatchServer, jobs: Jobs, options: dict[str, Any], body: dict[str, Any]
) -> None:
    asked = item("a", "gpt-5-mini", options, **body)
    jobs.run([asked])
    called = jobs.client.with_options(cache="off", **options).chat.completions.create(**asked.body)
    (line,), (chat,) = server.lines, server.chats
    assert line["body"] == chat
    if not options and not body:
        assert line["body"]["reasoning_effort"] == "minimal"
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
    receipt = jobs.journal["key-a"].receipt
    assert receipt is not None
    assert receipt["reasoning"] == called.greenai.reasoning
    assert [note["text"] for note in receipt["nudges"] if note["nudge"] == "effort"] == [
        note.text for note in called.greenai.nudges if note.nudge == "effort"
    ]


def test_models_and_projects_have_batches_of_their_own(server: BatchServer, jobs: Jobs) -> None:
    jobs.run([item("a"), item("b", "gpt-5-mini"), item("c", options={"project": "reviews"}), item("d")])
    assert [[line["custom_id"] for line in made.lines] for made in server.batches] == [
        ["key-a", "key-d"],
        ["key-b"],
        ["key-c"],
    ]
    assert sorted(row["project"] for row in jobs.rows()) == ["default", "default", "reviews"]
    receipt = jobs.journal["key-c"].receipt
    assert receipt is not None
    assert receipt["project"] == "reviews"


@pytest.mark.parametrize(("limit", "value"), [("MOST_LINES", 2), ("MOST_BYTES", 350)])
def test_what_one_file_does_not_hold_goes_into_another(
    server: BatchServer, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(provider_files, limit, value)
    jobs.run(ITEMS)
    assert [len(made.lines) for made in server.batches] == [2, 2, 1]
    assert jobs.texts == ALL


def test_what_the_cache_knows_is_in_no_batch(server: BatchServer, jobs: Jobs) -> None:
    jobs.bench()
    jobs.client.chat.completions.create(model=MODEL, messages=ITEMS[0].body["messages"], temperature=0)
    jobs.run([item("a", temperature=0), item("b")])
    assert [line["custom_id"] for line in server.lines] == ["key-b"]
    assert jobs.texts == {"key-a": "From a call.", "key-b": "Re: Question b"}
    receipt = jobs.journal["key-a"].receipt
    assert receipt is not None
    assert receipt["outcome"] == "cache"
    assert "1 request is for no provider's batch (cached, or for a model elsewhere)." in jobs.told


def test_a_model_on_another_server_is_called_there(server: BatchServer, jobs: Jobs) -> None:
    with Scripted() as other:
        ladder = [{"model": f"endpoint/{MODEL}", "base_url": other.url, "tier": "small"}]
        jobs.run([item("a", "auto"), item("b")], ladder=ladder)
    assert jobs.texts == {"key-a": "Hello there.", "key-b": "Re: Question b"}
    assert [line["custom_id"] for line in server.lines] == ["key-b"]


def test_what_can_be_sent_to_no_model_fails_alone(server: BatchServer, jobs: Jobs) -> None:
    jobs.run([item("a", nonsense=1), item("b"), Item(key="key-c", body={"model": MODEL, "messages": []})])
    assert jobs.texts == {"key-b": "Re: Question b"}
    assert [(key, found.code, found.final) for key, found in jobs.errors.items()] == [
        ("key-a", "invalid_request_error", True),
        ("key-c", "InvalidRequest", True),
    ]


# --- what comes back ----------------------------------------------------------------------


def test_failed_lines_and_missing_ones_are_failures(server: BatchServer, jobs: Jobs) -> None:
    def some(asked: dict[str, Any]) -> dict[str, Any] | None:
        expired = {"code": "batch_expired", "message": "This request could not be executed in time."}
        return {
            "key-a": answered(asked),
            "key-b": refused(asked, 400, "context_length_exceeded"),
            "key-c": refused(asked, 429, "rate_limit_exceeded"),
            "key-d": {"custom_id": "key-d", "response": None, "error": expired},
            "key-e": None,
        }[asked["custom_id"]]

    server.answered = some
    jobs.run(ITEMS)
    assert jobs.texts == {"key-a": "Re: Question a"}
    assert jobs.errors == {
        "key-b": Failure(code="context_length_exceeded", message="No.", status=400, final=True),
        "key-c": Failure(code="rate_limit_exceeded", message="No.", status=429, final=False),
        "key-d": Failure(
            code="batch_expired", message="This request could not be executed in time.", status=None, final=False
        ),
        "key-e": Failure(
            code="batch_completed",
            message="The provider's batch batch_2 has no line for this request in what it answered.",
            final=False,
        ),
    }
    server.answered = answered
    jobs.run(ITEMS)
    assert jobs.texts == {key: text for key, text in ALL.items() if key != "key-b"}
    assert [line["custom_id"] for line in server.batches[1].lines] == ["key-c", "key-d", "key-e"]


@pytest.mark.parametrize("how", ["expired", "cancelled"])
def test_what_a_batch_did_not_come_to_may_be_asked_again(server: BatchServer, jobs: Jobs, how: str) -> None:
    server.ends = how
    server.answered = lambda asked: answered(asked) if asked["custom_id"] == "key-b" else None
    jobs.run(ITEMS[:2])
    assert jobs.texts == {"key-b": "Re: Question b"}
    why = {"expired": "was over after 24 hours", "cancelled": "was cancelled"}[how]
    assert jobs.errors == {
        "key-a": Failure(
            code=f"batch_{how}",
            message=f"The provider's batch batch_2 {why}{',' if how == 'expired' else ''} before it came to this request.",
            final=False,
        )
    }
    server.ends, server.answered = "completed", answered
    jobs.run(ITEMS[:2])
    assert jobs.texts == {key: ALL[key] for key in ("key-a", "key-b")}
    assert len(jobs.rows()) == 2


def test_a_batch_that_is_refused_as_a_whole_says_which_line(server: BatchServer, jobs: Jobs) -> None:
    server.refused = [{"code": "invalid_request", "message": "Line 2 is wrong.", "line": 2}]
    jobs.run(ITEMS[:3])
    assert jobs.errors["key-b"] == Failure(code="invalid_request", message="Line 2 is wrong.")
    assert jobs.errors["key-a"].message == "The provider's batch batch_2 was refused as a whole."
    assert not jobs.errors["key-c"].final
    server.refused = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached."}]
    jobs.run(ITEMS[:3])
    assert [line["custom_id"] for line in server.batches[1].lines] == ["key-a", "key-c"]
    assert jobs.errors["key-a"] == Failure(
        code="token_limit_exceeded", message="Enqueued token limit reached.", final=False
    )
    assert jobs.rows() == []


def test_a_batch_that_is_not_there_any_more_is_asked_again(server: BatchServer, jobs: Jobs) -> None:
    server.fail("GET", r"/batches/batch_2", status(404))
    jobs.run(ITEMS[:1])
    assert jobs.errors["key-a"].message == "The provider's batch batch_2 is not at the provider any more."
    jobs.run(ITEMS[:1])
    assert jobs.texts == {"key-a": "Re: Question a"}


def test_a_batch_of_another_key_is_not_taken_for_lost(server: BatchServer, jobs: Jobs) -> None:
    server.looks = 10
    jobs.run(ITEMS[:1], until=lambda: server.batches != [])
    server.fail("GET", r"/batches/batch_2", status(404))
    jobs.key = "another"
    with pytest.raises(GreenAIError) as raised:
        jobs.run(ITEMS[:1])
    assert str(raised.value) == (
        "batch_2 is not known to the provider under this API key, and it was made under another one. Run the job with "
        "that key, or with one of the same project, to have its answers. `greenai batch --forget nightly` gives them up."
    )
    server.looks = 0
    jobs.run(ITEMS[:1])
    assert (len(server.batches), jobs.texts) == (1, {"key-a": "Re: Question a"})


def test_answers_are_fetched_though_their_options_hold_no_more(
    server: BatchServer, jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    server.looks = 10
    asked = [item("a", options={"project": "reviews"})]
    jobs.run(asked, until=lambda: server.batches != [])
    server.looks = 0
    jobs.run(asked, unknown_project="refuse")
    assert jobs.texts == {"key-a": "Re: Question a"}
    assert jobs.journal["key-a"].receipt is None
    assert caplog.messages[1:] == ["A batch could not be booked; what came is delivered."]


def test_lines_that_cannot_be_read_are_missing(server: BatchServer, jobs: Jobs) -> None:
    server.fail("GET", "/content", lambda e: e.whole(200, b'{"custom_id": "key-a"}\n{\nnull\n[]\n'))
    jobs.run(ITEMS[:2])
    assert {key: found.code for key, found in jobs.errors.items()} == {"key-a": "no_answer", "key-b": "batch_completed"}
    assert not any(found.final for found in jobs.errors.values())


# --- a provider that fails ----------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("code", [429, 500])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/files"),
        ("POST", "/batches"),
        ("GET", "/batches/batch_[0-9]+"),
        ("GET", "/content"),
        ("DELETE", "/files/[^/]+"),
    ],
)
def test_what_fails_for_a_while_is_sent_again(
    server: BatchServer, jobs: Jobs, method: str, path: str, code: int, after: bool
) -> None:
    server.fail(method, path, status(code, headers=SOON), after=after)
    jobs.run(ITEMS)
    assert jobs.texts == ALL
    assert len(server.batches) == 1
    assert set(server.asked.values()) == {1}
    assert len(jobs.rows()) == 1


def test_a_batch_whose_answer_got_lost_is_found_and_not_made_again(server: BatchServer, jobs: Jobs) -> None:
    for _ in range(2):
        server.fail("POST", "/batches", Exchange.reset, after=True)
    jobs.run(ITEMS)
    assert len(server.batches) == 1
    assert jobs.texts == ALL


def test_a_batch_whose_answer_got_lost_before_a_refusal_is_found_by_the_next_run(
    server: BatchServer, jobs: Jobs
) -> None:
    server.fail("POST", "/batches", Exchange.reset, after=True)
    server.fail("GET", "/batches", status(401))
    with pytest.raises(openai.AuthenticationError):
        jobs.run(ITEMS)
    assert len(server.batches) == 1
    jobs.run(ITEMS)
    assert len(server.batches) == 1
    assert jobs.texts == ALL


def test_a_provider_that_does_not_say_how_a_batch_is_doing_is_asked_again(server: BatchServer, jobs: Jobs) -> None:
    for _ in range(3):  # one more than is sent again at once
        server.fail("GET", "/batches/batch_2", status(503, headers=SOON))
    jobs.run(ITEMS)
    assert jobs.texts == ALL
    assert jobs.told[1] == ("The provider does not say how batch_2 is doing (InternalServerError). It is asked again.")


def test_a_refusal_ends_the_run_and_leaves_nothing_behind(server: BatchServer, jobs: Jobs) -> None:
    server.fail("POST", "/batches", status(401))
    with pytest.raises(openai.AuthenticationError):
        jobs.run(ITEMS)
    assert (server.files, server.batches, jobs.memory.values) == ({}, [], {"provider": "[]"})


def test_a_budget_refuses_before_a_batch_is_made(server: BatchServer, jobs: Jobs) -> None:
    with pytest.raises(BudgetExceeded) as refusal:
        jobs.run(ITEMS, budget={"calls": "4/hour"})
    assert (refusal.value.needed, refusal.value.left) == (5, 4)
    assert (server.files, server.batches, jobs.memory.values) == ({}, [], {"provider": "[]"})
    jobs.run(ITEMS[:4], budget={"calls": "4/hour"})
    assert len(jobs.texts) == 4


def test_what_was_sent_before_a_budget_refused_is_waited_for(
    server: BatchServer, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_files, "MOST_LINES", 2)
    with pytest.raises(BudgetExceeded) as refusal:
        jobs.run(ITEMS, budget={"calls": "3/hour"})
    assert str(refusal.value) in jobs.told
    assert sorted(jobs.texts) == ["key-a", "key-b"]
    assert server.files == {}


def test_a_sibling_that_a_key_may_not_use_is_left_out_the_next_time(server: BatchServer, jobs: Jobs) -> None:
    ladder = ["endpoint/gpt-5-mini", f"endpoint/{MODEL}"]
    rungs = [{"model": name, "base_url": server.server.url} for name in ladder]
    server.refused = [{"code": "model_not_found", "message": "The model does not exist."}]
    asked = [item("a", "auto", {"opt_in": "large", "reason": "no other model"})]
    jobs.run(asked, ladder=rungs)
    first = server.lines[0]["body"]["model"]
    assert jobs.errors["key-a"] == Failure(code="model_not_found", message="The model does not exist.", final=False)
    server.refused = []
    jobs.run(asked, ladder=rungs)
    assert {first, server.lines[1]["body"]["model"]} == {MODEL, "gpt-5-mini"}
    assert jobs.texts == {"key-a": "Re: Question a"}


# --- killed, stopped, forgotten -----------------------------------------------------------


@pytest.mark.parametrize("late", [False, True])
def test_a_job_that_is_killed_at_any_write_asks_nothing_twice(server: BatchServer, jobs: Jobs, late: bool) -> None:
    for writes in range(30):
        jobs.memory.left, jobs.memory.late = writes, late
        try:
            jobs.run(ITEMS)
        except KilledError:
            assert len(server.files) <= 2
            continue
        break
    jobs.memory.left = float("inf")
    jobs.run(ITEMS)
    assert writes > 3
    assert jobs.texts == ALL
    assert set(server.asked.values()) == {1}
    assert sorted(jobs.kept) == sorted(ALL)
    assert server.files == {}
    assert len(jobs.rows()) == 1


def test_a_job_that_is_killed_after_any_message_asks_nothing_twice(
    server: BatchServer, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, messages, most = Remote._sent, 0, 0

    def dying(self: Remote, send: Any) -> Any:
        nonlocal messages
        found = sent(self, send)
        messages += 1
        if messages == most:
            raise KilledError
        return found

    monkeypatch.setattr(Remote, "_sent", dying)
    for most in range(1, 20):  # noqa: B007
        messages = 0
        try:
            jobs.run(ITEMS)
        except KilledError:
            continue
        break
    assert most > 4
    assert jobs.texts == ALL
    assert set(server.asked.values()) == {1}
    assert len([made for made in server.batches if made.status]) == 1
    assert sorted(jobs.kept) == sorted(ALL)
    assert (server.files, len(jobs.rows())) == ({}, 1)


@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_batch_is_found_among_many_in_either_order(server: BatchServer, jobs: Jobs, oldest_first: bool) -> None:
    jobs.memory.left = 3  # the batch is made then, and its id not written down
    with pytest.raises(KilledError):
        jobs.run(ITEMS)
    jobs.memory.left = float("inf")
    server.batches[:0] = [Made(f"batch_old_{n}", "file", {}, [], created=1_700_000_000 + n) for n in range(5)]
    server.oldest_first = oldest_first
    jobs.run(ITEMS)
    assert len(server.batches) == 6
    assert jobs.texts == ALL


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_a_job_that_is_killed_while_it_keeps_goes_on(server: BatchServer, jobs: Jobs, kept: int) -> None:
    keep, sums = jobs.keep, list[float]()

    def dying(key: str, answered: Answered) -> None:
        if len(jobs.kept) == kept:
            jobs.keep = keep  # type: ignore[method-assign]
            raise KilledError
        keep(key, answered)

    jobs.keep = dying  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        jobs.run(ITEMS)
    jobs.run(ITEMS)
    assert sorted(jobs.kept) == sorted(ALL)
    assert len(server.batches) == 1
    (row,) = jobs.rows()
    sums = [a.receipt["energy"]["energy_j"] for a in jobs.journal.values() if a.receipt is not None]
    assert sum(sums) == pytest.approx(row["energy_j"])


def test_a_file_that_was_uploaded_and_not_written_down_is_deleted(server: BatchServer, jobs: Jobs) -> None:
    jobs.memory.left = 2  # the keys, the part; the file is uploaded then
    with pytest.raises(KilledError):
        jobs.run(ITEMS)
    jobs.memory.left = float("inf")
    assert len(server.files) == 1
    server.files["file-other"] = ("of-somebody-else.jsonl", b"")
    jobs.run(ITEMS)
    assert list(server.files) == ["file-other"]
    assert server.most_files == 2


def test_a_job_that_is_stopped_leaves_its_batch_running(
    server: BatchServer, jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    server.looks = 10
    jobs.run(ITEMS, until=lambda: server.batches != [] and server.batches[0].looks > 1)
    assert jobs.texts == {}
    assert caplog.messages == [
        (
            "batch_2 goes on at the provider. Fetch the answers with `greenai batch --resume nightly`, or cancel with `greenai "
            "batch --forget nightly`."
        )
    ]
    server.looks = 0
    jobs.run(ITEMS)
    assert jobs.texts == ALL
    assert len(server.batches) == 1


def test_a_job_that_is_stopped_before_it_sends_sends_nothing(server: BatchServer, jobs: Jobs) -> None:
    jobs.run(ITEMS, until=lambda: True)
    assert server.log == []


def test_a_job_that_grew_asks_only_what_is_new(server: BatchServer, jobs: Jobs) -> None:
    server.looks = 10
    jobs.run(ITEMS[:3], until=lambda: server.batches != [])
    server.looks = 0
    jobs.run(ITEMS)
    assert [[line["custom_id"] for line in made.lines] for made in server.batches] == [
        ["key-a", "key-b", "key-c"],
        ["key-d", "key-e"],
    ]
    assert jobs.texts == ALL


def test_a_batch_that_is_over_is_booked_once_however_often_it_is_asked_after(server: BatchServer, jobs: Jobs) -> None:
    jobs.run(ITEMS)
    before = jobs.rows()
    state = dict(jobs.memory.values)
    part = {"name": "x", "begun": 0.0, "file": None, "batch": "batch_2"}
    record = {
        "options": {},
        "made": [{"model": f"endpoint/{MODEL}", "tier": "small", "notes": []}],
        "keys": {"key-a": 0},
    }
    jobs.memory.values = {"provider": json.dumps([part]), "provider.x": json.dumps(record)}
    first = jobs.journal.pop("key-a")
    jobs.run(ITEMS)
    assert jobs.rows() == before
    assert first.receipt is not None
    again = jobs.journal["key-a"].receipt
    assert again is not None
    assert again["energy"] == first.receipt["energy"]
    assert (again["call_id"], again["parent"]) == (first.receipt["call_id"], first.receipt["parent"])
    assert jobs.memory.values == state


@pytest.mark.parametrize("written", [True, False])
def test_a_job_that_is_forgotten_is_cancelled(server: BatchServer, jobs: Jobs, written: bool) -> None:
    server.looks = 10
    jobs.memory.left = 100 if written else 3
    try:
        jobs.run(ITEMS, until=lambda: server.batches != [])
    except KilledError:
        assert not written
    jobs.memory.left = 100
    cancel(jobs.bench(), jobs.told.append)
    assert server.batches[0].status == "cancelled"
    assert jobs.told[-1] == "batch_2 was cancelled at the provider. What it answered before is paid, and in no receipt."
    assert (server.files, jobs.memory.values) == ({}, {"provider": "[]"})


JOB = """
import json, sys
import greenai

url, folder, cards = sys.argv[1:]
settings = {"state_dir": folder, "cards": json.loads(cards)}
asked = [{"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": f"Question {n}"}]} for n in range(40)]
with greenai.Client(base_url=url, api_key="key", settings=settings) as client:
    job = client.batch(asked, name="nightly", backend="provider", progress=False)
    answers = [answer.text for answer in job]
    print(json.dumps({"answers": answers, "energy_j": job.receipt.energy.energy_j}))
"""


def test_a_process_that_is_killed_between_the_steps_asks_nothing_twice(server: BatchServer, tmp_path: Path) -> None:
    server.looks = 1
    steps = [("POST", "/batches"), ("GET", "/content")]
    command = [sys.executable, "-c", JOB, server.server.url, str(tmp_path), json.dumps(CARDS)]
    codes: list[int] = []
    for method, end in [*steps, ("", "never")]:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:

            def kill(done: str, path: str, child: Any = child, step: tuple[str, str] = (method, end)) -> None:
                if done == step[0] and path.endswith(step[1]):
                    child.kill()
                    child.wait()

            server.done = kill
            output = child.communicate(timeout=60)[0]
        codes.append(child.returncode)
        assert len(server.files) <= 1
    assert codes == [-9, -9, 0]
    said = json.loads(output)
    assert said["answers"] == [f"Re: Question {n}" for n in range(40)]
    assert len(server.batches) == 1
    assert set(server.asked.values()) == {1}
    with greenai.Client(settings={"state_dir": str(tmp_path), "cards": CARDS}, api_key="key") as client:
        rows: list[Any] = list(client._session.resources.ledger.recent())
    assert [row["entry"] for row in rows] == ["batch"]
    assert said["energy_j"] == pytest.approx(rows[0]["energy_j"])


# --- whether --------------------------------------------------------------------------------


def client_of(tmp_path: Path, **arguments: Any) -> Any:
    settings = {"state_dir": str(tmp_path), **arguments.pop("settings", {})}
    return greenai.Client(settings=settings, **{"api_key": "key", **arguments})


def test_a_job_of_a_day_for_openai_s_models_goes_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    models, day_s = frozenset({MODEL, f"openai/{MODEL}"}), 86_400.0
    with client_of(tmp_path) as client:
        assert why_not(client._session, models, day_s) is None
        assert why_not(client._session, models, None) == why_not(client._session, models, day_s - 1)
        assert why_not(client._session, models, None) == (
            'A provider\'s batch takes up to 24 h at half the price. Give the job that long (by="24h"), or pass '
            'backend="provider".'
        )
        for left_s in (day_s, None):  # more time would change nothing
            assert why_not(client._session, frozenset({None, "local/x", MODEL}), left_s) == (
                "A provider's batch is for OpenAI's models by name, and there are others: local/x, no model named."
            )
    with client_of(tmp_path, base_url="http://127.0.0.1:9/v1") as client:
        assert why_not(client._session, models, day_s) == (
            "The calls go to http://127.0.0.1:9/v1, and whether that has a batch API is not known. Where it has, pass "
            'backend="provider".'
        )
    with client_of(tmp_path, settings={"provider_batches": False}) as client:
        assert why_not(client._session, models, day_s) == (
            "The setting provider_batches is off, so each request is a call of its own."
        )
    with client_of(tmp_path, api_key=None) as client:
        assert "no API key was found" in str(why_not(client._session, models, day_s))


def test_a_client_s_job_says_which_way_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    asked = [{"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}]
    with client_of(tmp_path) as client:
        day, night = client.batch(asked, by="24h").plan, client.batch(asked, by="2h").plan
    assert (day.backend, night.backend) == ("provider", "calls")
    assert day.window.reason == "Now; the provider answers within 24 hours."
    assert night.why.endswith(str(why_not(client._session, frozenset({MODEL}), 7200.0)))


def test_an_awaited_client_s_job_goes_there_too(server: BatchServer, jobs: Jobs) -> None:
    bench = jobs.bench()
    own = openai.DefaultAsyncHttpxClient()
    bench = replace(bench, session=bench.session.with_options({"http_client": own}))
    ProviderLane(bench, pace=PACE).answer(ITEMS, jobs.keep, jobs.told.append, lambda: False)
    assert jobs.texts == ALL
