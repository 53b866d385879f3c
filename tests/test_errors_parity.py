"""Whatever fails, an app sees the class that the bare openai client raises: in all four colours, on openai 2 and 3.

Every scenario of the scripted server is played twice, once to `openai.OpenAI` and once to `greenai.Client`, and
what came out is compared: the exact type, status, code, body, and the text that had arrived before.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import litellm_marks
import openai
import pytest
import servers

from greenai import AsyncClient, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGES: Any = [{"role": "user", "content": "Name a colour."}]
KEY = "sk-parity"
SETTINGS = {"cache": "off", "ledger": ":memory:"}

Colour = Literal["create", "stream", "async create", "async stream"]
COLOURS: tuple[Colour, ...] = ("create", "stream", "async create", "async stream")
WHOLE: tuple[Colour, ...] = ("create", "async create")
STREAMED: tuple[Colour, ...] = ("stream", "async stream")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an app can tell of one call: the text it got, and the error where there is one."""

    text: str
    kind: type[BaseException] | None
    status: int | None = None
    code: Any = None
    body: Any = None
    message: str = ""


def result(text: str, error: BaseException | None) -> Result:
    if error is None:
        return Result(text=text, kind=None)
    return Result(
        text=text,
        kind=type(error),
        status=getattr(error, "status_code", None),
        code=getattr(error, "code", None),
        body=getattr(error, "body", None),
        message=str(error),
    )


def ask(client: Any, colour: Colour, **arguments: Any) -> Result:
    arguments = {"model": servers.MODEL, "messages": MESSAGES, **arguments}
    if colour.startswith("async"):
        return asyncio.run(_aask(client, colour, arguments))
    text = ""
    try:
        if colour == "create":
            response = client.chat.completions.create(**arguments)
            return result(response.choices[0].message.content, None)
        for chunk in client.chat.completions.create(**arguments, stream=True):
            text += _text(chunk)
    except Exception as error:  # noqa: BLE001  # whatever comes is the result
        return result(text, error)
    finally:
        client.close()
    return result(text, None)


async def _aask(client: Any, colour: Colour, arguments: dict[str, Any]) -> Result:
    text = ""
    try:
        if colour == "async create":
            response = await client.chat.completions.create(**arguments)
            return result(response.choices[0].message.content, None)
        async for chunk in await client.chat.completions.create(**arguments, stream=True):
            text += _text(chunk)
    except Exception as error:  # noqa: BLE001  # whatever comes is the result
        return result(text, error)
    finally:
        await client.close()
        await litellm_marks.aclose()
    return result(text, None)


def _text(chunk: Any) -> str:
    return "".join(c.delta.content or "" for c in chunk.choices)


def bare(colour: Colour, **arguments: Any) -> Any:
    kind = openai.AsyncOpenAI if colour.startswith("async") else openai.OpenAI
    return kind(api_key=KEY, max_retries=0, **arguments)


def green(colour: Colour, **arguments: Any) -> Any:
    kind = AsyncClient if colour.startswith("async") else Client
    return kind(**{"api_key": KEY, "max_retries": 0, "settings": SETTINGS, **arguments})


def both(colour: Colour, call: dict[str, Any] | None = None, **arguments: Any) -> tuple[Result, Result]:
    return tuple(ask(make(colour, **arguments), colour, **(call or {})) for make in (bare, green))  # type: ignore[return-value]


# --- statuses -----------------------------------------------------------------------------

STATUSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    408: openai.APIStatusError,
    409: openai.ConflictError,
    418: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    502: openai.InternalServerError,
    503: openai.InternalServerError,
    529: openai.InternalServerError,
}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("code", STATUSES)
def test_every_status_raises_what_the_bare_client_raises(scripted: servers.Scripted, code: int, colour: Colour) -> None:
    headers = {"retry-after": "1"} if code in (429, 503) else {}
    scripted.play(servers.status(code, headers=headers))
    expected, got = both(colour, base_url=scripted.url)
    assert got == expected
    assert (got.kind, got.status, got.code) == (STATUSES[code], code, f"scripted_{code}")
    assert len(scripted.requests) == 2  # one each: nobody retried


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("body", [b"", b"busy", b'{"detail": "no error object"}', b"[1]", b'{"error": "text"}'])
def test_an_error_without_an_error_object(scripted: servers.Scripted, body: bytes, colour: Colour) -> None:
    scripted.play(servers.raw(body, status=503))
    expected, got = both(colour, base_url=scripted.url)
    assert got == expected
    assert got.kind is openai.InternalServerError


