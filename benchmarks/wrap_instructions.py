"""How many instructions a call takes through wrap(), beside the bare client: a figure that no other work disturbs.

    python benchmarks/wrap_instructions.py [--calls 100] [--json]

Needs valgrind: callgrind counts what the process executes outside of the kernel, from the 61st call on. The provider is
a transport in memory, so that openai's client, httpx and greenai are all there is. Waiting, the kernel's part of a
write and misses of the processor's caches are not in it: benchmarks/wrap.py measures time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Any

from overhead import QUESTION

BEFORE = 60
BODY = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "stub",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                 "message": {"role": "assistant", "content": "Paris is the capital of France.", "refusal": None}}],
    "usage": {"prompt_tokens": 14, "completion_tokens": 7, "total_tokens": 21},
}).encode()  # fmt: skip


def client(path: str) -> Any:
    """Return a client of openai's over a provider in memory, wrapped or not."""
    import httpx
    import openai

    import greenai

    def answered(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "application/json"}, content=BODY)

    http = httpx.Client(transport=httpx.MockTransport(answered))
    bare = openai.OpenAI(base_url="http://provider.invalid/v1", api_key="k", max_retries=0, http_client=http)
    return greenai.wrap(bare) if path == "wrapped" else bare


def child(path: str, calls: int) -> None:
    """Make calls, the counted ones after a line on standard input."""
    asked = client(path)

    def ask(n: int) -> None:
        asked.chat.completions.create(model="stub", messages=[{"role": "user", "content": QUESTION.format(n=n)}])

    for n in range(BEFORE):
        ask(-1 - n)
    for step in (lambda: None, lambda: [ask(n) for n in range(calls)]):
        step()
        print("done", flush=True)
        sys.stdin.readline()


def counted(path: str, calls: int) -> float:
    """Return the instructions of one call on a path."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out"]
        command += [sys.executable, __file__, "--child", path, "--calls", str(calls)]
        env = {**os.environ, "GREENAI_STATE_DIR": folder, "PYTHONHASHSEED": "0"}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for switch in ("on", "off"):
                process.stdout.readline()
                told = ["callgrind_control", "-i", switch, str(process.pid)]
                subprocess.run(told, check=True, capture_output=True)
                process.stdin.write("\n")
                process.stdin.flush()
            said = process.communicate()[1]
    found = re.search(r"Collected : (\d+)", said)
    if found is None:
        raise SystemExit(f"callgrind counted nothing:\n{said[-2000:]}")
    return int(found[1]) / calls


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=("bare", "wrapped"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.calls)
        return
    found = {path: counted(path, arguments.calls) for path in ("bare", "wrapped")}
    found["added"] = found["wrapped"] - found["bare"]
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    for name, instructions in found.items():
        print(f"{name:10} {instructions / 1e6:6.2f} million instructions a call")


if __name__ == "__main__":
    main()
