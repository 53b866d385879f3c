"""What is loaded when: each scene runs in a fresh process that also watches for connections."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = (
    "litellm",
    "openai",
    "torch",
    "transformers",
    "httpx",
    "httpx2",
    "xllamacpp",
    "pydantic",
    "diskcache",
    "sqlite3",
    "asyncio",
)

WATCHED = """
import json, sys
events = []
sys.addaudithook(lambda event, args: events.append(event) if event.startswith("socket.") else None)
said = None
{scene}
print(json.dumps({{"modules": sorted({{name.partition(".")[0] for name in sys.modules}}), "sockets": events, "said": said}}))
"""

CLIENT = """
import greenai
settings = {{"state_dir": {state!r}, "ladder": ["openai/gpt-5.4-nano", "openai/gpt-5.5"]}}
client = greenai.Client(settings=settings)
"""

FILL = """
from greenai.resources import Outside
from greenai.session import Session
from greenai.testing import FakeProvider
settings = {{"state_dir": {state!r}, "ladder": ["openai/gpt-5.4-nano", "openai/gpt-5.5"]}}
provider = FakeProvider(default="Hello, Ada.")
session = Session.open(
    settings, {{}}, project=None, observe=None, opt_in=None, reason=None, timeout=None, max_retries=None, observers=(),
    outside=Outside(provider=lambda config: provider),
)
client = greenai.Client._of(session, owner=True)
client.ask("Say hello to Ada.", temperature=0)
client.chat.completions.create(messages=[{{"role": "user", "content": "Say hello to Ada."}}], temperature=0)
client.close()
"""

CREATE = 'client.chat.completions.create(messages=[{{"role": "user", "content": {question!r}}}], temperature=0{stream})'


def fresh(scene: str, folder: Path) -> dict[str, Any]:
    """Run a scene in a new process; return its modules, its sockets and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED.format(scene=scene)],
        capture_output=True, text=True, timeout=60, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A state folder whose cache holds one answer for `ask` and one for `create`."""
    state = tmp_path / "state"
    fresh("import greenai\n" + FILL.format(state=str(state)), tmp_path)
    return state


def test_importing_greenai_loads_nothing_heavy_and_opens_no_socket(tmp_path: Path) -> None:
    told = fresh("import greenai; greenai.Client; greenai.AsyncClient; greenai.Receipt; greenai.GreenAIError", tmp_path)
    assert [name for name in HEAVY if name in told["modules"]] == []
    assert told["sockets"] == []


def test_a_calculated_answer_through_ask_loads_no_provider(tmp_path: Path) -> None:
    scene = (
        CLIENT.format(state=str(tmp_path / "state")) + 'said = client.ask("What is 18% of 240?").text; client.close()'
    )
    told = fresh(scene, tmp_path)
    assert told["said"] == "43.2"
    assert [name for name in HEAVY[:7] if name in told["modules"]] == []
    assert told["sockets"] == []


def test_a_streamed_calculated_answer_through_ask_loads_no_provider(tmp_path: Path) -> None:
    scene = CLIENT.format(state=str(tmp_path / "state")) + 'said = list(client.ask("What is 18% of 240?", stream=True))'
    told = fresh(scene, tmp_path)
    assert told["said"] == ["43.2"]
    assert [name for name in HEAVY[:7] if name in told["modules"]] == []


def test_a_cached_answer_through_ask_loads_no_provider(filled: Path, tmp_path: Path) -> None:
    scene = (
        CLIENT.format(state=str(filled))
        + """
answer = client.ask("Say hello to Ada.", temperature=0)
said = [answer.text, answer.greenai.outcome]
client.close()
"""
    )
    told = fresh(scene, tmp_path)
    assert told["said"] == ["Hello, Ada.", "cache"]
    assert [name for name in HEAVY[:7] if name in told["modules"]] == []
    assert told["sockets"] == []


def test_explaining_loads_no_provider(tmp_path: Path) -> None:
    scene = CLIENT.format(state=str(tmp_path / "state")) + 'said = client.explain("Say hello to Ada.").route'
    told = fresh(scene, tmp_path)
    assert told["said"] == ["openai/gpt-5.4-nano"]
    assert [name for name in HEAVY[:7] if name in told["modules"]] == []


@pytest.mark.parametrize(("question", "outcome"), [("What is 18% of 240?", "answerer"), ("Say hello to Ada.", "cache")])
@pytest.mark.parametrize("stream", ["", ", stream=True"])
def test_through_create_only_openais_types_are_loaded(
    filled: Path, tmp_path: Path, question: str, outcome: str, stream: str
) -> None:
    call = CREATE.format(question=question, stream=stream)
    told = fresh(CLIENT.format(state=str(filled)) + f"said = {call}.greenai.outcome; client.close()", tmp_path)
    assert told["said"] == outcome
    assert [n for n in ("litellm", "torch", "transformers", "xllamacpp", "tenacity") if n in told["modules"]] == []
    assert told["sockets"] == []


def test_the_doubles_load_no_provider_either(tmp_path: Path) -> None:
    scene = """
from greenai.testing import FakeProvider, offline
with offline(FakeProvider("Paris.")) as client:
    said = client.ask("What is the capital of France?").text
"""
    told = fresh(scene, tmp_path)
    assert told["said"] == "Paris."
    assert [name for name in HEAVY[:7] if name in told["modules"]] == []


def test_pint_is_loaded_by_the_first_question_about_units(tmp_path: Path) -> None:
    scene = (
        "import sys\nfrom greenai.answerers import built_in\n"
        'before = [built_in(text) is None for text in ("2 + 2", "what time is it", "write a poem")]\n'
        'early = "pint" in sys.modules\n'
        'said = [before, early, built_in("12 feet in meters")[1].text, "pint" in sys.modules]'
    )
    told = fresh(scene, tmp_path)
    assert told["said"] == [[False, False, True], False, "3.6576 m", True]
