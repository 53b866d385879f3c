"""A small folder of routing data in the sets' own formats; every prompt is made here, from frames and fillings."""

from __future__ import annotations

import gzip
import json
import random
from itertools import product
from pathlib import Path
from typing import Any

MODELS = (
    "gpt-4o-2024-08-06", "Meta-Llama-3_1-70B-Instruct", "Meta-Llama-3_1-8B-Instruct", "Mixtral-8x7B-Instruct-v0.1",
    "gemma-7b", "Yi-6B",
)  # fmt: skip
ABLE = (0.97, 0.93, 0.4, 0.38, 0.36, 0.35)

SUBJECTS = {
    "geology": ("granite", "basalt", "shale", "marble"),
    "botany": ("moss", "fern", "maple", "clover"),
    "music_theory": ("fugue", "sonata", "minor scale", "cadence"),
    "law": ("tort", "contract", "easement", "statute"),
    "optics": ("lens", "prism", "mirror", "grating"),
    "seamanship": ("anchor", "halyard", "rudder", "keel"),
}
ASPECTS = (
    "forms slowly under pressure", "was described first in the north", "counts as the hardest kind to explain",
    "differs most from its neighbours", "is taught before the others", "has the plainest structure",
    "is often mistaken for something else", "needs the longest derivation", "is named after its shape",
    "is found in every second example",
)  # fmt: skip
NAMES = ("Ida", "Omar", "Lena", "Piet", "Ravi", "Sole", "Tove", "Yuki")
THINGS = ("plums", "stamps", "bricks", "candles", "tickets", "buttons", "shells", "pencils")
TASKS = {"sorting_words": "Sort these words", "boolean_chains": "Evaluate", "shape_names": "Name the shape of",
         "date_steps": "Which date follows"}  # fmt: skip
INTENTS = {
    "weather": "will it snow in {} this week", "calculator": "what is {} plus nine", "time": "what time is it in {}",
    "definition": "what does {} mean", "oos": "who painted the ceiling at {}", "tell_joke": "tell me a joke about {}",
    "timer": "set a timer for {} minutes", "play_music": "put on some songs by {}", "greeting": "good day {}",
    "exchange_rate": "how many pounds is one {}",
}  # fmt: skip
ASSISTANT = {
    "weather_query": "is rain expected around {}", "qa_maths": "how much is {} squared", "general_joke": "be funny about {}",
    "qa_factoid": "how old is {}", "iot_hue_lightoff": "switch the lamp off near {}", "news_query": "any news about {}",
    "cooking_recipe": "how do i cook {}", "alarm_set": "wake me when {} rings", "qa_stock": "price of {} shares",
}  # fmt: skip
BANK = {"card_lost": "my card went missing near {}", "top_up": "how can i add money from {}"}
ROOMS = ("GetWeather", "SearchScreeningEvent", "PlayMusic", "RateBook")
PLACES = ("Arden", "Brill", "Corrie", "Dale", "Eskby", "Fosse", "Garth", "Holme", "Inver", "Jarrow", "Kelso", "Leven")


def exam(subject: str, thing: str, aspect: str) -> str:
    """Return a question with its options, as MMLU's are written."""
    options = "\n".join(f"{letter}. {other}" for letter, other in zip("ABCD", SUBJECTS[subject], strict=True))
    return (
        f"Which statement about {thing} in {subject.replace('_', ' ')} is right when it {aspect}?\n{options}\nAnswer:"
    )


