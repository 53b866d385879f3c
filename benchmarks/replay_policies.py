"""The policies that the mix runs under, each through the real Client: what was right, what it took, what answered.

Baselines are pins (`substitute=False`, no cache), so every request reaches the model that the policy names, and its
energy comes from the same receipts. What greenai itself took is counted for greenai alone. Policies that only choose
among pinned rungs (litellm's, prompt length, the oracles) are made of the runs of those rungs.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from replay_server import LARGE, SMALL, answered
from replay_tools import meant, register

from greenai import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from replay_mix import Item
    from replay_outcomes import Recorded, RungName

    from greenai.text import TextAnswer
    from greenai.values import Attempt

PROVIDER = "hosted_vllm"
REASONS = "the replay's project opted in to reasoning"

CARDS = {
    "70B": {"total_params_b": 70, "layers": 80},
    "405B": {"total_params_b": 405, "layers": 126},
}
"""The large rung's size: a dense Llama 70B by default, which is the smaller difference to the small rung's 8B."""

QUALITIES = ("basic", "standard", "high")
FLOORS = "greenai, every floor"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One policy over the mix: an entry per request, in order.

    `own_j` is what greenai itself took, in joules, and is part of no other figure; `by` is what answered; `loss` is
    what the small rung was expected to lose, not a number where nothing was routed.
    """

    name: str
    right: npt.NDArray[np.bool_]
    model_j: npt.NDArray[np.float64]
    own_j: npt.NDArray[np.float64]
    by: Sequence[str]
    loss: npt.NDArray[np.float64] | None = None
    label: str = ""
    note: str = field(default="", repr=False)

    @property
    def energy_j(self) -> npt.NDArray[np.float64]:
        """What each request took altogether."""
        return self.model_j + self.own_j

    def calls(self) -> dict[str, int]:
        """Return how many requests each rung answered."""
        return dict(Counter(self.by).most_common())


# --- the client ---------------------------------------------------------------------------


def settings(url: str, large: str) -> dict[str, Any]:
    """Return the settings of the replay: two models at one address, with the sizes of what stands for them."""
    rungs = [
        {"model": f"{PROVIDER}/{SMALL}", "base_url": url, "tier": "small"},
        {"model": f"{PROVIDER}/{LARGE}", "base_url": url, "tier": "large"},
    ]
    source = "benchmarks/replay.py: the size of a Llama 3.1 of that name"
    small: dict[str, Any] = {"total_params_b": 8, "layers": 32, "tier": "small", "reasoning": "none"}
    top: dict[str, Any] = {**CARDS[large], "tier": "large", "reasoning": "effort-none"}
    cards = [
        {"name": rungs[0]["model"], "source": source, **small},
        {"name": rungs[1]["model"], "source": source, **top},
    ]
    return {"ladder": rungs, "cards": cards, "max_retries": 0}


@contextmanager
def opened(url: str, large: str, examples: Mapping[str, Sequence[str]]) -> Iterator[Client]:
    """Open a client with a cache, a ledger and answerers of its own."""
    with tempfile.TemporaryDirectory() as folder:
        client = Client(settings={**settings(url, large), "state_dir": folder})
        register(client, examples)
        with client:
            yield client


# --- one request ----------------------------------------------------------------------------


def is_right(item: Item, recorded: Recorded, answer: TextAnswer) -> bool:
    """Say whether an answer is right: by what a model's text says at its end, or by which tool gave it.

    Of a tool that gives a number, that number must be the one of record, where there is one.
    """
    receipt = answer.greenai
    if receipt.outcome in ("answerer", "task_model"):
        if item.kind == "recorded":
            return answer.text.strip() == recorded.gold
        named = receipt.model in meant(item)
        return named and (item.source != "zeroeval_numersense" or recorded.gold in answer.text)
    return answered(answer.text) == recorded.gold


def outcome_of(answer: TextAnswer) -> str:
    """Return what answered, in the words of the tables."""
    receipt = answer.greenai
    return "large, reasoning" if receipt.reasoning and receipt.outcome == "large" else str(receipt.outcome)


