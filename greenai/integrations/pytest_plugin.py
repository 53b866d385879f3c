"""pytest plugin: a budget for a test, the receipts of a test, and what all of them used.

    @pytest.mark.energy_budget("5 J")     fails the test where its calls used more
    def test_answer(energy): ...          `energy.receipts` are those of this test, so far
    pytest --energy                       the tests that used most, at the end; --energy-json=PATH writes all of them

pytest loads this wherever greenai is installed, so nothing of greenai is imported before a test asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenai.budget import Budget
    from greenai.readings import Reading
    from greenai.values import Receipt

__all__ = ["Used", "energy"]

_MARK = "energy_budget"
_PROPERTY = "greenai_"
_NAMES = ("calls", "energy_j", "low_j", "high_j", "cost_usd")
_SHOWN = 10


@dataclass(eq=False)
class Used:
    """What one test used. The calls of other threads count too: whatever ends while the test runs.

    Attributes:
        receipts: those of its calls, in the order in which they ended.
    """

    receipts: list[Receipt] = field(default_factory=list["Receipt"])
    _remove: Callable[[], None] | None = field(default=None, repr=False)

    @property
    def reading(self) -> Reading:
        """Their energy in all, unknown where that of one is."""
        from greenai.readings import total

        return total([receipt.energy for receipt in self.receipts])

    def begin(self) -> None:
        """Count from now on."""
        from greenai.hooks import observe

        self._remove = observe(self.receipts.append)

    def end(self) -> None:
        """Count no more."""
        if self._remove is not None:
            self._remove()

    def amount(self, unit: str) -> float | None:
        """Return how much of a budget's quantity was used, None where that is unknown."""
        if unit == "energy_j":
            return self.reading.energy_j
        if unit == "calls":
            return sum(len(receipt.attempts) for receipt in self.receipts)
        if unit == "reasoning_calls":
            return sum(1 for receipt in self.receipts if receipt.reasoning)
        if unit == "tokens":
            usages = [attempt.usage for receipt in self.receipts for attempt in receipt.attempts]
            return _sum([tokens for usage in usages for tokens in (usage.input_tokens, usage.output_tokens)])
        name = {"usd": "cost_usd", "carbon_g": "carbon_g"}[unit]
        return _sum([getattr(receipt, name) for receipt in self.receipts])

    def summed(self) -> dict[str, Any]:
        """Return it in numbers."""
        reading, costs = self.reading, _sum([receipt.cost_usd for receipt in self.receipts])
        values = (len(self.receipts), reading.energy_j, reading.low_j, reading.high_j, costs)
        return dict(zip(_NAMES, values, strict=True))


def _sum(values: Iterable[float | None]) -> float | None:
    listed = list(values)
    return None if None in listed else sum(value or 0 for value in listed)


_USED = pytest.StashKey[Used]()


@pytest.fixture
def energy(request: pytest.FixtureRequest) -> Generator[Used]:
    """The receipts of this test's calls, and their energy in all."""
    used = request.node.stash.get(_USED, None)
    if used is not None:
        yield used
        return
    used = request.node.stash[_USED] = Used()
    used.begin()
    yield used
    used.end()


