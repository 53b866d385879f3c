"""Made-up fleets whose energy is known: what attribution and packing are tested on, and the recording in the docs.

A board draws one power with no process on it, another with one, and more in proportion to how busy it is. Jobs hold
memory from a begin to an end and run in spells. What NVML would have shown of that is written down without noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from greenai.gpus.projects import Calls, Span, ordered
from greenai.gpus.values import GpuFacts, GpuLook, GpuProcess, Known, Round, Trace

__all__ = ["Board", "Job", "Sensors", "Spell", "office", "office_calls", "trace"]

GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One made-up GPU."""

    name: str = "Made-up GPU"
    memory_gib: float = 80.0
    bare_w: float = 60.0
    context_w: float = 100.0
    full_w: float = 600.0


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which a job runs, and how busy it keeps its GPU meanwhile, in percent."""

    begin_s: float
    end_s: float
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One made-up process on some GPUs."""

    pid: int
    gpus: tuple[int, ...] = (0,)
    name: str = "python"
    model: str | None = None
    memory_gib: float = 10.0
    begin_s: float = 0.0
    end_s: float = float("inf")
    spells: Sequence[Spell] = ()

    def percent(self, begin_s: float, end_s: float) -> float:
        """Return how busy it keeps a GPU on the mean of a time."""
        worked = sum(max(min(s.end_s, end_s) - max(s.begin_s, begin_s), 0.0) * s.percent for s in self.spells)
        return worked / (end_s - begin_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensors:
    """What the made-up cards can tell."""

    counter: bool = True
    utilisation: bool = True
    by_process: bool = True
    memory: bool = True


ALL = Sensors()


def trace(
    boards: Sequence[Board],
    jobs: Sequence[Job],
    seconds: float = 60.0,
    every_s: float = 1.0,
    sensors: Sensors = ALL,
    began: float = 1_795_000_000.0,
) -> Trace:
    """Return what would have been seen of a fleet."""
    moments = [n * every_s for n in range(round(seconds / every_s) + 1)]
    drawn_j = [0.0] * len(boards)
    rounds = list[Round]()
    for at_s in moments:
        since_s = at_s - every_s
        looks: dict[int, GpuLook] = {}
        for index, board in enumerate(boards):
            there = [job for job in jobs if index in job.gpus and job.begin_s < at_s]
            look, watts = _look(board, there, since_s, at_s, sensors)
            drawn_j[index] += watts * every_s if at_s else 0.0
            looks[index] = _counted(look, drawn_j[index]) if sensors.counter else look
        rounds.append(Round(at_s=at_s, looks=looks))
    cards = [
        GpuFacts(index=n, uuid=f"GPU-{n}", name=b.name, memory_bytes=round(b.memory_gib * GIB))
        for n, b in enumerate(boards)
    ]
    known = {job.pid: Known(pid=job.pid, name=job.name, model=job.model) for job in jobs}
    return Trace(began=began, every_s=every_s, cards=tuple(cards), rounds=rounds, known=known, synthetic=True)


def _look(board: Board, jobs: Sequence[Job], since_s: float, at_s: float, sensors: Sensors) -> tuple[GpuLook, float]:
    """Return what a board shows, and the watts it drew on the mean since the last look."""
    held = [job for job in jobs if job.end_s >= at_s]
    processes = tuple(
        GpuProcess(
            pid=job.pid,
            memory_bytes=round(job.memory_gib * GIB) if sensors.memory else None,
            sm_percent=job.percent(since_s, at_s) if sensors.by_process else None,
        )
        for job in held
    )
    busy = min(sum(job.percent(since_s, at_s) for job in held), 100.0)
    rest_w = board.context_w if held else board.bare_w
    watts = rest_w + (board.full_w - rest_w) * busy / 100
    look = GpuLook(
        busy_percent=busy if sensors.utilisation else None,
        watts=watts,
        memory_bytes=round(sum(job.memory_gib for job in held) * GIB),
        processes=processes,
    )
    return look, watts


def _counted(look: GpuLook, drawn_j: float) -> GpuLook:
    return GpuLook(
        busy_percent=look.busy_percent,
        watts=look.watts,
        counter_mj=round(drawn_j * 1e3),
        memory_bytes=look.memory_bytes,
        processes=look.processes,
        problems=look.problems,
    )


def office() -> Trace:
    """Return ten minutes of four GPUs, one of another model: a chat model of greenai's, a server, two notebooks."""
    every = [Spell(begin, begin + 18, 85.0) for begin in range(12, 600, 60)]
    jobs = (
        Job(pid=4711, name="greenai-worker", model="local/qwen3-8b", memory_gib=18, spells=every),
        Job(pid=5002, gpus=(1,), name="vllm", memory_gib=42, spells=[Spell(30, 240, 55.0), Spell(300, 520, 40.0)]),
        Job(pid=5150, gpus=(2,), name="jupyter", memory_gib=9, begin_s=20, spells=[Spell(40, 55, 95.0)]),
        Job(pid=5151, gpus=(2,), name="jupyter", memory_gib=6, begin_s=50, end_s=480, spells=[Spell(400, 420, 30.0)]),
    )
    boards = [Board(name="Made-up GPU 80 GB")] * 3
    small = Board(name="Made-up GPU 24 GB", memory_gib=24, bare_w=15, context_w=32, full_w=300)
    return trace([*boards, small], jobs, seconds=600.0, every_s=2.0)


def office_calls(made: Trace) -> Calls:
    """Return the calls of two projects to the chat model of `office`, now and then of both at once."""
    spans: list[Span] = []
    for number, begin in enumerate(range(12, 600, 60)):
        at = made.began + begin
        names = ("search", "support") if number % 4 == 3 else ("search",) if number % 2 else ("support",)
        spans += [Span(at, at + 18, name) for name in names]
    return Calls(calls={"local/qwen3-8b": ordered(spans)}, unasked={}, found=len(spans))
