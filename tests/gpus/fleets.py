"""Made-up fleets of every kind, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

from greenai.gpus.synthetic import Board, Job, Sensors, Spell

__all__ = ["SECONDS", "fleets", "sensors"]

SECONDS = 20


@st.composite
def _job(draw: st.DrawFn, pid: int, gpus: int) -> Job:
    begin, end = sorted(draw(st.lists(st.integers(0, SECONDS), min_size=2, max_size=2)))
    spells = [
        Spell(max(start, begin), min(start + draw(st.integers(1, 8)), end), draw(st.integers(1, 100)))
        for start in draw(st.lists(st.integers(0, SECONDS), max_size=3))
    ]
    return Job(
        pid=pid,
        gpus=tuple(sorted(draw(st.sets(st.integers(0, gpus - 1), min_size=1, max_size=2)))),
        model=draw(st.sampled_from([None, "local/a", "local/b"])),
        memory_gib=draw(st.integers(1, 40)),
        begin_s=begin,
        end_s=end,
        spells=[s for s in spells if s.end_s > s.begin_s],
    )


@st.composite
def fleets(draw: st.DrawFn, most_gpus: int = 5, kinds: int = 2) -> tuple[list[Board], list[Job]]:
    """Some boards, of up to so many models, and jobs on them."""
    models = [
        Board(name=f"Made-up GPU {n}", bare_w=bare, context_w=bare + draw(st.integers(0, 60)), full_w=bare + 500)
        for n, bare in enumerate(draw(st.lists(st.integers(5, 100), min_size=kinds, max_size=kinds)))
    ]
    boards = draw(st.lists(st.sampled_from(models), min_size=1, max_size=most_gpus))
    jobs = [draw(_job(pid, len(boards))) for pid in range(1, draw(st.integers(0, 7)) + 1)]
    return boards, jobs


@st.composite
def sensors(draw: st.DrawFn) -> Sensors:
    """Cards that can tell all, or less."""
    return Sensors(**{
        name: draw(st.booleans()) for name in ("counter", "utilisation", "by_process", "memory")
    })  # fmt: skip
