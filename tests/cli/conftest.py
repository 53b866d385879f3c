"""What the tests of the command line share: a runner, and settings of one file."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from greenai.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result
    from servers import Scripted


@dataclass(frozen=True)
class Shell:
    """Runs `greenai` in this process, with a terminal too wide to wrap."""

    runner: CliRunner

    def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        return self.runner.invoke(app, list(arguments), input=stdin)

    def json(self, *arguments: str, stdin: str | None = None) -> Any:
        result = self(*arguments, "--json", stdin=stdin)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def error(self, *arguments: str) -> tuple[str, str]:
        """Return the type and message that `--json` gives, having checked that the plain form says the same."""
        result = self(*arguments, "--json")
        assert result.exit_code == 1, result.output
        error = json.loads(result.stdout)["error"]
        plain = self(*arguments)
        assert (plain.exit_code, plain.stdout) == (1, "")
        assert plain.stderr.strip().startswith(error["message"])
        return error["type"], error["message"]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """The command line, in an empty folder and with weights of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("GREENAI_WEIGHTS_DIR", str(tmp_path / "weights"))
    return Shell(CliRunner())


@pytest.fixture
def remote(scripted: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scripted:
    """The scripted server as the only rung of the ladder in greenai.toml."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    (tmp_path / "greenai.toml").write_text(
        f'max_retries = 0\nladder = [{{model = "openai/scripted-model", base_url = "{scripted.url}", tier = "small"}}]\n'
    )
    return scripted


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    """A model hub on loopback that has one file, `m.gguf`, in every repository; gives its content."""
    content = b"GGUF, not really"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listing = json.dumps([{"type": "file", "path": "m.gguf", "size": len(content)}]).encode()
            body = listing if self.path.startswith("/api/") else content
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield content
    server.shutdown()
    thread.join()
    server.server_close()
