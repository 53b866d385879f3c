"""What a chat request asks of a language model that torch runs; skipped without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tiny_models import llama

from greenai._locks import Lock
from greenai.local.torch_chat import Item, Refused, Template, Words, run, work
from greenai.local.torch_lm import LanguageModel, Sampling, TorchSetting


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return LanguageModel(llama(tmp_path_factory.mktemp("llama")), TorchSetting(threads=1))


@pytest.fixture(scope="module")
def template(model: LanguageModel) -> Template:
    return Template(model, "tiny", 200)


def body(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def test_messages_become_the_templates_prompt(template: Template, model: LanguageModel) -> None:
    (item,) = template.items({"messages": [
        {"role": "developer", "content": "be short"},
        {"role": "user", "content": [{"type": "text", "text": "a "}, {"type": "text", "text": "hat"}]},
    ]})  # fmt: skip
    assert model.tokenizer.decode(item.prompt) == "<|system|>be short<|user|>a hat<|assistant|>"
    assert (item.most_tokens, item.sampling.temperature) == (200 - len(item.prompt), 0.0)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "The request has no messages. Send messages=[{'role': 'user', 'content': ...}]."),
        ({"messages": ["hi"]}, "A message has no role. Each is an object with role and content."),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
         "This engine reads text alone: a message holds another kind of content, such as an image."),
        (body(tools=[{}], logit_bias={"1": 2}),
         ("Models that torch runs do not take tools, logit_bias here. Leave it out, or name a GGUF of the model: "
         "llama.cpp does.")),
        (body(presence_penalty=0.5),
         ("Models that torch runs do not take presence_penalty here. Leave it out, or name a GGUF of the model: "
         "llama.cpp does.")),
        ({"messages": [{"role": "user", "content": 5}]},
         "This engine reads text alone: a message holds another kind of content, such as an image."),
        (body(chat_template_kwargs=[1]),
         "chat_template_kwargs is [1]; it must be an object, such as {'enable_thinking': false}."),
        (body(chat_template_kwargs={"tokenize": True, "chat_template": ""}),
         "A request does not say chat_template, tokenize to the chat template here. Leave it out."),
        (body(temperature=3), "temperature is 3; it must be a number from 0 to 2."),
        (body(max_tokens=True), "max_tokens is True; it must be a number from 0 to 1.09951e+12."),
        (body(stop=[1]), "stop is a text or a list of texts."),
        (body("a" * 300),
         ("The prompt has 302 tokens and local/tiny takes 200, the answer included. Shorten it, or raise context_tokens "
         "of [local] in greenai.toml.")),
    ],
)  # fmt: skip
def test_what_it_does_not_do_is_refused_in_words(template: Template, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused) as refused:
        template.items(asked)
    assert str(refused.value) == told
    assert refused.value.status == 400


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
message = st.fixed_dictionaries(
    {}, optional={"role": st.sampled_from(["user", "system"]) | anything, "content": anything}
)
KEYS = (
    "max_tokens", "max_completion_tokens", "n", "temperature", "top_p", "seed", "stop", "tools", "response_format",
    "chat_template_kwargs",
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {}, optional={"messages": st.lists(message, max_size=3) | anything, **dict.fromkeys(KEYS, anything)}
    )
)
def test_whatever_is_sent_is_answered_or_refused(template: Template, asked: dict[str, Any]) -> None:
    try:
        items = template.items(asked)
    except Refused:
        return
    assert items
    assert all(0 <= item.most_tokens <= 200 - len(item.prompt) for item in items)
    assert all(0 <= (item.sampling.seed or 0) < 1 << 63 for item in items)


def test_a_plain_response_format_is_no_other(template: Template) -> None:
    assert template.items(body(response_format={"type": "text"}, tools=[]))


def test_a_model_without_a_template_is_told(tmp_path: Path) -> None:
    model = LanguageModel(llama(tmp_path, template=None), TorchSetting(threads=1))
    with pytest.raises(Refused) as refused:
        Template(model, "mute", 200).items(body())
    assert str(refused.value) == (
        "local/mute has no chat template, so messages cannot be made into a prompt. Name a model that was made for "
        "chat, or put its template beside the weights as chat_template.jinja."
    )


def test_what_switches_reasoning_off_reaches_the_template(tmp_path: Path) -> None:
    thinking = "{% if enable_thinking is defined and not enable_thinking %}no{% else %}yes{% endif %}"
    model = LanguageModel(llama(tmp_path, template=thinking), TorchSetting(threads=1))
    template = Template(model, "thinker", 200)
    for asked, prompt in (({}, "yes"), ({"enable_thinking": False}, "no"), ({"enable_thinking": True}, "yes")):
        for name in ("chat_template_kwargs", "chat_template_args"):
            (item,) = template.items(body(**{name: asked}))
            assert model.tokenizer.decode(item.prompt) == prompt


def test_a_template_that_refuses_is_told(tmp_path: Path) -> None:
    model = LanguageModel(llama(tmp_path, template="{{ raise_exception('user first') }}"), TorchSetting(threads=1))
    with pytest.raises(Refused) as refused:
        Template(model, "strict", 200).items(body())
    assert str(refused.value) == "The chat template of local/strict refuses these messages: user first"


def test_pieces_are_the_whole_text_and_the_same_as_alone(template: Template, model: LanguageModel) -> None:
    pieces: dict[int, list[str]] = {0: [], 1: []}
    items = template.items(body(max_tokens=30, n=2), lambda number, text: pieces[number].append(text))
    run(model, items)
    (alone,) = run(model, template.items(body(max_tokens=30)))
    assert ["".join(pieces[n]) for n in range(2)] == [alone.text, alone.text]
    assert len(pieces[0]) > 5
    assert [item.text for item in items] == [alone.text] * 2


def test_a_text_that_ends_the_answer_is_cut_and_never_told(template: Template, model: LanguageModel) -> None:
    (free,) = run(model, template.items(body(max_tokens=30)))
    end = free.text[7:10]
    at = free.text.index(end)
    pieces: list[str] = []
    (cut,) = run(model, template.items(body(max_tokens=30, stop=[end, "never"]), lambda _, text: pieces.append(text)))
    assert cut.text == free.text[:at] == "".join(pieces)
    assert (cut.finish_reason, free.finish_reason) == ("stop", "length")
    assert cut.written < free.written == 30


def test_half_of_an_ending_is_held_back_until_it_is_none() -> None:
    pieces: list[str] = []
    item = scripted(["ab", "STO", "p and STO"], ends=("STOP",), told=pieces.append)
    assert pieces == ["ab", "STOp and ", "STO"]
    assert (item.text, item.ended) == ("abSTOp and STO", False)


def test_letters_of_several_tokens_are_told_whole() -> None:
    pieces: list[str] = []
    item = scripted([b"caf", b"\xc3", b"\xa9 \xe2", b"\x82", b"\xac"], told=pieces.append)
    assert pieces == ["caf", "é €"]
    assert item.text == "café €"


def test_an_answer_that_is_begun_again_tells_nothing_twice() -> None:
    pieces: list[str] = []
    tokenizer = Script(["one ", "two ", "three"])
    item = Item(prompt=[1], most_tokens=3, sampling=Sampling(), words=Words(tokenizer, Lock()), told=pieces.append)
    for upto in (2, 3):
        item.begin()
        for token in range(upto):
            item.take(token)
    item.finish()
    assert pieces == ["one ", "two ", "three"]


def test_work_counts_a_stop_that_was_computed() -> None:
    item = scripted(["a", "b"], most=5)
    assert (item.finish_reason, item.written, work(item, item), work(item, None)) == ("stop", 3, 3.25, 0.25)
    full = scripted(["a", "b"], most=2)
    assert (full.finish_reason, full.written) == ("length", 2)


class Script:
    """A tokenizer whose n-th token has the n-th text."""

    def __init__(self, texts: list[Any]) -> None:
        self.raw = [text if isinstance(text, bytes) else text.encode() for text in texts]

    def decode(self, tokens: list[int], *, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return b"".join(self.raw[token] for token in tokens).decode(errors="replace")


def scripted(texts: list[Any], *, most: int = 99, **more: Any) -> Item:
    item = Item(prompt=[1], most_tokens=most, sampling=Sampling(), words=Words(Script(texts), Lock()), **more)
    item.begin()
    for token in range(len(texts)):
        if not item.take(token):
            break
    item.finish()
    return item
