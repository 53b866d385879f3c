"""Never run: what type checkers must know about the public surface (mypy --strict, pyright strict)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import assert_type

from openai import AsyncOpenAI, AsyncStream, AzureOpenAI, OpenAI, Stream
from openai.pagination import SyncPage
from openai.types import CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam, ParsedChatCompletion
from openai.types.responses import ParsedResponse, Response, ResponseStreamEvent
from pydantic import BaseModel

from greenai import (
    AsyncClient,
    AsyncFeature,
    AsyncFeatureResult,
    AsyncJob,
    AsyncTask,
    AsyncTextStream,
    Client,
    Decision,
    Feature,
    FeatureResult,
    Job,
    Options,
    Reading,
    Receipt,
    Settings,
    Task,
    TaskAnswer,
    TextAnswer,
    TextStream,
    wrap,
)
from greenai._params import GreenCompletion
from greenai.bulk.answers import Answer as BatchAnswer
from greenai.bulk.answers import BatchReceipt
from greenai.bulk.plan import Plan
from greenai.grants import Grant
from greenai.hours import CleanHour, Hour
from greenai.readings import BudgetLeft
from greenai.spending import Run
from greenai.streams import GreenAsyncStream, GreenStream
from greenai.testing import FakeProvider, FakeReply, ReplayMeter, error, offline


def sync(client: Client, flag: bool) -> None:
    whole = client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": "Hi"}])
    assert_type(whole, GreenCompletion)
    assert_type(whole.choices[0].message.content, str | None)
    assert_type(client.chat.completions.create(messages=[], stream=False), GreenCompletion)
    assert_type(client.chat.completions.create(messages=[], stream=None), GreenCompletion)

    stream = client.chat.completions.create(messages=[{"role": "user", "content": "Hi"}], stream=True)
    assert_type(stream, GreenStream)
    for chunk in stream:
        assert_type(chunk, ChatCompletionChunk)
    assert_type(client.chat.completions.create(messages=[], stream=flag), GreenCompletion | GreenStream)

    answer = client.ask("Hi", model="gpt-5.5", system="Be kind.", temperature=0.0, max_tokens=5)
    assert_type(answer, TextAnswer)
    assert_type(answer.text, str)
    assert_type(answer.greenai, Receipt)
    assert_type(answer.greenai.energy, Reading)
    assert_type(answer.greenai.energy.energy_j, float | None)
    pieces = client.ask("Hi", stream=True)
    assert_type(pieces, TextStream)
    assert_type(list(pieces), list[str])
    assert_type(pieces.greenai, Receipt | None)

    assert_type(client.explain("Hi"), Decision)
    assert_type(client.explain([{"role": "user", "content": "Hi"}], model="gpt-5.5"), Decision)
    assert_type(client.escalate(whole), GreenCompletion)
    assert_type(client.escalate(answer), TextAnswer)
    assert_type(client.feedback(whole, good=True), None)
    assert_type(client.feedback(answer.greenai.call_id, good=False), None)
    assert_type(client.forget(whole), bool)
    assert_type(client.with_options(opt_in={"reasoning"}, reason="checked"), Client)
    with client.opt_in("reasoning", "large", reason="checked", user="ada") as careful:
        assert_type(careful, Client)
    assert_type(whole.greenai.opt_ins, tuple[Grant, ...])
    assert_type(client.settings, Settings)
    with client.budget("0.5 Wh", "3 calls", when_spent="refuse") as spent:
        assert_type(spent, Run)
        assert_type(spent.left, tuple[str, ...])
    assert_type(answer.greenai.budget, BudgetLeft | None)
    with client.options(project="support-bot") as same, client as entered:
        assert_type(same, Client)
        assert_type(entered, Client)


async def asynchronous(client: AsyncClient, flag: bool) -> None:
    whole = await client.chat.completions.create(messages=[{"role": "user", "content": "Hi"}])
    assert_type(whole, GreenCompletion)
    stream = await client.chat.completions.create(messages=[], stream=True)
    assert_type(stream, GreenAsyncStream)
    async for chunk in stream:
        assert_type(chunk, ChatCompletionChunk)
    assert_type(
        await client.chat.completions.create(messages=[], stream=flag),
        GreenCompletion | GreenAsyncStream,
    )
    answer = await client.ask("Hi")
    assert_type(answer, TextAnswer)
    pieces = await client.ask("Hi", stream=True)
    assert_type(pieces, AsyncTextStream)
    assert_type([piece async for piece in pieces], list[str])
    assert_type(await client.explain("Hi"), Decision)
    assert_type(await client.escalate(whole), GreenCompletion)
    assert_type(await client.escalate(answer), TextAnswer)
    assert_type(await client.feedback(answer, good=True), None)
    assert_type(await client.forget(answer), bool)
    assert_type(client.with_options(timeout=5.0), AsyncClient)
    async with client as entered:
        assert_type(entered, AsyncClient)


class Answer(BaseModel):
    text: str


def the_rest_of_openai(client: Client, flag: bool) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
    assert_type(client.responses.create(model="gpt-5.5", input="Hi"), Response)
    assert_type(client.responses.create(model="gpt-5.5", input="Hi", stream=True), Stream[ResponseStreamEvent])
    assert_type(client.responses.parse(model="gpt-5.5", input="Hi", text_format=Answer), ParsedResponse[Answer])
    assert_type(client.embeddings.create(model="text-embedding-3-small", input="Hi"), CreateEmbeddingResponse)
    assert_type(
        client.chat.completions.parse(model="gpt-5.5", messages=messages, response_format=Answer),
        ParsedChatCompletion[Answer],
    )
    assert_type(
        client.chat.completions.with_raw_response.create(model="gpt-5.5", messages=messages).parse(), ChatCompletion
    )
    assert_type(client.models.list(), SyncPage[Model])
    assert_type(client.max_retries, int)
    assert_type(client.is_closed(), bool)
    assert_type(client.copy(timeout=5.0), Client)
    client.api_key = "another key"
    takes_openai(client)


async def the_rest_of_openai_awaited(client: AsyncClient) -> None:
    assert_type(await client.responses.create(model="gpt-5.5", input="Hi"), Response)
    assert_type(await client.embeddings.create(model="text-embedding-3-small", input="Hi"), CreateEmbeddingResponse)


def takes_openai(client: OpenAI) -> None: ...


def wrapped(own: OpenAI, aown: AsyncOpenAI, azure: AzureOpenAI) -> None:
    assert_type(wrap(own), OpenAI)
    assert_type(wrap(aown), AsyncOpenAI)
    assert_type(wrap(azure, project="support-bot"), AzureOpenAI)
    whole = wrap(own).chat.completions.create(model="gpt-5.5", messages=[])
    assert_type(whole, ChatCompletion)
    assert_type(
        wrap(own).chat.completions.create(model="gpt-5.5", messages=[], stream=True), Stream[ChatCompletionChunk]
    )


async def answerers(client: Client, aclient: AsyncClient) -> None:
    @client.answerer(examples=["opening hours"], counterexamples=["open a file"])
    def hours(question: str) -> str | None:
        return question or None

    @aclient.answerer(examples=["opening hours"], volatile=False)
    async def ahours(question: str) -> str:
        return question

    assert_type(hours("?"), str | None)
    assert_type(await ahours("?"), str)
    client.faq({"Do you ship?": "Yes."})
    client.faq([("Do you ship?", "Yes.")], name="pairs")
    aclient.faq("docs", threshold=0.7)
    assert_type(client.prepare(lambda done, total: None), dict[str, float])
    task = client.task("mood", examples={"good": ["nice", "fine"], "bad": ["poor", "sad"]})
    assert_type(task, Task)
    assert_type(task("fine").label, str | None)
    atask = aclient.task("mood", model="acme/mood", kind="question-answering")
    assert_type(atask, AsyncTask)
    assert_type(await atask("Ada is 3.", "How old is Ada?"), TaskAnswer)
    client.answerer(examples=["a"])(lambda question: 3)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


async def features(client: Client, aclient: AsyncClient) -> None:
    summary = client.feature("search_summary", generate="on_request")
    assert_type(summary, Feature)
    result = summary(retrieved=["a", "b"], messages=[{"role": "user", "content": "Hi"}], user_requested=True)
    assert_type(result, FeatureResult)
    assert_type(result.generate(), FeatureResult)
    assert_type(result.answer, TextAnswer | None)
    client.feature("s", generate="never")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    summary(retrieved="a", prompt="b", temprature=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]

    @client.feature("daily", generate="always")
    def daily(day: str, *, words: int = 3) -> str:
        return day * words

    assert_type(daily("hits", "Monday", words=2), FeatureResult)
    daily("hits", 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    asummary = aclient.feature("search_summary")
    assert_type(asummary, AsyncFeature)
    aresult = await asummary(retrieved="a", prompt="b")
    assert_type(aresult, AsyncFeatureResult)
    assert_type(await aresult.generate(), AsyncFeatureResult)

    @asummary
    async def adaily(day: str) -> str:
        return day

    assert_type(await adaily("hits", "Monday"), AsyncFeatureResult)
    client.used(result.greenai or "id")
    await aclient.used("id")
    assert_type(client.when_clean("8h"), CleanHour)
    assert_type(offline(forecast=lambda zone: [Hour(start=datetime.now(UTC), g_per_kwh=3)]), Client)


def arguments(client: Client) -> None:
    client.chat.completions.create(messages=[], reasoning_effort="high", greenai=Options(project="p"))
    client.chat.completions.create(messages=[], thinking={"type": "enabled"}, greenai={"cache": "off"})
    client.chat.completions.create(messages=[], temprature=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    client.chat.completions.create(messages=[], temperature="hot")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def batches(client: Client, aclient: AsyncClient) -> None:
    job = client.batch(["Hi."], by="tonight", name="n", backend="calls", model="gpt-5.5", at_once=2, progress=print)
    assert_type(job, Job)
    assert_type(job.plan, Plan)
    assert_type(job.receipt, BatchReceipt)
    assert_type(job.run(), Job)
    for answer in job:
        assert_type(answer, BatchAnswer)
        assert_type(answer.response, GreenCompletion | None)
    client.batch(({"messages": [], "custom_id": str(n)} for n in range(3)), by=datetime.now(UTC))
    client.batch(Path("requests.jsonl"), progress=False)
    client.batch(name="n")
    ajob = aclient.batch("requests.jsonl")
    assert_type(ajob, AsyncJob)
    assert_type(await ajob, AsyncJob)
    assert_type(await ajob.plan(), Plan)
    async for one in ajob:
        assert_type(one, BatchAnswer)


def doubles() -> None:
    provider = FakeProvider("Hi.", FakeReply(text="Hi."), error(429), default=lambda call: call.draft.rung.model)
    assert_type(offline(provider), Client)
    assert_type(offline(), Client)
    assert_type(offline(provider, client=AsyncClient, settings={"quality": "high"}), AsyncClient)
    assert_type(offline(meters=[ReplayMeter(2.5, None)]), Client)


def what_openai_takes(whole: GreenCompletion, stream: GreenStream, astream: GreenAsyncStream) -> None:
    as_openai: ChatCompletion = whole
    as_stream: Stream[ChatCompletionChunk] = stream
    as_astream: AsyncStream[ChatCompletionChunk] = astream
    assert_type(whole.greenai, Receipt)
    assert_type(stream.greenai, Receipt | None)
    assert_type(astream.greenai, Receipt | None)
    _ = as_openai, as_stream, as_astream
