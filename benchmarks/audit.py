"""How long an audit's reading takes: a log is made (2 kB a call), read into the store, killed halfway and gone on with.

    python benchmarks/audit.py --calls 100000 [--workers 2] [--keep FOLDER] [--batch | --chains] [--finding]

Prints seconds, calls a second, and the most memory of all its processes together (their proportional shares). The log
has templates with slots, repeats, short and long texts, three projects, and one damaged line in 10,000. With --chains
a fifth of its calls are chains of two, of whose first answer the second prompt has one field. With --finding the
finding is timed, too, and what in it looks for such chains. With --batch it is OpenAI's batches: a file of requests,
and one of their answers in another order.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

TEMPLATES = (
    ("You are the support assistant of a shop. Answer in two sentences.", "{text}"),
    ("", "Classify the sentiment of this review as positive, negative or neutral: {text}"),
    ("", "{text}\n\nAnswer with one word, the language of the text above."),
    ("Extract the order number as JSON.", "Ticket {number} of {name} says: {text}"),
    ("", "Translate into French: {text}"),
)
MODELS = ("gpt-5.5", "gpt-5.4-mini", "gpt-5.4-nano")
WORDS = tuple(
    f"{kind}{number}"
    for kind in ("order", "parcel", "please", "naïve", "when", "blue")
    for number in ("", "s", "ing", "ed")
)


def chained(number: int) -> bytes:
    """Return a call of a chain: an explanation that ends with JSON, then a call that takes one field of it."""
    own = random.Random(number // 2)
    code, text = f"case-{own.randrange(10**6)}", " ".join(own.choices(WORDS, k=200))
    why = " ".join(f"{own.choice(WORDS)}{own.randrange(99)}" for _ in range(300))
    first = number % 2 == 0
    prompt = f"Read the ticket and say why it is urgent, then its code as JSON.\n{text}"
    answer = f'{why}\n{{"code": "{code}"}}'
    if not first:
        prompt, answer = f"Write one line to the owner of the case {code} in the queue.", f"Please look at {code}."
    reply = {
        "id": f"chatcmpl-{number:09d}", "object": "chat.completion", "model": MODELS[0],
        "created": 1_763_000_000 + number,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(answer) // 4},
    }  # fmt: skip
    body = {"model": MODELS[0], "messages": [{"role": "user", "content": prompt}], "temperature": 0}
    record = {"project": "cases", "session_id": f"s{number // 2}", "request": body, "response": reply}
    return json.dumps({**record, "latency_ms": 800, "padding": "x" * 700}).encode() + b"\n"


def line(rng: random.Random, number: int) -> bytes:
    if rng.random() < 1e-4:
        return b'{"request": {"model": "gpt-5.5", "messages": [{"role": "user", "cont\n'
    system, user = rng.choices(TEMPLATES, (4, 3, 1, 1, 1))[0]
    seed = rng.randrange(number // 3 + 10) if rng.random() < 0.2 else number
    own = random.Random(seed)
    words = own.choice((12, 40, 60, 120, 400)) if system else own.choice((8, 20, 220))
    text = " ".join(own.choices(WORDS, k=words))
    prompt = user.format(text=text, number=own.randrange(10**6), name=own.choice(("Ada", "Grace", "Edsger")))
    messages = [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": prompt}]
    answer = " ".join(own.choices(WORDS, k=own.choice((1, 1, 30, 150))))
    body = {"model": rng.choice(MODELS), "messages": messages, "temperature": 0, "max_tokens": 512}
    sent, made = len(prompt) // 4, len(answer) // 4
    reply = {
        "id": f"chatcmpl-{number:09d}", "object": "chat.completion", "model": body["model"],
        "created": 1_763_000_000 + number,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made,
            "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": made // 3},
        },
    }  # fmt: skip
    record = {"project": rng.choice(("support", "search", "mail")), "user_id": f"u{number % 5000}", "request": body}
    record |= {"response": reply, "latency_ms": 800, "padding": "x" * 700}
    return json.dumps(record).encode() + b"\n"


def make(path: Path, calls: int, *, batch: bool = False, chains: bool = False) -> None:
    rng = random.Random(7)
    if batch:
        path.mkdir()
        make_batch(rng, path, calls)
        return
    with path.open("wb", buffering=1 << 20) as file:
        for number in range(calls):
            file.write(chained(number) if chains and number % 10 < 2 else line(rng, number))


def make_batch(rng: random.Random, folder: Path, calls: int) -> None:
    answers: list[bytes] = []
    with (
        (folder / "in.jsonl").open("wb", buffering=1 << 20) as asked,
        (folder / "out.jsonl").open("wb", buffering=1 << 20) as answered,
    ):
        for number in range(calls):
            one = line(rng, number)
            if not one.endswith(b"}\n"):
                asked.write(one)
                continue
            record, known = json.loads(one), {"custom_id": f"request-{number}"}
            sent = {**known, "method": "POST", "url": "/v1/chat/completions", "body": record["request"]}
            asked.write(json.dumps(sent).encode() + b"\n")
            reply = {"status_code": 200, "request_id": f"r{number}", "body": record["response"]}
            answers.append(json.dumps({"id": f"b{number}", **known, "response": reply, "error": None}).encode() + b"\n")
            if len(answers) == 50_000:
                rng.shuffle(answers)
                answered.writelines(answers)
                answers = []
        rng.shuffle(answers)
        answered.writelines(answers)


class Memory(threading.Thread):
    """Watches how much memory a process and its children have together, each shared page once."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.most, self.ended = pid, 0, False

    def run(self) -> None:
        while not self.ended:
            self.most = max(self.most, sum(_pss(pid) for pid in _tree(self.pid)))
            time.sleep(0.5)


