"""The whole fit on a small folder of data made for it, with a made-up teacher in place of MiniLM."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import bundle
import combine_fit
import crossed
import data
import distil
import evaluate
import heads
import intents
import matrices
import numpy as np
import pytest
import targets
import tiny_routing
import train
from rich.console import Console

from greenai.classify import features
from greenai.classify.features import SCALES
from greenai.classify.judge import TASKS
from greenai.embed import vectors as packaged
from greenai.embed.neighbours import index
from greenai.embed.vectors import Vectors
from greenai.embed.words import PIECES, tokens
from greenai.errors import WeightsDamaged

if TYPE_CHECKING:
    from greenai.classify import Classifier

Built = dict[str, dict[str, np.ndarray]]
HELD = frozenset(("optics", "bbh:date_steps"))


def teacher(texts: list[str]) -> np.ndarray:
    """Return the sum of a vector for each word, drawn by the word."""
    found = np.zeros((len(texts), 384), np.float32)
    for row, text in enumerate(texts):
        for word in tokens(text):
            found[row] += np.random.default_rng(zlib.crc32(word.encode())).normal(size=384)
    return found / (np.linalg.norm(found, axis=1, keepdims=True) + 1e-9)


@pytest.fixture(scope="module", autouse=True)
def few_pairs() -> Iterator[None]:
    """Fewer buckets for pairs of words: time goes with the number of coefficients."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (features, intents, matrices):
            patch.setattr(module, "PAIRS", 1 << 10)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classify") / "routing"
    tiny_routing.write(folder)
    return folder


@pytest.fixture(scope="module")
def texts(folder: Path) -> data.Texts:
    return data.Texts(folder)


@pytest.fixture(scope="module")
def ready(texts: data.Texts, tmp_path_factory: pytest.TempPathFactory) -> bundle.Prepared:
    tokenizer = tmp_path_factory.mktemp("teacher") / "tokenizer.json"
    tokenizer.write_text(json.dumps({"model": {"vocab": {"harbour": 0, "##ing": 1}}}))
    allowed = [text for text, ok in zip(texts.texts, texts.trainable, strict=True) if ok]
    return bundle.prepare(texts, distil.vocabulary(allowed, tokenizer), teacher)


@pytest.fixture(scope="module")
def seen(ready: bundle.Prepared) -> np.ndarray:
    return ready.buckets < 60


@pytest.fixture(scope="module")
def both(ready: bundle.Prepared, seen: np.ndarray) -> tuple[Built, bundle.Left]:
    """Few centres and few rounds: the data are small, and what is tested is the way, not the figures."""

    def keep(target: targets.Target) -> np.ndarray:
        return seen[target.rows] & ~np.isin(target.groups, list(HELD))

    soft, solve = heads.softmax_fit, distil.solve
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "softmax_fit", lambda *a, **k: soft(*a, **{**k, "rounds": 5}))
        patch.setattr(distil, "solve", lambda x, y, penalty, _: solve(x, y, penalty, 4))
        patch.setitem(bundle.CENTRES, "exam", 16)
        patch.setitem(bundle.CENTRES, "reasoning", 8)
        return bundle.build(ready, keep, seen, lambda _: None)


@pytest.fixture(scope="module")
def built(both: tuple[Built, bundle.Left]) -> Built:
    return both[0]


@pytest.fixture(scope="module")
def classifier(built: Built) -> Classifier:
    return train.loaded(built)


# --- what may be seen ---------------------------------------------------------------------


def test_every_prompt_is_there_once(texts: data.Texts, folder: Path) -> None:
    assert len(set(texts.texts)) == len(texts.texts) == len(texts.trainable) == len(texts.taught)
    for name in data.names(folder):
        assert [texts.texts[n] for n in texts.of(name)] == [row["prompt"] for row in data.rows(folder, name)]
    row = data.rows(folder, "mmlu_pro")[0]
    assert data.with_options(row) in texts.number


