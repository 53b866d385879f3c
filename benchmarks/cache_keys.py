"""The keys of the exact cache: which arguments change them, whether two callers ever meet, and what a look-up tells.

    python benchmarks/cache_keys.py [--cases 100000] [--lookups 10000] [--json]

The matrix takes every parameter of openai's and litellm's signatures as installed (litellm is left out where it is
not) and 50 fields of `extra_body`, and asks `greenai.cache.cache_key` and litellm's own cache for two keys each. The
last part times look-ups of a tenant's own, of another tenant's and of nobody's entry: the area under the curve says how
well the latter two are told apart from the time alone, 0.5 being not at all.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import random
import string
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from greenai.cache import Entry, ExactCache, cache_key, namespace
from greenai.cache.keys import NOT_IN_KEY
from greenai.readings import Reading
from greenai.store.disk import JsonCache
from greenai.values import Usage

CALL: dict[str, Any] = {
    "model": "gpt-5.5",
    "messages": [{"role": "user", "content": "Who wrote Emma?"}, {"role": "user", "content": "And Persuasion?"}],
    "temperature": 0,
}
# What a parameter may be, where two texts would not do.
VALUES: dict[str, tuple[Any, Any]] = {
    "messages": (CALL["messages"], [{"role": "user", "content": "Who wrote Ivanhoe?"}]),
    "model": ("gpt-5.5", "gpt-5.4"),
    "temperature": (0, 0.1),
    "extra_headers": ({"OpenAI-Beta": "one"}, {"OpenAI-Beta": "two"}),
    "extra_body": ({"top_k": 1}, {"top_k": 2}),
    "extra_query": ({"api-version": "1"}, {"api-version": "2"}),
    "logit_bias": ({"50256": -100}, {"50256": 100}),
    "tools": (
        [{"type": "function", "function": {"name": "a"}}],
        [{"type": "function", "function": {"name": "b"}}],
    ),
    "response_format": ({"type": "text"}, {"type": "json_object"}),
    "stop": (["a"], ["b"]),
    "kwargs": ("one", "two"),
}
EXTRA_BODY = (
    "top_k", "min_p", "typical_p", "tfs_z", "repetition_penalty", "length_penalty", "mirostat", "mirostat_tau",
    "mirostat_eta", "best_of", "use_beam_search", "early_stopping", "ignore_eos", "min_tokens", "stop_token_ids",
    "include_stop_str_in_output", "skip_special_tokens", "spaces_between_special_tokens", "prompt_logprobs",
    "guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_decoding_backend", "structured_outputs",
    "chat_template", "chat_template_kwargs", "add_generation_prompt", "continue_final_message", "documents", "echo",
    "lora", "grammar", "json_schema", "n_predict", "n_keep", "dynatemp_range", "dry_multiplier", "xtc_probability",
    "samplers", "cache_prompt", "num_ctx", "keep_alive", "thinking", "reasoning", "enable_thinking", "thinking_budget",
    "safe_prompt", "provider", "transforms",
)  # fmt: skip


# --- the matrix ---------------------------------------------------------------------------


def parameters() -> dict[str, str]:
    """Return every parameter with the library whose signature has it first."""
    from openai.resources.chat.completions import Completions

    found = {name: "openai" for name in inspect.signature(Completions.create).parameters if name != "self"}
    try:
        import litellm
    except ImportError:
        print("litellm is not installed; its signature is left out")
        return found
    return {**dict.fromkeys(inspect.signature(litellm.completion).parameters, "litellm"), **found}


def pairs() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield each parameter and field with two calls that differ in it alone."""
    for name in sorted(parameters()):
        one, two = VALUES.get(name, ("one", "two"))
        yield name, {**CALL, name: one}, {**CALL, name: two}
    for name in EXTRA_BODY:
        yield f"extra_body.{name}", {**CALL, "extra_body": {name: 1}}, {**CALL, "extra_body": {name: 2}}