def _tree(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [pid, *(inner for child in children for inner in _tree(child))]


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(row.split()[1]) * 1024 for row in lines if row.startswith("Pss:")), 0)


def work(log: str, folder: str, workers: int) -> None:
    from greenai.audit.ingest import ingest
    from greenai.audit.reading import opened
    from greenai.audit.store import working

    with working(Path(folder)) as store:
        moved = lambda done, of, calls: print(f"at {calls} {done}/{of}", flush=True)  # noqa: E731
        read = ingest(opened(log), store, workers=workers, moved=moved)
        (distinct,) = store.sql("SELECT count(*), count(DISTINCT exact) FROM calls")
        (templates,) = store.sql("SELECT count(DISTINCT template), max(depth) FROM templates")
        calls, malformed = sum(source.rows for source in read), sum(source.malformed_count for source in read)
        print(f"read {calls} malformed {malformed} calls, distinct {distinct}, templates {templates}")


def find(folder: str) -> None:
    from greenai.audit.advice import audited
    from greenai.audit.chains import planned, seen
    from greenai.audit.columns import stored, texts_of
    from greenai.audit.history import goes_on_from
    from greenai.audit.reading import opened
    from greenai.audit.store import working

    with working(Path(folder)) as store:
        store.files = opened([path for (path,) in store.sql("SELECT path FROM sources ORDER BY source")], None, [])
        calls, texts = stored(store), texts_of(store)
        moments = [time.monotonic()]
        parents = goes_on_from(calls)
        moments.append(time.monotonic())
        plan = planned(calls)
        moments.append(time.monotonic())
        rows = sorted(plan.rows)
        read = dict(zip(rows, texts(rows), strict=True))
        moments.append(time.monotonic())
        little = seen(calls, plan, read)
        moments.append(time.monotonic())
        parts = [after - before for before, after in pairwise(moments)]
        wastes = ", ".join(f"{one.kind} {one.calls}" for one in audited(calls, texts).wastes)
        print(
            f"{time.monotonic() - moments[-1]:.1f} s ({wastes}); conversations alone {parts[0]:.1f} s "
            f"({int((parents >= 0).sum())} go on), chains planned {parts[1]:.1f} s, "
            f"{len(rows)} texts {parts[2]:.1f} s, seen {parts[3]:.1f} s ({len(little)} templates)"
        )


def timed(command: list[str], stop_after: int | None = None) -> tuple[float, int, str]:
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    memory = Memory(process.pid)
    memory.start()
    last = ""
    for last in process.stdout or ():
        if stop_after is not None and last.startswith("at ") and int(last.split()[1]) >= stop_after:
            process.kill()
            break
    process.wait()
    memory.ended = True
    return time.monotonic() - begun, memory.most, last.strip()


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--calls", type=int, default=100_000)
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--batch", action="store_true", help="requests of batches and their answers")
    asked.add_argument("--keep", type=Path)
    asked.add_argument("--chains", action="store_true")
    asked.add_argument("--finding", action="store_true")
    asked.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    asked.add_argument("--find", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.find:
        find(given.find)
        return
    if given.work:
        work(*given.work, given.workers)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        kind = "-batch" if given.batch else "-chains" if given.chains else ""
        log = folder / f"log-{given.calls}{kind}{'' if given.batch else '.jsonl'}"
        if not log.exists():
            make(log, given.calls, batch=given.batch, chains=given.chains)
        size = sum(file.stat().st_size for file in ([*log.iterdir()] if given.batch else [log]))
        print(f"{given.calls:,} calls, {size / 1e9:.2f} GB, load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")
        me = [sys.executable, __file__, "--workers", str(given.workers), "--work", str(log)]
        seconds, most, said = timed([*me, str(Path(temporary) / "whole")])
        print(f"whole: {seconds:.1f} s, {given.calls / seconds:,.0f} calls/s, {most / 1e6:,.0f} MB; {said}")
        if given.finding:
            seconds, most, found = timed([sys.executable, __file__, "--find", str(Path(temporary) / "whole")])
            print(f"finding: {seconds:.1f} s, {most / 1e6:,.0f} MB; {found}")
        halved = [*me, str(Path(temporary) / "halved")]
        first, _, at = timed(halved, stop_after=given.calls // 2)
        second, _, again = timed(halved)
        print(f"killed after {first:.1f} s ({at}); the rest took {second:.1f} s; {again}")
        print("the same as the whole" if again == said else "NOT the same as the whole")
        print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
