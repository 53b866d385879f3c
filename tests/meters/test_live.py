"""The live carbon intensity: servers on loopback, and a clock that the test turns."""

from __future__ import annotations

import json
import logging
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from greenai.errors import SettingsError
from greenai.meters import carbon, live
from greenai.meters.footprint import Intensity
from greenai.meters.live import ElectricityMaps, Feed, UkCarbonIntensity

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()
AT = "2026-11-21T12:00:00.000Z"
FRANCE = {"zone": "FR", "carbonIntensity": 21, "datetime": AT, "emissionFactorType": "lifecycle", "isEstimated": True}
BRITAIN = {
    "data": [
        {
            "from": "2026-11-21T12:00Z",
            "to": "2026-11-21T12:30Z",
            "intensity": {"forecast": 266, "actual": 263, "index": "moderate"},
        }
    ]
}


class Clock:
    def __init__(self) -> None:
        self.now = NOON + 60

    def __call__(self) -> float:
        return self.now


class Server:
    """Answers with `reply`, which may be JSON, bytes with a status, or a function that takes the handler."""

    def __init__(self) -> None:
        self.reply: Any = FRANCE
        self.status = 200
        self.seen: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.seen.append((self.path, self.headers.get("auth-token")))
                if callable(outer.reply):
                    outer.reply(self)
                    return
                body = outer.reply if isinstance(outer.reply, bytes) else json.dumps(outer.reply).encode()
                self.send_response(outer.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


def maps(server: Server, clock: Clock, **options: Any) -> Feed:
    return Feed(ElectricityMaps(token="secret", base_url=server.url), clock=clock, **options)


def asked(feed: Feed, code: str = "FRA") -> Intensity | None:
    """Ask, wait for the answer in the background, and ask again."""
    feed.intensity(code)
    assert feed.wait(10.0)
    return feed.intensity(code)


# --- what comes ---------------------------------------------------------------------------


def test_the_first_call_gets_nothing_and_the_next_one_the_figure(server: Server) -> None:
    feed = maps(server, Clock())
    assert feed.intensity("FRA") is None
    assert feed.wait(10.0)
    found = feed.intensity("FRA")
    assert found is not None
    assert found.g_per_kwh == 21.0
    assert found.source == (
        f"France grid live, {AT}: Electricity Maps carbon-intensity/latest of zone FR, lifecycle, estimated"
    )
    assert server.seen == [("/carbon-intensity/latest?zone=FR", "secret")]


@pytest.mark.parametrize(
    ("actual", "g_per_kwh", "kind"), [(263, 263.0, "actual"), (None, 266.0, "forecast")], ids=["actual", "forecast"]
)
def test_great_britain(server: Server, actual: int | None, g_per_kwh: float, kind: str) -> None:
    intensity = BRITAIN["data"][0]["intensity"]
    server.reply = {"data": [{**BRITAIN["data"][0], "intensity": {**intensity, "actual": actual}}]}  # type: ignore[dict-item]
    found = asked(Feed(UkCarbonIntensity(base_url=server.url), clock=Clock()), "GBR")
    assert found is not None
    assert found.g_per_kwh == g_per_kwh
    assert found.source == (
        "United Kingdom grid live, 2026-11-21T12:00Z: carbonintensity.org.uk (NESO, CC BY 4.0), "
        f"{kind}, CO2 of generating alone, Great Britain"
    )
    assert server.seen == [("/intensity", None)]


@pytest.mark.parametrize(
    ("code", "theirs"),
    [
        ("FRA", "FR"),
        ("CA-QC", "CA-QC"),
        ("SE-SE3", "SE-SE3"),
        ("aws:eu-west-3", "FR"),
        ("azure:canadaeast", "CA-QC"),
        ("US-CA", "US-CAL-CISO"),
        ("US-WA", None),
        ("WORLD", None),
        ("gcp:europe-west9", None),
    ],
)
def test_whose_names_electricity_maps_has(code: str, theirs: str | None) -> None:
    source = ElectricityMaps(token="x", own={"US-CA": "US-CAL-CISO"}, base_url="http://host")
    expected = None if theirs is None else f"http://host/carbon-intensity/latest?zone={theirs}"
    assert source.url(carbon.zone(code)) == expected


def test_a_grid_that_the_service_does_not_know_is_not_asked_for(server: Server) -> None:
    feed = Feed(UkCarbonIntensity(base_url=server.url), clock=Clock())
    assert asked(feed, "FRA") is None
    assert server.seen == []


def test_the_token_is_not_in_what_is_printed() -> None:
    assert "secret" not in repr(ElectricityMaps(token="secret"))


# --- never waiting ------------------------------------------------------------------------


def test_a_server_that_hangs_holds_nobody_up(server: Server) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def hang(_handler: BaseHTTPRequestHandler) -> None:
        arrived.set()
        go_on.wait(30)

    server.reply = hang
    feed = maps(server, Clock(), timeout_s=30.0)
    try:
        feed.intensity("FRA")
        assert arrived.wait(10.0)
        began = time.perf_counter()
        for _ in range(100):
            assert feed.intensity("FRA") is None
        assert time.perf_counter() - began < 0.5
        assert not feed.wait(0.01)
    finally:
        go_on.set()


# --- keeping and expiring -----------------------------------------------------------------


def test_a_figure_is_asked_for_again_after_its_time_and_used_until_it_expires(server: Server) -> None:
    clock = Clock()
    feed = maps(server, clock, ttl_s=900.0, expires_s=7200.0)
    assert asked(feed) is not None
    clock.now += 899
    assert asked(feed) is not None
    assert len(server.seen) == 1
    server.status = 500
    clock.now += 1
    assert asked(feed) is not None
    assert len(server.seen) == 2
    clock.now += 7200 - 900 - 1
    assert asked(feed) is not None
    clock.now += 1
    assert feed.intensity("FRA") is None


def test_after_a_failure_it_pauses(server: Server) -> None:
    clock = Clock()
    server.status = 503
    feed = maps(server, clock, ttl_s=900.0)
    for _ in range(5):
        assert asked(feed) is None
    assert len(server.seen) == 1
    server.status = 200
    clock.now += 900
    assert asked(feed) is not None


def test_a_new_process_finds_the_last_figure_in_the_file(server: Server, tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "state" / "carbon.json"
    assert asked(maps(server, clock, file=file)) is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret" not in file.read_text()
    clock.now += 100
    later = maps(server, clock, file=file)
    found = later.intensity("FRA")
    assert found is not None
    assert found.g_per_kwh == 21.0
    assert len(server.seen) == 1
    clock.now += 7200
    much_later = maps(server, clock, file=file)
    assert much_later.intensity("FRA") is None
    assert much_later.wait(10.0)
    assert Feed(UkCarbonIntensity(), clock=clock, file=file).intensity("FRA") is None


def kept(**changes: Any) -> str:
    """Return the file's text with one row, changed."""
    row = {"g_per_kwh": 20.0, "at": AT, "source": "France grid live", "fetched": NOON, **changes}
    return json.dumps({"source": "electricity-maps", "grids": {"FRA": row}})


def test_the_row_that_the_broken_ones_are_made_from_is_read(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "carbon.json"
    file.write_text(kept())
    found = maps(server, Clock(), file=file).intensity("FRA")
    assert found is not None
    assert found.g_per_kwh == 20.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "5",
        "{",
        "[" * 100_000,
        '{"source": "electricity-maps", "grids": [1]}',
        '{"source": "electricity-maps", "grids": [[1, 2]]}',
        '{"source": "electricity-maps", "grids": 1}',
        '{"source": "electricity-maps", "grids": null}',
        '{"source": "electricity-maps", "grids": {"FRA": 1}}',
        '{"source": "electricity-maps", "grids": {"FRA": []}}',
        '{"source": "electricity-maps", "grids": {"FRA": {"g_per_kwh": -1}}}',
        kept(g_per_kwh=-1),
        kept(fetched=float("nan")),
        kept(fetched=float("inf")),
        kept(fetched=NOON + 86_400),
        kept(fetched=10**400),
        kept(fetched=[]),
        kept(at="noon"),
        kept(at="2126-11-21T12:00:00Z"),
    ],
    ids=lambda text: text[:60],
)
def test_a_broken_file_is_as_good_as_none(
    server: Server, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "carbon.json"
    file.write_text(text)
    with caplog.at_level(logging.WARNING, "greenai"):
        found = asked(maps(server, Clock(), file=file))
    assert found is not None
    assert len(caplog.records) == 1
    assert json.loads(file.read_text())["grids"]["FRA"]["g_per_kwh"] == 21.0


# --- errors -------------------------------------------------------------------------------


def _drop(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


def _redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("location", "/elsewhere")
    handler.send_header("content-length", "0")
    handler.end_headers()


@pytest.mark.parametrize(
    ("reply", "status", "said"),
    [
        (FRANCE, 401, "HTTPError: HTTP Error 401: Unauthorized"),
        (b"<html>", 200, "JSONDecodeError"),
        ([], 200, "TypeError"),
        ({"zone": "FR"}, 200, "KeyError"),
        ({**FRANCE, "carbonIntensity": None}, 200, "None is no intensity in g/kWh"),
        ({**FRANCE, "carbonIntensity": -5}, 200, "-5 is no intensity in g/kWh"),
        ({**FRANCE, "carbonIntensity": True}, 200, "True is no intensity in g/kWh"),
        ({**FRANCE, "carbonIntensity": 1e9}, 200, "1000000000.0 is no intensity in g/kWh"),
        ({**FRANCE, "datetime": "2026-11-20T12:00:00.000Z"}, 200, "the figure is of 2026-11-20T12:00:00.000Z"),
        ({**FRANCE, "datetime": 5}, 200, "5 is no time"),
        ({**FRANCE, "datetime": "noon"}, 200, "Invalid isoformat string: 'noon'"),
        ({**FRANCE, "datetime": "2026-11-21T12:45:00.000Z"}, 200, "the figure is of 2026-11-21T12:45:00.000Z"),
        ({**FRANCE, "zone": "DE"}, 200, "asked for zone FR, got 'DE'"),
        ({**FRANCE, "zone": None}, 200, "asked for zone FR, got None"),
        ({**FRANCE, "zone": "secret"}, 200, "asked for zone FR, got '***'"),
        ({**FRANCE, "zone": "x" * 1000}, 200, "asked for zone FR, got 'xxx"),
        (b"[" * 90_000, 200, "RecursionError"),
        (_drop, 200, ""),
        (_redirect, 200, "HTTPError: HTTP Error 302: Found"),
    ],
)
def test_what_fails_is_logged_once_and_never_raised(
    server: Server, reply: Any, status: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.reply, server.status = reply, status
    clock = Clock()
    feed = maps(server, clock)
    with caplog.at_level(logging.WARNING, "greenai"):
        for _ in range(3):
            assert asked(feed) is None
            clock.now += 901
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert message.startswith("No live carbon intensity from electricity-maps (")
    assert message.endswith("). The yearly mean serves.")
    assert said in message
    assert len(message) < 300
    assert "secret" not in caplog.text
    assert len(server.seen) == 3


@pytest.mark.parametrize(("ahead_s", "taken"), [(299, True), (301, False)])
def test_clocks_may_differ_by_five_minutes(server: Server, ahead_s: int, taken: bool) -> None:
    clock = Clock()
    clock.now = NOON - ahead_s
    assert (asked(maps(server, clock)) is not None) is taken


@pytest.mark.parametrize(
    "intensity", [{"actual": None}, {}, [], "263", None, {"actual": "263", "forecast": 1}], ids=repr
)
def test_what_britain_may_answer_instead(server: Server, intensity: object, caplog: pytest.LogCaptureFixture) -> None:
    server.reply = {"data": [{"from": "2026-11-21T12:00Z", "intensity": intensity}]}
    with caplog.at_level(logging.WARNING, "greenai"):
        assert asked(Feed(UkCarbonIntensity(base_url=server.url), clock=Clock()), "GBR") is None
    assert [r.getMessage()[:51] for r in caplog.records] == ["No live carbon intensity from uk-carbon-intensity ("]


@pytest.mark.parametrize(
    ("token", "name"),
    [("s3cret\n", "ValueError"), ("s3cret\r\nX: y", "ValueError"), ("s3cr\u2019et", "UnicodeEncodeError")],
)
def test_a_token_that_no_header_can_carry_is_not_logged(
    server: Server, token: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    feed = Feed(ElectricityMaps(token=token, base_url=server.url), clock=Clock())
    with caplog.at_level(logging.DEBUG):
        assert asked(feed) is None
    assert [r.getMessage() for r in caplog.records] == [
        f"No live carbon intensity from electricity-maps (the request cannot be built: {name}). The yearly mean serves."
    ]
    assert "s3cr" not in caplog.text
    assert server.seen == []


def test_a_token_that_the_server_repeats_is_not_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def repeat(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(403, f"{handler.headers['auth-token']} has expired")
        handler.send_header("content-length", "0")
        handler.end_headers()

    server.reply = repeat
    with caplog.at_level(logging.DEBUG, "greenai"):
        assert asked(maps(server, Clock())) is None
    (record,) = caplog.records
    assert record.getMessage() == (
        "No live carbon intensity from electricity-maps (HTTPError: HTTP Error 403: *** has expired). "
        "The yearly mean serves."
    )


# --- from settings ------------------------------------------------------------------------


def opened(carbon_source: str, zone: str = "FRA", **changes: Any) -> Feed | None:
    given: dict[str, Any] = {"env": {}, "state_dir": None, **changes}
    return live.opened(carbon_source, zone, given.pop("provider_zones", {}), **given)


def test_the_yearly_means_need_no_feed() -> None:
    assert opened("static") is None


def test_electricity_maps_takes_its_token_from_the_environment() -> None:
    feed = opened("electricity-maps:US-CAL-CISO", "US-CA", env={"ELECTRICITY_MAPS_TOKEN": "t"})
    assert feed is not None
    assert feed.source == ElectricityMaps(token="t", own={"US-CA": "US-CAL-CISO"})


def test_a_line_end_after_the_token_is_not_part_of_it() -> None:
    feed = opened("electricity-maps", env={"ELECTRICITY_MAPS_TOKEN": " s3cret\r\n"})
    assert feed is not None
    assert feed.source == ElectricityMaps(token="s3cret")


@pytest.mark.parametrize("token", ["s3c ret", "s3c\nret", "s3c\r\nX: ret", "s3cr\u00e9t", "s3cret\u2019", "s3c\x00ret"])
def test_a_token_that_was_copied_wrongly_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        opened("electricity-maps", env={"ELECTRICITY_MAPS_TOKEN": token})
    assert str(caught.value) == (
        "The token in the variable ELECTRICITY_MAPS_TOKEN has a space, a line's end or a letter outside ASCII in it, "
        "so it was copied wrongly. Set it again with: export ELECTRICITY_MAPS_TOKEN=..."
    )


@pytest.mark.parametrize("env", [{}, {"ELECTRICITY_MAPS_TOKEN": ""}, {"ELECTRICITY_MAPS_TOKEN": " \n"}], ids=repr)
def test_without_a_token_the_message_says_how_to_set_it(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        opened("electricity-maps", env=env)
    assert str(caught.value) == (
        'carbon_source="electricity-maps" needs a token in the variable ELECTRICITY_MAPS_TOKEN, which is not set. '
        "Set it with: export ELECTRICITY_MAPS_TOKEN=..."
    )


def test_the_uks_service_knows_one_grid() -> None:
    assert opened("uk-carbon-intensity", "GBR") is not None
    assert opened("uk-carbon-intensity", "FRA", provider_zones={"openai": "azure:uksouth"}) is not None
    with pytest.raises(SettingsError) as caught:
        opened("uk-carbon-intensity", "FRA")
    assert str(caught.value) == (
        "carbon_source=\"uk-carbon-intensity\" knows the grid of Great Britain, and zone='FRA' is another. "
        'Set zone = "GBR", or carbon_source = "electricity-maps".'
    )
