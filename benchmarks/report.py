"""What a report costs: `python benchmarks/report.py`, about a minute; `--calls 100000` by default.

It writes a ledger of that many calls and runs `greenai report --html` on it in a process of its own. Prints seconds,
peak memory and whether the totals are those of plain SQL sums; exits with 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from greenai.store.ledger_db import LedgerDb
from greenai.store.schema import CALL_COLUMNS, SETTLE_COLUMNS, recording, settling

MAX_S, MAX_MB = 5.0, 300.0
BEGIN = 1_790_000_000.0  # a day in September 2026
PROJECTS = ("support-bot", "search", "reports", "website", "internal-tools")
FEATURES = (None, "search_summary", "reply_draft", "related_questions")
# (outcome, model, share of the calls, joules of the median call, reasoning)
KINDS = (
    ("cache", "openai/gpt-5.4-nano", 0.24, 0.0021, None),
    ("semantic_cache", "openai/gpt-5.4-nano", 0.03, 0.12, None),
    ("answerer", "greenai/calc", 0.09, 0.0018, None),
    ("task_model", "task:tone", 0.04, 0.9, None),
    ("lookup_needed", "greenai/lookup", 0.01, 0.002, None),
    ("small", "openai/gpt-5.4-nano", 0.38, 14.0, False),
    ("large", "openai/gpt-5.5", 0.13, 420.0, False),
    ("large", "openai/gpt-5.5", 0.04, 4300.0, True),
    ("large", "vendor/unlisted-model", 0.02, None, None),
    ("failed", None, 0.02, None, None),
)
# As long as what a routed call leaves.
STORY = json.dumps(
    {"route": ["openai/gpt-5.4-nano", "openai/gpt-5.5"], "why": ["x" * 100] * 3, "checks": [["loss"] * 4]}
)
SOURCES = {"openai": "United States grid mix, 2023, assumed for openai", None: "World grid mix, 2023"}


def fill(path: Path, calls: int, *, days: float = 30.0, seed: int = 7, end: float | None = None) -> None:
    """Write a ledger of made-up calls: the same for the same seed."""
    LedgerDb(path).check()
    made = random.Random(seed)
    begin = BEGIN if end is None else end - days * 86_400
    con = sqlite3.connect(path)
    with con:
        for number in range(calls):
            call, attempts = _call(made, number, begin + number * days * 86_400 / calls)
            con.executemany(settling(), attempts)
            con.execute(recording(), [call.get(name) for name in CALL_COLUMNS])
        con.executemany("INSERT INTO offers VALUES (?, ?, ?, ?, ?)", _offers(made, begin, days))
    con.close()


def _call(made: random.Random, number: int, created: float) -> tuple[dict[str, object], list[list[object]]]:
    outcome, model, _, median_j, reasoning = made.choices(KINDS, [kind[2] for kind in KINDS])[0]
    project = made.choices(PROJECTS, (5, 4, 2, 2, 1))[0]
    spread = made.lognormvariate(0, 0.6)
    # More work by day than by night, and little on two days of seven.
    hour = created % 86_400 / 3600
    spread *= 0.4 + max(math.sin((hour - 5) / 24 * math.tau), 0) * (0.3 if int(created // 86_400) % 7 in (2, 3) else 1)
    energy_j = None if median_j is None else median_j * spread
    avoided_j = None if energy_j is None or reasoning or made.random() < 0.2 else 5000 * made.lognormvariate(0, 0.4)
    opt_in = reasoning and made.random() < 0.8
    grid = SOURCES["openai" if model and model.startswith("openai") and outcome in ("small", "large") else None]
    generated = outcome in ("small", "large", "failed")
    call: dict[str, object] = {
        "call_id": f"{made.getrandbits(128):032x}", "created": created, "project": project, "entry": "create",
        "requested_model": "gpt-5.5", "model": model, "outcome": outcome, "reasoning": reasoning,
        "opt_in": '["reasoning"]' if opt_in else "[]", "opt_in_reason": "checked by a person" if opt_in else None,
        "energy_j": energy_j, "low_j": energy_j and energy_j * 0.35, "high_j": energy_j and energy_j * 2.6,
        "evidence": "unknown" if energy_j is None else "modelled_api", "method": "physics-2",
        "carbon_g": energy_j and energy_j * 1.0e-4, "carbon_low_g": energy_j and energy_j * 0.35e-4,
        "carbon_high_g": energy_j and energy_j * 2.6e-4, "carbon_source": grid,
        "water_ml": energy_j and energy_j * 1.0e-3, "cost_usd": 0.0 if not generated else energy_j and energy_j * 4e-6,
        "input_tokens": 180 if generated else None, "output_tokens": 90 if generated else None,
        "reasoning_tokens": 540 if reasoning else 0, "avoided_j": avoided_j,
        "avoided_low_j": avoided_j and avoided_j * 0.2, "avoided_high_j": avoided_j and avoided_j * 6,
        "baseline": avoided_j and _baseline(outcome), "overhead_ms": 0.6, "overhead_j": 0.0021,
        "parent": f"{number:032x}" if made.random() < 0.01 else None, "feature": made.choice(FEATURES),
        "used": 1 if made.random() < 0.3 else None, "asked": f"{made.randrange(4000):032x}",
        "error": "APITimeoutError" if outcome == "failed" else None,
        "story": STORY if outcome in ("small", "large") else None,
    }  # fmt: skip
    attempts = [_attempt(call, number_, model) for number_ in range(1 if generated else 0)]
    if outcome == "large" and made.random() < 0.1:
        attempts.append(_attempt({**call, "energy_j": 14.0, "outcome": "discarded"}, 1, "openai/gpt-5.4-nano"))
    return call, attempts


def _baseline(outcome: str) -> str:
    if outcome in ("cache", "semantic_cache"):
        return "openai/gpt-5.4-nano, which answered this request before, asked again"
    return "openai/gpt-5.5, reasoning on, its default, modelled for the same visible tokens and up to 543 of thinking"


def _attempt(call: dict[str, object], number: int, model: str | None) -> list[object]:
    state = {"failed": "failed", "discarded": "discarded"}.get(str(call["outcome"]), "answered")
    row = {
        **call, "attempt_id": f"{call['call_id']}.{number}", "model": model or "openai/gpt-5.5", "state": state,
        "latency_s": 0.8, "settled_at": call["created"], "retries": None,
        "high_j": 900.0 if state == "failed" else call["high_j"],
    }  # fmt: skip
    return [row.get(name) for name in SETTLE_COLUMNS]


def _offers(made: random.Random, begin: float, days: float) -> list[tuple[object, ...]]:
    return [
        (project, feature, int(begin // 86_400) + day, 200, made.randrange(use))
        for project in PROJECTS
        for feature, use in (("search_summary", 8), ("reply_draft", 150), ("related_questions", 50))
        for day in range(int(days) + 1)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        started = time.perf_counter()
        fill(path, calls)
        print(f"{calls} calls written in {time.perf_counter() - started:.1f} s, {path.stat().st_size / 1e6:.0f} MB")
        ran, worked, worst = [], [], 0.0
        for _ in range(5):
            elapsed_s, core_s, peak_mb, report = _run(path, Path(folder) / "report.html")
            ran.append(elapsed_s)
            worked.append(core_s)
            worst = max(worst, peak_mb)
        page = (Path(folder) / "report.html").stat().st_size
        exact = _same(path, report)
    times, cores = (f"{min(each):.2f} to {max(each):.2f} s" for each in (ran, worked))
    print(f"greenai report --html: {times}, of a core {cores}, {worst:.0f} MB at most, page {page / 1e3:.0f} kB")
    print(f"totals are those of SQL: {exact}")
    return 0 if min(ran) <= MAX_S and worst <= MAX_MB and exact else 1


def _run(path: Path, page: Path) -> tuple[float, float, float, dict[str, object]]:
    """Run the command as a user does; return seconds, core seconds, megabytes at its peak and what it says as JSON."""
    given = {**os.environ, "GREENAI_LEDGER": str(path)}
    code = "import sys; from greenai.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "report", "--json", "--html", str(page)]
    started = time.perf_counter()
    child = subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = child.stdout.read() if child.stdout else b""
    _, status, used = os.wait4(child.pid, 0)
    elapsed_s = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"greenai report exited with {child.returncode}")
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return elapsed_s, used.ru_utime + used.ru_stime, used.ru_maxrss / scale, json.loads(out)


def _same(path: Path, report: dict[str, object]) -> bool:
    """Compare with sums that know nothing of the report; its parts add up to them in any order."""
    con = sqlite3.connect(path)
    total = report["total"]
    ok = True
    for name in ("energy_j", "low_j", "high_j", "avoided_j", "carbon_g", "water_ml", "cost_usd"):
        (expected,) = con.execute(f"SELECT sum({name}) FROM calls").fetchone()
        ok &= math.isclose(total[name], expected, rel_tol=1e-12)
        for way in ("by_project", "by_model", "by_outcome", "by_feature", "series"):
            parts = [part[name] for part in report[way] if part[name] is not None]
            ok &= sum(parts) == total[name] == sum(reversed(parts))
    ok &= total["calls"] == con.execute("SELECT count(*) FROM calls").fetchone()[0]
    con.close()
    return bool(ok)


if __name__ == "__main__":
    sys.exit(main())
