"""What the documentation says is so: its Python runs, its commands exist, its links lead somewhere, its tables are new."""

from __future__ import annotations

import asyncio
import doctest
import gc
import importlib
import importlib.util
import re
import shlex
import tomllib
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples
from stage import set_stage
from typer.main import get_command
from wires import set_wire

from greenai.cli import app
from greenai.settings import Settings, load_settings

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted((ROOT / "greenai").rglob("*.py"))
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- Python ---------------------------------------------------------------------------------


# What `make frameworks` installs in an environment of its own, and a page about it needs.
ELSEWHERE = ("agents", "dspy", "instructor", "langchain_openai", "llama_index", "pydantic_ai")


# A list, because newer pytest warns on generators.
EXAMPLES = list(find_examples(*PAGES, ROOT / "greenai"))


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_python_prints_what_it_says(
    example: CodeExample, eval_example: EvalExample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = example.path.read_text("utf-8") if ROOT / "docs" / "hosts" in example.path.parents else ""
    frameworks = [package for package in ELSEWHERE if package in text]
    for package in frameworks:
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GREENAI_WEIGHTS_DIR", str(tmp_path / "weights"))
    set_stage(monkeypatch, keys="MissingKey" not in example.source)
    if frameworks:
        set_wire(monkeypatch)
    eval_example.set_config(line_length=120)
    if eval_example.update_examples:
        eval_example.run_print_update(example)
    else:
        eval_example.run_print_check(example)
    if frameworks:
        forget_left_open()


def forget_left_open() -> None:
    """Let what a framework never closes, such as its loop, go away here and not in another test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.set_event_loop(None)
        gc.collect()


@pytest.mark.parametrize("path", [p for p in SOURCES if ">>> " in p.read_text("utf-8")], ids=named)
def test_docstrings_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_stage(monkeypatch)
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert result.attempted > 0


def test_the_first_example_is_the_same_everywhere() -> None:
    first = [FENCE.search((ROOT / page).read_text("utf-8")) for page in ("README.md", "docs/index.md")]
    assert all(found is not None and found[1] == "python" for found in first)
    assert len({found[2] for found in first if found is not None}) == 1


# --- commands -------------------------------------------------------------------------------


def commands() -> list[tuple[str, str]]:
    """Every command of a console fence, and every `greenai ...` in the text, with its page."""
    found: list[tuple[str, str]] = []
    for page in PAGES:
        text = page.read_text("utf-8")
        lines = [line for lang, body in FENCE.findall(text) if lang == "console" for line in body.splitlines()]
        inline = re.findall(r"`((?:greenai|make) [a-z][^`]*)`", FENCE.sub("", text))
        found += [(named(page), line.partition("#")[0].strip()) for line in (*lines, *inline)]
    return sorted({(page, line) for page, line in found if line})


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_exist(page: str, line: str) -> None:
    words = shlex.split(line.rpartition("|")[2])
    if words[0] == "greenai":
        parse(words[1:])
    elif words[0] == "make":
        targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert set(words[1:]) <= set(targets), f"{page}: {line}"
    elif words[:2] == ["pip", "install"]:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        assert set(re.findall(r"greenai\[([\w-]+)\]", line)) <= extras.keys(), f"{page}: {line}"
    else:
        assert words[0] in {"git", "cd", "python", "export", "curl"}, (
            f"{page}: {line} is a command that this test does not know"
        )


def parse(words: list[str]) -> None:
    """Let the command line read `words` without running anything; it raises where they are wrong."""
    command: Any = get_command(app)
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            assert any(words[0] in parameter.opts for parameter in command.params), words[0]
            return
        assert words[0] in command.commands, words[0]
        command, words = command.commands[words[0]], words[1:]
    if words:
        command.make_context(command.name, list(words))


# --- links ----------------------------------------------------------------------------------


def links() -> list[tuple[Path, str]]:
    found = ((page, link) for page in PAGES for link in LINK.findall(FENCE.sub("", page.read_text("utf-8"))))
    return sorted({(page, link) for page, link in found if not link.startswith(("http://", "https://", "mailto:"))})


def slug(heading: str) -> str:
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


@pytest.mark.parametrize(("page", "link"), [pytest.param(p, li, id=f"{named(p)}:{li}") for p, li in links()])
def test_links_lead_somewhere(page: Path, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.exists()
    if anchor:
        headings = HEADING.findall(FENCE.sub("", target.read_text("utf-8")))
        assert anchor in {slug(heading) for heading in headings}


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"([\w/-]+\.md)", (ROOT / "mkdocs.yml").read_text("utf-8")))
    assert listed == {p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md")}


# --- generated parts ------------------------------------------------------------------------


@cache
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_current() -> None:
    assert generate().stale() == [], "run: python docs/generate.py"


def test_every_generated_part_is_used() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert [name for name in generate().PARTS if f"<!-- begin: {name} -->" not in text] == []


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_reads_alike_from_all_four_places(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    argument, env, own, project = generate().spellings(name)
    assert argument.startswith("Client(")
    monkeypatch.delenv("GREENAI_STATE_DIR")
    monkeypatch.delenv("GREENAI_WEIGHTS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    key = generate().KEYS[name]
    given = load_settings({name: key.example, **(key.alone or {})})

    with monkeypatch.context() as variables:
        for line in env.splitlines():
            variable, _, value = line.partition("=")
            variables.setenv(variable, value.strip('"'))
        read = [load_settings()]
    for file, text in (("greenai.toml", own), ("pyproject.toml", project)):
        (tmp_path / file).write_text(text, "utf-8")
        read.append(load_settings())
        (tmp_path / file).unlink()

    assert [getattr(settings, name) for settings in read] == [getattr(given, name)] * 3
    assert getattr(given, name) != getattr(load_settings(), name)
