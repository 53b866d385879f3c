"""A batch on vLLM's offline engine, in this process: lists of conversations in, answers out. The door to vllm.

vLLM schedules what it is given (continuous batching); this decides only how many requests go in one list, so that what
is finished is kept from time to time.

Written for vLLM 0.11 and later: `LLM(model, …)`, `LLM.chat(messages, sampling_params, use_tqdm, chat_template_kwargs)`
with a list of the first two, `LLM.get_default_sampling_params()`, `SamplingParams`, `RequestOutput` (docs.vllm.ai, and
the source of vllm/entrypoints/llm.py and offline_utils.py, read 2026-11-22). A list of which one request is refused is
given up by vLLM as a whole. Not yet run on a GPU by us: the tests use a double.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenai import meters
from greenai.bulk.fleet import Loaded, Told, drive, one_model, shared, timed
from greenai.errors import EngineError, MissingExtra
from greenai.meters.core_time import process_ns
from greenai.meters.idle import IdlePower
from greenai.values import Call, Usage

if TYPE_CHECKING:
    from greenai.bulk.lanes import Backend, Bench, Keep, Stop, Tell
    from greenai.bulk.values import Item

__all__ = ["Offline", "Vllm", "VllmLane"]

CHUNK = 1024
"""Requests in one list: four times what vLLM runs at once by default (`max_num_seqs`), so that the end of a list, where
the GPU is ever less full, is a small part of it, and a crash costs a minute or so. Assumption, 2026-11-22."""

SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""What a model's own generation_config.json may set, in vLLM's names."""

TAKEN = frozenset(
    (
        *SAMPLING, "n", "seed", "stop", "frequency_penalty", "presence_penalty", "min_tokens", "ignore_eos",
        "stop_token_ids", "skip_special_tokens", "bad_words",
    )
)  # fmt: skip
"""Arguments that `SamplingParams` takes under the same name."""

OTHERWISE = frozenset(
    (
        "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs", "logit_bias", "response_format",
        "reasoning_effort", "chat_template_kwargs",
    )
)  # fmt: skip
"""Arguments that are told it in another way, below."""

