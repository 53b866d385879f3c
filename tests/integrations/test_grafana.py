"""The dashboard: what Grafana takes, on figures that are there."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from greenai.integrations import prometheus
from greenai.testing import FakeProvider, error, offline

BOARD: dict[str, Any] = json.loads(resources.files("greenai.integrations").joinpath("grafana.json").read_text("utf-8"))
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
METRIC = re.compile(r"\bgreenai_\w+")


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    registry = CollectorRegistry()
    prometheus.instrument(registry)
    yield registry
    prometheus.uninstrument()


def call_of_every_kind(n: int) -> None:
    """Calls after which every figure has a value."""
    settings = {"projects": {"docs": {"budget": {"energy": "50 Wh/day", "timezone": "UTC"}}}}
    with offline(FakeProvider("Hello.", error(429)), settings=settings) as client:
        client.ask(f"Say hello to Ada {n}.", model="gpt-5.5", greenai={"project": "docs"})
        client.ask("What is 18% of 240?", greenai={"project": "docs"})
        with pytest.raises(Exception, match="scripted"):
            client.ask(f"Say hello to Bo {n}.", greenai={"project": "docs"})


def labels_of(page: bytes) -> dict[str, set[str]]:
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


# --- what Grafana takes -------------------------------------------------------------------


def test_it_has_what_a_dashboard_must_have() -> None:
    assert (BOARD["title"], BOARD["uid"], BOARD["schemaVersion"]) == ("greenai", "greenai", 39)
    assert "id" not in BOARD, "a number of one server's own: importing it elsewhere would replace another board"
    assert set(BOARD["time"]) == {"from", "to"}
    assert BOARD["annotations"] == {"list": []}


def test_every_panel_has_a_place_of_its_own() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: dict[tuple[int, int], str] = {}
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] >= 0
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, (panel["title"], taken.get((x, y)))
                taken[x, y] = panel["title"]


def test_every_panel_is_of_a_kind_that_grafana_ships_and_has_a_unit() -> None:
    assert {panel["type"] for panel in PANELS} == {"stat", "timeseries", "bargauge"}
    for panel in PANELS:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert isinstance(panel["fieldConfig"]["overrides"], list)
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))


def test_the_datasource_is_a_variable_that_the_reader_chooses() -> None:
    variables = {v["name"]: v for v in BOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    wanted = {"type": "prometheus", "uid": "${datasource}"}
    assert variables["project"]["datasource"] == wanted
    for panel in PANELS:
        assert panel["datasource"] == wanted
        assert all(target["datasource"] == wanted for target in panel["targets"])


def test_grafanas_own_models_read_it_and_lose_nothing() -> None:
    register_default_plugins()
    read = dashboard.Dashboard.from_json(BOARD)
    assert lost(BOARD, json.loads(JSONEncoder().encode(read))) == []


def lost(board: Any, read: Any, place: str = "") -> list[str]:
    """Where what was read is not what was written; what Grafana adds by default is left out."""
    if isinstance(board, dict):
        return [found for key in board for found in lost(board[key], (read or {}).get(key), f"{place}/{key}")]
    if isinstance(board, list) and isinstance(read, list) and len(board) == len(read):
        return [found for n, pair in enumerate(zip(board, read, strict=True)) for found in lost(*pair, f"{place}/{n}")]
    return [] if board == read else [f"{place}: {board!r} became {read!r}"]


# --- the figures --------------------------------------------------------------------------


@pytest.mark.usefixtures("registry")
def test_every_expression_is_about_figures_and_labels_that_are_there() -> None:
    call_of_every_kind(0)
    there = labels_of(prometheus.metrics()[0])
    expressions = [*TARGETS, ("variable", BOARD["templating"]["list"][1]["query"]["query"])]
    for title, expression in expressions:
        names = METRIC.findall(expression)
        assert names, title
        for name in names:
            assert name in there, f"{title}: {name}"
        for listed in re.findall(r"by \(([^)]*)\)", expression):
            wanted = {label.strip() for label in listed.split(",")}
            assert all(wanted <= there[name] for name in names), title


@pytest.mark.usefixtures("registry")
def test_no_figure_is_forgotten() -> None:
    call_of_every_kind(0)
    shown = {name for _, expression in TARGETS for name in METRIC.findall(expression)}
    kept = {name for name in labels_of(prometheus.metrics()[0]) if not name.endswith(("_created", "_count", "_sum"))}
    assert kept == shown


def test_the_legend_names_labels_that_the_expression_keeps() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept, panel["title"]


# --- a real Prometheus --------------------------------------------------------------------

CONFIGURED = """
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: greenai, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def answered(address: str, expression: str) -> list[Any]:
    """What Prometheus answers, with Grafana's variables filled in as Grafana does."""
    for name, value in {"$__range": "30s", "$__rate_interval": "30s", "$project": ".*"}.items():
        expression = expression.replace(name, value)
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{address}/api/v1/query?{query}", timeout=10) as response:
        told = json.load(response)
    assert told["status"] == "success"
    result: list[Any] = told["data"]["result"]
    return result


@pytest.fixture
def server(registry: CollectorRegistry, tmp_path: Path) -> Iterator[str]:
    """A Prometheus that reads this process."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not here: apt-get install prometheus")
    page, serving = start_http_server(0, "127.0.0.1", registry)
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIGURED.format(port=page.server_port))
    port = free_port()
    running = subprocess.Popen(
        [program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/db", f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait()
        page.shutdown()
        serving.join()
        page.server_close()


def test_a_real_prometheus_answers_every_expression(server: str) -> None:
    deadline = time.monotonic() + 60
    empty = [title for title, _ in TARGETS]
    for n in range(60):
        call_of_every_kind(n)
        time.sleep(1)  # a rate needs two readings
        try:
            empty = [title for title, expression in TARGETS if not answered(server, expression)]
        except (urllib.error.URLError, ConnectionError):
            continue  # it is starting
        if not empty or time.monotonic() > deadline:
            break
    assert empty == []
    ((_, value),) = [tuple(found["value"]) for found in answered(server, "sum(greenai_energy_joules_total)")]
    assert float(value) > 0