def test_nothing_of_the_replay_is_trainable_in_any_wording(texts: data.Texts, folder: Path) -> None:
    replayed = [n for n, text in enumerate(texts.texts) if data.is_replayed(folder, text)]
    assert len(replayed) > 100
    assert not any(texts.trainable[n] or texts.taught[n] for n in replayed)
    exams = [row["prompt"] for row in data.rows(folder, "routellm_mmlu") if data.is_replayed(folder, row["prompt"])]
    other = {data.stem(folder, row["prompt"]): data.with_options(row) for row in data.rows(folder, "mmlu_pro")}
    again = [other[stem] for text in exams if (stem := data.stem(folder, text)) in other]
    assert again
    assert not any(texts.trainable[texts.number[text]] for text in again)


def test_sets_for_measuring_are_not_trainable(texts: data.Texts) -> None:
    for name in ("alpaca_eval", "routellm_mtbench"):
        assert not any(texts.trainable[n] or texts.taught[n] for n in texts.of(name))


def test_two_wordings_of_one_question_are_held_out_together(ready: bundle.Prepared, folder: Path) -> None:
    number = ready.texts.number
    pairs = [(row["prompt"], data.with_options(row)) for row in data.rows(folder, "mmlu_pro")]
    assert all(ready.buckets[number[a]] == ready.buckets[number[b]] for a, b in pairs)


def test_a_folder_without_the_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        targets.folder_of(str(tmp_path))
    assert str(caught.value) == f"{tmp_path} holds no routing data: routellm_mmlu/rows.jsonl.gz is missing."


# --- targets and features -----------------------------------------------------------------


def test_targets_hold_trainable_rows_only(ready: bundle.Prepared) -> None:
    found = heads.Data(ready.matrices.words, ready.copies, ready.texts).targets()
    trainable = np.array(ready.texts.trainable)
    for name, target in found.items():
        assert len(target.rows) == len(target.y) == len(target.weights) == len(target.groups) > 0, name
        assert trainable[target.rows].all(), name
        assert np.isfinite(target.y).all(), name
        assert (target.weights > 0).all(), name
    for name in ("tasks", "sources", "domains"):
        assert found[name].y.sum(1) == pytest.approx(1)


def test_outcomes_are_the_recorded_ones(texts: data.Texts, folder: Path) -> None:
    gain = targets.mmlu(texts)
    by_prompt = {row["prompt"]: row for row in data.rows(folder, "routellm_mmlu")}
    assert set(gain.groups) == set(tiny_routing.SUBJECTS)
    for n, y in zip(gain.rows, gain.y, strict=True):
        row = by_prompt[texts.texts[n]]
        assert not row["contaminated"]
        assert tuple(y) == (row["weak_ok"], row["strong_ok"])


def test_misspelt_copies_keep_the_target_of_their_text(ready: bundle.Prepared) -> None:
    target = targets.mmlu(ready.texts)
    every = heads.with_copies(heads.Data(ready.matrices.words, ready.copies, ready.texts), target)
    extra = len(every.rows) - len(target.rows)
    assert extra == (target.rows % 3 == 0).sum() > 0
    assert (every.rows[-extra:] >= ready.count).all()
    assert set(ready.copies[target.rows[target.rows % 3 == 0]]) == set(every.rows[-extra:])


def test_matrices_are_what_the_package_sees(ready: bundle.Prepared) -> None:
    width = len(ready.vocabulary) + PIECES
    table = np.random.default_rng(0).integers(-100, 100, (width, 8)).astype(np.int8)
    used = Vectors(ready.vocabulary, table, np.ones(width, np.float32), *index(ready.vocabulary))
    rows = np.arange(0, ready.count, 40)
    packaged_ones = used.encode([ready.texts.texts[n] for n in rows])
    assert np.abs(distil.encoded(ready.matrices.words[rows], table.astype(np.float32)) - packaged_ones).max() < 1e-5
    norms = np.sqrt(ready.matrices.words.multiply(ready.matrices.words).sum(1))
    assert norms[rows] == pytest.approx(1, abs=1e-5)
    everywhere = np.zeros((ready.matrices.words.shape[0], 8), np.float32)
    centre, spread = np.zeros(ready.matrices.signals.shape[1]), np.ones(ready.matrices.signals.shape[1])
    blocks = matrices.features(ready.matrices, rows, everywhere, centre, spread)
    assert blocks.shape == (len(rows), 8 + width + matrices.PAIRS + len(centre))
    assert np.abs(blocks[:, -len(centre) :]).max() <= 4 * SCALES.signals + 1e-6