def equal() -> Iterator[tuple[str, dict[str, Any] | str, dict[str, Any] | str]]:
    """Yield what must not matter, with two ways to write it."""
    tools = {"tools": [{"type": "function", "function": {"name": "a", "strict": True}}], "seed": 1}
    yield "order of arguments", {**CALL, **tools}, {**tools, **dict(reversed(CALL.items()))}
    turned = [dict(reversed(message.items())) for message in CALL["messages"]]
    yield "order within a message", CALL, {**CALL, "messages": turned}
    yield "0 and 0.0", CALL, {**CALL, "temperature": 0.0}
    yield "1 and 1.0 inside extra_body", {"extra_body": {"a": [1]}}, {"extra_body": {"a": [1.0]}}
    yield "spaces in JSON", json.dumps(CALL), json.dumps(CALL, indent=3)
    yield "JSON and the arguments", json.dumps(CALL), CALL
    yield "spaces in a tool call", call_of('{"a":1,"b":2}'), call_of('{ "b": 2, "a": 1 }')
    yield "traceparent", CALL, {**CALL, "extra_headers": {"Traceparent": "00-1"}}


def call_of(arguments: str) -> dict[str, Any]:
    """Return a call whose history has a tool call."""
    tool = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {**CALL, "messages": [{"role": "assistant", "content": None, "tool_calls": [tool]}]}


def of_litellm() -> Callable[[dict[str, Any]], str] | None:
    """Return litellm's function from arguments to its cache's key."""
    try:
        from litellm.caching.caching import Cache

        return Cache().get_cache_key
    except Exception as error:
        print(f"litellm's cache is left out: {type(error).__name__}")
        return None


def matrix() -> dict[str, Any]:
    """Count which parameters change the key, and list the wrong ones."""
    theirs = of_litellm()
    wrong, missed, checked, left_out = [], [], 0, []
    for name, one, two in pairs():
        changes = cache_key(one) != cache_key(two)
        if name in NOT_IN_KEY:
            left_out.append(name)
        else:
            checked += 1
            if theirs is not None and theirs(**one) == theirs(**two):
                missed.append(name)
        if changes == (name in NOT_IN_KEY):
            wrong.append(name)
        if name not in NOT_IN_KEY and name not in CALL and cache_key(one) == cache_key(CALL):
            wrong.append(f"{name}: absent and given")
    unequal = [name for name, one, two in equal() if cache_key(one) != cache_key(two)]
    same = [(n, a, b) for n, a, b in equal() if isinstance(a, dict) and isinstance(b, dict)]
    return {
        "changing it changes the key": checked,
        "left out": left_out,
        "wrong": wrong,
        "what must not matter": sum(1 for _ in equal()),
        "matters all the same": unequal,
        "litellm misses, at its defaults": missed if theirs is not None else None,
        "litellm tells apart": [n for n, a, b in same if theirs(**a) != theirs(**b)] if theirs is not None else None,
    }


# --- callers ------------------------------------------------------------------------------


def collisions(cases: int, seed: int = 0) -> dict[str, int]:
    """Make random callers and calls, and count different ones with one key, and equal ones with two."""
    rng = random.Random(seed)
    keys: dict[str, str] = {}
    met = split = 0
    by_case: dict[str, str] = {}
    for _ in range(cases):
        who = {name: rng.choice((None, "a", "b", "a|b", "a\\u0000b", word(rng))) for name in ("tenant", "scope")}
        project, api_key = rng.choice(("p", "q", "a", word(rng))), rng.choice((None, "", "sk-1", word(rng)))
        provider, address = rng.choice(("openai", "azure", "x")), rng.choice((None, "http://a/v1", "http://b/v1"))
        call = {
            "model": f"{provider}/{rng.choice(('m', 'n', word(rng)))}",
            "base_url": address,
            "messages": [{"role": "user", "content": word(rng)} for _ in range(rng.randrange(1, 4))],
            **{name: rng.choice((0, 1, None, word(rng))) for name in rng.sample(EXTRA_BODY, rng.randrange(4))},
        }
        where = namespace(api_key, project, who["tenant"], who["scope"])
        case = json.dumps([who, project, api_key, call], sort_keys=True)
        key = cache_key(call, namespace=where)
        met += keys.setdefault(key, case) != case
        split += by_case.setdefault(case, key) != key
    return {"cases": cases, "different": len(by_case), "collisions": met, "equal ones apart": split}


