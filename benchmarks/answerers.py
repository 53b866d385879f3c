"""How often the built-in answerers answer, how often they are right, and on what they answer among chat prompts.

    python benchmarks/answerers.py FOLDER [--json]

FOLDER holds one folder per data set with a `rows.jsonl.gz`. A prompt is *claimed* where a rule, given below, says that
a tool should answer it; the rules look at the set's own labels and at the form of the prompt, never at what fired.
Expected answers are the set's own where it has them; else the working is printed for a reader to judge. Chat-like sets
claim nothing: every answer there is listed, and held against the set's own answer where that is a number.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from greenai.answerers import built_in

NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
CHAT = (
    "arena_hard", "self_instruct", "alpaca_eval", "routellm_mtbench", "misguided_attention", "code_prompts", "nq_open",
    "routellm_mmlu", "mmlu_pro", "gsm8k_6b_175b", "math_levels", "banking77", "retrievalqa_250", "bbh_reasoning_onoff",
    "metatool_queries", "bfcl_need_call", "when2call", "zeroeval_gsm8k", "zeroeval_math_l5", "zeroeval_crux",
    "reasoning_gym", "zeroshot_cot_onoff", "routerbench_part", "hwu64", "snips2017",
)  # fmt: skip
TOOL_INTENTS = ("calculator", "measurement_conversion", "time", "date", "timezone")

Row = dict[str, Any]


@dataclass
class Score:
    claimed: int = 0
    fired: int = 0
    fired_outside: int = 0
    right: int = 0
    wrong: int = 0
    unjudged: int = 0
    missed: list[str] = field(default_factory=list)
    shown: list[tuple[str, str, str, str]] = field(default_factory=list)


# --- what is claimed, and what is right -----------------------------------------------------

_TEMPERATURE = re.compile(
    r"\b(?:to|in|how (?:much|many))\b.*\b(?:celsius|fahrenheit|farenheit|celcius|kelvin|centigrade)\b"
)
_EXPRESSION = re.compile(r"-?[0-9.]+ ?[-+*/^] ?-?[0-9.]+")


def claims_comparison(row: Row) -> bool:
    """Every prompt of the set names two plain decimals and one comparative."""
    return len(re.findall(r"[0-9]+\.?[0-9]*", row["prompt"])) == 2


def claims_recognised(row: Row) -> bool:
    """A question or a command to convert or count, whole, with no action around it; or one expression with a sign.

    Most rows are statements or bare expressions ("sixteen", "set the thermostat to 85°"): these ask nothing.
    """
    text = row["prompt"].strip().lower().rstrip("?. ")
    if row["spec"].endswith("TemperatureModel"):
        command = re.match("(?:set|keep|let|raise|lower)\\b", text)  # to a thermostat
        return not command and bool(_TEMPERATURE.search(text)) and len(re.findall("[0-9.]+", text)) == 1
    if row["spec"].endswith("DateTimeModel"):
        return bool(re.match(r"(?:what|which) (?:date|day) is\b.*\b(?:days?|weeks?) (?:from|after|before)\b", text))
    return bool(_EXPRESSION.fullmatch(text)) and not re.fullmatch(r"-?[0-9]+ ?[-/] ?[0-9]+", text)


def claims_intent(row: Row) -> bool:
    return row["intent"] in TOOL_INTENTS


def expected_number(row: Row, text: str) -> bool | None:
    return Fraction(text) == Fraction(row["answer"]) if re.fullmatch(r"-?[0-9.]+", text) else False


def expected_recognised(row: Row, text: str) -> bool | None:
    """Temperatures are computed again here; an expression's value is the set's; dates are left to the reader."""
    values = [r["resolution"].get("value") for r in row["results"] if r.get("resolution", {}).get("value")]
    if row["spec"].endswith("TemperatureModel"):
        value = float(values[0])
        to_fahrenheit = row["results"][0]["resolution"]["unit"] == "C"
        expected = value * 9 / 5 + 32 if to_fahrenheit else (value - 32) * 5 / 9
        return abs(float(text.removeprefix("about ").split()[0]) - expected) < 1e-3
    if row["spec"].endswith("NumberModel") and re.fullmatch(r"-?[0-9.]+", text) and len(values) == 1:
        return abs(float(text) - float(values[0])) < 1e-6 * max(1.0, abs(float(values[0])))
    return None


SETS: dict[str, tuple[Callable[[Row], bool], Callable[[Row, str], bool | None]]] = {
    "zeroeval_numersense": (claims_comparison, expected_number),
    "recognizers_specs": (claims_recognised, expected_recognised),
    "clinc150": (claims_intent, lambda _row, _text: None),
}


# --- measuring ------------------------------------------------------------------------------


def rows(folder: Path, name: str) -> Iterator[Row]:
    path = folder / name / "rows.jsonl.gz"
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def score(folder: Path, name: str) -> Score:
    claims, expects = SETS[name]
    result = Score()
    for row in rows(folder, name):
        found = built_in(row["prompt"], lambda: NOW)
        claimed = claims(row)
        result.claimed += claimed
        if found is None:
            if claimed:
                result.missed.append(row["prompt"])
            continue
        tool, answered = found
        result.fired += claimed
        result.fired_outside += not claimed
        verdict = expects(row, answered.text) if name != "clinc150" else None
        result.right += verdict is True
        result.wrong += verdict is False
        result.unjudged += verdict is None
        if verdict is not True or not claimed:
            result.shown.append((row["prompt"], tool, answered.text, answered.working))
    return result


def intents(folder: Path) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for row in rows(folder, "clinc150"):
        fired, total = counts.get(row["intent"], (0, 0))
        if row["intent"] in TOOL_INTENTS:
            counts[row["intent"]] = fired + (built_in(row["prompt"], lambda: NOW) is not None), total + 1
    return counts


def agrees(row: Row, text: str) -> bool | None:
    """Hold an answer against the row's own, where both are numbers (or one of its options is the answer)."""
    own = row.get("answer")
    if isinstance(row.get("options"), list) and isinstance(own, str) and len(own) == 1:
        own = row["options"][ord(own) - ord("A")]
    numbers = [
        re.fullmatch(r"(?:about )?(-?[0-9.]+)(?:%| .*)?", str(t).replace(",", "").strip("$ ")) for t in (own, text)
    ]
    if numbers[0] is None or numbers[1] is None:
        return None
    ours, theirs = float(numbers[1][1]), float(numbers[0][1])
    return abs(ours - theirs) <= 1e-6 * max(1, abs(theirs))


