"""A made-up finding for tests of what people see: the shape of a real one, with figures that are easy to recognise."""

from __future__ import annotations

from greenai.audit.audited import Audited
from greenai.audit.finding import (
    Assumption,
    Change,
    Finding,
    Group,
    Grouped,
    Risk,
    Sampled,
    Span,
    Sufficed,
    Taken,
    Waste,
)
from greenai.audit.values import Malformed, Missing, Source

BEGIN = 1_793_000_000.0
HOSTILE = "<script>alert(1)</script>\"'&\x1b[31mred\u202e[bold]"
WH = 3600.0


def span(mid: float, off: float = 0.25) -> Span:
    return Span(mid=mid, low=mid * (1 - off), high=mid * (1 + 2 * off))


def sure(mid: float) -> Span:
    return Span(mid=mid, low=mid, high=mid)


def taken(energy_wh: float, off: float = 0.5, unknown: int = 0) -> Taken:
    return Taken(
        energy_j=span(energy_wh * WH, off), carbon_g=span(energy_wh * 0.4, off), cost_usd=sure(energy_wh * 0.01),
        energy_unknown=unknown,
    )  # fmt: skip


def rows(calls: float, energy_wh: float) -> tuple[Sufficed, ...]:
    """Of each way an amount of its own; what a large model answered stays as it was."""
    shares = (
        ("repeat", 0.2, 0.0, "repeat"), ("near_repeat", 0.05, 0.0, "near_repeat"), ("deterministic", 0.1, 0.001, "deterministic"),
        ("lookup", 0.02, 0.2, "lookup"), ("task_model", 0.15, 0.01, "task_model"), ("small", 0.28, 0.1, "small"),
        ("large", 0.15, 1.0, "large"), ("reasoning", 0.05, 1.0, "large"),
    )  # fmt: skip
    risks = {
        "repeat": 0.0, "near_repeat": 0.02, "deterministic": 0.001, "lookup": None, "task_model": 0.02, "small": 0.05
    }  # fmt: skip
    return tuple(
        Sufficed(
            by=by,  # type: ignore[arg-type]
            calls=span(calls * share, 0.1),
            share=span(share, 0.1),
            was=taken(energy_wh * share),
            could_be=taken(energy_wh * share * left),
            risk=None if (risk := risks.get(by)) is None else Risk(share=span(risk), evidence="estimated"),
            assumption=key,
        )
        for by, share, left, key in shares
    )


def group(by: Grouped, name: str, calls: int, energy_wh: float) -> Group:
    return Group(
        by=by, name=name, calls=calls, failed=calls // 50, unjudged=calls // 100, was=taken(energy_wh, unknown=3),
        could_be=taken(energy_wh * 0.3), saved=taken(energy_wh * 0.7), saved_share=span(0.7, 0.1),
        avoidable=span(0.8, 0.05), sufficed=rows(calls * 0.97, energy_wh),
    )  # fmt: skip


ASSUMPTIONS = (
    Assumption(key="repeat", text="Asked in the same words within a day, the cache's own rules.", evidence="counted"),
    Assumption(
        key="near_repeat", text="Pairs of a sample that the semantic cache's guards let through.", evidence="estimated"
    ),
    Assumption(
        key="deterministic", text="Questions of a sample that the built-in answerers answered.", evidence="measured"
    ),
    Assumption(key="lookup", text="The words of a question ask for today's figures.", evidence="assumed"),
    Assumption(key="task_model", text="Templates whose answers are at most 20 different ones.", evidence="estimated"),
    Assumption(key="small", text="The packaged classifier's calibrated probabilities.", evidence="estimated"),
    Assumption(key="large", text="What is left.", evidence="estimated"),
    Assumption(key="cost", text="The log's own cost, else list prices.", evidence="counted"),
    Assumption(key="carbon", text="The grid WORLD, 2024.", evidence="assumed"),
    Assumption(key="smaller_model", text="The first of your ladder.", evidence="assumed"),
    Assumption(key="energy", text="Energy of a token by the model's card in the catalog.", evidence="assumed"),
)


def change(number: int, line: str) -> Change:
    return Change(
        what=f"change {number}", place="greenai.toml", lines=("[cache]", line), calls=span(1000 / number),
        saved=taken(50 / number), per_line_j=50 * WH / number / 2,
        risk=Risk(share=span(0.02), evidence="measured", compared=200), assumption="small",
    )  # fmt: skip


def finding(name: str = "support-bot") -> Finding:
    return Finding(
        first=BEGIN,
        last=BEGIN + 30 * 86_400,
        whole=group("all", "all", 10_000, 100),
        projects=(group("project", name, 7_000, 80), group("project", "search", 3_000, 20)),
        templates=tuple(
            group("template", f"{number}: Sort the {name} <text> into one of <...>", 900 - number, 9 - number / 20)
            for number in range(1, 31)
        ),
        models=(group("model", "openai/gpt-5.5", 6_000, 90), group("model", f"vendor/{name}", 3_500, 10)),
        hours=tuple(group("hour", f"{hour:02}", 400 + hour, 4) for hour in range(24)),
        wastes=(
            Waste(
                kind="reasoning", calls=120, of=10_000, saved=taken(4), detail="Sums and dates.", assumption="energy"
            ),
            Waste(kind="retries", calls=31, of=10_000, saved=taken(1), detail=f"Of {name}.", assumption="repeat"),
        ),
        changes=tuple(change(number, f"line_{number} = true  # {name}") for number in range(1, 8)),
        assumptions=ASSUMPTIONS,
        sampled=Sampled(calls=2_000, of=9_700, seed=0, draws=1_000, compared=500),
    )


def source(name: str = "calls.jsonl") -> Source:
    return Source(
        path=name, format="litellm-callbacks", reason='"call_type" and "response_cost" in its first lines',
        size_bytes=20_000_000, rows=10_000, skipped=4,
        malformed=tuple(Malformed(where=f"{name}:{line}", why="torn off") for line in range(5, 25)),
        malformed_count=31, missing=(Missing(field="user", costs="features that nobody uses are not found"),),
    )  # fmt: skip


def audited(name: str = "support-bot") -> Audited:
    return Audited(finding=finding(name), sources=(source(f"{name}.jsonl"),))


def nothing() -> Audited:
    """An audit of files without a call."""
    none = Taken()
    whole = Group(
        by="all", name="all", calls=0, failed=0, unjudged=0, was=none, could_be=none, saved=none, saved_share=None,
        avoidable=sure(0.0), sufficed=(),
    )  # fmt: skip
    empty = Source(path="empty.jsonl", format="openai", reason="it was said")
    return Audited(finding=Finding(first=None, last=None, whole=whole), sources=(empty,))
