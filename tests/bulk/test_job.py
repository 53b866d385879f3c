"""Jobs whole: asked once each, in order, and gone on with after whatever ended them."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from echoing import Echoing

from greenai import AsyncClient, BatchError, BatchPaused, BudgetExceeded, Client, InvalidRequest, LedgerError
from greenai.bulk.calls_lane import AT_ONCE, at_once
from greenai.bulk.job import Progress
from greenai.hours import Hour
from greenai.store.batch_db import BatchDb
from greenai.store.files import FileLock
from greenai.testing import FakeProvider, offline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greenai.bulk.job import Job

TEXTS = [f"Write line {n} of the poem" for n in range(6)]


@pytest.fixture
def server() -> Iterator[Echoing]:
    with Echoing() as running:
        yield running


@pytest.fixture
def client(server: Echoing, tmp_path: Path) -> Iterator[Client]:
    with Client(base_url=server.url, api_key="sk-test", max_retries=0, settings={"state_dir": tmp_path}) as opened:
        yield opened


def job_of(client: Client, texts: Any = TEXTS, **more: Any) -> Job:
    return client.batch(texts, **{"model": "m", "name": "poem", "progress": False, **more})


# --- answers ------------------------------------------------------------------------------


def test_answers_come_in_the_order_given_with_receipts(client: Client, server: Echoing) -> None:
    answers = list(job_of(client, [{"custom_id": f"l{n}", "messages": [user(text)]} for n, text in enumerate(TEXTS)]))
    assert [(a.index, a.custom_id, a.text) for a in answers] == [
        (n, f"l{n}", f"Answer to {text}") for n, text in enumerate(TEXTS)
    ]
    receipts = [answer.greenai for answer in answers]
    assert all(receipt is not None and receipt.outcome == "large" for receipt in receipts)
    assert all(client._session.resources.ledger.call(receipt.call_id) for receipt in receipts if receipt is not None)
    assert server.counts() == dict.fromkeys(TEXTS, 1)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_a_repeat_gets_the_answer_and_no_energy_of_its_own() -> None:
    provider = FakeProvider(default="Blue.")
    with offline(provider) as client:
        job = client.batch(["Write a line", "Write a word", "Write a line"], model="gpt-5.5", progress=False)
        first, _, again = job
        receipt = job.receipt
    assert len(provider.calls) == 2
    assert (first.greenai is not None, again.text) == (True, "Blue.")
    assert again.greenai is not None
    assert first.greenai is not None
    assert (again.greenai.energy.energy_j, again.greenai.cost_usd, again.greenai.attempts) == (0.0, 0.0, ())
    assert again.greenai.parent == first.greenai.call_id
    assert again.greenai.decision.reasons == (
        "The same request as number 1 of this batch: asked once, its answer is given here too.",
    )
    spent = [a.greenai.energy.energy_j for a in job if a.greenai is not None]
    assert receipt.energy.energy_j == pytest.approx(sum(j for j in spent if j is not None))
    assert (receipt.requests, receipt.answered, receipt.repeats) == (3, 3, 1)
    assert receipt.repeats_avoided is not None
    assert receipt.repeats_avoided.energy_j == first.greenai.energy.energy_j
    assert sum(one.count for one in receipt.by_outcome.values()) == 2


def test_a_client_that_shares_nothing_has_each_repeat_asked(client: Client, server: Echoing) -> None:
    job_of(client.with_options(cache="off"), [TEXTS[0]] * 3).run()
    assert server.counts() == {TEXTS[0]: 3}


def test_a_receipt_that_was_kept_is_the_one_that_was_given() -> None:
    told: list[Any] = []
    with offline(observers=[told.append]) as client:
        (answer,) = client.batch(["Write a line about rain"], model="gpt-5.5", progress=False)
    assert answer.greenai == told[0]


def test_options_of_a_request_hold_for_its_call(client: Client) -> None:
    job = job_of(client, [{"messages": [user("Hi you")], "greenai": {"project": "reviews"}}, "Hello you"])
    assert [answer.greenai and answer.greenai.project for answer in job] == ["reviews", "default"]


def test_a_batch_shares_the_answers_of_other_calls(client: Client, server: Echoing) -> None:
    asked = {"messages": [user("What is the capital of France?")], "temperature": 0}
    client.chat.completions.create(model="m", **asked)
    (answer,) = job_of(client, [asked])
    assert answer.greenai is not None
    assert answer.greenai.outcome == "cache"
    assert len(server.asked) == 1


def test_the_sum_says_what_is_unknown(client: Client) -> None:
    receipt = job_of(client).run().receipt
    assert str(receipt) == "6 requests: 6 answered.\nEnergy: unknown for 6 calls\nBy outcome: large 6"


# --- going on -----------------------------------------------------------------------------


def test_a_job_that_is_done_asks_nothing_again(client: Client, server: Echoing) -> None:
    job_of(client).run()
    again = job_of(client)
    assert [answer.text for answer in again] == [f"Answer to {text}" for text in TEXTS]
    assert len(server.asked) == len(TEXTS)
    assert str(again.plan) == "Batch poem: 6 requests. 6 are done. 0 to be asked."


def test_without_a_name_the_same_requests_are_the_same_job(client: Client) -> None:
    names = {client.batch(TEXTS).name, client.batch(list(TEXTS)).name}
    assert len(names) == 1
    assert client.batch(TEXTS[:3]).name not in names
    elsewhere: list[dict[str, Any]] = [
        {"project": "other"},
        {"opt_in": "reasoning", "reason": "a proof"},
        {"quality": "high"},
        {"tenant": "a"},
        {"base_url": "http://127.0.0.1:1/v1"},
    ]
    names |= {client.with_options(**one).batch(TEXTS).name for one in elsewhere}
    assert len(names) == 6


def test_a_job_goes_on_with_the_options_that_it_was_begun_with(client: Client, server: Echoing) -> None:
    job = job_of(client.with_options(project="poets", opt_in="reasoning", reason="a proof", tenant="a"), at_once=1)
    server.before = lambda text: job.stop() if text == TEXTS[1] else None
    with pytest.raises(
        BatchPaused, match=r"^The batch poem is stopped, \d of 6 done\.\nResume it with: greenai batch --resume poem"
    ):
        job.run()
    server.before = None
    again = client.batch(name="poem", progress=False)
    assert [answer.greenai and answer.greenai.project for answer in again] == ["poets"] * 6
    (grant,) = again._session.config.grants or ()
    assert (grant.kind, grant.reason, again._session.config.options.tenant) == ("reasoning", "a proof", "a")
    mine = client.with_options(project="painters").batch(name="poem", progress=False).run()
    assert mine._session.config.options.project == "painters"  # what is said now stands over what was


def test_a_job_of_another_tenant_is_neither_read_nor_gone_on_with(client: Client, server: Echoing) -> None:
    job_of(client.with_options(tenant="a")).run()
    other = client.with_options(tenant="b")
    looks = (
        lambda: job_of(other).run(),
        lambda: job_of(other).receipt,
        lambda: job_of(other).plan,
        lambda: job_of(client).run(),
        lambda: other.batch(name="poem").results(run=False),
        lambda: other.batch(name="poem").forget(),
    )
    for look in looks:
        with pytest.raises(BatchError) as refused:
            look()
        assert str(refused.value) == (
            "The batch poem was begun with another tenant, whose answers are not this caller's. Give this one another name."
        )
    assert client.batch(name="poem").receipt.answered == 6  # whoever operates it goes on as the tenant
    assert len(server.asked) == 6


def test_a_job_goes_on_by_its_name_alone(client: Client, server: Echoing) -> None:
    server.failing = {TEXTS[3]: 500}
    assert [answer.error is None for answer in job_of(client)] == [True, True, True, False, True, True]
    server.failing = {}
    assert [answer.text for answer in client.batch(name="poem", progress=False)][3] == f"Answer to {TEXTS[3]}"
    assert server.counts() == {**dict.fromkeys(TEXTS, 1), TEXTS[3]: 2}


def test_requests_may_be_added_and_not_taken_away(client: Client, server: Echoing) -> None:
    job_of(client, TEXTS[:4]).run()
    assert len(list(job_of(client, TEXTS))) == 6
    assert server.counts() == dict.fromkeys(TEXTS, 1)
    with pytest.raises(BatchError) as refused:
        job_of(client, [*TEXTS[:5], "Another"]).run()
    assert str(refused.value) == (
        "The name poem is that of a batch of 6 other requests: 1 of them are not among the 6 given now. Requests may be "
        "added, not taken away or changed. Give another name, or delete that batch and its answers with: "
        "greenai batch --forget poem"
    )


def test_a_failure_for_good_is_not_asked_again(client: Client, server: Echoing) -> None:
    server.failing = {TEXTS[0]: 400, TEXTS[1]: 429}
    answers = list(job_of(client))
    errors = [(a.error.code, a.error.status, a.error.final) for a in answers if a.error is not None]
    assert errors == [("code_400", 400, True), ("code_429", 429, False)]
    list(job_of(client))
    assert (server.counts()[TEXTS[0]], server.counts()[TEXTS[1]]) == (1, 2)


def test_a_request_that_no_model_can_be_sent_fails_alone(client: Client) -> None:
    answers = list(job_of(client, [{"messages": [user("Hi you")], "tempo": 1}, *TEXTS]))
    assert [answer.error is None for answer in answers] == [False, *([True] * 6)]
    assert answers[0].error is not None
    assert answers[0].error.message.startswith("Completions.create() got an unexpected keyword argument 'tempo'")


def test_a_job_says_its_name(client: Client) -> None:
    job = client.batch(["Write a line"])
    assert repr(job) == "<Job that was not read yet>"
    assert repr(job.run()) == f"<Job {job.name}>"
    assert repr(client.batch(["Write a line"], name="lines")) == "<Job lines>"


def test_a_name_that_no_job_has_is_refused(client: Client, tmp_path: Path) -> None:
    with pytest.raises(BatchError) as refused:
        client.batch(name="nowhere").run()
    assert str(refused.value) == (
        f"There is no batch nowhere in {tmp_path / 'batches'}. List those there are with: greenai batch --list"
    )
    assert not (tmp_path / "batches").exists()


def test_looking_at_a_job_before_it_is_run_makes_nothing(client: Client, tmp_path: Path) -> None:
    job = job_of(client)
    assert (job.receipt.requests, list(job.results(run=False))) == (0, [])
    for look in (lambda: client.batch(name="nowhere").receipt, lambda: client.batch(name="nowhere").results(run=False)):
        with pytest.raises(BatchError, match=r"^There is no batch nowhere in"):
            look()
    assert not (tmp_path / "batches").exists()


def test_running_it_again_asks_what_failed_for_now_and_looking_at_it_does_not(client: Client, server: Echoing) -> None:
    server.failing = {TEXTS[3]: 500}
    job = job_of(client)
    assert sum(answer.error is not None for answer in job) == 1
    server.failing = {}
    assert sum(answer.error is not None for answer in job) == 1
    assert job.run().receipt.answered == 6
    assert server.counts() == {**dict.fromkeys(TEXTS, 1), TEXTS[3]: 2}


def test_a_job_that_was_forgotten_is_asked_anew(client: Client, server: Echoing) -> None:
    job = job_of(client)
    job.run().forget()
    assert [answer.text for answer in job] == [f"Answer to {text}" for text in TEXTS]


def test_what_is_no_job_is_refused_at_once(client: Client) -> None:
    with pytest.raises(InvalidRequest, match=r"A batch takes requests, or the name of one that was begun"):
        client.batch()
    with pytest.raises(InvalidRequest, match=r"at_once=0 asks nothing. Pass 1 or more, or leave it out."):
        client.batch(TEXTS, at_once=0)
    with pytest.raises(InvalidRequest, match=r"'../a' is no name for a batch"):
        client.batch(TEXTS, name="../a").run()
    with pytest.raises(InvalidRequest, match=r'by="yesterday" is no time.'):
        client.batch(TEXTS, by="yesterday")
    backend: Any = "slurm"
    with pytest.raises(InvalidRequest) as refused:
        client.batch(TEXTS, backend=backend)
    assert str(refused.value) == (
        'backend=\'slurm\' is none. Pass "calls", "provider", "ray" or "vllm", or leave it out.'
    )


def test_an_iterator_that_broke_off_is_not_taken_for_the_rest_of_it(client: Client, server: Echoing) -> None:
    job = job_of(client, (text for text in [*TEXTS[:3], "", *TEXTS[3:]]))
    with pytest.raises(InvalidRequest, match=r"^Request 4 is empty\."):
        _ = job.plan
    with pytest.raises(InvalidRequest) as refused:
        job.run()
    assert str(refused.value) == (
        "The requests of this batch broke off (Request 4 is empty. Write a question, or leave it out.), and come from an "
        "iterator that cannot be read again from its beginning. Make the iterator anew, and a batch of it."
    )
    assert server.asked == []


def test_a_second_process_is_told_who_has_the_job(client: Client, server: Echoing) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def wait(_: str) -> None:
        inside.set()
        go_on.wait(10)

    server.before = wait
    first = threading.Thread(target=job_of(client).run)
    first.start()
    inside.wait(10)
    try:
        with pytest.raises(
            BatchError, match=rf"^The batch poem is being run by process {os.getpid()} on .* since"
        ) as busy:
            job_of(client).run()
        assert str(busy.value).endswith(
            "UTC: 0 of 6 done. What it has answered is kept. Wait until it ends, or stop it there with: "
            f"kill -INT {os.getpid()}"
        )
    finally:
        go_on.set()
        first.join()
    assert job_of(client).run().receipt.answered == 6


# --- what ends a run ----------------------------------------------------------------------


def test_a_spent_budget_pauses_the_job_and_nothing_is_lost(server: Echoing, tmp_path: Path) -> None:
    def opened(calls: int) -> Client:
        budget = {"poets": {"budget": {"calls": f"{calls}/day", "timezone": "UTC"}}}
        settings = {"state_dir": tmp_path, "projects": budget}
        return Client(base_url=server.url, api_key="k", project="poets", settings=settings)

    with opened(4) as client, pytest.raises(BatchPaused) as paused:
        job_of(client, at_once=1).run()
    assert (paused.value.name, paused.value.done, paused.value.of) == ("poem", 4, 6)
    assert isinstance(paused.value.__cause__, BudgetExceeded)
    assert str(paused.value).startswith(
        "The batch poem is paused, 4 of 6 done (a budget is spent): project/poets has 0 calls left"
    )
    assert str(paused.value).endswith(
        "Resume it with: greenai batch --resume poem --project poets\nor in Python: client.batch(name='poem')"
    )
    with opened(6) as client:
        assert client.batch(name="poem", progress=False).run().receipt.answered == 6
    assert server.counts() == dict.fromkeys(TEXTS, 1)


def test_the_budget_of_a_block_holds_for_a_batch_in_it(client: Client, server: Echoing) -> None:
    job = job_of(client)
    with client.budget("2 calls"), pytest.raises(BatchPaused, match=r"2 of 6 done \(a budget is spent\)"):
        job.run()
    assert len(server.asked) == 2
    assert job.run().receipt.answered == 6


def test_a_key_that_is_refused_ends_the_run_at_once(client: Client, server: Echoing) -> None:
    server.failing = dict.fromkeys(TEXTS, 401)
    with pytest.raises(BatchPaused, match=r"^The batch poem is paused, 0 of 6 done \(AuthenticationError\)"):
        job_of(client, at_once=1).run()
    assert len(server.asked) == 1


def test_a_server_that_is_away_ends_the_run(client: Client, server: Echoing) -> None:
    server.failing = dict.fromkeys(TEXTS, 503)
    with pytest.raises(BatchPaused, match=r"The last 3 requests failed, each with: .*no answer to"):
        job_of(client, at_once=1).run()
    assert len(server.asked) == 3


def test_a_model_that_the_server_does_not_have_ends_the_run_and_can_be_asked_later(
    client: Client, server: Echoing
) -> None:
    server.failing = dict.fromkeys(TEXTS, 404)
    with pytest.raises(BatchPaused, match=r"The last 3 requests failed, each with: .*no answer to"):
        job_of(client, at_once=1).run()
    server.failing = {}
    assert job_of(client, at_once=1).run().receipt.answered == 6
    assert server.asked == [*TEXTS[:3], *TEXTS[3:], *TEXTS[:3]]  # what failed comes last


def test_a_request_without_its_opt_in_fails_alone_and_is_asked_once_that_is_given(
    client: Client, server: Echoing
) -> None:
    wanting = [{"messages": [user(text)], "reasoning_effort": "high"} for text in TEXTS[:4]]
    strict = client.with_options(strict_opt_in=True, without_opt_in="refuse")
    job = strict.batch([*wanting, *TEXTS[4:]], model="gpt-5.5", name="poem", at_once=1, progress=False)
    assert [a.error and (a.error.code, a.error.final) for a in job] == [*[("OptInRequired", False)] * 4, None, None]
    allowed = strict.with_options(opt_in="reasoning", reason="a proof")
    assert allowed.batch(name="poem", progress=False).run().receipt.answered == 6


def test_a_full_disk_pauses_the_job_with_what_was_kept(
    client: Client, server: Echoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = BatchDb._prepare

    def full(self: BatchDb, con: sqlite3.Connection) -> None:
        prepared(self, con)
        con.execute("PRAGMA max_page_count = 11")  # what SQLite says then is what it says of a full disk

    monkeypatch.setattr(BatchDb, "_prepare", full)
    with pytest.raises(BatchPaused) as paused:
        job_of(client, at_once=1).run()
    assert isinstance(paused.value.__cause__, LedgerError)
    assert "cannot be used: database or disk is full. Free some space or make it writable" in str(paused.value)
    assert 0 < paused.value.done < 6
    monkeypatch.undo()
    assert job_of(client).run().receipt.answered == 6
    assert [server.counts()[text] for text in TEXTS[: paused.value.done]] == [1] * paused.value.done


@pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="signals")
def test_ctrl_c_lets_what_is_under_way_end(client: Client, server: Echoing) -> None:
    def press(text: str) -> None:
        if text == TEXTS[2]:
            signal.raise_signal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else os.kill(
                os.getpid(), signal.SIGINT
            )

    server.before = press
    before = signal.getsignal(signal.SIGINT)
    job = job_of(client, at_once=1)
    with pytest.raises(KeyboardInterrupt):
        job.run()
    assert signal.getsignal(signal.SIGINT) is before
    assert len(server.asked) < 6
    assert job_of(client).run().receipt.answered == 6
    assert server.counts() == dict.fromkeys(TEXTS, 1)


def test_results_without_running_say_what_was_not_asked(client: Client, server: Echoing) -> None:
    job = job_of(client, at_once=1)
    server.before = lambda text: job.stop() if text == TEXTS[1] else None
    with pytest.raises(BatchPaused):
        job.run()
    codes = [answer.error and answer.error.code for answer in job.results(run=False)]
    assert codes == [None, None, *["not_asked"] * 4]
    assert job.receipt.open == 4
    assert job.run().receipt.open == 0


# --- looking ahead ------------------------------------------------------------------------


def test_a_plan_says_what_would_be_done_and_does_nothing(client: Client, server: Echoing, tmp_path: Path) -> None:
    plan = job_of(client, [*TEXTS, TEXTS[0]]).plan
    assert (plan.requests, plan.unique, plan.done, plan.left, plan.at_once) == (7, 6, 0, 6, AT_ONCE)
    assert (plan.backend, plan.why) == (
        "calls",
        "The client's own calls: cache, budgets and receipts as for any other.",
    )
    assert plan.window.reason == "No time was given to have it done by: it starts now."
    assert server.asked == []
    assert not (tmp_path / "batches").exists()


def test_a_plan_expects_energy_for_all_from_some() -> None:
    with offline() as client:
        one = client.batch(["Write line 1 of a poem"], model="gpt-5.5").plan
        many = client.batch([f"Write line {n} of a poem" for n in range(300)], model="gpt-5.5").plan
    assert many.looked_at == 200
    assert one.energy.energy_j is not None
    assert many.energy.energy_j == pytest.approx(300 * one.energy.energy_j, rel=0.2)
    assert ", judged by 200 of them." in str(many)


def test_a_job_waits_for_its_window_and_can_be_stopped_there(server: Echoing, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [Hour(start=now + timedelta(hours=n), g_per_kwh=100.0 if n == 2 else 500.0) for n in range(6)]
    settings = {"state_dir": tmp_path, "zone": "FRA"}
    with Client(base_url=server.url, api_key="k", settings=settings, forecast=lambda _: hours) as client:
        said: list[str] = []
        job = job_of(client, by="5h", progress=lambda at: said.append(at.said) or job.stop())
        assert job.plan.window.start == hours[2].start
        with pytest.raises(BatchPaused):
            job.run()
        assert said[0].startswith("waiting until ")
        assert server.asked == []
        again = client.batch(name="poem")
        assert again.plan.window.start == hours[2].start  # it remembers by when
    assert job.name == "poem"


def tuned_to_12(_: str, __: Path, settings: Any) -> Any:
    return replace(settings, slots=12), None


def test_as_many_are_under_way_as_a_local_engine_answers_together(tmp_path: Path) -> None:
    weights = tmp_path / "m.gguf"
    weights.write_bytes(b"GGUF")
    model = f"local/{weights}"
    with Client(settings={"state_dir": tmp_path, "local": {"slots": 3}}) as client:
        session = client._session
        assert at_once(session, frozenset({model})) == 3
        assert at_once(session, frozenset({"local/no-such-model"})) == 3
        assert at_once(session, frozenset({"gpt-5.5"})) == AT_ONCE
        assert at_once(session, frozenset({model, "gpt-5.5"})) == AT_ONCE
        assert at_once(session, frozenset({None})) == 3  # without a key the ladder has a model on this machine alone
        assert at_once(session, frozenset({model, None})) == AT_ONCE
        assert at_once(client.with_options(base_url="http://127.0.0.1:1/v1")._session, frozenset({None})) == AT_ONCE
        tuned: Any = tuned_to_12
        session.resources.engines.tuned = tuned
        assert at_once(session, frozenset({model})) == 12


def test_no_more_are_under_way_than_was_said(client: Client, server: Echoing) -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def count(_: str) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        threading.Event().wait(0.02)
        with lock:
            under_way -= 1

    server.before = count
    job_of(client, [f"Write {n}" for n in range(12)], at_once=3).run()
    assert most == 3


def test_progress_is_told_to_a_function(client: Client) -> None:
    told: list[Progress] = []
    job_of(client, progress=told.append).run()
    assert told[0].said == "6 at once"
    assert (told[0].done, told[0].of) == (0, 6)


# --- files --------------------------------------------------------------------------------


def test_the_journal_is_the_owners_alone_and_is_forgotten(client: Client, tmp_path: Path) -> None:
    job = job_of(client, ["A very private line"])
    job.run()
    folder = tmp_path / "batches"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    (folder / "poem.db.v1.bak").write_text("what a newer version keeps of an older one's journal")
    (folder / "poem-2.db").touch()
    job.forget()
    assert [file.name for file in folder.iterdir()] == ["poem-2.db"]


def test_a_lock_of_a_job_that_was_forgotten_meanwhile_keeps_nobody_out(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire = FileLock.acquire

    def forgotten_before(self: FileLock, deadline: float) -> None:
        (tmp_path / "batches" / "poem.held").unlink(missing_ok=True)
        acquire(self, deadline)

    monkeypatch.setattr(FileLock, "acquire", forgotten_before)
    with pytest.raises(BatchError) as refused:
        job_of(client).run()
    assert str(refused.value) == "The batch poem was forgotten by another process just now. Run it again."


def test_a_folder_that_cannot_be_made_is_said(server: Echoing, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    settings = {"state_dir": tmp_path / "file", "ledger": ":memory:"}
    with Client(base_url=server.url, api_key="k", settings=settings) as client, pytest.raises(BatchError) as refused:
        job_of(client).run()
    assert str(refused.value) == (
        f"The journal of poem cannot be kept in {tmp_path / 'file' / 'batches'}: Not a directory. Make that folder "
        'writable, or name another one with: state_dir = "..."'
    )


def test_without_a_state_folder_a_job_lives_in_memory() -> None:
    with offline() as client:
        job = client.batch(TEXTS, model="gpt-5.5", progress=False)
        assert job.run().receipt.answered == 6
        assert str(job.plan).endswith("6 are done. 0 to be asked.")


# --- awaited ------------------------------------------------------------------------------


def test_an_awaited_client_answers_the_same(server: Echoing, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncClient(base_url=server.url, api_key="k", settings={"state_dir": tmp_path}) as client:
            job = client.batch(TEXTS, model="m", name="poem", progress=False)
            assert (await job.plan()).left == 6
            assert await job is job
            assert [answer.text async for answer in job] == [f"Answer to {text}" for text in TEXTS]
            assert (await job.receipt()).answered == 6
            await job.forget()

    asyncio.run(main())
    assert server.counts() == dict.fromkeys(TEXTS, 1)


def test_an_awaited_job_that_is_stopped_says_so(server: Echoing, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncClient(base_url=server.url, api_key="k", settings={"state_dir": tmp_path}) as client:
            job = client.batch(TEXTS, model="m", name="poem", at_once=1, progress=False)
            server.before = lambda text: job.stop() if text == TEXTS[1] else None
            with pytest.raises(BatchPaused, match=r"^The batch poem is stopped, 2 of 6 done\."):
                await job

    asyncio.run(main())


def test_an_awaited_job_that_is_cancelled_loses_nothing(server: Echoing, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncClient(base_url=server.url, api_key="k", settings={"state_dir": tmp_path}) as client:
            loop = asyncio.get_running_loop()
            running = asyncio.ensure_future(
                client.batch(TEXTS, model="m", name="poem", at_once=1, progress=False).run()
            )
            server.before = lambda text: (
                loop.call_soon_threadsafe(running.cancel) and None if text == TEXTS[2] else None
            )
            with pytest.raises(asyncio.CancelledError):
                await running
            server.before = None
            assert [a.text async for a in client.batch(name="poem", progress=False)] == [
                f"Answer to {text}" for text in TEXTS
            ]

    asyncio.run(main())
    assert server.counts() == dict.fromkeys(TEXTS, 1)


def test_awaited_jobs_leave_the_loops_own_threads_to_others(server: Echoing, tmp_path: Path) -> None:
    url = server.url.replace("127.0.0.1", "localhost")  # a name, which the loop looks up on one of its threads

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(max_workers=1))
        async with AsyncClient(base_url=url, api_key="k", settings={"state_dir": tmp_path}) as client:
            jobs = [client.batch([f"Write {n}"], model="m", progress=False) for n in range(3)]
            await asyncio.wait_for(asyncio.gather(*jobs), 20)

    asyncio.run(main())
    assert len(server.asked) == 3


def test_an_awaited_offline_client_has_its_jobs_in_memory() -> None:
    async def main() -> None:
        async with offline(FakeProvider(default="Yes."), client=AsyncClient) as client:
            assert [answer.text async for answer in client.batch(TEXTS, model="gpt-5.5")] == ["Yes."] * 6

    asyncio.run(main())
