"""The child process in which a model that torch runs is measured: it loads, warms up, answers, and may die of it.

    parent, a line of JSON on stdin                     this process, a line of JSON on stdout
    {"model": ..., "text": ..., "sys_path": []}         ─►  {"ready": true}
    {"setting": {...}, "load": true}                    ─►  {"ids": [...]}
    {"setting": {...}, "hold": true}                    ─►  {"fresh": whether it was loaded for this}
    {"setting": {...}, "prompts": [[...]], "answer_tokens": 16, "batch": 4}
                                                        ─►  {"tokens": ..., "latencies_s": [...], "besides_bytes": 0}
    {"setting": {...}, "force": [...]}                  ─►  {"tops": [...], "logprobs": [...]}

It keeps a model for each way of attention, and compiled or not, while memory has room for several: the cache and the
threads of a loaded one can be changed. `besides_bytes` are the weights of those that do not answer. What goes wrong is
said as {"error": ..., "memory": true where memory ran out}, after which it ends.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from typing import Any, TextIO

__all__ = ["is_memory", "main"]

MEMORY_WORDS = ("out of memory", "not enough memory", "allocate memory", "bad_alloc", "alloc_failed")
"""What torch says of memory: on a GPU, on Windows, on a processor, from C++, and from a GPU's libraries."""


def main() -> None:
    """Answer lines until stdin closes."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print must not stand between the lines
    first: dict[str, Any] = json.loads(sys.stdin.readline())
    sys.path[:] = first["sys_path"]
    try:
        held = _Held(first["model"], first["text"])
        _say(answer, {"ready": True})
        for line in sys.stdin:
            _say(answer, held.answer(json.loads(line)))
    except (RuntimeError, MemoryError, ValueError, TypeError, AttributeError, OSError, ImportError) as error:
        _say(answer, {"error": f"{type(error).__name__}: {error}"[:2000], "memory": is_memory(error)})
        os._exit(1)
    os._exit(0)


class _Held:
    """The models of this process, by setting."""

    def __init__(self, folder: str, text: str) -> None:
        self.folder, self.text = folder, text
        self.models: dict[tuple[str, str, bool], Any] = {}
        self.loads = 0

    def answer(self, line: dict[str, Any]) -> dict[str, Any]:
        """Do what a line asks for."""
        before = self.loads
        model = self.model(line["setting"])
        if "hold" in line:
            return {"fresh": self.loads > before}
        if "load" in line:
            return {"ids": [int(token) for token in model.tokenizer(self.text)["input_ids"]]}
        if "force" in line:
            return _forced(model, line["force"])
        besides = sum(other.weight_bytes for other in self.models.values() if other is not model)
        said = _answered(model, line["prompts"], int(line["answer_tokens"]), int(line["batch"]))
        return {**said, "besides_bytes": besides if model.device == "cpu" else 0}

    def model(self, setting: dict[str, Any]) -> Any:
        """Return the model of a setting, loaded at its first use."""
        from greenai.errors import GreenAIError
        from greenai.local.torch_lm import LanguageModel, TorchSetting

        wanted = TorchSetting(**setting)
        key = wanted.precision, wanted.attention, wanted.compile
        try:
            if key not in self.models:
                self._make_room()
                self.models[key] = LanguageModel(self.folder, wanted)
                self.loads += 1
        except GreenAIError as error:
            raise RuntimeError(str(error)) from error
        model = self.models[key]
        model.setting = wanted
        if wanted.threads:
            model.torch.set_num_threads(wanted.threads)
        return model

    def _make_room(self) -> None:
        """Drop the other models where one more would leave little memory."""
        most = max((model.weight_bytes for model in self.models.values()), default=0)
        free = _free_bytes(next(iter(self.models.values()))) if self.models else None
        if free is not None and 3 * most > free:
            torch = next(iter(self.models.values())).torch
            self.models.clear()
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _free_bytes(model: Any) -> int | None:
    from greenai.tune.memory import available_bytes

    return int(model.torch.cuda.mem_get_info()[0]) if model.device == "cuda" else available_bytes()


def _answered(model: Any, prompts: list[list[int]], answer_tokens: int, batch: int) -> dict[str, Any]:
    """Answer the prompts in batches; every request of one takes as long as the batch."""
    tokens, latencies = 0, []
    for start in range(0, len(prompts), batch):
        rows, began = prompts[start : start + batch], time.perf_counter()
        said = model.generate(rows, most_tokens=[answer_tokens] * len(rows), ignore_stops=True)
        latencies += [time.perf_counter() - began] * len(rows)
        tokens += sum(map(len, said))
    return {"tokens": tokens, "latencies_s": latencies}


def _forced(model: Any, ids: list[int]) -> dict[str, Any]:
    (expected,) = model.logits([ids])
    logs = expected[:-1].log_softmax(-1)
    own = [float(row[token]) for row, token in zip(logs, ids[1:], strict=True)]
    return {"tops": logs.argmax(-1).tolist(), "logprobs": own}


def is_memory(error: BaseException) -> bool:
    """Say whether an error is that memory ran out."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in MEMORY_WORDS)


def _say(stream: TextIO, message: dict[str, Any]) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()


if __name__ == "__main__":
    main()