UNUSED = frozenset(
    (
        "user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
        "verbosity", "model", "messages", "extra_body",
    )
)  # fmt: skip
"""Arguments that mean nothing to an engine of one's own, or are read elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vllm:
    """How vLLM is run: `client.batch(requests, backend=Vllm(engine={"tensor_parallel_size": 2}))`.

    Attributes:
        engine: arguments of `vllm.LLM` beside the model.
        chunk: how many requests go in one list, where `at_once` does not say.
    """

    engine: Mapping[str, Any] = field(default_factory=dict[str, Any])
    chunk: int = CHUNK
    name: Backend = field(default="vllm", init=False)

    def lane(self, bench: Bench) -> VllmLane:
        """Return the lane that runs it so."""
        return VllmLane(bench, self)


class VllmLane:
    """Answers items on a vLLM engine in this process. Nothing is loaded until an item needs the model."""

    name: Backend = "vllm"

    def __init__(self, bench: Bench, how: Vllm | None = None) -> None:
        self._session, self._how = bench.session, how or Vllm()
        self._chunk = bench.at_once or self._how.chunk

    def answer(self, items: Sequence[Item], keep: Keep, tell: Tell, until: Stop) -> None:
        """Answer the items; see `Lane`."""
        crew = _Engine(one_model(items, "vllm"), self._how.engine, self._session.resources.outside.meters, tell)
        drive(self._session, items, crew, keep, until, most=self._chunk)


class _Engine:
    """The engine, loaded when it is first needed."""

    def __init__(self, model: str, arguments: Mapping[str, Any], measured: Sequence[meters.Meter], tell: Tell) -> None:
        self.model = model
        self._arguments, self._measured, self._tell = arguments, measured, tell
        self._offline: Offline | None = None

    def load(self) -> Loaded:
        """Load the model."""
        self._tell(f"vLLM loads {self.model} …")
        self._offline = Offline(self.model, self._arguments, self._measured)
        return self._offline.loaded

    def ask(self, calls: Sequence[Call]) -> Generator[tuple[int, Told]]:
        """Answer one list."""
        if self._offline is None:
            self.load()
        if self._offline is not None:
            yield from enumerate(self._offline.chat(calls))


# --- vLLM itself ----------------------------------------------------------------------------


class Offline:
    """One `vllm.LLM`, asked in our calls and answering in openai's shape. Of one thread at a time.

    Attributes:
        loaded: what loading took.
    """

    def __init__(
        self, model: str, arguments: Mapping[str, Any], measured: Sequence[meters.Meter] = meters.METERS
    ) -> None:
        """Load the model.

        Raises:
            MissingExtra: vLLM is not installed.
            EngineError: it could not load the model.
        """
        try:
            import vllm
        except ModuleNotFoundError as error:
            if error.name != "vllm":  # one of its own needs
                raise
            raise MissingExtra("vllm", "vllm", 'backend="vllm"') from error
        self._vllm: Any = vllm
        self._name = model
        # The processor's meters would show a small part of what GPUs do, and pass for the whole.
        self._measured = tuple(meter for meter in measured if meter is not meters.processor)
        seconds, began_ns, power = timed(), process_ns(os.getpid()), IdlePower().loading()
        try:
            self._llm: Any = vllm.LLM(model=model, **arguments)
        except Exception as error:
            raise EngineError(_not_loaded(model, error)) from error
        ended_ns = process_ns(os.getpid())
        core_s = None if began_ns is None or ended_ns is None else (ended_ns - began_ns) / 1e9
        self.loaded = Loaded(seconds=seconds(), core_s=core_s, gpu_j=power.done(os.getpid(), 0.0)[1])
        default = self._llm.get_default_sampling_params()
        self._default = {name: getattr(default, name) for name in SAMPLING}

    def chat(self, calls: Sequence[Call]) -> list[Told]:
        """Answer calls, in their order; those whose prompts are made alike go in one list."""
        told: list[Told | None] = [None] * len(calls)
        groups: dict[str, list[tuple[int, _Asked]]] = {}
        for number, call in enumerate(calls):
            asked = self._asked(call)
            if isinstance(asked, Told):
                told[number] = asked
            else:
                groups.setdefault(json.dumps(asked.template, sort_keys=True), []).append((number, asked))
        for group in groups.values():
            for (number, _), one in zip(group, self._measured_chat([asked for _, asked in group]), strict=True):
                told[number] = one
        return [one or Told(refused="vLLM gave no answer.", status=500) for one in told]

    def _asked(self, call: Call) -> _Asked | Told:
        try:
            return _asked_of(call, self._default, self._vllm)
        except (KeyError, TypeError, ValueError) as error:  # also what SamplingParams itself refuses
            return Told(refused=str(error), status=400)

    def _measured_chat(self, group: Sequence[_Asked]) -> list[Told]:
        window, seconds = meters.window(os.getpid(), meters=self._measured), timed()
        outcomes = self._outcomes(group)
        reading, latency_s = window.stop(), seconds()
        usages = [_usage(one) for one in outcomes if not isinstance(one, Exception)]
        shares = iter(shared(reading, usages))
        return [
            Told(refused=str(one), status=400 if isinstance(one, ValueError) else 500)
            if isinstance(one, Exception)
            else Told(body=_completion(self._name, one, asked), energy=next(shares), latency_s=latency_s)
            for one, asked in zip(outcomes, group, strict=True)
        ]

    def _outcomes(self, group: Sequence[_Asked]) -> list[Any]:
        """Run a list; where vLLM refuses it run each half, so that the request that it refuses is alone in the end."""
        try:
            return self._run(group)
        except ValueError as error:  # such as a prompt that is longer than the model takes: nothing has run
            if len(group) == 1:
                return [error]
        half = len(group) // 2
        return self._outcomes(group[:half]) + self._outcomes(group[half:])

    def _run(self, group: Sequence[_Asked]) -> list[Any]:
        try:
            outputs = list(
                self._llm.chat(
                    [asked.messages for asked in group],
                    [asked.params for asked in group],
                    use_tqdm=False,
                    chat_template_kwargs=group[0].template or None,
                )
            )
        except ValueError:
            raise
        except Exception as error:  # the engine itself: the others would meet the same
            raise EngineError(
                f"vLLM stopped while {self._name} answered {len(group)} requests: {_first_line(error)}. "
                "What was answered before is kept; resume the job to ask the others again."
            ) from error
        if len(outputs) != len(group):
            raise EngineError(f"vLLM returned {len(outputs)} answers for {len(group)} requests of {self._name}.")
        return outputs


def _not_loaded(model: str, error: Exception) -> str:
    said = f"vLLM could not load {model}: {_first_line(error)}."
    if any(word in str(error).lower() for word in ("device type", "cuda", "nvidia", "no gpu")):
        return (
            f"{said} It needs a GPU that it can use: see what `nvidia-smi` lists (in a container: "
            'docker run --gpus all). Without one leave backend="vllm" out, and name a model that runs here.'
        )
    return (
        f"{said} If memory ran out, pass gpu_memory_utilization, max_model_len or tensor_parallel_size to the engine; "
        "VLLM_LOGGING_LEVEL=DEBUG shows more."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__


# --- what is asked --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One call in vLLM's terms: its messages, `SamplingParams`, and what the chat template is told."""

    messages: list[Any]
    params: Any
    template: Mapping[str, Any]
    top_logprobs: int | None


