"""The parts of the classifier's training on data whose answer is known."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import ability
import combine_fit
import data
import distil
import evaluate
import labels
import linear
import matrices
import minilm
import numpy as np
import pytest
import scipy.sparse as sp
import targets

from greenai.classify.judge import SOURCES, TASKS

CLASSIFY = Path(linear.__file__).parent


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- linear -------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_ridge_is_the_closed_form(weighted: bool) -> None:
    x, y = rng().normal(size=(80, 12)), rng(1).normal(size=(80, 3))
    given = rng(2).uniform(0.5, 2, 80) if weighted else np.ones(80)
    w = given / given.mean()
    table, bias = linear.ridge(sp.csr_matrix(x), y, 4.0, weights=given if weighted else None, rounds=60)
    mean = (w[:, None] * y).sum(0) / w.sum()
    expected = np.linalg.solve(x.T @ (w[:, None] * x) + 4.0 * np.eye(12), x.T @ (w[:, None] * (y - mean)))
    assert bias == pytest.approx(mean, abs=1e-5)
    assert np.abs(table - expected).max() < 1e-4


def test_ridge_of_one_output_has_one_column() -> None:
    table, bias = linear.ridge(sp.csr_matrix(np.eye(4)), np.arange(4.0), 1.0)
    assert (table.shape, bias.shape) == ((4, 1), (1,))


def test_softmax_recovers_the_table_that_made_the_probabilities() -> None:
    x, true = rng().normal(size=(500, 6)), rng(1).normal(size=(6, 3))
    wanted = linear.softmax(x @ true + np.array([0.5, 0.0, -0.5]))
    table, bias = linear.softmax_fit(sp.csr_matrix(x), wanted, 1e-9, rounds=300)
    assert np.abs(linear.softmax(x @ table + bias) - wanted).max() < 0.01
    gap = (table - table[:, :1]) - (true - true[:, :1])  # columns are known up to what all share
    assert np.abs(gap).max() < 0.05


def test_softmax_weights_count_as_repeats() -> None:
    x, y = rng().normal(size=(40, 3)), np.eye(2)[rng(1).integers(0, 2, 40)]
    times = rng(2).integers(1, 4, 40)
    weighted, _ = linear.softmax_fit(sp.csr_matrix(x), y, 1e-3, weights=times, rounds=200)
    repeated, _ = linear.softmax_fit(sp.csr_matrix(np.repeat(x, times, 0)), np.repeat(y, times, 0), 1e-3, rounds=200)
    assert np.abs(weighted - repeated).max() < 0.01


def test_softmax_adds_up_without_overflow() -> None:
    found = linear.softmax(np.array([[1000.0, 1000.0], [-1000.0, 0.0]]))
    assert found.tolist() == [[0.5, 0.5], [0.0, 1.0]]


# --- figures ------------------------------------------------------------------------------


def test_apgr_of_a_known_case() -> None:
    weak, strong = np.zeros(100), np.zeros(100)
    strong[:10] = 1  # ten rows gain: the whole gap is recovered at the first decile
    best = np.arange(100, 0, -1.0)
    assert evaluate.apgr(best, weak, strong) == pytest.approx(0.95)
    assert evaluate.apgr(-best, weak, strong) == pytest.approx(0.05)


def test_apgr_of_chance_is_a_half_and_of_the_oracle_is_highest() -> None:
    weak, strong = (rng(seed).integers(0, 2, 20_000).astype(float) for seed in (1, 2))
    strong = np.maximum(strong, rng(3).integers(0, 2, 20_000))
    chance, oracle = evaluate.apgr(rng().normal(size=20_000), weak, strong), evaluate.apgr(strong - weak, weak, strong)
    assert chance == pytest.approx(0.5, abs=0.05)
    assert oracle > 0.9


def test_calibration_error_of_a_calibrated_sample_is_near_zero() -> None:
    probability = rng().uniform(0, 1, 20_000)
    happened = (rng(1).uniform(0, 1, 20_000) < probability).astype(float)
    assert evaluate.calibration_error(probability, happened) < 0.015
    assert evaluate.calibration_error(np.clip(probability + 0.2, 0, 1.2), happened) == pytest.approx(0.2, abs=0.02)


def test_calibration_error_takes_off_what_chance_gives() -> None:
    errors = []
    for seed in range(20):  # few rows: without the correction fifteen bins of twenty would show about 0.1
        probability = rng(seed).uniform(0.2, 0.8, 300)
        happened = (rng(seed + 100).uniform(0, 1, 300) < probability).astype(float)
        errors.append(evaluate.calibration_error(probability, happened))
    assert np.mean(errors) < 0.05


def test_the_interval_holds_the_mean_of_a_sample() -> None:
    values = rng().normal(0.3, 1, 2_000)
    low, high = evaluate.interval(lambda i: values[i].mean(), len(values))
    assert low < values.mean() < high
    assert high - low == pytest.approx(4 / 2_000**0.5, rel=0.25)
    assert evaluate.interval(lambda i: values[i].mean(), len(values)) == [low, high]


def test_auroc_counts_pairs() -> None:
    positive = np.array([True, False, True, False])
    assert evaluate.auroc(np.array([0.9, 0.1, 0.8, 0.3]), positive) == 1.0
    assert evaluate.auroc(np.array([0.2, 0.1, 0.8, 0.3]), positive) == 0.75


def test_a_route_is_held_against_the_length_on_the_same_rows() -> None:
    weak, strong = rng(1).integers(0, 2, 400).astype(float), np.ones(400)
    found = evaluate.routing(0.9 * (1 - weak) + 0.05, rng(2).uniform(10, 900, 400), weak, strong)
    assert found["apgr"] > found["length"]
    assert found["above length"][0] > 0
    assert found["brier"] < found["brier of the base rate"]


# --- scaling, gates, curves ---------------------------------------------------------------


def test_a_curve_recovers_its_coefficients() -> None:
    score, near = rng().normal(size=30_000), rng(1).uniform(0, 1, 30_000)
    true = [-0.4, 0.8, 0.3, 0.5]
    at = true[0] + true[1] * score + true[2] * near + true[3] * score * near
    happened = (rng(2).uniform(0, 1, 30_000) < 1 / (1 + np.exp(-at))).astype(float)
    assert combine_fit.curve(score, near, happened) == pytest.approx(true, abs=0.12)
    a, b = combine_fit.platt(score, (rng(3).uniform(0, 1, 30_000) < 1 / (1 + np.exp(1 - score))).astype(float))
    assert (a, b) == (pytest.approx(-1, abs=0.06), pytest.approx(1, abs=0.06))


def test_scaling_is_of_what_it_learnt() -> None:
    scaling = combine_fit.Scaling()
    scaling.learn("gain", np.array([1.0, 3.0]))
    assert scaling("gain", np.array([3.0, 2.0])) == pytest.approx([1.0, 0.0], abs=1e-4)


def test_what_lies_at_a_centre_is_familiar() -> None:
    vectors = rng().normal(size=(60, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    centres = combine_fit.centres_of(vectors, 6)
    assert np.linalg.norm(centres, axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    assert combine_fit.familiar(centres, centres, (0.4, 0.6)).tolist() == [1.0] * 6
    assert combine_fit.familiar(np.zeros((1, 8), np.float32), centres, (0.4, 0.6)).tolist() == [0.0]


@pytest.mark.parametrize("by", ["rows", "groups"])
def test_folds_leak_no_group_and_no_row(by: str) -> None:
    count = 400
    groups = np.array([f"g{n % 9}" for n in range(count)])
    target = targets.Target(np.arange(count), np.zeros(count), np.ones(count), groups)
    buckets = rng().integers(0, 100, count)
    seen = np.zeros(count, int)
    for out, fit_on in combine_fit.folds(target, buckets, by=by, count=4):
        fitted = fit_on(target)
        assert not (out & fitted).any()
        assert (out | fitted).all()
        held_by = groups if by == "groups" else buckets
        assert set(held_by[out]).isdisjoint(held_by[fitted])
        seen += out
    assert seen.tolist() == [1] * count


# --- abilities ----------------------------------------------------------------------------


def test_abilities_are_recovered_from_outcomes() -> None:
    difficulty, names = rng().normal(size=4_000), ["Yi-6B", "Yi-34B", "Qwen1.5-110B"]
    true = np.array([-1.0, 0.2, 1.1])
    chance = 1 / (1 + np.exp(-1.5 * (true[None, :] - difficulty[:, None])))
    right = (rng(1).uniform(size=chance.shape) < chance).astype(float)
    right[::5, 0] = np.nan  # not run
    slope, found = ability.fit({"own": difficulty}, {"own": (np.arange(4_000), right, names)})
    assert slope == pytest.approx(1.5, rel=0.1)
    assert list(found.values()) == pytest.approx([true[2], true[1], true[0]], abs=0.12)
    assert list(found) == ["qwen1-5-110b", "yi-34b", "yi-6b"]
    start, per_log, spread = ability.by_size(found)
    assert per_log > 0
    assert start + per_log * np.log(34) == pytest.approx(0.2, abs=0.4)
    assert spread < 0.5


def test_a_row_that_all_fail_is_harder() -> None:
    found = ability.mean_difficulty(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, np.nan]]))
    assert found[0] > found[1] > found[2]
    assert found[1] == 0


# --- texts --------------------------------------------------------------------------------


def test_misspelling_follows_its_seed() -> None:
    text = "the quick brown foxes jumped over 1234 lazy sleeping dogs near the river bank " * 20
    assert matrices.misspelt(text, 3) == matrices.misspelt(text, 3) != matrices.misspelt(text, 4)
    pairs = list(zip(text.split(" "), matrices.misspelt(text, 3).split(" "), strict=True))
    changed = [(a, b) for a, b in pairs if a != b]
    assert 0.05 < len(changed) / len(pairs) < 0.16
    assert all(a.isalpha() and abs(len(a) - len(b)) <= 1 for a, b in changed)
    assert matrices.misspelt(text, 3, share=0.0) == text


def test_words_are_those_that_occur_often_or_are_the_teachers(tmp_path: Path) -> None:
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(json.dumps({"model": {"vocab": {"harbour": 0, "##ing": 1, "x": 2, "né": 3}}}))
    texts = ["boats and boats 12"] * distil.MIN_COUNT + ["yachts " * 9] * (distil.MIN_COUNT - 1) + ["b" * 25] * 9
    assert distil.vocabulary(texts, tokenizer) == ["00", "and", "boats", "harbour"]


def test_eight_bits_are_close() -> None:
    table = rng().normal(size=(50, 16)).astype(np.float32) * rng(1).uniform(0.01, 3, (50, 1)).astype(np.float32)
    table[7] = 0
    whole, scale = distil.in_eight_bits(table)
    assert (whole.dtype, scale.dtype) == (np.int8, np.float16)
    gap = np.abs(whole * scale.astype(np.float32)[:, None] - table).max(1)
    assert (gap <= 0.51 * scale.astype(np.float32) + 1e-6).all()


def test_word_vectors_imitate_a_teacher_that_is_a_sum_over_words() -> None:
    chance = rng()
    bags = sp.random(1_200, 90, density=0.08, random_state=1, format="csr", dtype=np.float32)
    hidden = chance.normal(size=(90, 384)).astype(np.float32)
    teacher = np.asarray(bags @ hidden)
    vectors = distil.encoded(bags[:300], distil.fit(bags, teacher))
    centred = teacher[:300] - teacher.mean(0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    above = np.triu_indices(300, 1)
    assert vectors.shape == (300, distil.DIMENSIONS)
    assert np.corrcoef((vectors @ vectors.T)[above], (centred @ centred.T)[above])[0, 1] > 0.9


def test_the_teachers_vectors_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    fetched = dict.fromkeys(minilm.WHEELS.values(), tmp_path)
    monkeypatch.setattr(minilm, "fetch", lambda _: fetched)
    monkeypatch.setattr(minilm, "_compute", lambda texts, _: asked.append(texts) or np.ones((len(texts), 384)))
    for texts in (["a", "b"], ["a", "b"], ["b", "a"]):
        assert minilm.vectors(texts, tmp_path).shape == (2, 384)
    assert asked == [["a", "b"], ["b", "a"]]


def test_files_that_are_there_are_not_fetched(tmp_path: Path) -> None:
    for name in minilm.WHEELS.values():
        (tmp_path / name).touch()
    assert minilm.fetch(tmp_path) == {name: tmp_path / name for name in minilm.WHEELS.values()}


# --- labels and sources -------------------------------------------------------------------


def test_labels_do_not_contradict_each_other() -> None:
    assert labels.VOLATILE.isdisjoint(labels.STABLE)
    assert labels.ANSWERED.isdisjoint(labels.ASKED)
    assert labels.DETERMINISTIC.isdisjoint(labels.LOOKUP)
    for by_task in (labels._CLINC, labels._HWU, labels._SNIPS):
        counted = Counter(intent for intents in by_task.values() for intent in intents.split())
        assert set(by_task) <= set(TASKS)
        assert max(counted.values()) == 1
    assert SOURCES == ("deterministic", "lookup", "task_model", "generate")


def listed() -> dict[str, dict[str, str]]:
    held = json.loads((CLASSIFY / "sources.json").read_text(encoding="utf-8"))
    return {entry["set"]: entry for entry in held["sets"]}


def test_every_source_has_a_commit_a_licence_and_a_use() -> None:
    for entry in listed().values():
        assert {"set", "source", "commit", "licence", "use"} <= set(entry)
        if "CC-BY" in entry["licence"] and entry["use"] != "not used":
            assert entry["attribution"]


def test_what_is_only_measured_on_is_listed_so() -> None:
    uses = {name: entry["use"].partition(",")[0] for name, entry in listed().items()}
    apart = {name for name, use in uses.items() if use in ("measured on", "not used")}
    assert apart == data.MEASURE_ONLY | {"routellm_mtbench"}
    fitted = {*targets.KNOWLEDGE, *targets.CHAT, *targets.RECORDED, *labels.TASK_OF_INTENT}
    assert {uses[name] for name in fitted} == {"trained on"}
