from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openai import NOT_GIVEN, omit
from openai.types.chat import ChatCompletionMessage
from pydantic import BaseModel

from greenai.cache import (
    Entry,
    ExactCache,
    cache_key,
    exact_key,
    is_kept,
    namespace,
    policy_fingerprint,
    term_for,
    ttl_for,
)
from greenai.cache.keep import Term, class_of
from greenai.cache.keys import NOT_IN_KEY
from greenai.errors import InvalidRequest
from greenai.provider.openai_path import parameters
from greenai.readings import Reading
from greenai.store.disk import JsonCache
from greenai.values import Options, Reply, Request, Rung, Transport, Usage

SCALAR = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6) | st.text(max_size=8)
JSON = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(
    st.sampled_from(
        (
            "temperature",
            "max_tokens",
            "seed",
            "top_p",
            "stop",
            "tools",
            "response_format",
            "extra_body",
            "user",
            "new_one",
        )
    ),
    JSON,
    max_size=5,
)
TURN = st.fixed_dictionaries(
    {"role": st.sampled_from(("user", "assistant", "system")), "content": st.text(max_size=12)}
)


def request(**changes: Any) -> Request:
    given: dict[str, Any] = {
        "call_id": "c1",
        "entry": "create",
        "model": "gpt-5.5",
        "messages": ({"role": "user", "content": "Who wrote Emma?"},),
        "arguments": {},
        "stream": False,
        "transport": Transport(timeout_s=600.0),
        "options": Options(),
        "deadline": 0.0,
        "namespace": "n1",
    }
    return Request(**{**given, **changes})


def key(**changes: Any) -> str | None:
    return exact_key(request(**changes), "policy")


