"""What an OpenAI-shaped chat request asks of a language model, and what goes back. No HTTP and no waiting.

A request that this engine cannot do as it says is refused in words, never done otherwise: tools and schemas are such.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenai._locks import Lock
from greenai.local.torch_lm import LanguageModel, Sampling

__all__ = ["Item", "Refused", "Template", "Words", "chunk", "completion", "run", "work"]

UNSUPPORTED = (
    "tools", "functions", "response_format", "logit_bias", "audio", "grammar", "json_schema", "presence_penalty",
    "frequency_penalty",
)  # fmt: skip
TEMPLATE_ARGUMENTS = ("chat_template_kwargs", "chat_template_args")
"""Where a request has arguments of the model's chat template, such as what switches reasoning off."""

OUR_ARGUMENTS = frozenset(
    ("add_generation_prompt", "chat_template", "continue_final_message", "conversation", "documents", "messages",
     "padding", "max_length", "return_dict", "return_tensors", "return_assistant_tokens_mask", "self", "tokenize",
     "tokenizer_kwargs", "tools", "truncation")
)  # fmt: skip
"""Arguments of the function that fills the template in: no template reads these, or they are this engine's to say."""

MOST_ANSWERS = 16
BROKEN = "\ufffd"
"""What a tokenizer makes of the first bytes of a letter whose others are in the next token."""

PREFILL = 0.25
"""What a token of the prompt weighs against one of the answer, where the shares of a batch are made. Assumption,
2026-11-22: between a processor's and a GPU's."""


