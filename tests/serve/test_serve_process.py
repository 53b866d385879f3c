"""`greenai serve` as a process: told to end in the middle of a stream, and asked by other languages' programs."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest
from servers import answer, chunk_body, stream
from serving import MESSAGES, Served

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from servers import Scripted

BODY = json.dumps({"model": "gpt-5.5", "messages": MESSAGES})


@contextmanager
def process(scripted: Scripted, grace: str = "30s", arguments: Sequence[str] = ()) -> Iterator[tuple[Served, Any]]:
    env = {**os.environ, "GREENAI_SERVE": json.dumps({"grace": grace})}
    command = [
        sys.executable,
        "-m",
        "greenai",
        "serve",
        "--port",
        "0",
        "--upstream",
        scripted.url,
        "--json",
        *arguments,
    ]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    assert started.stdout is not None
    try:
        said = ""
        while not said.rstrip().endswith("}"):
            line = started.stdout.readline()
            assert line, started.communicate()[1]
            said += line
        yield Served(address=json.loads(said)["page"].rstrip("/")), started
    finally:
        started.kill()
        started.communicate()


def ended(started: Any) -> str:
    """Wait until the process has ended well, and return what it said on standard error."""
    said: str = started.communicate(timeout=60)[1]
    assert started.returncode == 0, said
    return said


def calls_of(project: str = "default") -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "greenai", "report", "--json", "--project", project],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    report: list[dict[str, Any]] = json.loads(done.stdout)["by_outcome"]
    return report


def test_told_to_end_it_lets_a_stream_finish(scripted: Scripted) -> None:
    scripted.play(stream(10, every_s=0.1))
    with process(scripted) as (served, started), served.client() as client:
        chunks = client.chat.completions.create(model="gpt-5.5", messages=MESSAGES, stream=True)
        said = [next(chunks).choices[0].delta.content]
        started.send_signal(signal.SIGTERM)
        said += [chunk.choices[0].delta.content for chunk in chunks]
        assert said == [*(f"word{n} " for n in range(10)), None]
        assert ended(started) == ""
    assert [(part["outcome"], part["calls"]) for part in calls_of()] == [("large", 1)]


def test_beyond_its_time_of_grace_a_stream_is_cut_and_settles_at_what_was_seen(scripted: Scripted) -> None:
    scripted.play(stream(1000, every_s=0.1))
    with process(scripted, grace="1s") as (served, started), served.client() as client:
        chunks = client.chat.completions.create(model="gpt-5.5", messages=MESSAGES, stream=True)
        next(chunks)
        began = time.monotonic()
        started.send_signal(signal.SIGTERM)
        with pytest.raises(Exception):  # noqa: B017  # httpx's or openai's, by openai's version
            list(chunks)
        ended(started)
        assert time.monotonic() - began < 30
    (part,) = calls_of()
    assert (part["outcome"], part["calls"]) == ("large", 1)
    assert 0 < part["output_tokens"] < 100


def test_while_it_ends_it_takes_no_new_connection(scripted: Scripted) -> None:
    scripted.play(stream(20, every_s=0.1))
    with process(scripted) as (served, started), served.client() as client:
        chunks = client.chat.completions.create(model="gpt-5.5", messages=MESSAGES, stream=True)
        next(chunks)
        started.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(OSError):  # refused
            served.get("/health")
        assert len(list(chunks)) == 20
        ended(started)


def test_an_address_that_is_taken_or_open_to_others_is_told(scripted: Scripted) -> None:
    command = [sys.executable, "-m", "greenai", "serve", "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "0.0.0.0 is reached from other machines, and no keys are configured, so nobody could be told apart. Add for "
        'example serve.keys = { SUPPORT_BOT_KEY = "support-bot" } to the settings, or use --host 127.0.0.1.\n'
    )
    with process(scripted) as (served, _):
        command = [sys.executable, "-m", "greenai", "serve", "--port", str(served.port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert done.stderr == (
            f"127.0.0.1:{served.port} cannot be listened on: address already in use. Choose another with --port, or "
            "0 for a free one.\n"
        )


# --- programs of others ---------------------------------------------------------------------


def test_curl_is_served(scripted: Scripted) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not here")
    with process(scripted) as (served, _):
        url = f"{served.url}/chat/completions"
        whole = subprocess.run(
            [curl, "-sS", "-i", url, "-H", "content-type: application/json", "-d", BODY],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip
        head, _, content = whole.replace("\r\n", "\n").partition("\n\n")
        assert head.startswith("HTTP/1.1 200 OK")
        assert json.loads(content)["choices"][0]["message"]["content"] == "Hello there."
        assert '\nx-greenai-receipt: {"call_id":"' in head
        scripted.play(stream(2))
        streamed = subprocess.run(
            [curl, "-sS", "-N", url, "-d", json.dumps({**json.loads(BODY), "stream": True})],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout  # fmt: skip
        assert streamed.count("data: ") == 4
        assert streamed.endswith("data: [DONE]\n\n")


NODE = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none", maxRetries: 3 });
const messages = [{ role: "user", content: "Write a short friendly reply to a customer." }];
const { data, response } = await client.chat.completions.create({ model: "gpt-5.5", messages }).withResponse();
const receipt = JSON.parse(response.headers.get("x-greenai-receipt"));
let streamed = "";
for await (const chunk of await client.chat.completions.create({ model: "gpt-5.5", messages, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
}
const helped = await client.chat.completions.stream({ model: "gpt-5.5", messages }).finalContent();
const models = []; for await (const model of client.models.list()) models.push(model.id);
let refused = null;
try { await client.chat.completions.create({ model: "gpt-5.5", messages }); }
catch (error) { refused = [error.constructor.name, error.status, error.code]; }
console.log(JSON.stringify({ said: data.choices[0].message.content, own: data.greenai.call_id === receipt.call_id,
  outcome: receipt.outcome, streamed, helped, models: models.length > 0, refused }));
"""


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """npm's `openai`, installed into a folder: a machine without node or its registry skips, CI fails."""
    folder = tmp_path_factory.mktemp("node")
    npm, node = shutil.which("npm"), shutil.which("node")
    problem = "node and npm are not here"
    if npm is not None and node is not None:
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "openai"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
            if done.returncode == 0:
                return folder
            problem = f"npm could not install openai: {done.stderr[-300:]}"
        except subprocess.TimeoutExpired:
            problem = "npm did not install openai within 100 s"
    if os.environ.get("CI", "").lower() in ("true", "1") and npm is not None:
        pytest.fail(problem)
    pytest.skip(problem)