# --- the fit ------------------------------------------------------------------------------


def test_predictions_are_made_for_every_row_once(ready: bundle.Prepared) -> None:
    signals = ready.matrices.signals
    vectors = np.random.default_rng(0).normal(size=(ready.matrices.words.shape[0], 16)).astype(np.float32)
    rows = np.arange(ready.matrices.words.shape[0])
    x = matrices.features(ready.matrices, rows, vectors, signals.mean(0), signals.std(0) + 1e-3)
    fitted = heads.Data(x, ready.copies, ready.texts)
    used = {
        "mmlu": targets.mmlu(ready.texts), "hard of MMLU": targets.hard_mmlu(ready.texts),
        "difficulty": targets.difficulty(ready.texts),
    }  # fmt: skip
    for by in ("rows", "groups"):
        found = combine_fit.predict(
            fitted, used, vectors, ready.buckets, name="mmlu", only={"mmlu", "hard of MMLU"}, by=by, count=3,
            centres=8, span=(0.4, 0.6), keep=lambda t: np.ones(len(t.rows), bool),
        )  # fmt: skip
        assert sorted(found.rows) == sorted(used["mmlu"].rows)
        assert set(found.scores) == {"gain", "hard of MMLU"}
        assert len(found.scores["gain"]) == len(found.familiar) == len(found.y) == len(found.rows)


def test_the_files_hold_numbers_only(built: Built) -> None:
    assert {array.dtype.kind for arrays in built.values() for array in arrays.values()} <= {"i", "u", "f"}
    words = built["vectors"]["words"].tobytes().decode().split("\n")
    assert len(words) + PIECES == len(built["vectors"]["table"])
    assert all(" " not in word for word in words)
    params = json.loads(built["heads"]["params"].tobytes())
    assert set(params["thresholds"]) >= {"needs_generation", "reasoning_gain", "volatile"}
    assert not any(text in json.dumps(params) for text in ("Ida has", "Which statement"))


def test_it_learns_what_the_small_data_say(classifier: Classifier) -> None:
    compare, words = (
        classifier.assess("Which is larger, 31.5 or 31.17?"),
        classifier.assess("Summarise this in one line: The ship came back at dawn."),
    )
    assert compare.needs_generation < 0.3 < 0.7 < words.needs_generation
    assert compare.answer_source["deterministic"] > 0.5
    assert words.task in ("summarise", "rewrite")  # of a few dozen sentences the fit knows that it is one of these
    assert words.calibrated
    assert sum(words.task_probabilities.values()) == pytest.approx(1)
    assert set(words.task_probabilities) == set(TASKS)
    assert 0 < words.small_suffices("openai/gpt-5.4-nano") < 1  # its outcomes are not on record
    assert 0 <= words.small_suffices("gemma-7b") <= words.small_suffices("Meta-Llama-3_1-70B-Instruct") <= 1


def test_use_gives_the_scores_of_the_fit(built: Built, classifier: Classifier, ready: bundle.Prepared) -> None:
    """One text at a time and all at once give the same scores."""
    held, used = built["heads"], classifier._read()
    rows = np.arange(0, ready.count, 50)
    vectors = used.vectors.encode([ready.texts.texts[n] for n in rows])
    signals = ((ready.matrices.signals[rows] - held["centre"]) / held["spread"]).clip(-4, 4)
    expected = (
        vectors @ held["vector"]
        + ready.matrices.words[rows] @ held["words"].astype(np.float32)
        + (ready.matrices.pairs[rows] @ held["pairs"].astype(np.float32)) * held["pairs_scale"]
        + signals @ held["signals"]
        + held["bias"]
    )
    for n, row in zip(rows, expected, strict=True):
        scores = used.score(ready.texts.texts[n]).scores
        found = np.concatenate([scores[name] for name in used.columns])
        assert np.abs(found - row).max() < 1e-3


