"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

import greenai.hooks
from greenai.testing import offline

pytest_plugins = ("pytester",)

TESTS = """
import pytest
from greenai.testing import FakeProvider, offline


@pytest.fixture
def client():
    with offline(FakeProvider("Green.")) as made:
        yield made


def ask(client, times):
    for n in range(times):
        client.ask(f"Describe town {n} in one word.", model="gpt-5.4-nano")
"""


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """Load what a call loads: a run inside this process forgets the modules that it loaded first."""
    with offline() as client:
        client.ask("Describe a town in one word.", model="gpt-5.4-nano")
    assert greenai.hooks.last_receipt() is not None


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv(
        "PYTEST_ADDOPTS", "-p greenai.integrations.pytest_plugin -p no:greenai -p no:randomly -p no:cacheprovider"
    )

    def make(body: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(TESTS + body)
        return pytester.runpytest_inprocess(*arguments)

    return make


def test_a_test_above_its_budget_fails_with_the_numbers(run: Any) -> None:
    result = run("""
@pytest.mark.energy_budget("5 J")
def test_one(client):
    ask(client, 1)

@pytest.mark.energy_budget("5 J")
def test_three(client):
    ask(client, 3)
""")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines([
        (r"test_three used \d\.\d+ J \(\d\.\d+ J to \d\d\.\d+ J\) in 3 calls, above its budget of 5 J\. "
        r'Ask fewer questions or a smaller model, or raise it: @pytest\.mark\.energy_budget\("\d\d J"\)\.')
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("0.001 Wh", "used 0.00* Wh (0.00* Wh to 0.0* Wh) in 2 calls, above its budget of 0.001 Wh. *"),
        ("0.0000001 USD", "used * USD in 2 calls, above its budget of 0.0000001 USD. *"),
        ("1 call", "used 2 calls in 2 calls, above its budget of 1 call. *"),
        ("3 tokens", "used * tokens in 2 calls, above its budget of 3 tokens. *"),
        ("0.000001 g", "used * g CO2e in 2 calls, above its budget of 0.000001 g. *"),
    ],
)
def test_every_quantity(run: Any, limit: str, said: str) -> None:
    result = run(f"""
@pytest.mark.energy_budget({limit!r}, "1 kWh")
def test_two(client):
    ask(client, 2)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"test_two {said}"])


def test_calls_of_fixtures_and_threads_count(run: Any) -> None:
    result = run("""
import threading

@pytest.fixture
def asked(client):
    ask(client, 1)

@pytest.mark.energy_budget("1 call")
def test_two(client, asked):
    thread = threading.Thread(target=lambda: client.ask("Describe a river in one word.", model="gpt-5.4-nano"))
    thread.start()
    thread.join()
""")
    result.stdout.fnmatch_lines(["test_two used 2 calls in 2 calls, above its budget of 1 call.*"])


def test_a_failing_test_stays_its_own_failure(run: Any) -> None:
    result = run("""
@pytest.mark.energy_budget("0 calls")
def test_two(client):
    ask(client, 1)
    assert "its own" == ""
""")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*above its budget*")


def test_unknown_energy_is_no_energy_within_a_budget(run: Any) -> None:
    result = run("""
@pytest.mark.energy_budget("5 J")
def test_one(client):
    client.ask("Describe a town in one word.", model="openai/nobody-knows-it")
""")
    result.stdout.fnmatch_lines([
        ("test_one made 1 call, and how much of its budget of 5 J that took is unknown: no model's card says it. "
        'Limit what is known, such as @pytest.mark.energy_budget("20 calls"), or give the model a card in the settings.')
    ])  # fmt: skip


def test_a_limit_that_cannot_be_read(run: Any) -> None:
    result = run("""
@pytest.mark.energy_budget("5 parsecs")
def test_one(client):
    pass
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*@pytest.mark.energy_budget of *::test_one: *parsecs*"])


def test_the_fixture_has_the_receipts_so_far(run: Any) -> None:
    result = run("""
def test_two(energy, client):
    assert energy.receipts == [] and energy.reading.energy_j == 0
    ask(client, 2)
    assert [receipt.outcome for receipt in energy.receipts] == ["small", "small"]
    assert energy.reading.energy_j == sum(receipt.energy.energy_j for receipt in energy.receipts) > 0

@pytest.mark.energy_budget("2 calls")
def test_with_a_mark(energy, client):
    ask(client, 1)
    assert len(energy.receipts) == 1
""")
    result.assert_outcomes(passed=2)


def test_the_summary_and_the_file(run: Any, pytester: pytest.Pytester) -> None:
    result = run("""
def test_none():
    pass

def test_one(client):
    ask(client, 1)

def test_three(client):
    ask(client, 3)
""", "--energy", "--energy-top=1", "--energy-json=energy.json")  # fmt: skip
    result.assert_outcomes(passed=3)
    result.stdout.re_match_lines([
        r"=+ energy: \S+ mWh \(.* mWh\) in 4 calls of 2 tests =+",
        r"\S+ mWh \(.* mWh\) in 3 calls  test_the_summary_and_the_file\.py::test_three",
        r"and 1 more: --energy-top=2",
    ])  # fmt: skip
    said = json.loads((pytester.path / "energy.json").read_text())
    assert [test["calls"] for test in said["tests"]] == [3, 1]
    assert said["calls"] == 4
    assert said["energy_j"] == pytest.approx(sum(test["energy_j"] for test in said["tests"]))
    assert set(said["tests"][0]) == {"test", "calls", "energy_j", "low_j", "high_j", "cost_usd"}


def test_a_run_that_does_not_use_it_imports_nothing_heavy(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("""
import sys

def test_one():
    assert "greenai.integrations.pytest_plugin" in sys.modules
    assert not {"openai", "litellm", "sqlite3", "pydantic", "numpy", "greenai.session", "greenai.hooks"} & set(sys.modules)
""")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins load what they like
    result = pytester.runpytest_subprocess("-p", "greenai.integrations.pytest_plugin")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*energy:*")