def run(name: str, items: Sequence[Item], recorded: Sequence[Recorded], ask: Callable[[str], TextAnswer]) -> Run:
    """Ask every request of the mix, in order."""
    right, model_j, own_j, by, loss = [], [], [], [], []
    for item, outcome in zip(items, recorded, strict=True):
        answer = ask(item.prompt)
        receipt = answer.greenai
        right.append(is_right(item, outcome, answer))
        model_j.append(sum(joules(attempt) for attempt in receipt.attempts))
        own_j.append(receipt.overhead.energy.energy_j or 0.0)
        by.append(outcome_of(answer))
        loss.append(next((c.value for c in receipt.decision.checks if c.name == "loss"), np.nan))
    return Run(
        name=name,
        right=np.array(right),
        model_j=np.array(model_j),
        own_j=np.array(own_j),
        by=by,
        loss=np.array(loss, dtype=float),
    )


def joules(attempt: Attempt) -> float:
    """Return what an attempt took, discarded ones too; an unknown energy would make every figure too small."""
    if attempt.energy.energy_j is None:
        raise SystemExit(f"The energy of {attempt.attempt_id} on {attempt.model} is unknown: {attempt.energy.method}.")
    return attempt.energy.energy_j


def pinned(client: Client, rung: RungName) -> Callable[[str], TextAnswer]:
    """Return how a rung is asked, whatever the request: reasoning is the argument that an app would write."""
    model = f"{PROVIDER}/{SMALL if rung == 'small' else LARGE}"
    arguments: dict[str, Any] = {"reasoning_effort": "medium"} if rung == "reasoning" else {}

    def ask(prompt: str) -> TextAnswer:
        return client.ask(prompt, model=model, greenai={"substitute": False, "cache": "off"}, **arguments)

    return ask


def greenai_ask(client: Client, quality: str, *, reasoning: bool) -> Callable[[str], TextAnswer]:
    """Return how greenai is asked: the app names the large model, which is a ceiling, and wants no new sample."""
    opted = {"opt_in": {"reasoning"}, "reason": REASONS} if reasoning else {}
    with_options = client.with_options(quality=quality, **opted)
    return lambda prompt: with_options.ask(prompt, model=f"{PROVIDER}/{LARGE}", temperature=0)


# --- policies made of pinned rungs ----------------------------------------------------------


def chosen(name: str, rungs: Sequence[RungName], by_rung: Mapping[RungName, Run]) -> Run:
    """Return the policy that asks these rungs, request by request."""
    taken = [by_rung[rung] for rung in rungs]
    return Run(
        name=name,
        right=np.array([run.right[n] for n, run in enumerate(taken)]),
        model_j=np.array([run.model_j[n] for n, run in enumerate(taken)]),
        own_j=np.zeros(len(taken)),
        by=[run.by[n] for n, run in enumerate(taken)],
    )


def always(name: str, rung: RungName, by_rung: Mapping[RungName, Run]) -> Run:
    """Return the policy of one rung for everything."""
    return chosen(name, [rung] * len(by_rung[rung].by), by_rung)


def by_length(items: Sequence[Item], by_rung: Mapping[RungName, Run], share: float, name: str = "") -> Run:
    """Return the policy that sends the longest `share` of the requests to the large model."""
    order = sorted(range(len(items)), key=lambda n: (-len(items[n].prompt), items[n].prompt))
    large = set(order[: round(share * len(items))])
    return chosen(name or "prompt length", ["large" if n in large else "small" for n in range(len(items))], by_rung)


