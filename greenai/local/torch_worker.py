"""The child process that holds a model which torch runs: an OpenAI-shaped server on loopback before a batcher.

Started by `worker`, which does the handshake and ends with the parent. Each connection has a thread that waits; one
thread computes. A caller that hangs up takes its item out of the line, or its row out of the batch.
"""

from __future__ import annotations

import hmac
import json
import queue
import selectors
import socket
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from greenai.local import torch_chat
from greenai.local.batcher import Answered, MicroBatcher
from greenai.local.torch_chat import Item, Refused, Template
from greenai.local.torch_lm import LanguageModel, TorchSetting

__all__ = ["Server", "serve"]

WINDOW_S = 0.005
"""How long an answer waits for company where no profile says. Assumption, 2026-11-22: below what a prompt takes."""

LOOK_S = 0.5
"""How often a caller that waits for a whole answer is looked after, in seconds."""

IDLE_S = 300.0
"""How long a connection may say nothing, or not take what it is sent, in seconds."""

MOST_BODY = 64 << 20


class Server:
    """The model, its batcher, and the HTTP server before it.

    Attributes:
        listening_address: `http://127.0.0.1:PORT`.
    """

    def __init__(self, model: LanguageModel, config: Mapping[str, Any]) -> None:
        self.name: str = config["alias"]
        self.key: str = config["api_key"]
        self.template = Template(model, self.name, int(config["context_tokens"]))
        self.batcher: MicroBatcher[Item, Item] = MicroBatcher(
            partial(torch_chat.run, model),
            most=int(config["slots"]),
            window_s=WINDOW_S if config.get("window_s") is None else float(config["window_s"]),
            length=lambda item: len(item.prompt),
            work=torch_chat.work,
            meter=time.process_time_ns,
        )
        self._http = _Http(self)
        self.listening_address = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, name="greenai-http", daemon=True).start()

    def close(self) -> None:
        """Answer what waits, and stop listening."""
        self.batcher.close()
        self._http.shutdown()
        self._http.server_close()