def word(rng: random.Random) -> str:
    """Return a short random text, sometimes with what a naive key would trip over."""
    return "".join(rng.choices(string.ascii_lowercase + ' ":,{}[]|\\\n', k=rng.randrange(1, 12)))


# --- timing -------------------------------------------------------------------------------

ENTRY = Entry(
    body={
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5.5",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Jane Austen. " * 90}}],
        "usage": {"prompt_tokens": 14, "completion_tokens": 270, "total_tokens": 284},
    },
    model="openai/gpt-5.5",
    tier="large",
    reasoning=None,
    energy=Reading(energy_j=36.0, low_j=12.0, high_j=90.0, evidence="modelled_api", method="physics-1"),
    usage=Usage(input_tokens=14, output_tokens=270),
    created=1_800_000_000.0,
)


def timing(lookups: int) -> dict[str, float]:
    """Time look-ups by one tenant of what another tenant has, of what nobody has, and of its own."""
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        store = JsonCache(Path(folder) / "cache")
        cache = ExactCache(store)
        for n in range(lookups):
            for tenant in ("theirs", "mine"):
                text = f"{'secret' if tenant == 'theirs' else 'own'} {n}"
                cache.put(key_of(tenant, text), ENTRY, 3600.0)
        kinds = ["secret", "nobody's", "own"] * lookups
        rng.shuffle(kinds)
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for kind in kinds:
            text = f"{kind} {len(times[kind])}"
            started = time.perf_counter_ns()
            found = cache.get(key_of("mine", text))
            times[kind].append((time.perf_counter_ns() - started) / 1e3)
            assert (found is None) == (kind != "own")
        store.close()
    own = sorted(times["own"])
    return {
        "AUC, another tenant's entry against none": auc(times["secret"], times["nobody's"]),
        "AUC, one's own entry against none (a check of the method)": auc(times["own"], times["nobody's"]),
        "own entry with key and decode, p50, us": own[len(own) // 2],
        "own entry with key and decode, p99, us": own[int(len(own) * 0.99)],
    }


def key_of(tenant: str, text: str) -> str:
    """Return the key of one question of one tenant."""
    return cache_key({**CALL, "messages": [{"role": "user", "content": text}]}, namespace("sk-1", "p", tenant))


def auc(one: list[float], other: list[float]) -> float:
    """Return the probability that a value of the first kind is larger, ties counting half."""
    ranked = sorted([(value, 1) for value in one] + [(value, 0) for value in other])
    total, n = 0.0, 0
    while n < len(ranked):
        end = n
        while end < len(ranked) and ranked[end][0] == ranked[n][0]:
            end += 1
        total += sum(kind for _, kind in ranked[n:end]) * (n + 1 + end) / 2
        n = end
    return (total - len(one) * (len(one) + 1) / 2) / (len(one) * len(other))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--lookups", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else litellm fetches a price list while it is imported
    found = {"matrix": matrix(), "callers": collisions(arguments.cases), "timing": timing(arguments.lookups)}
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    for part, rows in found.items():
        print(part)
        for name, value in rows.items():
            shown = ", ".join(value) or "none" if isinstance(value, list) else value
            print(f"  {name}: {shown:.3f}" if isinstance(shown, float) else f"  {name}: {shown}")


if __name__ == "__main__":
    main()
