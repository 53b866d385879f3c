"""How likely a local model is to begin its answer with each of some labels: one prefill, no text is generated.

llama.cpp is asked for one token, with the same bias on the first tokens of all labels and none on any other, so that
the probabilities that it returns are those of the labels among themselves. Labels that begin alike are told apart at
the first token that differs: one more token is read for each such prefix, the prompt before it from the cache.
"""

from __future__ import annotations

import http.client
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from greenai.errors import EngineError
from greenai.local.engines import Engine

__all__ = ["Labels", "Read", "prepared"]

_BIAS = 100.0  # far above any difference of logits: no other token is left
_MARK = "\u2402text\u2402"  # stands where a request's text comes, while the template is filled in
_OK = 200


@dataclass(slots=True)
class Read:
    """What was read so far: tokens of prompts, how many of them came from the cache, and tokens that were looked at."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labels of one form of request, prepared for one running model."""

    engine: Engine
    before: str
    after: str
    tokens: tuple[tuple[int, ...], ...] = field(repr=False)

    def probabilities(self, text: str, read: Read, timeout_s: float | None = None) -> list[float]:
        """Return how likely each label is after a text; they add up to 1.

        Raises:
            EngineError: the model did not answer, or not all in `timeout_s` seconds.
        """
        found, until = [0.0] * len(self.tokens), _until(timeout_s)
        self._split(self.before + text + self.after, (), list(range(len(self.tokens))), 1.0, found, read, until)
        return found

    def _split(
        self,
        prompt: str,
        prefix: tuple[int, ...],
        group: Sequence[int],
        mass: float,
        found: list[float],
        read: Read,
        until: float,
    ) -> None:
        """Share the mass of a group of labels that all begin with `prefix` out among them."""
        if len(group) == 1:
            found[group[0]] = mass
            return
        at = len(prefix)
        nexts: dict[int, list[int]] = {}
        for n in group:
            if len(self.tokens[n]) == at:  # the beginning of the others, which what follows it cannot tell
                found[n] = mass / len(group)
            else:
                nexts.setdefault(self.tokens[n][at], []).append(n)
        if not nexts:  # labels of the same tokens
            return
        rest = mass - sum(found[n] for n in group if len(self.tokens[n]) == at)
        said = self._next([prompt, *prefix], list(nexts), read, until)
        for token, own in nexts.items():
            self._split(prompt, (*prefix, token), own, rest * said[token], found, read, until)

    def _next(self, prompt: list[Any], tokens: list[int], read: Read, until: float) -> dict[int, float]:
        if len(tokens) == 1:
            return {tokens[0]: 1.0}
        body = {
            "prompt": prompt[0] if len(prompt) == 1 else prompt,
            "n_predict": 1,
            "n_probs": len(tokens),
            "logit_bias": [[token, _BIAS] for token in tokens],
            "post_sampling_probs": True,
            "samplers": ["temperature"],
            "temperature": 1.0,
            "cache_prompt": True,
        }
        answer = _post(self.engine, "/completion", body, until)
        evaluated = int(answer.get("tokens_evaluated", 0))
        read.input_tokens += evaluated
        read.cached_tokens += max(evaluated - int(answer.get("timings", {}).get("prompt_n", evaluated)), 0)
        read.output_tokens += 1
        said = {int(one["id"]): float(one["prob"]) for one in answer["completion_probabilities"][0]["top_probs"]}
        return {token: said.get(token, 0.0) for token in tokens}


def prepared(engine: Engine, system: str, labels: Sequence[str], timeout_s: float | None = None) -> Labels:
    """Prepare labels for a form of request: the model's own template, and their tokens.

    Raises:
        EngineError: the model did not answer, or not all in `timeout_s` seconds.
    """
    until = _until(timeout_s)
    before_it = [{"role": "system", "content": system}] if system else []
    messages = [*before_it, {"role": "user", "content": _MARK}]
    prompt = str(_post(engine, "/apply-template", {"messages": messages}, until)["prompt"])
    before, _, after = prompt.partition(_MARK)
    tokens = [tuple(_post(engine, "/tokenize", {"content": label}, until)["tokens"]) for label in labels]
    return Labels(engine=engine, before=before, after=after, tokens=tuple(tokens))


def _until(timeout_s: float | None) -> float:
    return math.inf if timeout_s is None else time.monotonic() + timeout_s


def _post(engine: Engine, path: str, body: Mapping[str, Any], until: float) -> dict[str, Any]:
    """Ask the engine, in what is left of the time for all that is asked."""
    left_s = until - time.monotonic()
    if left_s <= 0:
        raise EngineError(f"local/{engine.model} did not read its labels in the time it had. Give fewer, or more time.")
    timeout_s = None if math.isinf(left_s) else left_s
    connection = http.client.HTTPConnection(urlsplit(engine.base_url).netloc, timeout=timeout_s)
    headers = {"authorization": f"Bearer {engine.api_key}", "content-type": "application/json"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise EngineError(f"local/{engine.model} did not answer: {error}") from error
    finally:
        connection.close()
    if response.status != _OK:
        raise EngineError(f"local/{engine.model} answered {response.status}: {content[:200].decode(errors='replace')}")
    found: dict[str, Any] = json.loads(content)
    return found
