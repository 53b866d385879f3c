"""What the package says that it has, and what it has."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import greenai
import greenai.errors

HERE = Path(greenai.__file__)


def is_there(name: str) -> bool:
    """Import a module; False where it is an integration whose host is not installed."""
    try:
        importlib.import_module(name)
    except greenai.MissingExtra:
        return False
    return True


MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(greenai.__path__, "greenai.")
    if not info.name.endswith("__main__") and is_there(info.name)
)
LISTED = [name for name in MODULES if hasattr(importlib.import_module(name), "__all__")]


def typed_names() -> dict[str, str]:
    """The names that type checkers see, with the module each comes from."""
    tree = ast.parse(HERE.read_text("utf-8"))
    (block,) = [n for n in tree.body if isinstance(n, ast.If)]
    return {
        alias.name: node.module or "" for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def test_the_public_names_are_sorted_and_there() -> None:
    assert greenai.__all__ == sorted(greenai.__all__)
    assert dir(greenai) == greenai.__all__
    for name in greenai.__all__:
        assert getattr(greenai, name) is not None


def test_type_checkers_see_what_is_importable() -> None:
    names = typed_names()
    assert {*names, "__version__"} == set(greenai.__all__)
    for name, module in names.items():
        assert getattr(greenai, name) is getattr(importlib.import_module(module), name)


def test_every_public_name_is_documented() -> None:
    for name in greenai.__all__:
        if name != "__version__":
            value = getattr(greenai, name)
            assert inspect.isclass(value) or inspect.isfunction(value)
            assert value.__doc__, name
            assert not value.__doc__.startswith(f"{name}("), f"{name} has only the docstring that dataclass makes"


def test_every_public_method_is_documented() -> None:
    for name in greenai.__all__:
        value = getattr(greenai, name)
        if not inspect.isclass(value) or value.__module__.startswith("pydantic"):
            continue
        for member, function in vars(value).items():
            if not member.startswith("_") and inspect.isfunction(function):
                assert function.__doc__, f"{name}.{member}"


def test_every_error_is_public() -> None:
    own = {n for n, v in vars(greenai.errors).items() if inspect.isclass(v) and issubclass(v, greenai.GreenAIError)}
    assert own == set(greenai.errors.__all__)
    assert own - set(greenai.__all__) == set()
    assert all(name in (greenai.errors.__doc__ or "") for name in own), "the tree at the top must be whole"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'greenai' has no attribute 'Cilent'$"):
        greenai.Cilent  # noqa: B018


@pytest.mark.parametrize("name", LISTED)
def test_every_module_has_what_it_lists(name: str) -> None:
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    for public in module.__all__:
        assert hasattr(module, public), public
        value = getattr(module, public)
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith("greenai"):
            assert value.__doc__, public


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_decides(name: str) -> None:
    assert importlib.import_module(name).__doc__