def _problem(n: int) -> str:
    name, thing = NAMES[n % 8], THINGS[n // 8 % 8]
    return f"{name} has {n + 3} {thing} and buys {2 * n + 5} more each day. How many {thing} are there after {n % 7 + 2} days?"


class _Writer:
    def __init__(self, folder: Path) -> None:
        self.folder, self.chance = folder, random.Random(11)

    def put(self, name: str, rows: list[dict[str, Any]], models: tuple[str, ...] = MODELS) -> None:
        (self.folder / name).mkdir(parents=True)
        with gzip.open(self.folder / name / "rows.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        (self.folder / name / "meta.json").write_text(json.dumps({"models": models}))

    def outcomes(self, hard: float = 0.0) -> dict[str, Any]:
        right = [int(self.chance.random() < able - hard) for able in ABLE]
        return {"ok": right, "chars": [self.chance.randrange(200, 900) for _ in MODELS]}

    def pair(self, hard: bool) -> tuple[int, int]:
        return int(self.chance.random() < (0.2 if hard else 0.7)), int(self.chance.random() < 0.97)


def write(folder: Path) -> None:
    """Write every set that training reads."""
    made = _Writer(folder)
    _exams(made)
    _problems(made)
    _reasoning(made)
    _intents(made)
    _requests(made)


def _exams(made: _Writer) -> None:
    found = []
    for subject, things in SUBJECTS.items():
        for thing, aspect in product(things, ASPECTS):
            weak, strong = made.pair("derivation" in aspect or "hardest" in aspect)
            dirty = int(made.chance.random() < 0.05)
            found.append({"subject": subject, "prompt": exam(subject, thing, aspect), "weak_ok": weak,
                          "strong_ok": strong, "contaminated": dirty})  # fmt: skip
    made.put("routellm_mmlu", found)
    listed = []
    for n, row in enumerate(found):
        prompt = row["prompt"].partition("\n")[0]  # the same question in another wording
        if n % 2:
            prompt = f"Consider case {n}: {prompt}"
        listed.append({"question_id": n, "category": row["subject"], "prompt": prompt, "answer": "A",
                       "src": ("ori_mmlu-" if n % 3 else "other-") + row["subject"],
                       "options": [*SUBJECTS[row["subject"]], "none of these"], **made.outcomes()})  # fmt: skip
    made.put("mmlu_pro", listed, ("Gemini-1.5-pro-002", *MODELS[1:]))  # nobody ran GPT-4o on it


def _problems(made: _Writer) -> None:
    prompts = [_problem(n) for n in range(64)]
    pairs = [made.pair(n % 3 == 0) for n in range(64)]
    made.put("routellm_gsm8k", [
        {"prompt": p, "weak_ok": w, "strong_ok": s, "weak_words": 40, "strong_words": 50, "contaminated": int(n == 5)}
        for n, (p, (w, s)) in enumerate(zip(prompts, pairs, strict=True))
    ])  # fmt: skip
    made.put(
        "zeroeval_gsm8k", [{"id": n, "prompt": p, "answer": "1", **made.outcomes()} for n, p in enumerate(prompts)]
    )
    made.put("gsm8k_6b_175b", [{"prompt": p, "ok_6b_finetuning": 0} for p in prompts[:40]])
    proofs = [
        f"Find all integers x with x^{n % 5 + 2} + {n}x = {3 * n + 1} and simplify \\frac{{x}}{{{n + 2}}}."
        for n in range(48)
    ]
    made.put(
        "zeroeval_math_l5", [{"id": n, "prompt": p, "answer": "1", **made.outcomes(0.3)} for n, p in enumerate(proofs)]
    )
    made.put("math_levels", [
        {"dataset": "own", "level": 1.0 + n % 5, "type": "Algebra", "prompt": f"Level {n}: {p}", "answer": "1"}
        for n, p in enumerate(proofs)
    ])  # fmt: skip
    crux = [f"def f(x):\n    y = x * {n}\n    return y - {n + 1}\nassert f({n + 2}) == ?" for n in range(48)]
    made.put("zeroeval_crux", [{"id": n, "prompt": p, "answer": "1", **made.outcomes(0.2)} for n, p in enumerate(crux)])
    compare = [f"Which is larger, {n}.{n + 3} or {n}.{n + 12}?" for n in range(48)]
    made.put(
        "zeroeval_numersense", [{"id": n, "prompt": p, "answer": "1", **made.outcomes()} for n, p in enumerate(compare)]
    )


def _reasoning(made: _Writer) -> None:
    def told(key: str, name: str, prompt: str, gains: float) -> dict[str, Any]:
        row = {
            key: name,
            "prompt": prompt,
            "answer": "1",
            "direct_ok": int(made.chance.random() < 0.4),
            "direct_chars": 4,
        }
        return row | {"cot_ok": int(made.chance.random() < 0.4 + gains), "cot_chars": made.chance.randrange(100, 400)}

    made.put("bbh_reasoning_onoff", [
        told("task", task, f"{frame}: {' '.join(made.chance.sample(THINGS, 4))} ({n})", 0.5 if n % 2 else 0.1)
        for number, (task, frame) in enumerate(TASKS.items()) for n in range(number, 60, 2)
    ])  # fmt: skip
    frames = {"addsub": "{} gave away {} of the {}. How many are left?", "coin_flip": "{} flips a coin {} times among {}. Heads?",
              "strategyqa": "Could {} carry {} boxes of {} on foot?"}  # fmt: skip
    made.put("zeroshot_cot_onoff", [
        told("dataset", name, frame.format(NAMES[n % 8], n + 2, THINGS[n % 5]), 0.1 if name == "strategyqa" else 0.5)
        for name, frame in frames.items() for n in range(30)
    ])  # fmt: skip
    made.put("reasoning_gym", [
        {"level": "easy", "task": f"grid_{n % 4}", "category": "grids", "score": [1.0, n % 3 / 2], "chars": [90, 40],
         "prompt": f"Walk the grid {n} steps east, then turn towards {PLACES[n % 12]}; where do you stand?"}
        for n in range(40)
    ], models=("openai_o3-mini", "google_gemma-3-27b-it"))  # fmt: skip
    made.put("misguided_attention", [
        {"prompt_id": str(n), "prompt": f"A cat that is {n} years dead sits in a box. Is it alive?", "score": [0.8, 0.2]}
        for n in range(8)
    ], models=("qwen3-30b-a3b-think", "qwen3-30b-a3b-nothink"))  # fmt: skip


def _intents(made: _Writer) -> None:
    def listed(frames: dict[str, str]) -> list[dict[str, Any]]:
        return [{"split": "train", "intent": intent, "prompt": frame.format(place)}
                for intent, frame in frames.items() for place in PLACES]  # fmt: skip

    made.put("clinc150", listed(INTENTS))
    made.put("hwu64", listed(ASSISTANT))
    made.put("banking77", listed(BANK))
    frames = dict(zip(ROOMS, ("weather for {} at noon", "films showing in {}", "play the {} album", "rate {} five stars"),
                      strict=True))  # fmt: skip
    made.put("snips2017", listed(frames))


def _requests(made: _Writer) -> None:
    made.put("nq_open", [{"prompt": f"who founded the harbour of {p} in year {n}", "answers": ["x"]}
                         for p in PLACES for n in range(3)])  # fmt: skip
    made.put("arena_hard", [
        {"version": "v1", "category": "c", "subcategory": "s", "prompt": f"Write a service in Rust that maps {t} near {p}."}
        for t in THINGS for p in PLACES[:5]
    ])  # fmt: skip
    made.put("self_instruct", [
        {"set": "seed", "is_classification": n % 2, "app": None, "prompt": f"Suggest {n + 2} ways to store {t} at home."}
        for t in THINGS for n in range(5)
    ])  # fmt: skip
    made.put("metatool_need", [
        {"needs_tool": n % 2, "tool": "WeatherTool",
         "prompt": f"Which storm reaches {p} next?" if n % 2 else f"What do people of {p} value about {THINGS[n]}?"}
        for n in range(8) for p in PLACES[:6]
    ])  # fmt: skip
    made.put("metatool_queries", [{"tool": ("news", "Planner")[n % 2], "prompt": f"Open my list of {t} number {n}"}
                                  for t in THINGS for n in range(4)])  # fmt: skip
    made.put("bfcl_need_call", [{"file": "f", "label": ("chat", "call")[n % 2], "functions": [],
                                 "prompt": f"Let us talk about {PLACES[n % 12]} and {THINGS[n % 8]}."} for n in range(24)])  # fmt: skip
    made.put("code_prompts", [{"dataset": "own", "prompt": f'def take_{t}(n: int) -> int:\n    """Return {n} {t}."""\n'}
                              for t in THINGS for n in range(3)])  # fmt: skip
    made.put("recognizers_specs", [{"spec": "Number/English/NumberModel", "prompt": f"{n} dozen", "reference_time": None,
                                    "results": [{"text": f"{n} dozen"}]} for n in range(30)])  # fmt: skip
    made.put("routellm_mtbench", [
        {"question_id": n, "category": "writing", "prompt": f"Draft a {kind} to the mayor of {p}.", "turn2": "Shorten it.",
         "weak_scores": [7, 6 + n % 3], "strong_scores": [9, 9], "contaminated": 0}
        for n, (p, kind) in enumerate(product(PLACES, ("letter", "speech")))
    ])  # fmt: skip
    made.put("alpaca_eval", [
        {"prompt": f"How should I greet {p} in a speech about {t}?", "dataset": "own", "gpt4_turbo_chars": 900,
         "win": [0.5], "chars": [700, 900]}
        for p in PLACES for t in THINGS[:2]
    ])  # fmt: skip