def serve(config: Mapping[str, Any]) -> Server:
    """Load the model that `config` names and listen; the setting lies under `torch`.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ModelMissing: There is no such model in the folder.
    """
    given: dict[str, Any] = {"threads": int(config["threads"]), **config.get("torch", {})}
    setting = TorchSetting(**given)
    return Server(LanguageModel(config["path"], setting), config)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, server: Server) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.served = server

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a caller that hangs up is no error of ours."""


class _Exchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_S
    server: _Http  # pyright: ignore[reportIncompatibleVariableOverride]  # which one it is

    def do_GET(self) -> None:  # the standard library's name
        """Tell which model is here."""
        self._answer(self._models)

    def do_POST(self) -> None:  # the standard library's name
        """Answer a chat."""
        self._answer(self._chat)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the standard library's name
        """Say nothing: stderr is shown where a start fails."""

    def _answer(self, do: Any) -> None:
        try:
            body = self._read()
            self._check_key()
            do(body)
        except Refused as refused:
            self._whole(refused.status, refused.body())
        except OSError:
            self.close_connection = True
        except Exception as error:  # noqa: BLE001  # of a tokenizer or a template: told to whoever asked
            self._whole(500, _failed(error).body())

    def _read(self) -> bytes:
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BODY:
            self.close_connection = True
            raise Refused(f"A request's body has at most {MOST_BODY >> 20} MiB and says its length.", status=413)
        return self.rfile.read(int(length))

    def _check_key(self) -> None:
        given = self.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self.server.served.key.encode()):
            raise Refused("The key is not this server's.", status=401, code="invalid_api_key")

    def _models(self, body: bytes) -> None:
        del body
        if self.path.rstrip("/") != "/v1/models":
            raise Refused(f"There is nothing at {self.path}.", status=404)
        model = {"id": self.server.served.name, "object": "model", "created": 0, "owned_by": "local"}
        self._whole(200, {"object": "list", "data": [model]})

    def _chat(self, raw: bytes) -> None:
        if self.path.rstrip("/") != "/v1/chat/completions":
            raise Refused(f"There is nothing at {self.path}.", status=404)
        try:
            body = json.loads(raw)
        except ValueError as error:
            raise Refused(f"The request is no JSON: {error}.") from error
        if not isinstance(body, dict):
            raise Refused("The request is no JSON object.")
        if body.get("stream"):
            self._stream(body)
        else:
            self._at_once(body)

    # --- a whole answer ---------------------------------------------------------------------

    def _at_once(self, body: Mapping[str, Any]) -> None:
        served = self.server.served
        items = served.template.items(body)
        futures = [served.batcher.submit(item) for item in items]
        done = [self._waited(item, future) for item, future in zip(items, futures, strict=True)]
        self._whole(200, torch_chat.completion(served.name, items, _timings(done)))

    def _waited(self, item: Item, future: Future[Answered[Item]]) -> Answered[Item]:
        while True:
            try:
                error = future.exception(LOOK_S)
            except NotYet:
                if self._hung_up():
                    item.gone = True
                    future.cancel()
                    raise ConnectionAbortedError from None
                continue
            if error is not None:
                raise _failed(error) from error
            return future.result()

    def _hung_up(self) -> bool:
        with selectors.DefaultSelector() as watched:  # select() alone knows no more than 1,024 descriptors
            watched.register(self.connection, selectors.EVENT_READ)
            return bool(watched.select(0)) and not self.connection.recv(1, socket.MSG_PEEK)

    def _whole(self, status: int, body: Mapping[str, object]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    # --- a stream ---------------------------------------------------------------------------

    def _stream(self, body: Mapping[str, Any]) -> None:
        served, pieces = self.server.served, queue.SimpleQueue[tuple[int, str | None]]()
        items = served.template.items(body, lambda number, text: pieces.put((number, text)))
        futures = [served.batcher.submit(item) for item in items]
        for number, future in enumerate(futures):
            future.add_done_callback(partial(_done, pieces, number))
        answer = f"chatcmpl-{uuid.uuid4().hex}"
        try:
            self._begin_stream()
            for number in range(len(items)):
                self._event(served.name, answer, number, {"role": "assistant", "content": ""})
            self._pieces(served.name, answer, items, futures, pieces)
            options = body.get("stream_options")
            if isinstance(options, dict) and options.get("include_usage"):
                timings = _timings([future.result() for future in futures])
                self._send(torch_chat.chunk(served.name, answer, (), usage=torch_chat.usage(items), timings=timings))
            self._send(b"data: [DONE]\n\n")
            self._send(b"")
        finally:
            for item, future in zip(items, futures, strict=True):
                item.gone = True
                future.cancel()

    def _pieces(
        self,
        name: str,
        answer: str,
        items: list[Item],
        futures: list[Future[Answered[Item]]],
        pieces: queue.SimpleQueue[tuple[int, str | None]],
    ) -> None:
        going = len(items)
        while going:
            try:
                number, text = pieces.get(timeout=LOOK_S)
            except queue.Empty:
                if self._hung_up():
                    raise ConnectionAbortedError from None
                continue
            if text is not None:
                self._event(name, answer, number, {"content": text})
                continue
            going -= 1
            error = futures[number].exception()
            if error is not None:
                self._send(b"data: " + json.dumps(_failed(error).body()).encode() + b"\n\n")
                self._send(b"")
                raise ConnectionAbortedError
            self._event(name, answer, number, {}, items[number].finish_reason)

    def _event(self, name: str, answer: str, number: int, delta: Mapping[str, str], finish: str | None = None) -> None:
        choice = {"index": number, "delta": delta, "finish_reason": finish, "logprobs": None}
        self._send(torch_chat.chunk(name, answer, [choice]))

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _send(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def _done(pieces: queue.SimpleQueue[tuple[int, str | None]], number: int, future: Future[Any]) -> None:
    """Say that no more pieces come, after the last of them."""
    del future
    pieces.put((number, None))


def _failed(error: BaseException) -> Refused:
    return Refused(f"The model failed ({type(error).__name__}: {error}). Try again.", status=500)


def _timings(done: list[Answered[Item]]) -> Mapping[str, object]:
    """Return what the answers took of their batches, in core-seconds of this process."""
    return {
        "core_s": sum(one.used or 0 for one in done) / 1e9,
        "batch": done[0].batch,
        "batch_core_s": (done[0].batch_used or 0) / 1e9,
        "waited_s": done[0].waited_s,
    }
