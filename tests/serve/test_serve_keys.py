"""Who may call: keys with their projects, and without keys only programs of this machine."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import openai
import pytest
from serving import MESSAGES

from greenai.errors import SettingsError
from greenai.serve.keys import Caller, Keys, Unknown, is_loopback
from greenai.settings.serve import ServeTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers import Scripted
    from serving import Served

ONE, TWO, PAGES = "key-one-0123456789", "key-two-0123456789", "key-pages-0123456789"


def keys(**table: Any) -> Keys:
    return Keys.of(ServeTable(**table), {"SEARCH_KEY": TWO})


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_a_key_is_itself_a_variable_or_a_digest() -> None:
    known = keys(keys={ONE: "bot", "SEARCH_KEY": "search", f"sha256:{sha256(PAGES.encode()).hexdigest()}": "pages"})
    assert [known.caller(bearer(key), "192.0.2.1").project for key in (ONE, TWO, PAGES)] == ["bot", "search", "pages"]
    assert known.caller(bearer(ONE), None).digest == sha256(ONE.encode()).hexdigest()
    assert ONE not in repr(known)


@pytest.mark.parametrize(
    "headers",
    [
        bearer(ONE),
        {"authorization": f"bearer  {ONE}"},
        {"api-key": ONE},
        {"x-api-key": ONE},
        {"x-greenai-key": ONE, **bearer("for-the-provider")},
        {"authorization": "Basic " + base64.b64encode(f"me:{ONE}".encode()).decode()},
    ],
)
def test_a_key_is_found_wherever_clients_put_it(headers: dict[str, str]) -> None:
    assert keys(keys={ONE: "bot"}).caller(headers, "192.0.2.1").project == "bot"


@pytest.mark.parametrize("headers", [{}, bearer("another-key-0123456789"), {"authorization": "Basic !"}, bearer("")])
def test_who_has_no_key_is_unknown(headers: dict[str, str]) -> None:
    with pytest.raises(Unknown):
        keys(keys={ONE: "bot"}).caller(headers, "127.0.0.1")


def test_only_the_key_of_the_pages_sees_every_project() -> None:
    known = keys(keys={ONE: "bot"}, pages_key=PAGES)
    assert known.viewer(bearer(PAGES), None).sees_all
    assert known.viewer(bearer(ONE), None) == Caller(project="bot", digest=sha256(ONE.encode()).hexdigest())
    with pytest.raises(Unknown):
        known.caller(bearer(PAGES), None)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"keys": {"NOT_SET_KEY": "bot"}},
         "serve.keys: the variable NOT_SET_KEY is not set. Set it with: export NOT_SET_KEY=..."),
        ({"keys": {"short": "bot"}},
         ("serve.keys: a key has 5 characters, and 16 are the least that is not guessed. Make one with: "
         'python -c "import secrets; print(secrets.token_urlsafe())"')),
        ({"keys": {"SEARCH_KEY": "a", TWO: "b"}},
         "serve.keys has the same key twice, so its project is not known. Leave one of them out."),
    ],
)  # fmt: skip
def test_a_key_that_is_none_is_told_at_once(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        keys(**table)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("headers", "client", "served"),
    [
        ({"host": "127.0.0.1:8080"}, "127.0.0.1", True),
        ({"host": "localhost:8080"}, "::1", True),
        ({"host": "[::1]:8080"}, "::ffff:127.0.0.1", True),
        ({"host": "localhost:8080", "origin": "http://localhost:8080"}, "127.0.0.1", True),
        ({"host": "127.0.0.1:8080"}, "192.0.2.1", False),
        ({"host": "127.0.0.1:8080"}, None, False),
        ({"host": "rebound.example:8080"}, "127.0.0.1", False),
        ({}, "127.0.0.1", False),
        ({"host": "localhost:8080", "origin": "https://elsewhere.example"}, "127.0.0.1", False),
        ({"host": "localhost:8080", "origin": "null"}, "127.0.0.1", False),
    ],
)
def test_without_keys_only_this_machines_programs_are_served(
    headers: dict[str, str], client: str | None, served: bool
) -> None:
    if served:
        assert keys().caller(headers, client) == Caller(sees_all=True)
        return
    with pytest.raises(Unknown, match=r"^No keys are configured \(the setting serve.keys\), so only programs on this"):
        keys().caller(headers, client)


def test_names_and_addresses_of_this_machine() -> None:
    here = ("localhost", "LOCALHOST.", "127.0.0.1", "127.8.8.8", "::1", "[::1]", "::ffff:127.0.0.1")
    assert [is_loopback(host) for host in here] == [True] * len(here)
    assert not any(map(is_loopback, ("", "0.0.0.0", "::", "192.0.2.1", "localhost.example")))


# --- through HTTP ---------------------------------------------------------------------------


def test_each_keys_calls_are_booked_on_its_project_and_none_reaches_the_provider(
    gateways: Callable[..., Any], scripted: Scripted
) -> None:
    with gateways({"serve": {"keys": {ONE: "bot", TWO: "search"}, "pages_key": PAGES}}) as served:
        for key, many in ((ONE, 1), (TWO, 2)):
            with served.client(key) as client:
                for n in range(many):
                    client.chat.completions.create(
                        model="gpt-5.5", messages=[{"role": "user", "content": f"{key} {n}"}]
                    )
        figures = {key: json.loads(served.get("/live.json", bearer(key))) for key in (ONE, TWO, PAGES)}
        assert [figures[key]["total"]["calls"] for key in (ONE, TWO, PAGES)] == [1, 2, 3]
        assert [figures[key]["project"] for key in (ONE, TWO, PAGES)] == ["bot", "search", None]
        assert b"greenai_calls_total" in served.get("/metrics", bearer(PAGES))
        assert status_of(served, "/metrics", bearer(ONE)) == 403
        assert [status_of(served, path, {}) for path in ("/", "/live.json", "/metrics", "/v1/models")] == [401] * 4
        assert [status_of(served, path, {}) for path in ("/health", "/ready")] == [200] * 2
    assert {request.headers["authorization"] for request in scripted.requests} == {"Bearer sk-of-the-gateway"}


def status_of(served: Served, path: str, headers: dict[str, str]) -> int:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.request("GET", path, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_an_unknown_key_is_a_401_in_openais_json(gateways: Callable[..., Any], scripted: Scripted) -> None:
    with (
        gateways({"serve": {"keys": {ONE: "bot"}}}) as served,
        served.client("none-of-them") as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)
    assert caught.value.body == {
        "message": "The API key is none of the gateway's. Its operator lists them in the setting serve.keys.",
        "type": "invalid_api_key",
        "param": None,
        "code": "invalid_api_key",
    }
    assert scripted.requests == []


def test_a_key_decides_on_the_project_and_a_header_does_not(gateways: Callable[..., Any]) -> None:
    with (
        gateways({"serve": {"keys": {ONE: "bot"}}}) as served,
        served.client(ONE) as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        client.chat.completions.create(
            model="gpt-5.5", messages=MESSAGES, extra_headers={"x-greenai-project": "search"}
        )
    assert caught.value.body is not None
    assert dict(caught.value.body)["message"] == (  # type: ignore[call-overload]
        "The header x-greenai-project names 'search', and this key's calls are booked on 'bot'. Leave the header out, "
        "or use a key of that project."
    )


def test_callers_of_one_project_share_its_cache_and_those_of_another_do_not(
    gateways: Callable[..., Any], scripted: Scripted
) -> None:
    with gateways({"serve": {"keys": {ONE: "bot", TWO: "search"}}}) as served:
        for key in (ONE, ONE, TWO):
            with served.client(key) as client:
                client.chat.completions.create(model="gpt-5.5", messages=MESSAGES, temperature=0)
    assert len(scripted.requests) == 2


def test_the_callers_own_key_goes_on_where_the_settings_say_so(
    gateways: Callable[..., Any], scripted: Scripted
) -> None:
    with (
        gateways({"serve": {"keys": {ONE: "bot"}, "pass_keys": True}}) as served,
        served.client("sk-of-the-caller", default_headers={"x-greenai-key": ONE}) as client,
    ):
        client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)
    assert scripted.requests[0].headers["authorization"] == "Bearer sk-of-the-caller"


def test_an_address_for_others_needs_keys() -> None:
    from greenai import serve
    from greenai.serve import server

    app, table = serve.app(settings={"serve": {}}), ServeTable()
    with pytest.raises(SettingsError) as caught:
        server.server_of(app, table, host="0.0.0.0", port=0)
    assert str(caught.value) == (
        "0.0.0.0 is reached from other machines, and no keys are configured, so nobody could be told apart. Add for "
        'example serve.keys = { SUPPORT_BOT_KEY = "support-bot" } to the settings, or use --host 127.0.0.1.'
    )


def test_a_budget_of_each_key_counts_each_key(gateways: Callable[..., Any]) -> None:
    settings = {
        "serve": {"keys": {ONE: "bot", TWO: "bot"}},
        "key_budget": {"calls": "1/day", "timezone": "UTC", "when_spent": "refuse"},
    }
    with gateways(settings) as served:
        for key in (ONE, TWO):
            with served.client(key) as client:
                client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)
                with pytest.raises(openai.PermissionDeniedError):
                    client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)
