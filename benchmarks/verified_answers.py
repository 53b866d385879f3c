"""How well a small model's own token probabilities tell its right answers from its wrong ones.

    python benchmarks/verified_answers.py            SmolLM2-135M on this machine, about two minutes

Questions with one right answer each, in two wordings. It prints the area under the curve (0.5 is chance) with a 95%
bootstrap interval, and what becomes of the answers at greenai's threshold. Beside it the alternative: how many words
the answer shares with a second one, sampled at temperature 0.8, which takes the model's energy twice. Needs the extra
`local` and the weights: `greenai models pull smollm2-135m`.
"""

from __future__ import annotations

import random
import re
from typing import NamedTuple

import openai

from greenai.local import Engines, EngineSettings
from greenai.route.judge import UNSURE_BELOW

MODEL = "smollm2-135m"
WORDINGS = ("{}", "{} Answer in one short sentence.")
MOST_TOKENS = 80
QUESTIONS: tuple[tuple[str, str], ...] = (
    ("What is the capital of France?", "paris"),
    ("What is the capital of Italy?", "rome"),
    ("What is the capital of Japan?", "tokyo"),
    ("What is the capital of Australia?", "canberra"),
    ("What is the capital of Canada?", "ottawa"),
    ("What is the capital of Turkey?", "ankara"),
    ("What is the capital of Brazil?", "brasilia|brasília"),
    ("What is the capital of Kenya?", "nairobi"),
    ("What is the capital of Norway?", "oslo"),
    ("What is the capital of Kazakhstan?", "astana|nur-sultan"),
    ("What is the capital of Myanmar?", "naypyidaw"),
    ("What is the capital of Egypt?", "cairo"),
    ("Which planet is the largest in the solar system?", "jupiter"),
    ("Which planet is closest to the sun?", "mercury"),
    ("How many legs does a spider have?", "eight|8"),
    ("How many sides does a hexagon have?", "six|6"),
    ("What is the chemical symbol of gold?", "au"),
    ("What is the chemical symbol of iron?", "fe"),
    ("What is the chemical symbol of potassium?", ' k|"k"|(k)'),
    ("What is the chemical symbol of tungsten?", ' w |"w"|(w)'),
    ("Who wrote Romeo and Juliet?", "shakespeare"),
    ("Who wrote War and Peace?", "tolstoy"),
    ("Who painted the Mona Lisa?", "leonardo|vinci"),
    ("Who wrote The Trial?", "kafka"),
    ("Who developed the theory of general relativity?", "einstein"),
    ("Who discovered penicillin?", "fleming"),
    ("Who composed The Magic Flute?", "mozart"),
    ("Who wrote Middlemarch?", "eliot"),
    ("In which year did the Second World War end?", "1945"),
    ("In which year did the Berlin Wall fall?", "1989"),
    ("In which year did humans first land on the Moon?", "1969"),
    ("In which year was the Treaty of Westphalia signed?", "1648"),
    ("In which year did the French Revolution begin?", "1789"),
    ("What is 7 plus 5?", "12|twelve"),
    ("What is 9 times 6?", "54"),
    ("What is 17 times 13?", "221"),
    ("What is 144 divided by 12?", "12|twelve"),
    ("What is 38 minus 19?", "19"),
    ("What is the square root of 169?", "13|thirteen"),
    ("What is the opposite of hot?", "cold"),
    ("What is the past tense of go?", "went"),
    ("What is the plural of mouse?", "mice"),
    ("What is the French word for water?", "eau"),
    ("What is the German word for bread?", "brot"),
    ("What is the Spanish word for house?", "casa"),
    ("What is the Finnish word for thank you?", "kiitos"),
    ("Which gas do plants take in for photosynthesis?", "carbon dioxide|co2"),
    ("What is the boiling point of water in degrees Celsius?", "100"),
    ("How many bones does an adult human have?", "206"),
    ("Which organ pumps blood?", "heart"),
    ("What is the hardest natural mineral?", "diamond"),
    ("What is the smallest prime number?", "2|two"),
    ("How many continents are there?", "seven|7"),
    ("Which ocean is the largest?", "pacific"),
    ("Which river runs through London?", "thames"),
    ("Which river runs through Vienna?", "danube"),
    ("What is the currency of Japan?", "yen"),
    ("What is the currency of Switzerland?", "franc"),
    ("What is the tallest mountain on Earth?", "everest"),
    ("Which country has the most people in Africa?", "nigeria"),
    ("How many minutes are in three hours?", "180"),
    ("How many days are in a leap year?", "366"),
    ("What colour do you get from blue and yellow?", "green"),
    ("Which animal is known as the king of the jungle?", "lion"),
    ("What do bees make?", "honey"),
    ("Which metal is liquid at room temperature?", "mercury"),
)


class Answer(NamedTuple):
    right: bool
    mean: float
    shared: float


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def answers(wording: str) -> list[Answer]:
    engine = Engines(EngineSettings(slots=1, context_tokens=2048, threads=1, weights_dir=None)).get(MODEL, 120)
    client = openai.OpenAI(base_url=engine.base_url, api_key=engine.api_key)
    system = {"role": "system", "content": engine.default_system or ""}
    found = []
    for question, right in QUESTIONS:
        first, second = (
            client.chat.completions.create(
                model=MODEL,
                messages=[system, {"role": "user", "content": wording.format(question)}],  # type: ignore[list-item]
                temperature=temperature,
                seed=1,
                logprobs=True,
                max_tokens=MOST_TOKENS,
            ).choices[0]
            for temperature in (0, 0.8)
        )
        tokens = [token.logprob for token in (first.logprobs.content if first.logprobs else None) or ()]
        text = f" {first.message.content} ".lower()
        one, two = words(text), words(second.message.content or "")
        shared = len(one & two) / max(len(one | two), 1)
        found.append(Answer(any(word in text for word in right.split("|")), sum(tokens) / len(tokens), shared))
    engine.close()
    return found


def area(found: list[Answer], field: str = "mean") -> float:
    good, bad = ([getattr(a, field) for a in found if a.right is right] for right in (True, False))
    if not good or not bad:
        return 0.5
    return sum((x > y) + 0.5 * (x == y) for x in good for y in bad) / (len(good) * len(bad))


def shown(found: list[Answer], field: str) -> str:
    drawn = random.Random(0)
    areas = sorted(area(drawn.choices(found, k=len(found)), field) for _ in range(1000))
    return f"{area(found, field):.2f} ({areas[25]:.2f} to {areas[975]:.2f})"


def share(found: list[Answer]) -> str:
    right = sum(a.right for a in found)
    return f"{len(found)}, {right / max(len(found), 1):.0%} of them right"


def main() -> None:
    for wording in WORDINGS:
        found = answers(wording)
        print(f"{wording.format('<question>')}  {share(found)}")
        print(f"  area under the curve: mean log-probability {shown(found, 'mean')}")
        print(f"                        words shared with a second answer {shown(found, 'shared')}")
        print(f"  delivered at {UNSURE_BELOW}: {share([a for a in found if a.mean >= UNSURE_BELOW])}")
        print(f"  asked again:       {share([a for a in found if a.mean < UNSURE_BELOW])}")


if __name__ == "__main__":
    main()
