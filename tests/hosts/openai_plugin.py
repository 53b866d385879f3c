"""A pytest plugin for the openai package's own tests: what they call OpenAI is another client while they are read.

GREENAI_SUITE says which: `bare`, openai's own; `client`, greenai's; `wrap`, openai's own in greenai.wrap(). Only the
tests that GREENAI_SUITE_TESTS names (a JSON list) are run, and what became of each is written to GREENAI_SUITE_RESULTS.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import openai
import pytest

import greenai

OWN: dict[str, Any] = {"OpenAI": openai.OpenAI, "AsyncOpenAI": openai.AsyncOpenAI}


class Wrapping(type):
    """Makes a class whose call gives an app's own client, wrapped."""

    own: type[Any]

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return greenai.wrap(cls.own(*args, **kwargs))

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.own)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.own, name)


SUBSTITUTE: dict[str, Any] = {
    "bare": OWN,
    "client": {"OpenAI": greenai.Client, "AsyncOpenAI": greenai.AsyncClient},
    "wrap": {name: Wrapping(name, (), {"own": kind}) for name, kind in OWN.items()},
}[os.environ["GREENAI_SUITE"]]

RESULTS: dict[str, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Let greenai's own warning pass: their tests name OpenAI's project as openai does."""
    config.addinivalue_line("filterwarnings", "ignore:project=.* looks like the id of an OpenAI project")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Read a module of tests with other clients under openai's names."""
    if not isinstance(collector, pytest.Module):
        return (yield)
    for name, kind in SUBSTITUTE.items():
        setattr(openai, name, kind)
    try:
        return (yield)
    finally:
        for name, kind in OWN.items():
            setattr(openai, name, kind)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that are named, whatever their parameters."""
    named = set(json.loads(Path(os.environ["GREENAI_SUITE_TESTS"]).read_text()))
    items[:] = [item for item in items if name_of(item.nodeid) in named]


def pytest_collection_finish() -> None:
    """Put the other clients also where openai's names were bound before: in the tests' conftest, and its helpers."""
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] == "tests"]:
        for name, kind in OWN.items():
            if vars(module).get(name) is kind:
                setattr(module, name, SUBSTITUTE[name])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what became of a test: one of its cases failed, or else passed, or all were skipped."""
    name, before = name_of(report.nodeid), RESULTS.get(name_of(report.nodeid))
    if report.failed or before == "failed":
        RESULTS[name] = "failed"
    elif (report.when == "call" and report.passed) or before == "passed":
        RESULTS[name] = "passed"
    elif report.skipped:
        RESULTS[name] = "skipped"


def pytest_sessionfinish() -> None:
    """Hand the outcomes over."""
    Path(os.environ["GREENAI_SUITE_RESULTS"]).write_text(json.dumps(RESULTS))


def name_of(nodeid: str) -> str:
    """Return a test's name without its parameters."""
    return nodeid.partition("[")[0]