@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")  # a resample of few rows may gain nothing
def test_figures_are_of_rows_that_were_held_out(
    classifier: Classifier, ready: bundle.Prepared, seen: np.ndarray, folder: Path
) -> None:
    held = ~seen & np.array([not data.is_replayed(folder, text) for text in ready.texts.texts])
    found = evaluate.figures(classifier, ready, held, HELD)
    assert set(found["large_gain"]) == {
        "RouteLLM MMLU, unseen rows", "RouteLLM MMLU, unseen groups", "RouteLLM GSM8K, unseen rows", "MT-Bench",
    }  # fmt: skip
    gain = targets.mmlu(ready.texts)
    away = gain.groups == "optics"
    assert found["large_gain"]["RouteLLM MMLU, unseen groups"]["rows"] == away.sum()
    assert found["large_gain"]["RouteLLM MMLU, unseen rows"]["rows"] == (held[gain.rows] & ~away).sum()
    assert 0 <= found["reasoning_gain"]["policy"]["share of prompts that reason"] <= 1
    assert found["needs_generation"]["recognised"]["zeroeval_numersense"]["rows"] > 5
    assert json.loads(json.dumps(found)).keys() == found.keys()


@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_every_row_is_judged_once_by_a_fit_without_it(
    both: tuple[Built, bundle.Left], ready: bundle.Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossed, "JUDGED", tuple(data.models(ready.texts.folder, "mmlu_pro")[:1]))
    left = both[1]
    found = crossed.figures(left, ready)["all rows"]
    for title in ("rows", "groups"):
        assert found[f"RouteLLM MMLU, {title} left out"]["rows"] == len(left.exam[title].rows)
        assert found[f"reasoning, {title} left out"]["rows"] == (left.reasoning[title].groups != targets.FACTS).sum()
    assert "task's mean" in found["reasoning, rows left out"]
    assert json.loads(json.dumps(found)).keys() == found.keys()


def test_families_stay_together(both: tuple[Built, bundle.Left]) -> None:
    assert targets.family("bbh:logical_deduction_three_objects") == targets.family(
        "bbh:logical_deduction_seven_objects"
    )
    assert targets.family("zer:gsm8k") == targets.family("bbh:multistep_arithmetic_two")
    assert targets.family("bbh:navigate") == "bbh:navigate"
    fifths = crossed._fifth(both[1].reasoning["groups"], "groups", None)  # type: ignore[arg-type]
    families = np.array([targets.family(g) for g in both[1].reasoning["groups"].groups])
    assert all(len(set(fifths[families == name])) == 1 for name in set(families))


def test_gains_between_models_count_for_less_and_each_task_the_same(texts: data.Texts) -> None:
    found = targets.transfer(texts)
    weights = {g: float(found.weights[found.groups == g].sum()) for g in set(found.groups)}
    gym = {round(w, 6) for g, w in weights.items() if g.startswith("reasoning_gym")}
    assert gym == {targets.OTHER_MODELS}
    assert {round(w, 3) for g, w in weights.items() if g.startswith("bbh:")} == {1.0}


def test_a_linear_head_on_the_features_tells_intents_apart(classifier: Classifier, folder: Path) -> None:
    found = intents.measured(classifier, folder, "clinc150")
    assert found["intents"] == len(tiny_routing.INTENTS) - 1  # without what is out of scope
    assert found["accuracy"] > 0.8


def test_the_measured_weights_are_kept_for_intents(built: Built, classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"measured\.npz is missing"):
        intents.kept(tmp_path)
    train.save(built, tmp_path / "measured.npz")
    assert intents.kept(tmp_path).assess("Which is larger?") == classifier.assess("Which is larger?")


# --- files --------------------------------------------------------------------------------


@pytest.fixture
def written(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    paths = {name: tmp_path / f"{name}.npz" for name in built}
    monkeypatch.setattr(train, "ROOT", tmp_path)
    monkeypatch.setattr(train, "TARGETS", paths)
    train.write(built, Console(quiet=True))
    return paths


def test_what_is_written_is_read_back(written: dict[str, Path], built: Built) -> None:
    for name, path in written.items():
        found = packaged.read_arrays(path)
        assert set(found) == set(built[name])
        assert all((found[key] == built[name][key]).all() for key in found)


def test_a_changed_file_is_refused(written: dict[str, Path]) -> None:
    path = written["heads"]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsDamaged, match=r"heads\.npz have the SHA-256"):
        packaged.read_arrays(path)