def same(a: object, b: object) -> bool:
    """Equality as JSON has it, apart from 1 == 1.0: True is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return (type(a) in (int, float) and type(b) in (int, float) and a == b) or (type(a) is type(b) and a == b)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reordered(value[name]) for name in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


def as_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    return float(value) if type(value) is int else value


# --- the key ------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(one=ARGUMENTS, other=ARGUMENTS)
def test_arguments_share_a_key_exactly_when_they_are_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (key(arguments=one) == key(arguments=other)) == same(one, other)


@settings(max_examples=100, deadline=None)
@given(arguments=ARGUMENTS)
def test_order_of_names_and_kind_of_number_do_not_matter(arguments: dict[str, Any]) -> None:
    wanted = key(arguments=arguments)
    assert wanted is not None
    assert key(arguments=reordered(arguments)) == wanted
    assert key(arguments=as_floats(arguments)) == wanted


@settings(max_examples=100, deadline=None)
@given(turns=st.lists(TURN, min_size=1, max_size=4), data=st.data())
def test_order_of_messages_matters(turns: list[dict[str, str]], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(turns))
    assume(shuffled != turns)
    assert key(messages=tuple(turns)) != key(messages=tuple(shuffled))


@settings(max_examples=100, deadline=None)
@given(text=st.text(), other=st.text())
def test_any_difference_in_the_text_counts(text: str, other: str) -> None:
    one = key(messages=({"role": "user", "content": text},))
    assert (one == key(messages=({"role": "user", "content": other},))) == (text == other)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "gpt-5.4"},
        {"model": None},
        {"entry": "ask"},
        {"namespace": "n2"},
        {"floor": "openai/gpt-5.4-nano"},
        {"arguments": {"temperature": 0}},
        {"arguments": {"temperature": None}},
        {"arguments": {"reasoning_effort": "none"}},
        {"arguments": {"extra_body": {"thinking": {"type": "disabled"}}}},
        {"arguments": {"an_argument_nobody_knows": 1}},
        {"arguments": {"user": "someone"}},
        {"messages": ({"role": "system", "content": "Who wrote Emma?"},)},
        {"messages": ({"role": "user", "content": "Who wrote Emma?", "name": "Ann"},)},
        {"messages": ({"role": "user", "content": [{"type": "text", "text": "Who wrote Emma?"}]},)},
        {"options": Options(project="other")},
        {"options": Options(tenant="t2")},
        {"options": Options(user_scope="u2")},
        {"options": Options(namespace="n2")},
        {"options": Options(quality="high")},
        {"options": Options(opt_in=frozenset(("reasoning",)))},
        {"options": Options(strict_opt_in=True)},
        {"options": Options(substitute=True)},
        {"options": Options(observe=True)},
        {"options": Options(verify="off")},
        {"options": Options(cache_also=frozenset(("sampled",)))},
        {"transport": Transport(timeout_s=600.0, extra_headers={"OpenAI-Beta": "next"})},
        {"transport": Transport(timeout_s=600.0, extra_query={"api-version": "2"})},
    ],
    ids=str,
)
def test_what_can_shape_the_answer_changes_the_key(changes: dict[str, Any]) -> None:
    assert key(**changes) not in (None, key())


@pytest.mark.parametrize(
    "changes",
    [
        {"call_id": "c2"},
        {"stream": True},
        {"deadline": 99.0},
        {"parent": "c0"},
        {"transport": Transport(timeout_s=5.0)},
        {"transport": Transport(timeout_s=600.0, extra_headers={"Traceparent": "00-1", "Idempotency-Key": "k"})},
        {"arguments": {"stream_options": {"include_usage": True}, "metadata": {"trace": "1"}, "timeout": 5}},
        {"options": Options(cache="refresh", ttl_s=5.0, max_age_s=5.0, reason="because")},
        {"options": Options(cache="semantic", opt_in=frozenset(("semantic_cache",)), reason="argument")},
        {"messages": [{"content": "Who wrote Emma?", "role": "user"}]},
    ],
    ids=str,
)
def test_how_a_request_travels_does_not(changes: dict[str, Any]) -> None:
    assert key(**changes) == key()


def test_the_key_of_a_calls_arguments() -> None:
    call = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0}
    wanted = cache_key(call)
    assert len(wanted) == 64
    assert int(wanted, 16)
    assert cache_key({**dict(reversed(call.items())), "temperature": 0.0}) == wanted
    assert cache_key('{"temperature": 0.0,\n "messages": [{"content":"Hi","role":"user"}],"model":"gpt-5.5"}') == wanted
    how = {"api_key": "sk", "timeout": 5, "max_retries": 1, "stream": True, "extra_headers": {"Traceparent": "00-1"}}
    assert cache_key({**call, **how}) == wanted
    others = [
        cache_key(call, namespace="tenant-2"),
        cache_key({**call, "temperature": None}),
        cache_key({**call, "base_url": "http://127.0.0.1/v1"}),
        cache_key({**call, "extra_headers": {"OpenAI-Beta": "next"}}),
        cache_key({**call, "extra_body": {"top_k": 1}}),
        cache_key({**call, "extra_body": {"stream": True}}),
    ]
    assert len({wanted, *others}) == len(others) + 1


@pytest.mark.parametrize("name", ["metadata", "litellm_metadata"])
def test_what_a_proxy_may_choose_by_counts_behind_a_base_url(name: str) -> None:
    here, there = (request(arguments={name: {"tags": [tag]}}) for tag in ("here", "there"))
    assert exact_key(here, "policy") == exact_key(there, "policy")
    assert exact_key(here, "policy", proxied=True) != exact_key(there, "policy", proxied=True)
    call = {"model": "m", "messages": [], "base_url": "http://127.0.0.1/v1"}
    assert cache_key({**call, name: {"tags": ["here"]}}) != cache_key({**call, name: {"tags": ["there"]}})


@pytest.mark.parametrize("name", sorted(parameters() - {"messages", "model", "extra_headers", "extra_query"}))
def test_every_argument_of_openais_counts_but_those_listed(name: str) -> None:
    one, two = {name: "one"}, {name: "two"}
    apart = name not in NOT_IN_KEY
    assert (key(arguments=one) != key(arguments=two)) == apart
    assert (key(arguments=one) != key()) == apart
    assert (cache_key(one) != cache_key(two)) == apart
    assert (cache_key(one) != cache_key({})) == apart


WHO = st.fixed_dictionaries(
    {
        "api_key": st.none() | st.text(max_size=4),
        "project": st.text(max_size=4),
        "tenant": st.none() | st.text(max_size=4),
        "scope": st.none() | st.text(max_size=4),
        "endpoint": st.none() | st.sampled_from(("http://a/v1", "http://b/v1")),
        "model": st.sampled_from(("openai/m", "azure/m", "m")),
    }
)


@settings(max_examples=500, deadline=None)
@given(one=WHO, other=WHO)
def test_two_callers_meet_only_where_they_are_one(one: dict[str, Any], other: dict[str, Any]) -> None:
    def key_of(who: dict[str, Any]) -> str:
        where = namespace(who["api_key"], who["project"], who["tenant"], who["scope"])
        return cache_key({"model": who["model"], "base_url": who["endpoint"], "messages": []}, where)

    assert (key_of(one) == key_of(other)) == (one == other)


def test_objects_of_openai_and_pydantic_have_keys() -> None:
    class Form(BaseModel):
        name: str

    class Other(BaseModel):
        name: int

    said = ChatCompletionMessage(role="assistant", content="Hi")
    assert cache_key({"messages": [said]}) == cache_key({"messages": [{"role": "assistant", "content": "Hi"}]})
    assert cache_key({"stop": NOT_GIVEN, "seed": omit}) == cache_key({})
    keys = {cache_key({"response_format": form}) for form in (Form, Other, Form.model_json_schema())}
    assert len(keys) == 3


def test_what_has_no_key_is_told() -> None:
    with pytest.raises(InvalidRequest, match="This request has no key: Out of range float values"):
        cache_key({"temperature": float("nan")})
    with pytest.raises(InvalidRequest, match=r"it is of type list\. Pass the arguments"):
        cache_key("[]")


def call_of(arguments: str) -> dict[str, Any]:
    tool = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"messages": ({"role": "assistant", "content": None, "tool_calls": [tool]},)}


def test_json_in_a_tool_call_is_the_same_however_it_is_spaced() -> None:
    wanted = key(**call_of('{"a":1,"b":[2]}'))
    assert key(**call_of('{ "b": [2], "a": 1.0 }')) == wanted
    different = ['{"a":1,"b":[3]}', '{"a":1,"a":1,"b":[2]}', '{"a":1,"b":[2]', '{"a":NaN}', "", " "]
    assert len({wanted, *(key(**call_of(text)) for text in different)}) == len(different) + 1


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}, float("nan"), float("inf"), {1: "one"}], ids=str)
def test_what_is_no_json_is_not_cacheable(value: object) -> None:
    assert key(arguments={"extra_body": {"x": value}}) is None


def test_endless_nesting_is_not_cacheable() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert key(arguments={"stop": deep}) is None


def test_the_policy_is_part_of_the_key() -> None:
    assert exact_key(request(), "a") != exact_key(request(), "b")


LADDER = (Rung(model="openai/small", api_key="sk-1", tier="small"), Rung(model="openai/large"))


def fingerprint(**changes: Any) -> str:
    given: dict[str, Any] = {
        "ladder": LADDER,
        "quality": "standard",
        "opt_ins": ("reasoning", "large"),
        "versions": {"classifier": "linear-1", "nudges": "1"},
    }
    return policy_fingerprint(**{**given, **changes})


def test_a_policy_is_the_same_whatever_the_order_or_the_key() -> None:
    assert fingerprint() == fingerprint(
        opt_ins={"large", "reasoning"}, versions={"nudges": "1", "classifier": "linear-1"}
    )
    assert fingerprint() == fingerprint(ladder=[replace(LADDER[0], api_key="sk-2"), LADDER[1]])


@pytest.mark.parametrize(
    "changes",
    [
        {"ladder": LADDER[:1]},
        {"ladder": LADDER[::-1]},
        {"ladder": (replace(LADDER[0], base_url="http://127.0.0.1/v1"), LADDER[1])},
        {"ladder": (replace(LADDER[0], tier="large"), LADDER[1])},
        {"quality": "high"},
        {"opt_ins": ("reasoning",)},
        {"versions": {"classifier": "rules-2", "nudges": "1"}},
    ],
    ids=str,
)
def test_any_change_of_policy_is_another_one(changes: dict[str, Any]) -> None:
    assert fingerprint(**changes) != fingerprint()


def test_nothing_is_shared_between_keys_projects_or_tenants() -> None:
    who = [
        namespace(api_key, project, tenant)
        for api_key in (None, "", "local", "sk-1")
        for project in ("a", "b")
        for tenant in (None, "", "t", "None")
    ]
    assert len(set(who)) == len(who)
    assert namespace("sk-1", "a", "t") == namespace("sk-1", "a", "t")
    assert "sk-1" not in namespace("sk-1", "a", "t")


# --- what is kept -------------------------------------------------------------------------

REPLY = Reply(model="openai/gpt-5.5", text="Jane Austen", finish_reason="stop", usage=Usage(), latency_s=0.5)


def image(url: str) -> tuple[dict[str, Any], ...]:
    return (
        {"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": url}}]},
    )


DAY_S = 86_400.0
ZERO = {"temperature": 0}


@pytest.mark.parametrize(
    ("changes", "ttl_s"),
    [
        ({}, 30 * DAY_S),
        ({"arguments": {"temperature": 0, "n": 1}}, 30 * DAY_S),
        ({"arguments": {"tools": [{"type": "function", "function": {"name": "f"}}]}}, 30 * DAY_S),
        ({"options": Options(ttl_s=60.0)}, 60.0),
        ({"options": Options(cache="refresh")}, 30 * DAY_S),
        ({"options": Options(cache="semantic")}, 30 * DAY_S),
        ({"messages": image("data:image/png;base64,AAAA")}, 30 * DAY_S),
        ({"messages": ({"role": "user", "content": "Read https://example.org"},)}, 30 * DAY_S),
        ({"arguments": {"temperature": 0.2}, "options": Options(cache_also=frozenset(("sampled",)))}, 30 * DAY_S),
        ({"options": Options(ttl_s=0.0)}, None),
        ({"options": Options(cache="off")}, None),
        ({"options": Options(cache="read")}, None),
        ({"arguments": {"temperature": 0.2}}, None),
        ({"arguments": {"n": 2}}, None),
        ({"arguments": {"web_search_options": {}}}, None),
        ({"arguments": {"modalities": ["text", "audio"]}}, None),
        ({"arguments": {"extra_body": {"temperature": 0}}}, 30 * DAY_S),
        ({"arguments": {"extra_body": {"top_k": 40, "enable_search": False}}}, 30 * DAY_S),
        ({"arguments": {"extra_body": {"search_parameters": {"mode": "off"}, "plugins": []}}}, 30 * DAY_S),
        ({"arguments": {"temperature": 0, "extra_body": {"temperature": 1.5}}}, None),
        ({"arguments": {"extra_body": {"extra_body": {"temperature": 1.5}}}}, None),
        ({"arguments": {"extra_body": {"n": 2}}}, None),
        ({"arguments": {"extra_body": {"modalities": ["audio"]}}}, None),
        ({"arguments": {"extra_body": {"plugins": [{"id": "web"}]}}}, None),
        ({"arguments": {"extra_body": {"search_parameters": {"mode": "auto"}}}}, None),
        ({"arguments": {"extra_body": {"enable_search": True}}}, None),
        ({"arguments": {"extra_body": {"web_search_options": {}}}}, None),
        ({"arguments": {"extra_body": {"tools": [{"type": "web_search"}]}}}, None),
        ({"arguments": {"extra_body": {"extra_body": {"google": {"thinking_config": {}}}}}}, 30 * DAY_S),
        ({"arguments": {"extra_body": {"extra_body": {"google": {"tools": [{"google_search": {}}]}}}}}, None),
        ({"arguments": {"extra_body": {"messages": []}}}, 30 * DAY_S),
        ({"arguments": {"extra_body": {"messages": [{"role": "user", "content": "?"}]}}}, None),
        ({"model": "openrouter/maker/model:online"}, None),
        ({"arguments": {"tools": [{"type": "web_search"}]}}, None),
        ({"messages": image("https://example.org/a.png")}, None),
        ({"messages": ({"role": "user", "content": [{"type": "file", "file": {"file_id": "f1"}}]},)}, None),
    ],
    ids=str,
)
def test_which_requests_answers_are_kept(changes: dict[str, Any], ttl_s: float | None) -> None:
    assert ttl_for(request(**changes), "static", REPLY) == ttl_s


NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
LATE = datetime(2026, 5, 4, 23, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "absent_s", "zero_s", "late_s"),
    [
        ("static", 30 * DAY_S, 30 * DAY_S, 30 * DAY_S),
        ("slow", DAY_S, DAY_S, DAY_S),
        ("unknown", None, DAY_S, DAY_S),
        ("daily", None, 3600.0, 600.0),
        ("realtime", None, None, None),
        ("personal", None, None, None),
        ("nondeterministic", None, None, None),
        ("action", None, None, None),
        ("a class of a later release", None, None, None),
    ],
)
def test_how_long_an_answer_is_kept_is_up_to_the_question(
    kind: str, absent_s: float | None, zero_s: float | None, late_s: float | None
) -> None:
    zero = request(arguments=ZERO)
    assert ttl_for(request(), kind, REPLY, now=NOON) == absent_s
    assert ttl_for(request(arguments={"temperature": None}), kind, REPLY, now=NOON) == absent_s
    assert ttl_for(request(), kind, REPLY, temperature=0.0, now=NOON) == zero_s, "the engine's own temperature counts"
    assert ttl_for(zero, kind, REPLY, now=NOON) == zero_s
    assert ttl_for(zero, kind, REPLY, now=LATE) == late_s
    longer = request(arguments=ZERO, options=Options(ttl_s=99 * DAY_S))
    assert ttl_for(longer, kind, REPLY, now=LATE) == (late_s if kind == "daily" or late_s is None else 99 * DAY_S)


def test_several_questions_are_as_volatile_as_the_worst_of_them() -> None:
    assert class_of(["static", "realtime", "slow"]) == "realtime"
    assert class_of(["static", "static"]) == "static"
    assert class_of(["static", "a class of a later release"]) == "action"
    assert class_of([]) == "unknown"


CALLS = replace(REPLY, text="", tool_calls=True, finish_reason="tool_calls")


@pytest.mark.parametrize(
    "changes",
    [
        {"finish_reason": "length"},
        {"finish_reason": "content_filter"},
        {"finish_reason": None},
        {"text": " \n"},
        {"tool_calls": True},
        {"complete": False},
    ],
    ids=str,
)
def test_only_whole_answers_are_kept(changes: dict[str, Any]) -> None:
    assert ttl_for(request(), "static", replace(REPLY, **changes)) is None


def test_calls_of_tools_are_kept_where_the_project_says_so() -> None:
    allowed = request(options=Options(cache_also=frozenset(("tool_calls",))))
    assert ttl_for(request(), "static", CALLS) is None
    assert ttl_for(allowed, "static", CALLS) == 30 * DAY_S
    assert ttl_for(allowed, "static", replace(CALLS, finish_reason="length")) is None
    assert ttl_for(allowed, "static", replace(CALLS, complete=False)) is None


HI: dict[str, Any] = {"choices": [{"message": {"content": "Hi."}}]}


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ({"choices": [{"message": {"content": "Hi."}}]}, True),
        ({"choices": [{"message": {"content": "Hi.", "annotations": [], "audio": None, "refusal": None}}]}, True),
        ({"choices": [{"message": {"content": "Hi.", "reasoning_content": "hm"}, "logprobs": {"content": []}}]}, True),
        ({"choices": [{"message": {"content": "Hi."}, "content_filter_results": {"hate": {"filtered": False}}}]}, True),
        ({"choices": [{"message": {"content": "No.", "refusal": "I cannot"}}]}, False),
        ({"choices": [{"message": {"content": "Hi.", "annotations": [{"type": "url_citation"}]}}]}, False),
        ({"choices": [{"message": {"content": "Hi.", "audio": {"id": "a"}}}]}, False),
        ({"choices": [{"message": {"content": "Hi."}, "content_filter_results": {"hate": {"filtered": True}}}]}, False),
        ({"choices": [{"message": {"content": "A"}}, {"message": {"content": "B"}}]}, False),
        ({**HI, "citations": [], "search_results": None, "usage": {"num_search_queries": 0}}, True),
        ({**HI, "citations": ["https://example.org"]}, False),
        ({**HI, "search_results": [{"url": "https://example.org"}]}, False),
        ({**HI, "vertex_ai_grounding_metadata": [{"webSearchQueries": ["x"]}]}, False),
        ({**HI, "usage": {"server_tool_use": {"web_search_requests": 1}}}, False),
        ({**HI, "usage": {"num_sources_used": 3}}, False),
        ({"choices": [{"message": {"content": "Hi."}, "grounding_metadata": {"chunks": [1]}}]}, False),
        ({"choices": [{"message": {"content": "Hi.", "provider_specific_fields": {"citations": [[1]]}}}]}, False),
        ({"choices": []}, False),
        ({"choices": ["text"]}, False),
        ({}, False),
    ],
    ids=str,
)
def test_what_an_answer_may_hold(body: dict[str, Any], kept: bool) -> None:
    assert is_kept(body) == kept


# --- entries ------------------------------------------------------------------------------

ENTRY = Entry(
    body={"id": "x", "choices": [{"message": {"content": "Jane \ud800 Austen 漢字"}}], "usage": None},
    model="openai/gpt-5.5",
    tier="large",
    reasoning=None,
    energy=Reading(
        energy_j=36.0, low_j=12.0, high_j=90.0, evidence="modelled_api", method="physics-1", components={"decode": 30.0}
    ),
    usage=Usage(input_tokens=5, output_tokens=3, estimated=True),
    created=1_800_000_000.25,
)


def test_an_entry_comes_back_as_it_was(tmp_path: Any) -> None:
    cache = ExactCache(JsonCache(tmp_path / "cache"))
    assert cache.get("key") is None
    assert cache.put("key", ENTRY, 60.0)
    assert cache.get("key") == ENTRY
    cache.forget("key")
    assert cache.get("key") is None


class Rows(dict[str, Any]):
    """A store in a dict."""

    def put(self, key: str, value: object, ttl_s: float) -> bool:
        self[key] = value
        return ttl_s > 0

    def forget(self, key: str) -> bool:
        return self.pop(key, None) is not None or True


@pytest.mark.parametrize(
    "row",
    [
        [],
        "text",
        {},
        {"body": {}},
        {**ENTRY.to_json(), "energy": {"joules": 3}},
        {**ENTRY.to_json(), "energy": None},
        {**ENTRY.to_json(), "usage": [1]},
        {**ENTRY.to_json(), "body": "text"},
    ],
    ids=str,
)
def test_a_row_of_another_shape_is_a_miss(row: object) -> None:
    assert ExactCache(Rows(key=row)).get("key") is None


@pytest.mark.parametrize(
    ("changes", "kind", "why"),
    [
        ({}, "static", "its answer does not change (static)"),
        ({"arguments": ZERO}, "unknown", "nothing in it says that the answer changes (unknown)"),
        ({"arguments": ZERO, "options": Options(ttl_s=60)}, "slow", "its answer changes within months (slow)"),
        (
            {"arguments": ZERO, "options": Options(ttl_s=DAY_S)},
            "daily",
            "its answer is that of the day (daily); ttl=24 h is cut to midnight, and an hour at most",
        ),
        ({}, "unknown", "no temperature was given, and most providers then sample at 1 (unknown)"),
        ({"arguments": {"temperature": 0.7}}, "static", "the temperature is 0.7"),
        ({}, "personal", "its answer differs by who asks (personal)"),
        ({}, "realtime", "its answer may change at any moment (realtime)"),
        ({}, "action", "it wants something done (action)"),
        ({}, "a class of a later release", "its answer must not be given again (a class of a later release)"),
        ({"options": Options(cache="read")}, "static", 'cache="read" stores nothing'),
        ({"options": Options(ttl_s=0)}, "static", "ttl is 0"),
        ({"arguments": {"n": 2}}, "static", "several answers were asked for"),
        (
            {"arguments": {"tools": [{"type": "web_search"}]}},
            "static",
            "it rests on what is outside the request: a link, a file, a search, a tool or a memory of the provider's",
        ),
    ],
    ids=str,
)
def test_the_term_says_why(changes: dict[str, Any], kind: str, why: str) -> None:
    assert term_for(request(**changes), kind, REPLY, now=LATE).why == why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"complete": False}, "the answer was cut off"),
        ({"finish_reason": "length"}, "the answer was cut at its token limit"),
        ({"finish_reason": "content_filter"}, "a content filter cut the answer"),
        ({"finish_reason": None}, "the answer ended with None"),
        ({"text": " "}, "the answer is empty"),
        ({"tool_calls": True}, 'it calls tools (cache_also="tool_calls" stores that)'),
    ],
    ids=str,
)
def test_the_term_says_what_an_answer_lacks(changes: dict[str, Any], why: str) -> None:
    assert term_for(request(), "static", replace(REPLY, **changes)) == Term(None, why)
