"""What the nudges' part of a call takes, in microseconds: the digest of the question, and the advisors.

    python benchmarks/nudges.py [--calls 5000]

Each row is one kind of prompt, through the parts as the flow calls them. No model is asked.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from greenai import asked, nudges
from greenai.catalog import find
from greenai.settings.switches import DEFAULT
from greenai.testing import FakeProvider, offline
from greenai.values import Options, Request, Usage

MODEL = "openai/gpt-5.4-nano"
OFF = frozenset(name for name, on in DEFAULT.items() if not on)
WORDS = "The parcel has not come, and the shop does not answer. "


def prompts() -> dict[str, Callable[[int], list[dict[str, Any]]]]:
    """Return kinds of prompts, each as a function of the call's number."""

    def plain(n: int) -> list[dict[str, Any]]:
        return [{"role": "user", "content": f"Name the capital of the country number {n}, please."}]

    def template(n: int) -> list[dict[str, Any]]:
        return [
            {"role": "system", "content": "You sort messages of customers. Answer with one label."},
            {"role": "user", "content": f"Which label fits: {WORDS * (n % 7 + 1)}"},
        ]

    def stamped(n: int) -> list[dict[str, Any]]:
        now = f"2026-11-21T14:{n % 60:02}:{n * 7 % 60:02}Z"
        return [
            {
                "role": "system",
                "content": f"You help in a shop. Now: {now}. Request: {n:08x}-aaaa-4bbb-8ccc-0123456789ab",
            },
            {"role": "user", "content": "When do you open on a Sunday? " + WORDS * 3},
        ]

    def long(n: int) -> list[dict[str, Any]]:
        return [{"role": "user", "content": f"Summarise {n}: " + WORDS * 400}]

    return {"plain": plain, "template": template, "stamped": stamped, "long": long}


def times(make: Callable[[int], list[dict[str, Any]]], calls: int, requests: Callable[[Any], Request]) -> list[float]:
    """Return the microseconds of each call."""
    advisors, given, card = nudges.advisors(), nudges.Given(), find(MODEL)
    options, usage = Options(), Usage(input_tokens=900, output_tokens=3)
    found: list[float] = []
    for n in range(calls):
        request = requests(make(n))
        started = time.perf_counter()
        asked.digest(request)
        seen = nudges.Seen(
            options=options,
            messages=request.messages,
            form=nudges.form_of(request.messages),
            reply="delivery" if n % 3 else "refund",
            model=MODEL,
            card=card,
            usage=usage,
            started=started,
            ended=started + 1e-4,
            thread=1,
        )
        nudges.advised(seen, advisors, given, OFF, "en")
        found.append((time.perf_counter() - started) * 1e6)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for each kind of prompt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    calls = parser.parse_args(arguments).calls
    with offline(FakeProvider()) as client:
        session = client._session

        def request(messages: Any) -> Request:
            return session.request("create", messages, None, stream=False, arguments={})

        print(f"{'prompt':10} {'characters':>10} {'p50 us':>8} {'p99 us':>8}")
        for name, make in prompts().items():
            each = sorted(times(make, calls, request))
            size = sum(len(m["content"]) for m in make(3))
            print(f"{name:10} {size:10} {statistics.median(each):8.1f} {each[int(len(each) * 0.99)]:8.1f}")


if __name__ == "__main__":
    main()