def firings(folder: Path, name: str) -> dict[str, Any]:
    """Return prompts, prompts with a digit, and what was answered, each prompt once."""
    seen: set[str] = set()
    shown: list[tuple[str, str, str, str]] = []
    verdicts: list[bool | None] = []
    with_number = 0
    for row in rows(folder, name):
        prompt = row["prompt"]
        if not isinstance(prompt, str) or prompt in seen:
            continue
        seen.add(prompt)
        with_number += any(c.isdigit() for c in prompt)
        found = built_in(prompt, lambda: NOW)
        if found is not None:
            verdicts.append(agrees(row, found[1].text))
            shown.append((prompt, found[0], found[1].text, found[1].working))
    return {
        "prompts": len(seen),
        "with_number": with_number,
        "fired": len(shown),
        "right": verdicts.count(True),
        "wrong": verdicts.count(False),
        "shown": shown,
    }


def cost(folder: Path) -> dict[str, float]:
    """Return milliseconds to ask every tool and get no answer: prompts up to 2,000 characters of real chat."""
    prompts = [r["prompt"][:2000] for name in ("arena_hard", "self_instruct") for r in rows(folder, name)]
    prompts = [p for p in prompts if built_in(p) is None]
    if not prompts:
        return {}
    times: list[float] = []
    for prompt in prompts:
        best = min(_timed(prompt) for _ in range(3))
        times.append(best)
    longest = [t for t, p in zip(times, prompts, strict=True) if len(p) == 2000] or times
    return {
        "prompts": len(times),
        "p50_ms": statistics.median(times),
        "p99_ms": statistics.quantiles(times, n=100)[98],
        "max_ms": max(times),
        "p50_ms_at_2000_characters": statistics.median(longest),
        "max_ms_at_2000_characters": max(longest),
    }


def _timed(prompt: str) -> float:
    started = time.perf_counter()
    built_in(prompt)
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    report: dict[str, Any] = {"sets": {}, "chat": {}, "cost": cost(args.folder)}
    for name in SETS:
        result = score(args.folder, name)
        report["sets"][name] = vars(result)
    report["intents"] = intents(args.folder)
    for name in CHAT:
        report["chat"][name] = firings(args.folder, name)
    print(json.dumps(report, indent=1)) if args.json else _print(report)


def _print(report: dict[str, Any]) -> None:
    print(f"{'set':22} claimed  fired  share  outside  right  wrong  unjudged")
    for name, s in report["sets"].items():
        share = f"{s['fired'] / s['claimed']:.1%}" if s["claimed"] else "-"
        print(
            f"{name:22} {s['claimed']:7} {s['fired']:6} {share:>6} {s['fired_outside']:8} {s['right']:6} {s['wrong']:6}"
            f" {s['unjudged']:9}"
        )
    for intent, (fired, total) in report["intents"].items():
        print(f"  clinc150 {intent:24} {fired:4} of {total}")
    for name, s in report["sets"].items():
        if name != "clinc150":
            print(f"\n{name}: claimed and not answered")
            print(*(f"  {prompt!r}" for prompt in s["missed"]), sep="\n")
            print(f"{name}: answered, to be judged or not claimed")
            print(*(f"  {p[:90]!r} -> {tool}: {text} [{working}]" for p, tool, text, working in s["shown"]), sep="\n")
    print("\nchat-like sets: every answer")
    for name, s in report["chat"].items():
        held = f"{s['right']:3} as the set says, {s['wrong']:3} otherwise"
        print(f"{name:22} {s['prompts']:6} prompts, {s['with_number']:6} with a digit, {s['fired']:4} answered, {held}")
        print(
            *(f"    {p[:110]!r} -> {tool}: {text} [{working}]" for p, tool, text, working in s["shown"][:25]), sep="\n"
        )
    print("\ntime to find that no tool answers:", json.dumps(report["cost"]))


if __name__ == "__main__":
    main()