def _asked_of(call: Call, default: Mapping[str, Any], vllm: Any) -> _Asked:
    """Put a call in vLLM's terms.

    Raises:
        ValueError: it asks for what the offline engine does not do.
    """
    from greenai.provider.openai_path import wire

    sent = wire(call)
    given = {**sent, **(sent.get("extra_body") or {})}
    given = {name: value for name, value in given.items() if value is not None}
    _refuse_unknown(given)
    template = dict(given.get("chat_template_kwargs") or {})
    if "reasoning_effort" in given:  # vLLM's server hands it to the template too
        template["reasoning_effort"] = given["reasoning_effort"]
    top = int(given.get("top_logprobs", 0)) if given.get("logprobs") else None
    params = {
        **default,
        **{name: given[name] for name in TAKEN & given.keys()},
        "max_tokens": given.get("max_completion_tokens", given.get("max_tokens")),  # None: up to the context's end
        "logprobs": top,
        "logit_bias": {int(token): float(bias) for token, bias in (given.get("logit_bias") or {}).items()} or None,
        **_form(given.get("response_format"), vllm),
    }
    return _Asked(
        messages=list(given["messages"]), params=vllm.SamplingParams(**params), template=template, top_logprobs=top
    )


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    unknown = sorted(given.keys() - TAKEN - OTHERWISE - UNUSED)
    if unknown:
        raise ValueError(
            f"vLLM's offline engine does not take {', '.join(unknown)} here. Leave it out, or start `vllm serve` and "
            "name its address with base_url=."
        )


def _form(wanted: Mapping[str, Any] | None, vllm: Any) -> dict[str, Any]:
    """Return what holds the answer to a form."""
    kind = (wanted or {}).get("type", "text")
    if wanted is None or kind == "text":
        return {}
    made = vllm.sampling_params.StructuredOutputsParams
    if kind == "json_object":
        return {"structured_outputs": made(json_object=True)}
    return {"structured_outputs": made(json=wanted["json_schema"]["schema"])}


# --- what came of it ------------------------------------------------------------------------


def _usage(output: Any) -> Usage:
    return Usage(
        input_tokens=len(output.prompt_token_ids or ()),
        output_tokens=sum(len(one.token_ids) for one in output.outputs),
        cached_tokens=output.num_cached_tokens or 0,
    )


def _completion(model: str, output: Any, asked: _Asked) -> dict[str, Any]:
    """Return a `ChatCompletion` as JSON."""
    usage = _usage(output)
    read, written = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [_choice(one, asked) for one in output.outputs],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        },
    }


def _choice(one: Any, asked: _Asked) -> dict[str, Any]:
    return {
        "index": one.index,
        "message": {"role": "assistant", "content": one.text, "refusal": None},
        "finish_reason": "length" if one.finish_reason == "length" else "stop",
        "logprobs": None if asked.top_logprobs is None else {"content": _logprobs(one, asked.top_logprobs)},
    }


def _logprobs(one: Any, top: int) -> list[dict[str, Any]]:
    rows = zip(one.token_ids, one.logprobs or (), strict=False)
    return [{**_token(row[token]), "top_logprobs": [_token(said) for said in _best(row, top)]} for token, row in rows]


def _best(row: Mapping[int, Any], top: int) -> list[Any]:
    return sorted(row.values(), key=lambda said: -said.logprob)[:top]


def _token(said: Any) -> dict[str, Any]:
    text = said.decoded_token or ""
    return {"token": text, "logprob": max(said.logprob, _LEAST), "bytes": list(text.encode("utf-8", "replace"))}


_LEAST = -9999.0  # what openai gives for a token that could not come: minus infinity is no JSON
