"""The replay benchmark on a small mix written here: what is frozen, what the server says, how policies are counted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[1]
FROZEN = ROOT / "benchmarks" / "replay_mix.json"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import classify_robustness
    import replay_figures
    import replay_mix
    import replay_outcomes
    import replay_policies
    import replay_server
    import replay_tools

    names = ("mix", "outcomes", "server", "tools", "policies", "figures")
    modules = (replay_mix, replay_outcomes, replay_server, replay_tools, replay_policies, replay_figures)
    return {**dict(zip(names, modules, strict=True)), "robust": classify_robustness}


# --- a small mix ---------------------------------------------------------------------------


def prompts(mix: ModuleType, text: str, count: int, *, inside: bool = True) -> list[str]:
    """Return `count` prompts of our own that the mix would draw from, or would not."""
    made = (f"{text} {n}?" for n in range(10_000))
    fitting = (prompt for prompt in made if mix.in_bucket(prompt) is inside)
    return [next(fitting) for _ in range(count)]


def write(folder: Path, name: str, rows: list[dict[str, Any]], **meta: Any) -> None:
    (folder / name).mkdir()
    with gzip.open(folder / name / "rows.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(json.dumps(row) for row in rows))
    (folder / name / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path, bench: dict[str, ModuleType]) -> Path:
    """Data in the shape of the real ones: 8 questions on record, 8 for tools, and as many that training may see."""
    mix, outcomes = bench["mix"], bench["outcomes"]
    folder = tmp_path / "data"
    folder.mkdir()
    both = {"contaminated": 0, "strong_ok": 1}

    def rows(text: str, count: int, **fields: Any) -> list[dict[str, Any]]:
        found = prompts(mix, text, count) + prompts(mix, text, 2, inside=False)
        return [{"prompt": prompt, **fields} for prompt in found]

    write(
        folder, "routellm_mmlu", [r | both | {"weak_ok": n % 2} for n, r in enumerate(rows("Which moon is number", 4))]
    )
    write(folder, "routellm_gsm8k", [])
    models = list(dict.fromkeys((*outcomes.MODELS["mmlu_pro"][:2], *outcomes.LENGTHS_OF_MMLU)))
    pro = rows(
        "Which of these orbits is number", 2, options=["near", "far"], answer="B", ok=[0, 1, 0], chars=[800, 400, 300]
    )
    write(folder, "mmlu_pro", pro, models=models)
    for name, text in (
        ("gsm8k", "Ann has this many plums:"),
        ("math_l5", "Solve for"),
        ("crux", "What does f return for"),
    ):
        three = list(outcomes.MODELS[f"zeroeval_{name}"])
        found = rows(text, 1 if name != "crux" else 0, id="1", answer="42", ok=[0, 0, 1], chars=[400, 400, 200])
        write(folder, f"zeroeval_{name}", found, models=three)
    two = list(outcomes.MODELS["zeroeval_numersense"][:2])
    compare = [f"{n}.9 or {n}.11 --- which one is bigger?" for n in range(40)]
    write(
        folder,
        "zeroeval_numersense",
        [{"prompt": p, "answer": p.split()[0], "ok": [0, 1], "chars": [200, 400]} for p in compare][:24],
        models=two,
    )
    write(folder, "clinc150", rows("what is the weather in place", 3, intent="weather"))
    write(folder, "snips2017", rows("will it rain in town", 2, intent="GetWeather"))
    write(folder, "recognizers_specs", [])
    return folder


@pytest.fixture
def items(bench: dict[str, ModuleType], data: Path) -> list[Any]:
    return bench["mix"].build(data)


# --- the mix -------------------------------------------------------------------------------


def test_only_rows_of_the_bucket_are_asked_and_a_repeat_comes_after_its_first(bench: Any, items: list[Any]) -> None:
    mix, seen = bench["mix"], set()
    assert {item.source for item in items} >= {"routellm_mmlu", "mmlu_pro", "zeroeval_math_l5", "clinc150", "snips2017"}
    for item in items:
        assert mix.in_bucket(item.row["prompt"])
        assert (item.prompt in seen) is item.repeat
        seen.add(item.prompt)
    assert sum(item.repeat for item in items) == round(len(seen) * mix.REPEATS)


def test_the_mix_is_the_same_each_time_and_its_hash_sees_order_and_repeats(
    bench: Any, items: list[Any], data: Path
) -> None:
    mix = bench["mix"]
    assert mix.fingerprint(mix.build(data)) == mix.fingerprint(items)
    assert mix.fingerprint(items[::-1]) != mix.fingerprint(items)
    assert mix.fingerprint(items[:-1]) != mix.fingerprint(items)


def test_another_mix_than_the_frozen_one_is_refused(bench: Any, items: list[Any]) -> None:
    frozen = json.loads(FROZEN.read_text("utf-8"))
    with pytest.raises(SystemExit) as refused:
        bench["mix"].check(items)
    assert str(refused.value) == (
        f"This mix of {len(items)} requests has the hash {bench['mix'].fingerprint(items)[:16]}, and the frozen one of "
        f"{frozen['requests']} requests has {frozen['sha256'][:16]} (replay_mix.json): the data in this folder are not "
        "the ones it was made of. Pass the folder with the same data, or --unfrozen to measure on this mix and say so."
    )


def test_the_frozen_file_holds_counts_and_a_hash_and_no_prompt() -> None:
    frozen = json.loads(FROZEN.read_text("utf-8"))
    assert frozen.keys() == {"sha256", "requests", "counts"}
    assert sum(frozen["counts"].values()) == frozen["requests"] == 3451


def test_a_question_with_other_options_has_the_same_stem(bench: Any, items: list[Any], data: Path) -> None:
    stem = bench["mix"].stem
    assert stem("Which moon is the largest?\nA. Io\nB. Ganymede\nAnswer:") == "which moon is the largest"
    assert stem("Which moon is the  largest?") == "which moon is the largest"
    assert stem("Which moon is the largest?\n(A) Io (B) Titan") == "which moon is the largest"
    assert {stem(item.row["prompt"]) for item in items} == bench["mix"].stems(data)


def test_a_missing_set_is_named(bench: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"routellm_mmlu/rows\.jsonl\.gz is missing: the mix is made of"):
        bench["mix"].build(tmp_path)


def test_examples_of_the_functions_are_outside_the_mix(bench: Any, items: list[Any], data: Path) -> None:
    found = bench["tools"].examples(data)
    assert len(found["weather"]) == 4
    assert not {item.prompt for item in items} & {text for texts in found.values() for text in texts}


# --- the server ----------------------------------------------------------------------------


@pytest.fixture
def served(bench: Any, items: list[Any], data: Path) -> Iterator[tuple[str, list[Any]]]:
    outcomes = bench["outcomes"].Outcomes(data)
    recorded = [outcomes.of(item) for item in items]
    answers = {bench["server"].digest(i.prompt): r for i, r in zip(items, recorded, strict=True)}
    with bench["server"].serving(answers) as url:
        yield url, recorded


def test_each_rung_says_what_it_said_at_its_length(bench: Any, items: list[Any], served: tuple[str, list[Any]]) -> None:
    url, recorded = served
    server = bench["server"]
    n = next(n for n, item in enumerate(items) if item.source == "zeroeval_math_l5")
    found = {}
    for model, effort in ((server.SMALL, None), (server.LARGE, "none"), (server.LARGE, "medium")):
        body = {"model": model, "messages": [{"role": "user", "content": items[n].prompt}]}
        extra = {"reasoning_effort": effort} if effort else {}
        answer = httpx.post(f"{url}/chat/completions", json=body | extra).json()
        text, usage = answer["choices"][0]["message"]["content"], answer["usage"]
        thought = usage["completion_tokens_details"]["reasoning_tokens"]
        found[model, effort] = (server.answered(text), len(text), usage["completion_tokens"], thought)
    assert recorded[n].gold == "42"
    assert found == {
        (server.SMALL, None): ("none of these", 400, 100, 0),
        (server.LARGE, "none"): ("none of these", 400, 100, 0),
        (server.LARGE, "medium"): ("42", 200, 593, 543),
    }


# --- policies and figures --------------------------------------------------------------------


@pytest.fixture
def ran(bench: Any, items: list[Any], served: tuple[str, list[Any]]) -> tuple[list[Any], list[Any]]:
    url, recorded = served
    policies = bench["policies"]
    runs, curves = policies.every(items, recorded, url, "70B", {}, lambda said: None)
    return runs, curves


@pytest.mark.needs_litellm
def test_policies_through_the_real_client(bench: Any, items: list[Any], ran: tuple[list[Any], list[Any]]) -> None:
    runs = {run.name: run for run in ran[0]}
    small, large, thought = (runs[name] for name in ("always small", "always large", "always large, reasoning"))
    compared = [n for n, item in enumerate(items) if item.kind == "intent"]
    assert all(run.right[compared].all() for run in (small, large, thought))
    assert (set(small.by), set(large.by), set(thought.by)) == ({"small"}, {"large"}, {"large, reasoning"})
    assert small.energy_j.sum() < large.energy_j.sum() < thought.energy_j.sum()
    ours = runs["greenai"]
    assert ours.by.count("cache") > 0
    assert (ours.own_j > 0).all()
    compare = [n for n, item in enumerate(items) if item.source == "zeroeval_numersense" and not item.repeat]
    assert {ours.by[n] for n in compare} == {"answerer"}
    assert ours.right[compare].all()
    floors = [run for run in ran[1] if run.name == "greenai, every floor"]
    assert {"large"} <= set(floors[0].by) <= {"large", "cache", "answerer", "lookup_needed"}
    assert "large" not in floors[-1].by
    assert floors[0].energy_j.sum() > floors[-1].energy_j.sum()
    oracle = runs["oracle"]
    assert (oracle.right >= large.right).all()
    assert oracle.energy_j.sum() < large.energy_j.sum()

    found = bench["figures"].figures(items, *ran)
    assert found.keys() == {"whole", "without repeats", "without tool questions", "recorded questions, once"}
    whole = found["whole"]
    assert whole["requests"] == len(items)
    row = next(r for r in whole["rows"] if r["policy"] == "always large")
    assert row["vs large"]["times_less"] == row["vs large"]["accuracy"] == pytest.approx(1)
    assert row["accuracy_95"][0] <= row["accuracy"] <= row["accuracy_95"][1]
    assert [t["wanted"]["times_less"] for t in whole["targets"]] == [20, 3]
    assert bench["figures"].by_intent(items, ours)["zeroeval_numersense:compare"] == {"answerer": len(compare)}
    sources = bench["figures"].by_source(items, ran[0])
    assert sources["clinc150"]["always small"]["accuracy"] == 1
    assert sum(row["requests"]["count"] for row in sources.values()) == sum(not item.repeat for item in items)


def test_an_answer_of_a_tool_is_right_only_where_that_tool_was_meant(bench: Any, items: list[Any]) -> None:
    from types import SimpleNamespace

    policies, outcomes = bench["policies"], bench["outcomes"]
    item = next(i for i in items if i.name == "clinc150:weather")
    gold = outcomes.Recorded(gold="as the tool says", wrong="none of these", said={})

    def answer(model: str, text: str = "Rain.", outcome: str = "answerer") -> Any:
        return SimpleNamespace(text=text, greenai=SimpleNamespace(model=model, outcome=outcome))

    assert policies.is_right(item, gold, answer("greenai/registered:weather"))
    assert not policies.is_right(item, gold, answer("greenai/registered:traffic"))
    assert not policies.is_right(item, gold, answer("greenai/calc"))
    assert not policies.is_right(item, gold, answer("", "Register an answerer.", "lookup_needed"))
    assert policies.is_right(item, gold, answer("small", "It rains.\nThe answer is: as the tool says", "small"))


def test_the_least_energy_that_was_possible(bench: Any) -> None:
    import numpy as np

    mix, policies, figures = bench["mix"], bench["policies"], bench["figures"]

    def item(prompt: str, kind: str = "recorded", *, repeat: bool = False) -> Any:
        return mix.Item(kind=kind, name="set", prompt=prompt, row={}, repeat=repeat)

    def run(right: list[int], joules: list[float]) -> Any:
        zeros = np.zeros(len(right))
        return policies.Run(name="", right=np.array(right, bool), model_j=np.array(joules), own_j=zeros, by=[])

    asked = [item("a"), item("b"), item("b", repeat=True), item("c"), item("tool", "intent")]
    small = run([1, 0, 0, 0, 1], [1, 1, 1, 1, 1])
    large = run([1, 1, 1, 1, 1], [9, 9, 9, 9, 9])
    best = figures.possible(asked, np.arange(5), [small, large], large, 0.8)
    # a and the tool's question are right at the bottom; b is worth two requests, c is not needed
    assert best == {"wh_per_1000": pytest.approx((1 + 9 + 1) / 5 / 3.6), "times_less": 45 / 11, "accuracy": 0.8}


# --- robustness ------------------------------------------------------------------------------


def test_noise_changes_no_number_and_keeps_the_words_in_order(bench: Any) -> None:
    import random

    text = "Please multiply 17.5 by 240 and compare the result with 4,200"
    for name in ("typos", "case", "white space", "all three"):
        noisy = bench["robust"].NOISES[name](text, random.Random(name))
        assert noisy != text
        assert [w for w in noisy.split() if w[0].isdigit()] == ["17.5", "240", "4,200"]
        assert len(noisy.split()) == len(text.split())


def test_shares_are_given_for_each_side(bench: Any) -> None:
    pairs = [(True, True)] * 19 + [(True, False)] + [(False, False)] * 5
    assert bench["robust"].kept(pairs) == {"overall": 0.96, "above": 0.95, "below": None, "above_n": 20, "below_n": 5}


def test_no_prefix_raises_spending_without_an_opt_in(bench: Any) -> None:
    robust = bench["robust"]
    classifier, thresholds = robust.load()
    found = robust.attacked(classifier, thresholds, ["What is a moon?", "Sort my shelf."], robust.DEMANDS)
    assert len(found) == len(robust.DEMANDS)
    assert {row["raised"] for row in found} == {0}