def test_the_response_of_an_error_is_within_reach(scripted: servers.Scripted) -> None:
    scripted.play(servers.status(429, headers={"retry-after": "7", "x-request-id": "req_1"}))
    client = Client(base_url=scripted.url, api_key=KEY, max_retries=0, settings=SETTINGS)
    with client, pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=servers.MODEL, messages=MESSAGES)
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.request_id == "req_1"
    assert "greenai tried: endpoint/scripted-model (RateLimitError)." in caught.value.__notes__


# --- no answer at all ---------------------------------------------------------------------


@pytest.mark.parametrize("colour", COLOURS)
def test_a_refused_connection(colour: Colour) -> None:
    expected, got = both(colour, base_url=servers.closed_port_url())
    assert got == expected
    assert got.kind is openai.APIConnectionError


@pytest.mark.parametrize("colour", COLOURS)
def test_a_connection_reset_before_the_headers(scripted: servers.Scripted, colour: Colour) -> None:
    scripted.play(servers.reset())
    expected, got = both(colour, base_url=scripted.url)
    assert got == expected
    assert got.kind is openai.APIConnectionError


@pytest.mark.parametrize("colour", COLOURS)
def test_a_time_out(scripted: servers.Scripted, colour: Colour) -> None:
    scripted.play(servers.sleeps(30))
    expected, got = both(colour, base_url=scripted.url, timeout=0.2)
    assert got == expected
    assert got.kind is openai.APITimeoutError


@pytest.mark.parametrize("colour", COLOURS)
def test_a_time_out_given_with_the_call(scripted: servers.Scripted, colour: Colour) -> None:
    scripted.play(servers.sleeps(30))
    expected, got = both(colour, {"timeout": 0.2}, base_url=scripted.url)
    assert got == expected
    assert got.kind is openai.APITimeoutError


# --- answers that are none ----------------------------------------------------------------


@pytest.mark.parametrize("colour", WHOLE)
@pytest.mark.parametrize("scene", [servers.malformed, servers.truncated], ids=lambda s: s.__name__)
def test_a_broken_body(scripted: servers.Scripted, scene: Callable[[], servers.Scene], colour: Colour) -> None:
    scripted.play(scene())
    expected, got = both(colour, base_url=scripted.url)
    assert got == expected
    assert got.kind is not None


@pytest.mark.parametrize("colour", WHOLE)
def test_a_page_instead_of_an_answer_is_an_openai_error(scripted: servers.Scripted, colour: Colour) -> None:
    # The one difference on purpose: the bare client hands the page back as a `str`, and the app stumbles over it.
    scripted.play(servers.html())
    expected, got = both(colour, base_url=scripted.url)
    assert expected.kind is AttributeError
    assert got.kind is openai.APIResponseValidationError
    assert got.message == (
        "The server answered 200 with something that is no chat completion: "
        "'<!doctype html><html><body><h1>Please sign in to the network</h1></body></html>'"
    )


@pytest.mark.parametrize("colour", STREAMED)
@pytest.mark.parametrize("scene", [servers.malformed, servers.truncated, servers.html], ids=lambda s: s.__name__)
def test_a_body_instead_of_a_stream(
    scripted: servers.Scripted, scene: Callable[[], servers.Scene], colour: Colour
) -> None:
    scripted.play(scene())
    expected, got = both(colour, base_url=scripted.url)
    assert got == expected


# --- streams that break -------------------------------------------------------------------


@pytest.mark.parametrize("colour", STREAMED)
@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("how", ["close", "reset", "clean", "garbage", "error", "usage"])
def test_a_stream_cut_after_some_chunks(scripted: servers.Scripted, how: str, after: int, colour: Colour) -> None:
    scripted.play(servers.stream(3, cut_after=after, how=how))
    expected, got = both(colour, base_url=scripted.url)
    assert got == expected
    # What had been sent before a reset may be lost with it; before anything else it arrives.
    assert how == "reset" or got.text == "".join(f"word{n} " for n in range(after))
    assert (got.kind is None) == (how == "clean")


