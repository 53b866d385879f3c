"""Modules that are imported later, and what is told of them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from greenai.integrations.imported import Watch


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[str]) -> Iterator[Watch]:
    for name in ("there_already", "imported_later", "never_named"):
        (tmp_path / f"{name}.py").write_text(f"value = {name!r}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    importlib.import_module("there_already")

    def then(module: ModuleType) -> None:
        told.append(module.value)

    made = Watch(["there_already", "imported_later", "not_installed"], then)
    yield made
    made.end()
    for name in ("there_already", "imported_later", "never_named"):
        sys.modules.pop(name, None)


def test_it_tells_of_modules_of_before_and_after_once_their_code_has_run(watch: Watch, told: list[str]) -> None:
    assert told == ["there_already"]
    module = importlib.import_module("imported_later")
    importlib.import_module("never_named")
    assert told == ["there_already", "imported_later"]
    assert watch in sys.meta_path
    assert module.__spec__ is not None
    assert type(module.__spec__.loader).__name__ == type(module.__loader__).__name__ == "SourceFileLoader"


def test_what_is_not_there_is_not_found(watch: Watch) -> None:
    assert watch in sys.meta_path
    with pytest.raises(ModuleNotFoundError, match="No module named 'not_installed'"):
        importlib.import_module("not_installed")


def test_a_module_that_fails_is_not_told_of(watch: Watch, told: list[str], tmp_path: Path) -> None:
    assert watch in sys.meta_path
    (tmp_path / "imported_later.py").write_text("raise ImportError('no')\n")
    importlib.invalidate_caches()
    with pytest.raises(ImportError, match="no"):
        importlib.import_module("imported_later")
    assert told == ["there_already"]


def test_it_ends(watch: Watch, told: list[str]) -> None:
    watch.end()
    watch.end()
    importlib.import_module("imported_later")
    assert told == ["there_already"]
