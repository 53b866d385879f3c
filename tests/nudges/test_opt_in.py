"""Opt-ins end to end: every way in, who gave them in receipt and ledger, how far they reach, and what is refused."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from greenai import AsyncClient, Client, errors
from greenai.grants import Grant
from greenai.testing import FakeProvider, error, offline
from greenai.values import Options, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SMALL, LARGE = "openai/gpt-5.4-nano", "openai/gpt-5.5"
HARD = "Prove step by step that the square root of 2 is irrational, and justify each lemma."
PUZZLE = "Ava, Bo and Cy swap seats: first Ava and Bo, then Bo and Cy, then Ava and Cy. Who sits in the first seat?"
EASY = "Say hello to my friend Ada."
WHY = "checked by a person"


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider(default="An answer.")


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Client]:
    with offline(provider) as opened:
        yield opened


def rows(client: Client | AsyncClient) -> list[dict[str, Any]]:
    return client._session.resources.ledger.recent()


def granted(client: Client) -> list[tuple[str, str, str | None]]:
    return [(g["kind"], g["by"], g["reason"]) for g in rows(client)[0]["granted"]]


def tomorrow() -> str:
    return datetime.fromtimestamp(time.time() + 90_000, UTC).isoformat()


def yesterday() -> str:
    return datetime.fromtimestamp(time.time() - 90_000, UTC).isoformat()


# --- every way in ---------------------------------------------------------------------------


def by_call(client: Client) -> Receipt:
    return client.ask(HARD, greenai={"opt_in": "large", "reason": WHY}).greenai


def by_options(client: Client) -> Receipt:
    return client.ask(HARD, greenai=Options(opt_in=frozenset(("large",)), reason=WHY)).greenai


def by_copy(client: Client) -> Receipt:
    return client.with_options(opt_in={"large"}, reason=WHY).ask(HARD).greenai


def by_block(client: Client) -> Receipt:
    with client.opt_in("large", reason=WHY):
        return client.ask(HARD).greenai


def by_options_block(client: Client) -> Receipt:
    with client.options(opt_in="large", reason=WHY):
        return client.ask(HARD).greenai


@pytest.mark.parametrize(
    ("way", "by"),
    [
        (by_call, "call"),
        (by_options, "call"),
        (by_copy, "client"),
        (by_block, "block"),
        (by_options_block, "block"),
    ],
)
def test_each_way_to_give_an_opt_in_is_told_in_receipt_and_ledger(
    client: Client, way: Callable[[Client], Receipt], by: Any
) -> None:
    receipt = way(client)
    assert receipt.model == LARGE
    assert receipt.opt_ins == (Grant(kind="large", by=by, reason=WHY),)
    assert receipt.decision.opt_ins == ("large",)
    (row,) = rows(client)
    assert row["granted"] == [{"kind": "large", "by": by, "reason": WHY, "until": None, "user": None}]
    assert (row["opt_in"], row["opt_in_reason"]) == (["large"], WHY)
    assert client.ask(HARD, greenai={"cache": "off"}).greenai.model == SMALL  # it did not stick


def test_the_client_itself(provider: FakeProvider) -> None:
    with offline(provider, opt_in="large", reason=WHY) as client:
        assert client.ask(HARD).greenai.opt_ins == (Grant(kind="large", by="client", reason=WHY),)


def test_the_settings_give_until_they_expire(provider: FakeProvider) -> None:
    ends = tomorrow()
    with offline(provider, settings={"opt_in": ["large"], "opt_in_reason": WHY, "opt_in_expires": ends}) as client:
        until = datetime.fromisoformat(ends).timestamp()
        assert client.ask(HARD).greenai.opt_ins == (Grant(kind="large", by="settings", reason=WHY, until=until),)
    with offline(
        provider, settings={"opt_in": ["large"], "opt_in_reason": WHY, "opt_in_expires": yesterday()}
    ) as client:
        receipt = client.ask(HARD).greenai
        assert (receipt.model, receipt.opt_ins) == (SMALL, ())


PROJECTS = {
    "tax": {"opt_in": ["large"], "opt_in_reason": "tax advice is checked", "opt_in_expires": "2999-01-31"},
    "bulk": {"opt_in": []},
}


def test_a_project_has_opt_ins_of_its_own_in_place_of_those_for_all(provider: FakeProvider) -> None:
    settings = {"opt_in": ["reasoning"], "opt_in_reason": "for all", "projects": PROJECTS}
    with offline(provider, settings=settings) as client:
        until = datetime(2999, 2, 1, tzinfo=UTC).timestamp()
        tax = client.ask(HARD, greenai={"project": "tax"}).greenai
        assert tax.opt_ins == (Grant(kind="large", by="project settings", reason="tax advice is checked", until=until),)
        assert tax.model == LARGE
        assert client.with_options(project="bulk").ask(HARD).greenai.opt_ins == ()
        assert client.ask(HARD).greenai.opt_ins == (Grant(kind="reasoning", by="settings", reason="for all"),)


def test_a_project_opt_in_that_is_over_is_over_in_blocks_and_copies_too(provider: FakeProvider) -> None:
    project = {"opt_in": ["large"], "opt_in_reason": WHY, "opt_in_expires": yesterday()}
    with offline(provider, project="tax", settings={"projects": {"tax": project}}) as client:
        with client.options(quality="high"), client.opt_in("reasoning", reason="a test"):
            receipt = client.ask(HARD).greenai
        assert [g.kind for g in receipt.opt_ins] == ["reasoning"]
        copied = client.with_options(quality="high").ask(HARD).greenai
        assert (copied.model, copied.opt_ins) == (SMALL, ())


def test_an_opt_in_ends_while_a_block_runs(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"opt_in": ["large"], "opt_in_reason": WHY, "opt_in_expires": tomorrow()}
    with offline(provider, settings=settings) as client, client.opt_in("reasoning", reason="a test"):
        assert [g.kind for g in client.ask(HARD).greenai.opt_ins] == ["large", "reasoning"]
        now = time.time()
        monkeypatch.setattr("greenai.opt_ins.time.time", lambda: now + 100_000)
        assert [g.kind for g in client.ask(HARD).greenai.opt_ins] == ["reasoning"]


def in_a_block_with_a_reason(client: Client) -> None:
    with client.options(reason="x"):
        client.ask(HARD, greenai={"opt_in": {"reasoning"}})


def in_a_block_with_the_reason_of_another(client: Client) -> None:
    with client.opt_in("large", reason="x"), client.options(opt_in="large", reason="y"):
        client.ask(HARD, greenai={"opt_in": {"large", "reasoning"}})


def for_a_project_without_it(client: Client) -> None:
    client.ask(HARD, greenai={"project": "tax", "opt_in": {"reasoning"}})


def in_a_copy_for_a_project_without_it(client: Client) -> None:
    client.with_options(project="tax", opt_in={"reasoning"})


def in_a_block_for_a_project_without_it(client: Client) -> None:
    with client.options(project="tax", opt_in={"reasoning"}):
        pass


def in_a_block_within_one(client: Client) -> None:
    with client.options(project="tax"), client.options(opt_in={"reasoning"}):
        pass


def with_a_blank(client: Client) -> None:
    client.ask(HARD, greenai={"project": "tax", "opt_in": {"reasoning"}, "reason": " "})


@pytest.mark.parametrize(
    "way",
    [
        in_a_block_with_a_reason,
        in_a_block_with_the_reason_of_another,
        for_a_project_without_it,
        in_a_copy_for_a_project_without_it,
        in_a_block_for_a_project_without_it,
        in_a_block_within_one,
        with_a_blank,
    ],
)
def test_each_opt_in_needs_a_reason_of_its_own(provider: FakeProvider, way: Callable[[Client], None]) -> None:
    settings: dict[str, Any] = {"projects": {"tax": {"opt_in": []}}}
    if way is not in_a_block_with_a_reason and way is not in_a_block_with_the_reason_of_another:
        settings |= {"opt_in": ["reasoning"], "opt_in_reason": "root"}
    with offline(provider, settings=settings) as client, pytest.raises(errors.InvalidRequest) as raised:
        way(client)
    assert str(raised.value) == (
        'The opt-in reasoning needs a reason, which the ledger keeps: pass reason="why this is worth it" with it.'
    )
    assert provider.calls == []


def test_an_opt_in_that_the_projects_table_has_needs_no_other_reason(provider: FakeProvider) -> None:
    with offline(provider, settings={"projects": PROJECTS}) as client:
        asked = {"project": "tax", "opt_in": {"large"}}
        (grant,) = client.ask(HARD, greenai=asked).greenai.opt_ins
        assert (grant.by, grant.reason) == ("project settings", "tax advice is checked")
        assert client.with_options(**asked).ask(HARD).greenai.opt_ins == (grant,)
        with client.options(**asked):
            assert client.ask(HARD).greenai.opt_ins == (grant,)
    with offline(provider, project="tax", opt_in="large", settings={"projects": PROJECTS}) as client:
        assert client.ask(HARD).greenai.opt_ins == (grant,)


def test_an_argument_is_an_opt_in_of_its_own(client: Client) -> None:
    receipt = client.ask(EASY, reasoning_effort="high").greenai
    assert receipt.opt_ins == (Grant(kind="reasoning", by="argument", reason="argument"),)
    assert granted(client) == [("reasoning", "argument", "argument")]


def test_an_argument_besides_an_opt_in_keeps_both(client: Client) -> None:
    with client.opt_in("large", reason=WHY, user="ada"):
        receipt = client.ask(EASY, reasoning_effort="high").greenai
    assert receipt.opt_ins == (
        Grant(kind="large", by="block", reason=WHY, user="ada"),
        Grant(kind="reasoning", by="argument", reason=WHY),
    )


def test_escalating_is_an_opt_in_for_the_rung_above(client: Client) -> None:
    again = client.escalate(client.ask(EASY)).greenai
    assert again.opt_ins == (Grant(kind="large", by="escalate", reason="escalate"),)
    assert granted(client) == [("large", "escalate", "escalate")]


def test_each_reason_is_kept(client: Client) -> None:
    with client.opt_in("large", reason="proofs are published"), client.opt_in("reasoning", reason=WHY, user="ada"):
        receipt = client.ask(HARD).greenai
    assert receipt.opt_ins == (
        Grant(kind="large", by="block", reason="proofs are published"),
        Grant(kind="reasoning", by="block", reason=WHY, user="ada"),
    )
    assert rows(client)[0]["opt_in_reason"] == f"proofs are published; {WHY}"


def test_a_key_in_a_reason_does_not_reach_the_ledger(client: Client) -> None:
    client.ask(HARD, greenai={"opt_in": "large", "reason": "with sk-abcdefgh12345678"})
    assert "sk-abcdefgh12345678" not in json.dumps(rows(client)[0]["granted"])


def test_a_receipt_with_opt_ins_is_json_and_text(client: Client) -> None:
    receipt = by_block(client)
    assert json.loads(json.dumps(receipt.to_dict()))["opt_ins"][0]["by"] == "block"
    assert f"large, by a block: {WHY}" in str(receipt)


# --- how far it reaches ---------------------------------------------------------------------


def test_blocks_add_up_and_end(client: Client) -> None:
    with client.opt_in("reasoning", reason="one"):
        with client.opt_in("large", reason="two"):
            assert [g.kind for g in client.ask(HARD).greenai.opt_ins] == ["large", "reasoning"]
        assert [g.kind for g in client.ask(HARD).greenai.opt_ins] == ["reasoning"]
    assert client.ask(HARD).greenai.opt_ins == ()


def test_a_block_ends_with_an_error_too(client: Client) -> None:
    with pytest.raises(RuntimeError, match="the app's"), client.opt_in("large", reason=WHY):
        raise RuntimeError("the app's")
    assert client.ask(HARD).greenai.opt_ins == ()


def test_options_of_a_call_or_an_inner_block_stand_in_place_of_a_block(client: Client) -> None:
    with client.opt_in("large", reason=WHY):
        assert client.ask(HARD, greenai={"opt_in": ()}).greenai.opt_ins == ()
        assert client.ask(HARD, greenai=Options()).greenai.model == LARGE  # a default says nothing
        with client.options(opt_in=()):
            assert client.ask(HARD).greenai.opt_ins == ()


def test_a_block_holds_for_copies_of_its_client_and_for_no_other_client(client: Client) -> None:
    with offline(FakeProvider(default="Other.")) as other, client.opt_in("large", reason=WHY):
        assert client.with_options(quality="high").ask(HARD).greenai.model == LARGE
        assert other.ask(HARD).greenai.opt_ins == ()


def test_a_thread_has_none_of_the_block_it_was_started_in(client: Client) -> None:
    found: list[Receipt] = []
    with client.opt_in("large", reason=WHY):
        thread = threading.Thread(target=lambda: found.append(client.ask(HARD).greenai))
        thread.start()
        thread.join()
    assert found[0].opt_ins == ()


def test_tasks_have_their_own() -> None:
    async def careful(client: AsyncClient, inside: asyncio.Event, done: asyncio.Event) -> Receipt:
        with client.opt_in("large", reason=WHY):
            inside.set()
            await done.wait()
            return (await client.ask(HARD)).greenai

    async def main() -> tuple[Receipt, Receipt]:
        async with offline(FakeProvider(default="An answer."), client=AsyncClient) as client:
            inside, done = asyncio.Event(), asyncio.Event()
            task = asyncio.create_task(careful(client, inside, done))
            await inside.wait()
            other = (await client.ask(HARD)).greenai
            done.set()
            return other, await task

    other, careful_one = asyncio.run(main())
    assert other.opt_ins == ()
    assert careful_one.opt_ins == (Grant(kind="large", by="block", reason=WHY),)


def test_the_next_turn_of_a_conversation_needs_an_opt_in_of_its_own(client: Client) -> None:
    first = [{"role": "user", "content": HARD}]
    with client.opt_in("large", reason=WHY):
        answer = client.chat.completions.create(messages=first)  # type: ignore[call-overload]
    assert answer.greenai.model == LARGE
    turns = [*first, {"role": "assistant", "content": "An answer."}, {"role": "user", "content": "Shorter, please."}]
    later = client.chat.completions.create(messages=turns)  # type: ignore[call-overload]
    assert (later.greenai.model, later.greenai.opt_ins) == (SMALL, ())


@pytest.mark.parametrize(
    ("give", "said"),
    [
        (
            lambda c: c.opt_in("everything", reason=WHY),
            "Unknown opt-in 'everything'. Known opt-ins: large, long_output, reasoning, semantic_cache.",
        ),
        (
            lambda c: c.opt_in("large"),
            (
                "The opt-in large needs a reason, which the ledger keeps. Write for example: "
                'with client.opt_in("large", reason="why this is worth it"): ...'
            ),
        ),
        (
            lambda c: c.opt_in("reasoning", "large", reason=" "),
            (
                "The opt-in large, reasoning needs a reason, which the ledger keeps. Write for example: "
                'with client.opt_in("large", "reasoning", reason="why this is worth it"): ...'
            ),
        ),
        (
            lambda c: c.opt_in(reason=WHY),
            (
                "opt_in() names no mode. Pass one of large, long_output, reasoning, semantic_cache, as in "
                'client.opt_in("reasoning", reason="...").'
            ),
        ),
        (
            lambda c: c.opt_in("large", reason=WHY, user=""),
            "user='' is no user. Pass the name or id of who allowed it, or None.",
        ),
    ],
)
def test_a_block_that_cannot_be(client: Client, give: Callable[[Client | AsyncClient], Any], said: str) -> None:
    waiting = offline(FakeProvider(), client=AsyncClient)
    for each in (client, waiting):
        with pytest.raises(errors.InvalidRequest) as raised, give(each):
            pass
        assert str(raised.value) == said
    asyncio.run(waiting.close())


# --- what happens without one ---------------------------------------------------------------


def test_downgraded_the_cheap_answer_comes_and_one_line_says_so(provider: FakeProvider) -> None:
    with offline(provider, settings={"without_opt_in": "downgrade"}) as client:
        receipt = client.ask(PUZZLE, model="gpt-5.5").greenai
    (line,) = [r for r in receipt.decision.reasons if "opt-in" in r]
    assert line.startswith("Reasoning is expected to help (P(it helps) 0.")
    assert line.endswith(
        "; it stays at its least, as nobody gave the opt-in reasoning. "
        'To allow it: with_options(opt_in={"reasoning"}, reason="...").'
    )
    assert (receipt.reasoning, receipt.warnings) == (False, ())


REFUSED: Mapping[str, Mapping[str, Any]] = {
    "large": {"text": HARD},
    "reasoning": {"text": PUZZLE, "model": "gpt-5.5"},
    "semantic_cache": {"text": EASY, "greenai": {"cache": "semantic", "strict_opt_in": True}},
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refusal_has_the_line_that_allows_it(provider: FakeProvider, kind: str) -> None:
    call = REFUSED[kind]
    with offline(provider, settings={"without_opt_in": "refuse"}) as client:
        with pytest.raises(errors.OptInRequired) as raised:
            client.ask(**call)
        assert (raised.value.kind, provider.calls) == (kind, [])
        named = '"large", "reasoning"' if kind == "large" else f'"{kind}"'  # the proof gains by reasoning too
        line = f'client = client.with_options(opt_in={{{named}}}, reason="why this is worth it")'
        assert raised.value.fix == line
        assert str(raised.value).endswith(f" {line}")
        scope = {"client": client}
        exec(raised.value.fix, scope)  # what the message tells to paste
        receipt = scope["client"].ask(**call).greenai
    assert [g.kind for g in receipt.opt_ins] == [k for k in ("large", "reasoning", "semantic_cache") if k in named]


def test_a_failed_call_keeps_who_opted_in() -> None:
    with offline(FakeProvider(error(400))) as client, client.opt_in("reasoning", reason=WHY):
        with pytest.raises(openai.BadRequestError):
            client.ask(EASY)
        assert (rows(client)[0]["outcome"], granted(client)) == ("failed", [("reasoning", "block", WHY)])


def test_the_line_keeps_what_was_allowed_already(provider: FakeProvider) -> None:
    with (
        offline(provider, opt_in="reasoning", reason=WHY, settings={"without_opt_in": "refuse"}) as client,
        pytest.raises(errors.OptInRequired) as raised,
    ):
        client.ask(HARD)
    assert raised.value.fix == (
        'client = client.with_options(opt_in={"large", "reasoning"}, reason="why this is worth it")'
    )
    assert str(raised.value) == (
        "openai/gpt-5.5 is expected to answer better than openai/gpt-5.4-nano, which needs the opt-in large. Nobody "
        'opted in, and without_opt_in = "refuse" is set. Name the model with model="...", or allow it: '
        'client = client.with_options(opt_in={"large", "reasoning"}, reason="why this is worth it")'
    )


def test_what_a_refusal_says(provider: FakeProvider) -> None:
    with (
        offline(provider, settings={"without_opt_in": "refuse"}) as client,
        pytest.raises(errors.OptInRequired) as raised,
    ):
        client.ask(HARD)
    assert str(raised.value) == (
        "openai/gpt-5.5 is expected to answer better than openai/gpt-5.4-nano, which needs the opt-in large. Reasoning "
        "is expected to help (P(it helps) 0.34 reaches 0.25), which needs the opt-in reasoning. Nobody opted in, and "
        'without_opt_in = "refuse" is set. To allow it: '
        'client = client.with_options(opt_in={"large", "reasoning"}, reason="why this is worth it")'
    )


def test_a_refused_call_is_in_the_ledger_once_and_took_nothing(provider: FakeProvider) -> None:
    with offline(provider, settings={"without_opt_in": "refuse"}) as client:
        with pytest.raises(errors.OptInRequired) as raised:
            client.ask(HARD)
        [row] = rows(client)
        ledger = client._session.resources.ledger
        assert (provider.calls, ledger.check()["holds"], ledger.attempts(row["call_id"])) == ([], 0, [])
    assert (row["outcome"], row["energy_j"], row["cost_usd"]) == ("refused", 0.0, 0.0)
    assert row["error"] == f"OptInRequired: {raised.value}"


def test_a_refused_stream_is_in_the_ledger_once(provider: FakeProvider) -> None:
    with offline(provider, settings={"without_opt_in": "refuse"}) as client:
        with pytest.raises(errors.OptInRequired):
            client.ask(HARD, stream=True)
        assert [row["outcome"] for row in rows(client)] == ["refused"]


def test_a_refused_async_call_and_stream_are_in_the_ledger_once_each(provider: FakeProvider) -> None:
    asyncio.run(_refused_async(provider))


async def _refused_async(provider: FakeProvider) -> None:
    async with offline(provider, client=AsyncClient, settings={"without_opt_in": "refuse"}) as client:
        with pytest.raises(errors.OptInRequired):
            await client.ask(HARD)
        with pytest.raises(errors.OptInRequired):
            await client.ask(HARD, stream=True)
        assert [row["outcome"] for row in rows(client)] == ["refused", "refused"]


@pytest.mark.parametrize("text", [EASY, "What is 18% of 240?"])
def test_what_needs_no_opt_in_is_not_refused(provider: FakeProvider, text: str) -> None:
    with offline(provider, settings={"without_opt_in": "refuse"}) as client:
        assert client.ask(text, model="gpt-5.5").text


def test_an_app_that_says_no_reasoning_is_not_refused(provider: FakeProvider) -> None:
    with offline(provider, settings={"without_opt_in": "refuse"}) as client:
        assert client.ask(PUZZLE, model="gpt-5.5", reasoning_effort="none").greenai.reasoning is False


def test_a_project_or_a_call_may_refuse_where_others_do_not(provider: FakeProvider) -> None:
    settings = {"without_opt_in": "downgrade", "projects": {"strict": {"without_opt_in": "refuse"}}}
    with offline(provider, settings=settings) as client:
        assert client.ask(HARD).greenai.model == SMALL
        with pytest.raises(errors.OptInRequired):
            client.ask(HARD, greenai={"project": "strict"})
        with pytest.raises(errors.OptInRequired):
            client.ask(HARD, greenai={"without_opt_in": "refuse"})
        assert client.ask(HARD, greenai={"project": "strict", "without_opt_in": "downgrade"}).greenai.model == SMALL


def test_a_stored_cheap_answer_is_not_given_where_the_call_would_be_refused(client: Client) -> None:
    assert client.ask(HARD).greenai.model == SMALL
    assert client.ask(HARD).greenai.outcome == "cache"
    with pytest.raises(errors.OptInRequired):
        client.ask(HARD, greenai={"without_opt_in": "refuse"})


def test_observing_tells_of_the_refusal_and_sends_the_call(provider: FakeProvider) -> None:
    with offline(provider, observe=True, settings={"without_opt_in": "refuse"}) as client:
        receipt = client.ask(HARD).greenai
    assert receipt.decision.reasons[0].startswith(
        "Without observe this call would be refused: openai/gpt-5.5 is expected"
    )
    assert receipt.model == LARGE


def test_explain_refuses_as_the_call_would(provider: FakeProvider) -> None:
    with offline(provider, settings={"without_opt_in": "refuse"}) as client, pytest.raises(errors.OptInRequired):
        client.explain(HARD)


# --- strict_opt_in --------------------------------------------------------------------------

ARGUMENTS: tuple[Mapping[str, Any], ...] = (
    {"reasoning_effort": "high"},
    {"extra_body": {"reasoning_effort": "high"}},
    {"extra_body": {"thinking": {"type": "enabled", "budget_tokens": 1000}}},
    {"extra_body": {"reasoning": {"effort": "high"}}},
    {"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}},
    {"extra_body": {"enable_thinking": True}},
)


def create(client: Client, arguments: Mapping[str, Any]) -> Receipt:
    messages = [{"role": "user", "content": EASY}]
    return client.chat.completions.create(model="gpt-5.5", messages=messages, **arguments).greenai  # type: ignore[call-overload,no-any-return]


def created_stream(client: Client, arguments: Mapping[str, Any]) -> Receipt:
    messages = [{"role": "user", "content": EASY}]
    stream = client.chat.completions.create(model="gpt-5.5", messages=messages, stream=True, **arguments)  # type: ignore[call-overload]
    list(stream)
    return stream.greenai  # type: ignore[no-any-return]


def asked(client: Client, arguments: Mapping[str, Any]) -> Receipt:
    return client.ask(EASY, model="gpt-5.5", **arguments).greenai


def asked_stream(client: Client, arguments: Mapping[str, Any]) -> Receipt:
    with client.ask(EASY, model="gpt-5.5", stream=True, **arguments) as stream:
        list(stream)
    assert stream.greenai is not None
    return stream.greenai


def in_a_copy(client: Client, arguments: Mapping[str, Any]) -> Receipt:
    return asked(client.with_options(quality="high"), arguments)


def in_a_block(client: Client, arguments: Mapping[str, Any]) -> Receipt:
    with client.options(quality="high"):
        return asked(client, arguments)


def with_options_of_the_call(client: Client, arguments: Mapping[str, Any]) -> Receipt:
    return asked(client, {**arguments, "greenai": Options(quality="high")})


WAYS = (create, created_stream, asked, asked_stream, in_a_copy, in_a_block, with_options_of_the_call)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_strict_gates_arguments_by_every_way_in(
    way: Callable[[Client, Mapping[str, Any]], Receipt], arguments: Mapping[str, Any]
) -> None:
    provider = FakeProvider(default="Hello.")
    with offline(provider, settings={"strict_opt_in": True, "without_opt_in": "downgrade"}) as client:
        receipt = way(client, arguments)
        sent = provider.calls[-1].draft
        assert (receipt.reasoning, receipt.opt_ins) == (False, ())
        assert sent.arguments["reasoning_effort"] == "none"
        assert not sent.arguments.get("extra_body", {}).get("chat_template_kwargs")
        with client.opt_in("reasoning", reason=WHY):
            allowed = way(client, arguments)
        assert (allowed.reasoning, [g.by for g in allowed.opt_ins]) == (True, ["block"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_strict_and_refusing_an_argument_is_refused_by_every_way_in(
    way: Callable[[Client, Mapping[str, Any]], Receipt], arguments: Mapping[str, Any]
) -> None:
    provider = FakeProvider(default="Hello.")
    with (
        offline(provider, settings={"strict_opt_in": True, "without_opt_in": "refuse"}) as client,
        pytest.raises(errors.OptInRequired) as raised,
    ):
        way(client, arguments)
    assert provider.calls == []
    assert str(raised.value) == (
        "An argument of this call asks for reasoning, which needs the opt-in reasoning. Nobody opted in, and "
        'without_opt_in = "refuse" is set. To allow it: '
        'client = client.with_options(opt_in={"reasoning"}, reason="why this is worth it")'
    )


# --- one of the settings that is over ---------------------------------------------------------

OVER = {"opt_in": ["large"], "opt_in_reason": WHY, "opt_in_expires": "2020-01-01"}
ENDED = "The opt-in large of the settings{} ended on 2020-01-01"


@pytest.mark.parametrize(("given", "whose"), [(OVER, ""), ({"projects": {"default": OVER}}, " (project default)")])
def test_an_opt_in_that_is_over_is_told_in_place_of_the_question(
    provider: FakeProvider, given: dict[str, Any], whose: str, caplog: pytest.LogCaptureFixture
) -> None:
    said = ENDED.format(whose)
    warned = f"{said}, so calls are answered without. To allow it again: set a later opt_in_expires; if not, take opt_in out."
    with offline(provider, settings=given) as client:
        assert f"{said}. To allow it again: set a later opt_in_expires." in client.explain(HARD).reasons
        receipt, later = (client.ask(f"{HARD}{more}").greenai for more in ("", " Briefly."))
        assert (receipt.model, receipt.warnings, later.warnings) == (SMALL, (warned,), ())
        assert any(reason.startswith(said) for reason in later.decision.reasons)
        assert client.ask(EASY).greenai.warnings == ()
        with client.opt_in("large", reason=WHY):  # given again
            assert not any("ended on" in reason for reason in client.explain(HARD).reasons)
        assert not any("ended on" in reason for reason in client.with_options(opt_in=()).explain(HARD).reasons)
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [warned]


def test_a_refusal_says_which_opt_in_is_over(provider: FakeProvider) -> None:
    over = {"projects": {"default": {**OVER, "opt_in": ["large", "reasoning"]}}, "without_opt_in": "refuse"}
    with offline(provider, settings=over) as client, pytest.raises(errors.OptInRequired) as raised:
        client.ask(HARD)
    assert str(raised.value) == (
        "openai/gpt-5.5 is expected to answer better than openai/gpt-5.4-nano, which needs the opt-in large. Reasoning "
        "is expected to help (P(it helps) 0.34 reaches 0.25), which needs the opt-in reasoning. The opt-in large, "
        "reasoning of the settings (project default) ended on 2020-01-01, and "
        'without_opt_in = "refuse" is set. Set a later opt_in_expires, or allow it: '
        'client = client.with_options(opt_in={"large", "reasoning"}, reason="why this is worth it")'
    )


def test_where_only_large_models_are_left_the_opt_in_that_is_over_is_named() -> None:
    with offline(FakeProvider(error(403)), settings=OVER) as client:
        with pytest.raises(openai.PermissionDeniedError):
            client.ask(EASY)
        with pytest.raises(errors.OptInRequired) as raised:
            client.ask(EASY)
    assert f"{ENDED.format('')}; set a later opt_in_expires. Name the model" in str(raised.value)


# --- asked once -----------------------------------------------------------------------------

QUESTION = (
    "A call of the project 'default' would use the opt-in large, which nobody gave; it is answered without. Choose once: "
    'without_opt_in = "downgrade" in greenai.toml keeps it so ("refuse" raises an error instead), and this line allows '
    'it: client = client.with_options(opt_in={"large"}, reason="why this is worth it")'
)


def test_a_project_is_asked_once_over_processes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"ledger": str(tmp_path / "ledger.db")}
    with offline(FakeProvider(default="An answer."), settings=settings) as client:
        assert client.ask(EASY).greenai.warnings == ()
        assert client.ask(HARD).greenai.warnings == (QUESTION,)
        assert client.ask(HARD + " Briefly.").greenai.warnings == ()
        assert client.with_options(project="other").ask(HARD).greenai.warnings == (
            QUESTION.replace("default", "other"),
        )
    with offline(FakeProvider(default="An answer."), settings=settings) as client:  # as another process would
        assert client.ask(HARD + " In short.").greenai.warnings == ()
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        QUESTION,
        QUESTION.replace("default", "other"),
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"without_opt_in": "downgrade"},
        {"projects": {"default": {"without_opt_in": "downgrade"}}},
        {"opt_in": ["reasoning"], "opt_in_reason": WHY},
    ],
)
def test_a_project_with_a_policy_is_not_asked(provider: FakeProvider, settings: dict[str, Any]) -> None:
    with offline(provider, settings=settings) as client:
        assert client.ask(HARD).greenai.warnings == ()


@pytest.mark.parametrize("line", ['without_opt_in = "downgrade"', 'without_opt_in = "refuse"'])
def test_the_line_for_the_settings_is_one_that_settings_take(line: str, tmp_path: Path) -> None:
    assert line in QUESTION or line.replace("without_opt_in = ", "") in QUESTION
    file = tmp_path / "greenai.toml"
    file.write_text(line + "\n")
    with Client(settings=file) as client:
        assert client.settings.without_opt_in == line.split('"')[1]


def test_nobody_is_asked_by_explain_or_while_observing(provider: FakeProvider) -> None:
    with offline(provider) as client:
        client.explain(HARD)
        assert client.ask(HARD).greenai.warnings == (QUESTION,)
    with offline(provider, observe=True) as client:
        assert client.ask(HARD).greenai.warnings == ()


def test_async_and_sync_ask_alike() -> None:
    async def main() -> tuple[str, ...]:
        async with offline(FakeProvider(default="An answer."), client=AsyncClient) as client:
            return (await client.ask(HARD)).greenai.warnings

    assert asyncio.run(main()) == (QUESTION,)
