"""`instrument()` and the clients of google-genai and mistralai: old and new ones, and none of them afterwards."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import host_scenes as scenes
import pytest
from servers import Scripted, answer, completion_body

import greenai
from greenai import BudgetExceeded, InvalidRequest, collecting, green, instrument, uninstrument, wrap

genai = pytest.importorskip("google.genai")
mistralai = pytest.importorskip("mistralai.client")

HELLO = "What is the capital of France?"


@dataclass(frozen=True)
class Library:
    """How one of them is used."""

    name: str
    answer: Any
    made: Callable[[Scripted], Any]
    asked: Callable[..., Any]
    awaited: Callable[..., Any]
    streamed: Callable[..., list[Any]]
    close: Callable[[Any], None]


def _said(prompt: str) -> dict[str, Any]:
    return {"model": "mistral-small-latest", "messages": [{"role": "user", "content": prompt}]}


def _streamed_by_mistral(client: Any) -> list[Any]:
    stream = client.chat.stream(**_said(HELLO))
    return [*(event.data.choices[0].delta.content for event in stream), stream]


def _close_mistral(client: Any) -> None:
    if client.sdk_configuration.client is not None:
        client.sdk_configuration.client.close()


GENAI = Library(
    "google-genai",
    scenes.either(scenes.content(), scenes.content_events()),
    lambda server: genai.Client(api_key="key", http_options={"base_url": server.origin}),
    lambda client, prompt=HELLO: client.models.generate_content(model="gemini-2.5-flash", contents=prompt),
    lambda client: client.aio.models.generate_content(model="gemini-2.5-flash", contents=HELLO),
    lambda client: list(client.models.generate_content_stream(model="gemini-2.5-flash", contents=HELLO)),
    lambda client: client.close(),
)
MISTRAL = Library(
    "mistralai",
    scenes.either(completion_body("Hello there."), scenes.chunks()),
    lambda server: mistralai.Mistral(api_key="key", server_url=server.origin),
    lambda client, prompt=HELLO: client.chat.complete(**_said(prompt)),
    lambda client: client.chat.complete_async(**_said(HELLO)),
    _streamed_by_mistral,
    _close_mistral,
)


@pytest.fixture(params=[GENAI, MISTRAL], ids=lambda library: library.name)
def library(request: pytest.FixtureRequest, scripted: Scripted) -> Library:
    scripted.play(*[request.param.answer] * 20)
    found: Library = request.param
    return found


@pytest.fixture
def made(library: Library, scripted: Scripted) -> Iterator[Callable[[], Any]]:
    clients: list[Any] = []

    def make() -> Any:
        clients.append(library.made(scripted))
        return clients[-1]

    yield make
    uninstrument()
    while clients:
        library.close(clients.pop())


def is_green(response: object) -> bool:
    return isinstance(getattr(response, "greenai", None), greenai.Receipt)


def inside(client: Any) -> list[Any]:
    """Return the HTTP clients that a client has now."""
    if hasattr(client, "sdk_configuration"):
        return [client.sdk_configuration.client, client.sdk_configuration.async_client]
    return [client._api_client._httpx_client, client._api_client._async_httpx_client]


def test_clients_of_before_and_after_pass_it_until_it_is_undone(library: Library, made: Callable[[], Any]) -> None:
    old = made()
    assert not is_green(library.asked(old))
    before = inside(old)
    with instrument(project="patched"):
        new = made()
        assert [library.asked(client).greenai.project for client in (old, new)] == ["patched"] * 2
        assert library.asked(old).greenai.outcome == "cache"
    with collecting() as receipts:
        assert not any(is_green(library.asked(client)) for client in (old, new, made()))
    assert receipts == []
    assert all(now is then for now, then in zip(inside(old), before, strict=True))
    library.close(old)
    assert before[0].is_closed


def test_streams_have_the_receipt_at_their_end(library: Library, made: Callable[[], Any]) -> None:
    with instrument(), collecting() as receipts:
        *_, last = library.streamed(made())
        assert is_green(last)
    assert [receipt.attempts[0].usage.output_tokens for receipt in receipts] == [5]


def test_awaited_calls_in_loops_one_after_another(library: Library, made: Callable[[], Any]) -> None:
    async def main() -> str:
        client = made()
        try:
            outcome: str = (await library.awaited(client)).greenai.outcome
            return outcome
        finally:
            if library is GENAI:
                await client.aio.aclose()
            else:
                await client.sdk_configuration.async_client.aclose()

    with instrument():
        assert [asyncio.run(main()) for _ in range(3)] == ["large", "cache", "cache"]


def test_it_may_begin_again_with_the_same_client(library: Library, made: Callable[[], Any]) -> None:
    client = made()
    for project in ("one", "two"):
        with instrument(project=project):
            assert library.asked(client).greenai.project == project
        assert not is_green(library.asked(client))


def test_a_client_that_was_closed_meanwhile_stays_closed(library: Library, made: Callable[[], Any]) -> None:
    client = made()
    http = inside(client)[0]
    with instrument():
        library.asked(client)
        library.close(client)
    assert http.is_closed
    assert inside(client)[0] is http


def test_wrapped_clients_are_not_taken_twice(library: Library, made: Callable[[], Any]) -> None:
    wrapped = wrap(made(), project="wrapped")
    with instrument(project="patched"), collecting() as receipts:
        late = wrap(made(), project="late")
        assert [library.asked(client).greenai.project for client in (wrapped, late)] == ["wrapped", "late"]
    assert library.asked(late).greenai.outcome == "cache"
    assert [receipt.project for receipt in receipts] == ["wrapped", "late"]
    for client in (wrapped, late):
        client.greenai.close()


def test_decorated_functions_around_it_give_project_and_budget(library: Library, made: Callable[[], Any]) -> None:
    client = made()

    @green(project="bot")
    def reply(prompt: str) -> Any:
        return library.asked(client, prompt)

    with instrument(project="patched"), collecting() as receipts:
        assert reply("Say hello to Ada.").greenai.project == "bot"
        with pytest.raises(BudgetExceeded, match=r"its budget of 0\.001 mWh"):
            green(budget="0.001 mWh", when_spent="refuse")(reply)("Say hello to Grace.")
    assert len(receipts) == 1


def test_who_patched_the_method_since_keeps_it(library: Library, made: Callable[[], Any]) -> None:
    client = made()
    kind, name = (genai.models.Models, "generate_content") if library is GENAI else (type(client.chat), "complete")
    bare, seen = vars(kind)[name], list[str]()
    handle = instrument()
    before = getattr(kind, name)

    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append("traced")
        return before(self, *args, **kwargs)

    setattr(kind, name, traced)
    try:
        assert is_green(library.asked(client))
        handle.undo()
        assert not is_green(library.asked(client))
        assert seen == ["traced", "traced"]
    finally:
        setattr(kind, name, bare)


def test_clients_are_not_kept_alive(library: Library, made: Callable[[], Any], scripted: Scripted) -> None:
    with instrument():
        client = library.made(scripted)
        library.asked(client)
        dead = weakref.ref(client)
        library.close(client)
        del client
        gc.collect()
        assert dead() is None


def test_chats_and_parsed_answers_are_booked_once(scripted: Scripted) -> None:
    from pydantic import BaseModel

    class Place(BaseModel):
        city: str

    with instrument(), collecting() as receipts:
        scripted.play(answer('{"city": "Paris"}'))
        client: Any = MISTRAL.made(scripted)
        parsed = client.chat.parse(Place, **_said(HELLO))
        assert parsed.choices[0].message.parsed == Place(city="Paris")
        assert parsed.greenai is receipts[0]
        MISTRAL.close(client)
        scripted.play(GENAI.answer)
        client = GENAI.made(scripted)
        assert is_green(client.chats.create(model="gemini-2.5-flash").send_message("Hello, who are you?"))
        client.close()
    assert len(receipts) == 2


SCRIPT = """
import json, os, sys
library, first, url = sys.argv[1:]
import greenai