@pytest.mark.timeout(240)
def test_openais_client_for_node_is_served_and_does_not_retry_a_spent_budget(
    scripted: Scripted, node_folder: Path, tmp_path: Path
) -> None:
    words = [{"role": "assistant", "content": ""}, *({"content": f"word{n} "} for n in range(3))]
    whole = [*(chunk_body(delta) for delta in words), chunk_body({}, "stop")]
    scripted.play(answer(), stream(3), stream(len(whole), bodies=whole))
    settings = tmp_path / "greenai.toml"
    settings.write_text('[projects.default.budget]\ncalls = "3/day"\ntimezone = "UTC"\nwhen_spent = "refuse"\n')
    (node_folder / "ask.mjs").write_text(NODE)
    with process(scripted, arguments=("--settings", str(settings))) as (served, _):
        done = subprocess.run(
            ["node", "ask.mjs", served.url], cwd=node_folder, capture_output=True, text=True, timeout=100, check=False
        )
    assert done.returncode == 0, done.stderr
    said = "word0 word1 word2 "
    assert json.loads(done.stdout) == {
        "said": "Hello there.", "own": True, "outcome": "large", "streamed": said, "helped": said, "models": True,
        "refused": ["PermissionDeniedError", 403, "budget_exceeded"],
    }  # fmt: skip
    assert len(scripted.requests) == 3


def test_langchains_chatopenai_is_served_unchanged(scripted: Scripted) -> None:
    if importlib.util.find_spec("langchain_openai") is None:
        pytest.skip("langchain-openai is not here")
    from langchain_openai import ChatOpenAI

    scripted.play(answer(), stream(3))
    with process(scripted) as (served, _):
        model = ChatOpenAI(base_url=served.url, api_key="none", model="gpt-5.5")  # type: ignore[arg-type]
        assert model.invoke("Write a short reply.").content == "Hello there."
        assert "".join(str(part.content) for part in model.stream("Write another reply.")) == "word0 word1 word2 "


def test_the_command_is_completed_and_described() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "greenai", "serve", "--help"], capture_output=True, text=True, check=True
    )
    for option in ("--host", "--port", "--project", "--upstream", "--settings", "--json"):
        assert option in done.stdout


def test_the_real_model_on_this_machine_answers_through_the_gateway(weights: Path) -> None:
    command = [sys.executable, "-m", "greenai", "serve", "--port", "0", "--json"]
    env = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    assert started.stdout is not None
    try:
        said = ""
        while not said.rstrip().endswith("}"):
            said += started.stdout.readline()
        with openai.OpenAI(base_url=json.loads(said)["url"], api_key="none", max_retries=0, timeout=100) as client:
            asked: Any = {
                "model": "local/smollm2-135m", "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8,
            }  # fmt: skip
            raw = client.chat.completions.with_raw_response.create(**asked)
            receipt = json.loads(raw.headers["x-greenai-receipt"])
            assert raw.parse().choices[0].message.content
            assert receipt["model"] == "local/smollm2-135m"
            assert receipt["energy_j"] > 0
            chunks = list(client.chat.completions.create(stream=True, **asked))
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            with pytest.raises(openai.InternalServerError) as caught:
                client.chat.completions.create(**{**asked, "model": "gpt-5.5"})
            assert "the gateway has no API key" in str(caught.value)
    finally:
        started.terminate()
        started.communicate(timeout=60)
    assert started.returncode == 0
