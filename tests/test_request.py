"""How a call's arguments become a request: whose answer it may share, how long it may take, what it opts into."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import httpx
import openai
import pytest

from greenai import Client, InvalidRequest
from greenai.testing import FakeProvider, offline

MESSAGES: list[Any] = [{"role": "user", "content": "Say hello to my friend Ada."}]


def made(client: Client, **arguments: Any) -> Any:
    given = {"messages": MESSAGES, "model": "gpt-5.5", "stream": False, **arguments}
    return client._session.request("create", given.pop("messages"), given.pop("model"), given.pop("stream"), given)


@pytest.mark.parametrize(
    "other",
    [
        {"default_headers": {"Authorization": "Bearer B"}},
        {"default_query": {"tenant": "B"}},
        {"organization": "org-B"},
        {"openai_project": "proj_B"},
        {"base_url": "http://b.example/v1"},
        {"api_key": "sk-B"},
    ],
    ids=str,
)
def test_callers_with_another_connection_share_no_answer(other: dict[str, Any]) -> None:
    with offline(FakeProvider(default="Hello.")) as client:
        copy = client.with_options(**other)
        assert client.ask("Greet guest 1.", temperature=0).greenai.outcome != "cache"
        assert copy.ask("Greet guest 1.", temperature=0).greenai.outcome != "cache"
        assert client.ask("Greet guest 1.", temperature=0).greenai.outcome == "cache"
        assert copy.ask("Greet guest 1.", temperature=0).greenai.outcome == "cache"


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "API-Key"])
def test_callers_with_another_header_share_no_answer(name: str) -> None:
    with offline() as client:
        namespaces = {made(client, extra_headers=h).namespace for h in (None, {name: "A"}, {name: "B"})}
        assert len(namespaces) == 3
        assert made(client, extra_headers={name: "A"}).namespace in namespaces


@pytest.mark.parametrize(
    ("variable", "model"),
    [
        ("OPENAI_API_KEY", "gpt-5.5"),
        ("OPENAI_PROJECT_ID", "auto"),
        ("NEWCOMER_API_KEY", "gpt-5.5"),
        ("NEWCOMER_API_BASE", None),
        ("NEWCOMER_SITE", "gpt-5.5"),
        ("ANTHROPIC_API_KEY", "claude-haiku-4-5"),
        ("ANTHROPIC_AUTH_TOKEN", "anthropic/claude-haiku-4-5"),
        ("ANTHROPIC_BASE_URL", "claude-haiku-4-5"),
        ("ANTHROPIC_API_BASE", "claude-haiku-4-5"),
        ("GEMINI_API_BASE", "gemini-2.5-flash"),
        ("AWS_ACCESS_KEY_ID", "bedrock/anthropic.claude-3-haiku"),
        ("AWS_PROFILE", "bedrock/anthropic.claude-3-haiku"),
        ("AZURE_AD_TOKEN", "azure/prod"),
        ("AZURE_API_VERSION", "azure/prod"),
        ("VERTEXAI_PROJECT", "vertex_ai/gemini-2.5-flash"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "vertex_ai/gemini-2.5-flash"),
        ("DATABRICKS_TOKEN", "databricks/x"),
        ("HF_TOKEN", "huggingface/x"),
        ("WATSONX_APIKEY", "watsonx/x"),
        ("WATSONX_ZENAPIKEY", "watsonx/x"),
        ("REPLICATE_API_TOKEN", "replicate/x"),
        ("SNOWFLAKE_JWT", "snowflake/x"),
        ("SOMEBODYS_SECRET", "somebody-else/x"),
    ],
)
def test_callers_with_another_environment_share_no_answer(
    variable: str, model: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    with offline(settings={"ladder": ["newcomer/small", "openai/gpt-5.5"]}) as client:
        for value in ("A", "B"):
            monkeypatch.setenv(variable, value)
            found.add(made(client, model=model).namespace)
    assert len(found) == 2


def test_what_a_provider_does_not_read_leaves_its_answers_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    with offline() as client:
        for value in ("A", "B"):
            monkeypatch.setenv("GITHUB_TOKEN", value)
            monkeypatch.setenv("SSH_CLIENT", value)
            found.add(made(client, model="claude-haiku-4-5").namespace)
    assert len(found) == 1


@pytest.mark.parametrize("unseen", [{"http_client": httpx.Client()}, {"api_key": lambda: "sk"}], ids=str)
def test_a_caller_that_cannot_be_seen_gets_nothing_from_the_cache(unseen: dict[str, Any]) -> None:
    with offline(FakeProvider(default="Hello.")) as client:
        copy, another = client.with_options(**unseen), client.with_options(**unseen)
        assert [copy.ask("Greet guest 1.", temperature=0).greenai.outcome for _ in range(2)] == ["small", "small"]
        assert made(copy).namespace != made(another).namespace


def test_durations_may_be_written_short() -> None:
    with offline() as client:
        options = made(client.with_options(ttl="12h", max_age=30)).options
        assert (options.ttl_s, options.max_age_s) == (43_200.0, 30)
        for name, value in (("ttl", "soon"), ("max_age", -1), ("ttl", float("inf")), ("cache_also", "everything")):
            with pytest.raises(InvalidRequest):
                client.with_options(**{name: value})
        with pytest.raises(InvalidRequest, match=r"ttl='soon' is no duration: it must be a number and a unit"):
            client.with_options(ttl="soon")
        for name, value, says in (
            ("ttl", "1 hour", r"Units: s, m, h, d, w\.$"),
            ("urgent", "no", r"^urgent='no' is neither True nor False\.$"),
            ("ttl", -1, r"^ttl=-1 is no ttl\. Pass seconds, 0 or more, or text"),
            ("ttl_s", -1, r"^ttl_s=-1 is no ttl_s\."),
            ("cache", False, r'"off" neither reads nor stores\.$'),
            ("namespace", "", r"Pass some text, or None\."),
        ):
            with pytest.raises(InvalidRequest, match=says):
                client.with_options(**{name: value})


def test_asking_for_the_semantic_cache_is_its_opt_in() -> None:
    with offline() as client:
        options = made(client.with_options(cache="semantic")).options
        assert (options.opt_in, options.reason) == ({"semantic_cache"}, "argument")
        strict = made(client.with_options(cache="semantic", strict_opt_in=True)).options
        assert strict.opt_in == frozenset()


@pytest.mark.parametrize("name", ["tenant", "user_scope", "namespace", "project"])
def test_nothing_is_shared_between_scopes(name: str) -> None:
    with offline(FakeProvider(default="Jane Austen")) as client:
        one, other = client.with_options(**{name: "a"}), client.with_options(**{name: "b"})
        outcomes = [c.ask("Who wrote Emma?").greenai.outcome for c in (one, other, client, one, other, client)]
    assert outcomes == ["small", "small", "small", "cache", "cache", "cache"]


def test_none_is_no_deadline_and_openais_sentinels_are_the_default(tmp_path: Any) -> None:
    settings = {"state_dir": str(tmp_path), "ladder": ["openai/gpt-5.5"]}
    with Client(settings=settings, timeout=None) as client:
        assert math.isinf(made(client).deadline)
    for nothing in (openai.NOT_GIVEN, openai.omit):
        with Client(settings=settings, timeout=nothing, max_retries=nothing) as client:
            assert made(client).transport.timeout_s == 600.0
            assert client._session.config.max_retries == 2


def test_an_id_of_an_openai_project_is_pointed_out(tmp_path: Any) -> None:
    settings = {"state_dir": str(tmp_path), "ladder": ["openai/gpt-5.5"]}
    with pytest.warns(UserWarning, match="openai_project='proj_1'"), Client(settings=settings, project="proj_1"):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client(settings=settings, project="support", openai_project="proj_1").close()


def test_asking_again_keeps_the_timeout_and_what_was_asked() -> None:
    provider = FakeProvider("small", "large")
    messages: list[Any] = [{"role": "user", "content": "Say hello to Ada."}]
    with offline(provider) as client:
        response = client.chat.completions.create(model="gpt-5.5", messages=messages, timeout=5)
        messages[0]["content"] = "changed"
        client.escalate(response)
    assert provider.calls[1].draft.messages[-1]["content"] == "Say hello to Ada."
    assert provider.calls[1].deadline - time.monotonic() < 6


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"reasoning_effort": "high"}, True),
        ({"thinking": {"type": "enabled"}}, True),
        ({"reasoning": {"effort": "high"}}, True),
        ({"reasoning_effort": "none"}, False),
        ({"thinking": {"type": "disabled"}}, False),
        ({"reasoning": {"enabled": False}}, False),
        ({"top_k": 1}, False),
    ],
    ids=str,
)
def test_reasoning_in_the_extra_body_is_an_opt_in(body: dict[str, Any], wanted: bool) -> None:
    with offline() as client:
        options = made(client, extra_body=body).options
        assert ("reasoning" in options.opt_in, options.reason) == (wanted, "argument" if wanted else None)
        strict = client.with_options(strict_opt_in=True)
        assert not made(strict, extra_body=body).options.opt_in


def test_what_was_asked_and_its_headers_are_not_in_a_repr() -> None:
    with offline() as client:
        shown = repr(made(client, extra_headers={"Authorization": "Bearer hush"}, user="someone"))
    assert not [secret for secret in ("hush", "Ada", "someone") if secret in shown]


def test_a_model_in_the_extra_body_is_refused() -> None:
    with offline(FakeProvider()) as client:
        with pytest.raises(InvalidRequest) as refused:
            made(client, extra_body={"model": "o3-pro"})
        assert made(client, extra_body={"model": None}).arguments == {"extra_body": {"model": None}}
        watched = client.with_options(observe=True)
        assert made(watched, extra_body={"model": "o3-pro"}).arguments == {"extra_body": {"model": "o3-pro"}}
    assert str(refused.value) == (
        "extra_body={'model': 'o3-pro'} would send the call to another model than the one that is decided on and "
        "booked. Pass model='o3-pro' instead."
    )
