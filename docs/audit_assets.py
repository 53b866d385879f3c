"""Make the picture of audit.md from a log of made-up calls: `python docs/audit_assets.py`, about a minute.

It is the page's beginning without what to change, in a headless Chromium (apt-get install chromium). The questions are
made of a few words each, the sizes of prompts and answers are like those of a support desk.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from greenai.audit.page import page
from greenai.audit.run import Options, audit

ASSETS = Path(__file__).parent / "assets"
BEGIN, MADE = 1_791_936_000, 1_794_600_000.0
CALLS = 4_000
WIDTH, HEIGHT, COLOURS = 900, 1_115, 64
CHANGES = re.compile(r'<section aria-labelledby="changes">.*?</section>', re.DOTALL)
LABELS = {
    "delivery": ("where is my parcel", "when does the parcel come", "the parcel is late"),
    "refund": ("i want my money back", "how do i return it", "is a refund possible"),
    "account": ("i forgot my password", "how do i close my account", "change my address"),
}
QUESTIONS = ("Why does the {} hum at night?", "Explain how a {} saves energy.", "What is {} plus 18% of 240?")
THINGS = ("heat pump", "boiler", "radiator", "thermostat", "solar panel", "battery")
HOUSE = "You answer customers of a maker of heat pumps. Be brief, be friendly, and never promise a date. " * 45
TOOLS = [
    {"type": "function", "function": {"name": name, "description": f"{what} of a customer. " * 12, "parameters": {}}}
    for name, what in (("order_status", "Look up the order"), ("book_visit", "Book the visit"))
]


def calls(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Yield lines of a log: labels, repeats, questions to a model that reasons, and sums."""
    for number in range(CALLS):
        day, hour = number * 28 // CALLS, 7 + 11 * rng.random()
        at = BEGIN + int(day * 86_400 + hour * 3600)
        if number % 4:
            label = rng.choice([*LABELS])
            text = f"{rng.choice(LABELS[label])} {rng.choice(('', 'please', 'now', f'order {rng.randrange(9999)}'))}"
            yield _line(at, "gpt-5.5", "Sort the message: delivery, refund or account.", text, label, (90, 4))
        else:
            text = rng.choice(QUESTIONS).format(rng.choice(THINGS) if number % 8 else rng.randrange(90))
            said = "It depends on the house. " * 12
            yield _line(at, "gpt-5.5", HOUSE, text, said, (1_250, 700), reasoning_tokens=550, tools=TOOLS)


def _line(
    at: int, model: str, system: str, text: str, said: str, tokens: tuple[int, int], *, reasoning_tokens: int = 0,
    **arguments: Any,
) -> dict[str, Any]:  # fmt: skip
    usage = {
        "prompt_tokens": tokens[0], "completion_tokens": tokens[1], "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens},
    }  # fmt: skip
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
    return {
        "project": "support", "timestamp": at,
        "request": {"model": model, "messages": messages, "temperature": 0, **arguments},
        "response": {"object": "chat.completion", "created": at, "model": model, "choices": [choice], "usage": usage},
    }  # fmt: skip


def main() -> None:
    """Write audit.png."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("chromium is not here: apt-get install chromium")
    rng = random.Random(7)  # noqa: S311 - made-up calls
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        log = place / "calls.jsonl"
        log.write_text("".join(f"{json.dumps(line)}\n" for line in calls(rng)), "utf-8")
        file = place / "audit.html"
        text = page(audit([log], Options()), made=MADE).replace(f"{place}/", "")
        file.write_text(CHANGES.sub("", text), "utf-8")
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={place}/u"]
        shot = [f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={ASSETS / 'audit.png'}", file.as_uri()]
        subprocess.run([chromium, *options, *shot], check=True, capture_output=True, timeout=60)
    with Image.open(ASSETS / "audit.png") as picture:
        small = picture.convert("RGB").quantize(COLOURS)
    small.save(ASSETS / "audit.png", optimize=True)


if __name__ == "__main__":
    main()