@pytest.mark.parametrize("colour", STREAMED)
def test_a_stream_that_stalls(scripted: servers.Scripted, colour: Colour) -> None:
    scripted.play(servers.stream(3, cut_after=2, how="stall"))
    expected, got = both(colour, base_url=scripted.url, timeout=0.4)
    assert (got.text, got.kind, got.status) == (expected.text, expected.kind, expected.status)
    assert got.text == "word0 word1 "
    assert got.kind is not None


@pytest.mark.parametrize("colour", COLOURS)
def test_a_usage_that_is_missing_changes_nothing(scripted: servers.Scripted, colour: Colour) -> None:
    scene = servers.stream(3, usage=None) if "stream" in colour else servers.answer(usage=None)
    scripted.play(scene)
    expected, got = both(colour, base_url=scripted.url)
    assert got == expected
    assert got.kind is None


# --- through litellm ----------------------------------------------------------------------

# One provider whose format is openai's, and one whose format litellm translates.
PROVIDERS = ("hosted_vllm", "anthropic")
LITELLM_STATUSES = (400, 401, 403, 404, 409, 422, 429, 500, 503)


@pytest.fixture
def through_litellm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    litellm_marks.load()

    def send(colour: Colour, provider: str, url: str, timeout: float = 30.0) -> Result:
        monkeypatch.setenv("HOSTED_VLLM_API_BASE", url)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url.removesuffix("/v1"))
        monkeypatch.setenv("HOSTED_VLLM_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        return ask(green(colour, api_key=None, timeout=timeout), colour, model=f"{provider}/scripted-model")

    yield send
    litellm_marks.forget_clients()


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("code", LITELLM_STATUSES)
class TestLiteLLMStatuses:
    pytestmark = litellm_marks.ONLY

    def test_raises_the_openai_class(
        self,
        scripted: servers.Scripted,
        through_litellm: Callable[..., Result],
        code: int,
        provider: str,
        colour: Colour,
    ) -> None:
        scripted.play(servers.status(code))
        got = through_litellm(colour, provider, scripted.url)
        assert (got.kind, got.status) == (STATUSES[code], code)
        assert "scripted failure" in got.message
        assert len(scripted.requests) == 1  # litellm's own retries are off


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("provider", PROVIDERS)
class TestLiteLLMWithoutAnAnswer:
    pytestmark = litellm_marks.ONLY

    def test_a_refused_connection(self, through_litellm: Callable[..., Result], provider: str, colour: Colour) -> None:
        got = through_litellm(colour, provider, servers.closed_port_url())
        assert (got.kind, got.status) == (openai.APIConnectionError, None)

    def test_a_time_out(
        self, scripted: servers.Scripted, through_litellm: Callable[..., Result], provider: str, colour: Colour
    ) -> None:
        scripted.play(servers.sleeps(30))
        got = through_litellm(colour, provider, scripted.url, timeout=0.5)
        assert (got.kind, got.status) == (openai.APITimeoutError, None)

    def test_a_broken_body(
        self, scripted: servers.Scripted, through_litellm: Callable[..., Result], provider: str, colour: Colour
    ) -> None:
        scripted.play(servers.malformed())
        got = through_litellm(colour, provider, scripted.url)
        assert got.kind is None or issubclass(got.kind, (openai.OpenAIError, ValueError))


@pytest.mark.parametrize("colour", STREAMED)
class TestLiteLLMStreams:
    pytestmark = litellm_marks.ONLY

    @pytest.mark.parametrize(
        ("how", "kind"),
        [
            ("close", openai.APIConnectionError),
            ("reset", openai.APIConnectionError),
            ("error", openai.InternalServerError),
            ("stall", openai.APITimeoutError),
        ],
    )
    def test_a_stream_that_breaks_raises_an_openai_error(
        self,
        scripted: servers.Scripted,
        through_litellm: Callable[..., Result],
        how: str,
        kind: type[openai.APIError],
        colour: Colour,
    ) -> None:
        scripted.play(servers.stream(3, cut_after=2, how=how, every_s=0.02))
        got = through_litellm(colour, "hosted_vllm", scripted.url, timeout=1.0)
        assert got.kind is kind
        assert got.text == "word0 word1 "

    def test_a_whole_stream(
        self, scripted: servers.Scripted, through_litellm: Callable[..., Result], colour: Colour
    ) -> None:
        scripted.play(servers.stream(3))
        got = through_litellm(colour, "hosted_vllm", scripted.url)
        assert got.kind is None, got.message
        assert got.text == "word0 word1 word2 "