def imported():
    if library == "google-genai":
        from google import genai
    else:
        import mistralai.client

if first == "theirs":
    imported()
greenai.instrument(project="patched")
late = [name for name in ("openai", "anthropic", "google.genai", "mistralai.client") if name in sys.modules]
imported()

def ask(n):
    if library == "google-genai":
        from google import genai
        with genai.Client(api_key="key", http_options={"base_url": url}) as client:
            return client.models.generate_content(model="gemini-2.5-flash", contents=f"Say hello {n}.")
    from mistralai.client import Mistral
    with Mistral(api_key="key", server_url=url) as client:
        return client.chat.complete(model="m", messages=[{"role": "user", "content": f"Say hello {n}."}])

assert ask(1).greenai.project == "patched"
child = os.fork()
if child == 0:
    os._exit(0 if ask(2).greenai.project == "patched" else 1)
assert os.waitpid(child, 0)[1] == 0
assert ask(3).greenai.project == "patched"
greenai.uninstrument()
assert not hasattr(ask(4), "greenai")
print(json.dumps(late))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("first", ["theirs", "ours"])
def test_whichever_is_imported_first_and_in_forked_children(library: Library, first: str, scripted: Scripted) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, library.name, first, scripted.origin],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    module = "google.genai" if library is GENAI else "mistralai.client"
    assert json.loads(done.stdout) == ([module] if first == "theirs" else [])  # nothing is imported to be patched


def test_without_any_of_the_libraries_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from greenai.integrations import instrument as module

    monkeypatch.setattr(module, "LIBRARIES", ())
    with pytest.raises(InvalidRequest) as refused:
        instrument()
    assert str(refused.value) == (
        "greenai.instrument() found none of openai, anthropic, google-genai and mistralai, so there is nothing to "
        "instrument. Install the library that the app uses: pip install openai"
    )