# --- options and marks --------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's options."""
    group = parser.getgroup("greenai", "energy of model calls")
    group.addoption("--energy", action="store_true", help="show the energy of the tests' model calls at the end")
    group.addoption("--energy-top", type=int, default=_SHOWN, metavar="N", help="how many tests it shows (default: 10)")
    group.addoption("--energy-json", metavar="PATH", help="write the energy of each test's model calls as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark, and where it is asked for the summary."""
    limits = 'such as "5 J", "0.5 Wh", "0.01 USD" or "20 calls"'
    config.addinivalue_line("markers", f"{_MARK}(*limits): fail the test where its model calls use more, {limits}")
    if _is_asked(config):
        config.pluginmanager.register(_Summary(config), "greenai-energy-summary")


def _is_asked(config: pytest.Config) -> bool:
    return bool(config.getoption("energy") or config.getoption("energy_json"))


def _limits_of(item: pytest.Item) -> tuple[Budget, ...]:
    """Return the budgets of a test: its own marks', and those of its class and module.

    Raises:
        pytest.UsageError: a limit cannot be read.
    """
    written = [limit for mark in item.iter_markers(_MARK) for limit in (mark.args or ("",))]
    if not written:
        return ()
    from greenai.errors import InvalidRequest
    from greenai.spending import run_of

    try:
        return run_of(written, "observe").budgets
    except InvalidRequest as error:
        raise pytest.UsageError(f"@pytest.mark.{_MARK} of {item.nodeid}: {error}") from None


# --- one test -----------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Count from the first fixture of a test on, if anybody asks."""
    if _is_asked(item.config) or item.get_closest_marker(_MARK) is not None:
        used = item.stash[_USED] = Used()
        used.begin()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that passed and used more than its budget."""
    result = yield
    for budget in _limits_of(item):
        above = _above(item.stash[_USED], budget)
        if above is not None:
            pytest.fail(f"{item.name} {above}", pytrace=False)
    return result


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Stop counting, and put what was used on the test's report: with it it leaves a process of pytest-xdist's."""
    result = yield
    used = item.stash.get(_USED, None)
    if used is not None:
        used.end()
        if used.receipts:
            item.user_properties += [(f"{_PROPERTY}{name}", value) for name, value in used.summed().items()]
    return result


def _above(used: Used, budget: Budget) -> str | None:
    """Say how a test is above its budget, None where it is not."""
    amount, calls = used.amount(budget.unit), f"{len(used.receipts)} call{'' if len(used.receipts) == 1 else 's'}"
    if amount is None:
        return (
            f"made {calls}, and how much of its budget of {budget.text} that took is unknown: no model's card says it. "
            'Limit what is known, such as @pytest.mark.energy_budget("20 calls"), or give the model a card in the '
            "settings."
        )
    if amount <= budget.limit:
        return None
    reading = used.reading
    interval = ""
    if budget.unit == "energy_j" and reading.low_j is not None and reading.high_j is not None:
        interval = f" ({budget.shown(reading.low_j)} to {budget.shown(reading.high_j)})"
    return (
        f"used {budget.shown(amount)}{interval} in {calls}, above its budget of {budget.text}. "
        "Ask fewer questions or a smaller model, or raise it: "
        f'@pytest.mark.{_MARK}("{_rounded(1.5 * amount, budget)}").'
    )


def _rounded(amount: float, budget: Budget) -> str:
    """Return an amount as a limit that is good to write, with two digits."""
    from greenai.units import significant

    shown = budget.shown(amount)
    number, _, unit = shown.partition(" ")
    return f"{significant(float(number))} {unit}"


# --- all of them --------------------------------------------------------------------------


class _Summary:
    """What all tests used, by their reports, which come here from other processes too."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._tests: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test used from its last report."""
        said = {name: value for name, value in report.user_properties if name.startswith(_PROPERTY)}
        if report.when == "teardown" and said:
            self._tests[report.nodeid] = {name: said[f"{_PROPERTY}{name}"] for name in _NAMES}

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the tests that used most, and write them all."""
        path = self._config.getoption("energy_json")
        if hasattr(self._config, "workerinput"):
            return
        if path:
            Path(path).write_text(json.dumps(_whole(self._tests), indent=2) + "\n", encoding="utf-8")
        if self._config.getoption("energy"):
            self._show(terminalreporter)

    def _show(self, reporter: Any) -> None:
        whole = _whole(self._tests)
        reporter.section(f"energy: {_said(whole)} of {len(self._tests)} test{'' if len(self._tests) == 1 else 's'}")
        most = int(self._config.getoption("energy_top") or 0)
        for test in whole["tests"][:most]:
            reporter.write_line(f"{_said(test)}  {test['test']}")
        if len(whole["tests"]) > most:
            reporter.write_line(f"and {len(whole['tests']) - most} more: --energy-top={len(whole['tests'])}")


def _whole(tests: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what all tests used and each of them, the one that used most first; unknown comes before."""
    listed: list[dict[str, Any]] = [{"test": name, **used} for name, used in tests.items()]
    listed.sort(key=lambda test: -1.0 if test["energy_j"] is None else test["energy_j"], reverse=True)
    unknown = [test for test in listed if test["energy_j"] is None]
    sums = {name: _sum([test[name] for test in listed]) for name in _NAMES}
    return {**sums, "tests": [*unknown, *(test for test in listed if test not in unknown)]}


def _said(used: Mapping[str, Any]) -> str:
    from greenai.units import format_energy, format_interval

    parts: Sequence[str] = (
        f"{format_energy(used['energy_j'])} ({format_interval(used['low_j'], used['high_j'])})",
        f"in {used['calls']} call{'' if used['calls'] == 1 else 's'}",
    )
    return " ".join(parts)