def litellm_rule(items: Sequence[Item], by_rung: Mapping[RungName, Run]) -> Run | None:
    """Return what litellm's complexity_router chooses, by its own default tiers; None where it is not installed.

    Its default for SIMPLE is a small model, and for every tier above a large one; none switches reasoning on.
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else litellm fetches a price list while it is imported
    try:
        from importlib.metadata import version

        from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter
    except ImportError:
        return None
    router_class: Any = ComplexityRouter
    router = router_class(model_name="auto", litellm_router_instance=None)
    tiers = [str(router.classify(item.prompt)[0].value) for item in items]
    rungs: list[RungName] = ["small" if tier in ("SIMPLE", "NON_REASONING") else "large" for tier in tiers]
    found = chosen("litellm complexity_router", rungs, by_rung)
    return Run(**{**vars(found), "note": f"litellm {version('litellm')}, tiers {dict(Counter(tiers))}"})


def oracle(
    items: Sequence[Item],
    by_rung: Mapping[RungName, Run],
    rungs: Sequence[RungName],
    name: str,
    *,
    free: bool,
) -> Run:
    """Return the policy that knows every outcome: the rung of least energy that is right, else the least.

    `free` lets it answer repeats and tools' questions without energy, as a perfect cache and perfect tools would.
    """

    def best(n: int) -> RungName:
        right = [rung for rung in rungs if by_rung[rung].right[n]]
        return min(right or rungs, key=lambda rung: float(by_rung[rung].model_j[n]))

    taken = [best(n) for n in range(len(items))]
    found = chosen(name, taken, by_rung)
    if not free:
        return found
    spared = np.array([item.repeat or item.kind == "intent" for item in items])
    by = [
        ("answerer" if i.kind == "intent" else "cache") if s else b
        for i, s, b in zip(items, spared, found.by, strict=True)
    ]
    return Run(**{**vars(found), "model_j": np.where(spared, 0.0, found.model_j), "by": by})


def at_floor(items: Sequence[Item], ours: Run, by_rung: Mapping[RungName, Run], floor: float) -> Run:
    """Return greenai's run as it would be with another floor: the same losses, tools and cache, other rungs.

    The price of energy, which can raise a rung within the floor, is left out: that is what `quality` sweeps besides.
    """
    right, model_j, by = ours.right.copy(), ours.model_j.copy(), list(ours.by)
    asked: dict[str, RungName] = {}
    losses = ours.loss if ours.loss is not None else np.full(len(items), np.nan)
    for n, item in enumerate(items):
        if by[n] in ("small", "large") and not np.isnan(losses[n]):
            rung: RungName = "large" if losses[n] > floor else "small"
            asked[item.prompt] = rung
            right[n], model_j[n], by[n] = by_rung[rung].right[n], by_rung[rung].model_j[n], rung
        elif by[n] == "cache" and item.prompt in asked:
            right[n] = by_rung[asked[item.prompt]].right[n]
    return Run(name=FLOORS, right=right, model_j=model_j, own_j=ours.own_j, by=by, label=f"{floor:.4f}")


def floors(items: Sequence[Item], ours: Run, by_rung: Mapping[RungName, Run], points: int = 21) -> list[Run]:
    """Return greenai's run at floors that send none to all of the routed requests to the large model."""
    losses = ours.loss[~np.isnan(ours.loss)] if ours.loss is not None else np.array([])
    cuts = [-1.0, *np.unique(np.quantile(losses, np.linspace(0, 1, points)))] if len(losses) else []
    return [at_floor(items, ours, by_rung, float(cut)) for cut in cuts]


# --- all of them ------------------------------------------------------------------------------


def every(
    items: Sequence[Item],
    recorded: Sequence[Recorded],
    url: str,
    large: str,
    examples: Mapping[str, Sequence[str]],
    say: Callable[[str], None],
) -> tuple[list[Run], list[Run]]:
    """Return the runs of every policy, and those that are points of a curve."""
    by_rung: dict[RungName, Run] = {}
    rung: RungName
    for rung in ("small", "large", "reasoning"):
        say(f"always {rung}")
        with opened(url, large, {}) as client:
            by_rung[rung] = run(rung, items, recorded, pinned(client, rung))
    green: dict[tuple[str, bool], Run] = {}
    for reasoning in (False, True):
        for quality in QUALITIES:
            name = "greenai, opted in to reasoning" if reasoning else "greenai"
            say(f"{name}, {quality}")
            with opened(url, large, examples) as client:
                found = run(name, items, recorded, greenai_ask(client, quality, reasoning=reasoning))
            green[quality, reasoning] = Run(**{**vars(found), "label": quality})
    ours = green["standard", False]
    large_share = sum(by.startswith("large") for by in ours.by) / len(items)
    runs = [
        always("always large, reasoning", "reasoning", by_rung),
        always("always large", "large", by_rung),
        always("always small", "small", by_rung),
        *filter(None, [litellm_rule(items, by_rung)]),
        by_length(items, by_rung, large_share, f"prompt length, {large_share:.0%} large"),
        ours,
        green["standard", True],
        oracle(items, by_rung, ("small", "large"), "oracle without reasoning", free=True),
        oracle(items, by_rung, ("small", "large", "reasoning"), "oracle", free=True),
        oracle(items, by_rung, ("small", "large", "reasoning"), "oracle, models alone", free=False),
    ]
    curves = [
        *(Run(**{**vars(by_length(items, by_rung, n / 10)), "label": f"{n / 10:.0%}"}) for n in range(11)),
        *green.values(),
        *floors(items, ours, by_rung),
    ]
    return runs, curves