class Refused(Exception):
    """A request that is answered with an error; `code` is OpenAI's word where there is one."""

    def __init__(self, message: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def body(self) -> Mapping[str, object]:
        """Return what is sent, as OpenAI says it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.code}}


# --- what is asked --------------------------------------------------------------------------


@dataclass(slots=True, eq=False, kw_only=True)
class Item:
    """One answer that is wanted, and how far it has come. Written by the engine's thread, read by the caller's.

    Attributes:
        prompt: Its tokens.
        most_tokens: How many the answer may have.
        ends: Texts that end the answer; they are not part of it.
        told: Given each new piece of text; None where the caller waits for the whole.
        gone: Set where nobody waits any more: the row is then given up.
    """

    prompt: Sequence[int]
    most_tokens: int
    sampling: Sampling
    words: Words
    ends: tuple[str, ...] = ()
    told: Callable[[str], None] | None = None
    gone: bool = False
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    ended: bool = False
    _sent: int = 0

    def begin(self) -> None:
        """Start the answer, or start it again where its batch was spoilt: what was told is not told twice."""
        self.tokens, self.text, self.ended = [], "", False
        self.words.begin()

    def take(self, token: int) -> bool:
        """Note a token that was written, and return whether more are wanted."""
        self.tokens.append(token)
        if self.told is not None or self.ends:
            self.text += self.words.add(token)
            self._tell(self._cut())
        return not (self.gone or self.ended)

    def finish(self) -> None:
        """Note that no more tokens come."""
        if self.told is not None or self.ends:
            if not self.ended:
                self.text += self.words.rest()
                self._cut()
            self._tell(len(self.text))
        else:
            self.text = self.words.whole(self.tokens)

    @property
    def finish_reason(self) -> str:
        """Say why it ended, in OpenAI's words."""
        return "length" if len(self.tokens) >= self.most_tokens and not self.ended else "stop"

    @property
    def written(self) -> int:
        """Return the tokens that were computed: one that ended the answer was too."""
        stopped = len(self.tokens) < self.most_tokens and not self.ended and not self.gone
        return len(self.tokens) + stopped

    def _cut(self) -> int:
        """Cut the text at the first of `ends`, and return how much of it cannot become one any more."""
        found = min((at for at in (self.text.find(end) for end in self.ends) if at >= 0), default=-1)
        if found >= 0:
            self.text, self.ended = self.text[:found], True
            return found
        return len(self.text) - max((_begun(self.text, end) for end in self.ends), default=0)

    def _tell(self, up_to: int) -> None:
        if self.told is not None and up_to > self._sent:
            self.told(self.text[self._sent : up_to])
            self._sent = up_to


def _begun(text: str, end: str) -> int:
    """Return how many letters at the end of `text` begin `end`."""
    return next((n for n in range(min(len(end) - 1, len(text)), 0, -1) if text.endswith(end[:n])), 0)


class Words:
    """Text of the tokens so far, a piece at a time: a token's text depends on the one before it."""

    def __init__(self, tokenizer: Any, lock: Lock) -> None:
        self._tokenizer, self._lock = tokenizer, lock
        self.begin()

    def begin(self) -> None:
        """Forget what was added."""
        self._tokens: list[int] = []
        self._from = self._read = 0

    def add(self, token: int) -> str:
        """Return the text that the token adds; empty while a letter is incomplete."""
        self._tokens.append(token)
        before, now = self.whole(self._tokens[self._from : self._read]), self.whole(self._tokens[self._from :])
        if now.endswith(BROKEN) or len(now) <= len(before):
            return ""
        self._from, self._read = self._read, len(self._tokens)
        return now[len(before) :]

    def rest(self) -> str:
        """Return the text that was held back, broken or not."""
        before, now = self.whole(self._tokens[self._from : self._read]), self.whole(self._tokens[self._from :])
        return now[len(before) :]

    def whole(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens that stand alone."""
        with self._lock:
            text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
            return text


class Template:
    """Makes prompts of messages with the tokenizer's own chat template, and items of requests."""

    def __init__(self, model: LanguageModel, name: str, context_tokens: int) -> None:
        self.name = name
        self.context_tokens = min(context_tokens, model.context_tokens)
        self._tokenizer = model.tokenizer
        # Tokenizers are not made for several threads at once.
        self._lock = Lock()

    def items(self, body: Mapping[str, Any], told: Callable[[int, str], None] | None = None) -> list[Item]:
        """Return the answers that a request wants; `told` is given the number of one and each new piece of its text.

        Raises:
            Refused: The request asks for what this engine does not do, or its prompt does not fit.
        """
        _refuse_unsupported(body)
        prompt = self._prompt(_messages(body), _template_arguments(body))
        room = self.context_tokens - len(prompt)
        if room < 1:
            raise Refused(
                f"The prompt has {len(prompt)} tokens and local/{self.name} takes {self.context_tokens}, the answer "
                "included. Shorten it, or raise context_tokens of [local] in greenai.toml.",
                code="context_length_exceeded",
            )
        most = min(int(_number(body, ("max_completion_tokens", "max_tokens"), room, 0, 1 << 40)), room)
        count = int(_number(body, ("n",), 1, 1, MOST_ANSWERS))
        return [
            Item(
                prompt=prompt,
                most_tokens=most,
                sampling=_sampling(body, number),
                words=Words(self._tokenizer, self._lock),
                ends=_ends(body),
                told=None if told is None else _numbered(told, number),
            )
            for number in range(count)
        ]

    def _prompt(self, messages: list[dict[str, str]], more: Mapping[str, Any]) -> list[int]:
        if not getattr(self._tokenizer, "chat_template", None):
            raise Refused(
                f"local/{self.name} has no chat template, so messages cannot be made into a prompt. Name a model that "
                "was made for chat, or put its template beside the weights as chat_template.jinja."
            )
        from jinja2 import TemplateError  # transformers needs it for templates

        with self._lock:
            try:
                text = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **more)
            except TemplateError as error:
                raise Refused(f"The chat template of local/{self.name} refuses these messages: {error}") from error
            tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
            return tokens


def _numbered(told: Callable[[int, str], None], number: int) -> Callable[[str], None]:
    return lambda text: told(number, text)


def _messages(body: Mapping[str, Any]) -> list[dict[str, str]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("The request has no messages. Send messages=[{'role': 'user', 'content': ...}].")
    return [{"role": _role(message), "content": _text(message.get("content"))} for message in messages]


def _template_arguments(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the request says to the model's chat template."""
    said: dict[str, Any] = {}
    for name in TEMPLATE_ARGUMENTS:
        given = body.get(name)
        if not isinstance(given, Mapping | None):
            raise Refused(f"{name} is {given!r}; it must be an object, such as {{'enable_thinking': false}}.")
        said.update(given or {})
    if taken := sorted(OUR_ARGUMENTS & said.keys()):
        raise Refused(f"A request does not say {', '.join(taken)} to the chat template here. Leave it out.")
    return said


def _role(message: Any) -> str:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise Refused("A message has no role. Each is an object with role and content.")
    role: str = message["role"]
    return "system" if role == "developer" else role


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts: Any = content if isinstance(content, list) else [] if content is None else [content]
    if any(not isinstance(part, dict) or part.get("type") != "text" for part in parts):
        raise Refused("This engine reads text alone: a message holds another kind of content, such as an image.")
    return "".join(str(part.get("text", "")) for part in parts)


def _refuse_unsupported(body: Mapping[str, Any]) -> None:
    wanted = body.get("response_format")
    plain = isinstance(wanted, dict) and wanted.get("type") == "text"
    asked = [name for name in UNSUPPORTED if body.get(name) and not (name == "response_format" and plain)]
    if asked:
        raise Refused(
            f"Models that torch runs do not take {', '.join(asked)} here. Leave it out, or name a GGUF of the model: "
            "llama.cpp does."
        )


def _sampling(body: Mapping[str, Any], number: int) -> Sampling:
    temperature = _number(body, ("temperature",), 0.0, 0.0, 2.0)
    top_p = _number(body, ("top_p",), 1.0, 0.0, 1.0)
    seed = body.get("seed")
    # Drawn here, so that an answer that is begun again is the same.
    chosen = random.getrandbits(31) if not isinstance(seed, int) else (seed + number) & (1 << 62) - 1
    return Sampling(temperature=temperature, top_p=top_p, seed=chosen)


def _number(body: Mapping[str, Any], names: Sequence[str], default: float, least: float, most: float) -> float:
    for name in names:
        given = body.get(name)
        if given is not None:
            if isinstance(given, bool) or not isinstance(given, (int, float)) or not least <= given <= most:
                raise Refused(f"{name} is {given!r}; it must be a number from {least:g} to {most:g}.")
            return given
    return default


def _ends(body: Mapping[str, Any]) -> tuple[str, ...]:
    given: Any = body.get("stop")
    ends: tuple[Any, ...] = tuple(given) if isinstance(given, list) else (given or "",)
    if any(not isinstance(end, str) for end in ends):
        raise Refused("stop is a text or a list of texts.")
    return tuple(end for end in ends if end)


# --- doing it -------------------------------------------------------------------------------


def run(model: LanguageModel, items: Sequence[Item]) -> list[Item]:
    """Answer items in one batch; each is returned finished."""
    for item in items:
        item.begin()
    model.generate(
        [item.prompt for item in items],
        most_tokens=[item.most_tokens for item in items],
        sampling=[item.sampling for item in items],
        watch=lambda row, token: items[row].take(token),
    )
    for item in items:
        item.finish()
    return list(items)


def work(item: Item, done: Item | None) -> float:
    """Return what an item took of its batch, in tokens of an answer."""
    return PREFILL * len(item.prompt) + (0 if done is None else done.written)


# --- what goes back -------------------------------------------------------------------------


def completion(name: str, items: Sequence[Item], timings: Mapping[str, object]) -> Mapping[str, object]:
    """Return a whole answer."""
    choices = [
        {
            "index": number,
            "message": {"role": "assistant", "content": item.text},
            "finish_reason": item.finish_reason,
            "logprobs": None,
        }
        for number, item in enumerate(items)
    ]
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": name,
        "choices": choices,
        "usage": usage(items),
        "timings": timings,
    }


def usage(items: Sequence[Item]) -> Mapping[str, int]:
    """Return what was read and written; the answers of one request share its prompt."""
    read, written = len(items[0].prompt), sum(item.written for item in items)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def chunk(
    name: str,
    answer: str,
    choices: Sequence[Mapping[str, object]],
    **more: object,
) -> bytes:
    """Return one event of a stream; `answer` is the id of all of them."""
    body = {
        "id": answer,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": name,
        "choices": list(choices),
        **more,
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"
