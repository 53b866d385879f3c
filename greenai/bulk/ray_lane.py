"""A batch on a Ray cluster: Ray Data places the blocks and the actors. The door to ray.

    rows of calls ─ ray.data.from_items ─ map_batches(Actor: an engine) ─ iter_batches ─ each answer is kept as it comes

What is scheduled where, and how many actors there are, is Ray's. The calls come from flows in this process, where
budgets, cache and ledger are, so an actor holds an engine and nothing else.

Ray's own `ray.data.llm` is not what runs vLLM here: its processor says neither why an answer ended nor what it took,
and it has one set of chat template arguments for all rows (ray 2.60, read 2026-11-22).
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from greenai.bulk.fleet import Loaded, Told, drive, one_model, unpacked
from greenai.bulk.ray_worker import Actor, LocalEngine, Make, Own, VllmEngine, Worker, row_of
from greenai.errors import EngineError, MissingExtra

if TYPE_CHECKING:
    from greenai.bulk.lanes import Backend, Bench, Keep, Stop, Tell
    from greenai.bulk.values import Item
    from greenai.values import Call

__all__ = ["Ray", "RayLane"]

BLOCK = 32
"""Requests in one block: what an actor answers at a time, and what a crash of it repeats. Ray has 32 for LLMs too."""
WAVE = 4096
"""Requests that are under way together. Between two waves Ray makes its actors anew, which loads the model again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ray:
    """How a Ray cluster is used: `client.batch(requests, backend=Ray(worker="vllm", actors=8))`.

    Attributes:
        worker: what each actor holds: vLLM, greenai's own engine, or a class of the app's. "auto" is vLLM where the
            cluster has GPUs, else greenai's own.
        engine: arguments of `vllm.LLM`, or fields of `greenai.local.EngineSettings`.
        actors: how many; two numbers are the fewest and the most.
        num_cpus: processors that Ray reserves for each; None leaves it to Ray.
        num_gpus: GPUs that Ray reserves for each; None is as many as vLLM is told to use, else none.
        block: how many requests an actor answers at a time.
        wave: how many are under way together, where `at_once` does not say.
        init: arguments of `ray.init`, where this process has not called it.
    """

    worker: Literal["auto", "local", "vllm"] | Callable[[], Worker] = "auto"
    engine: Mapping[str, Any] = field(default_factory=dict[str, Any])
    actors: int | tuple[int, int] = 1
    num_cpus: float | None = None
    num_gpus: float | None = None
    block: int = BLOCK
    wave: int = WAVE
    init: Mapping[str, Any] = field(default_factory=dict[str, Any])
    name: Backend = field(default="ray", init=False)

    def lane(self, bench: Bench) -> RayLane:
        """Return the lane that runs it so."""
        return RayLane(bench, self)

    def reserved(self, gpus: float) -> dict[str, float]:
        """Return what Ray reserves for each actor, on a cluster with so many GPUs."""
        wanted = {"num_cpus": self.num_cpus, "num_gpus": self._gpus_each if self._is_vllm(gpus) else self.num_gpus}
        return {name: amount for name, amount in wanted.items() if amount is not None}

    def made(self, model: str, gpus: float, local: LocalEngine) -> Make:
        """Return what makes the engine of each actor; `local` is greenai's own.

        Raises:
            EngineError: vLLM is wanted and no GPU is there.
        """
        if callable(self.worker):
            return Own(kind=self.worker)
        if not self._is_vllm(gpus):
            return replace(local, settings={**local.settings, **self.engine})
        if gpus < self._gpus_each:
            raise EngineError(
                f'worker="vllm" needs {self._gpus_each:g} GPUs for each actor, and this Ray cluster has {gpus:g}. '
                'Join one that has them (init={"address": "auto"}), or pass worker="local" for a small model.'
            )
        return VllmEngine(model=model, arguments=self.engine)

    def _is_vllm(self, gpus: float) -> bool:
        return self.worker == "vllm" or (self.worker == "auto" and gpus > 0)

    @property
    def _gpus_each(self) -> float:
        if self.num_gpus is not None:
            return self.num_gpus
        return float(math.prod(int(self.engine.get(f"{kind}_parallel_size", 1)) for kind in ("tensor", "pipeline")))


class RayLane:
    """Answers items on the actors of a Ray cluster, or of this machine. Ray is started when items need it."""

    name: Backend = "ray"

    def __init__(self, bench: Bench, how: Ray | None = None) -> None:
        self._session, self._how = bench.session, how or Ray()
        self._wave = bench.at_once or self._how.wave

    def answer(self, items: Sequence[Item], keep: Keep, tell: Tell, until: Stop) -> None:
        """Answer the items; see `Lane`."""
        model, ray, how = one_model(items, "ray"), _ray(), self._how
        settings = self._session.resources.settings
        local = LocalEngine(
            model=model, settings={"slots": settings.local.slots}, watts_per_core=settings.watts_per_core
        )
        with _running(ray, how.init):
            gpus = float(ray.cluster_resources().get("GPU", 0))
            placed = {"compute": _pool(ray, how.actors), **how.reserved(gpus)}
            crew = _Actors(ray, model, how.made(model, gpus, local), placed, how.block, tell)
            drive(self._session, items, crew, keep, until, most=self._wave)


def _pool(ray: Any, actors: int | tuple[int, int]) -> Any:
    if isinstance(actors, int):
        return ray.data.ActorPoolStrategy(size=actors)
    return ray.data.ActorPoolStrategy(min_size=actors[0], max_size=actors[1])


def _ray() -> Any:
    try:
        import ray  # its `data` loads when it is touched
    except ModuleNotFoundError as error:
        if error.name != "ray":  # one of its own needs
            raise
        raise MissingExtra("ray", "ray[data]", 'backend="ray"') from error
    return ray


@contextmanager
def _running(ray: Any, init: Mapping[str, Any]) -> Generator[None]:
    """Have Ray run: as the app started it, or until the batch ends."""
    ours = not ray.is_initialized()
    if ours:
        ray.init(**{"log_to_driver": False, "logging_level": logging.WARNING, **init})
    try:
        with _quiet(ray):
            yield
    finally:
        if ours:
            ray.shutdown()


@contextmanager
def _quiet(ray: Any) -> Generator[None]:
    """Leave progress to the job's own display."""
    context = ray.data.DataContext.get_current()
    shown, context.enable_progress_bars = context.enable_progress_bars, False
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        context.enable_progress_bars = shown


@dataclass(frozen=True, slots=True)
class _Actors:
    """The crew: a dataset of each list of calls, mapped over actors."""

    ray: Any
    model: str
    make: Make
    placed: Mapping[str, Any]
    block: int
    tell: Tell

    def load(self) -> Loaded:
        """Do nothing: each actor loads its own engine, of which only the actor knows what that took."""
        return Loaded()

    def ask(self, calls: Sequence[Call]) -> Generator[tuple[int, Told]]:
        """Answer one list; each block's answers are there as soon as its actor has them."""
        self.tell(f"Ray runs {self.model}: {len(calls)} requests in blocks of {self.block} …")
        rows = [row_of(number, call) for number, call in enumerate(calls)]
        made = self.ray.data.from_items(rows, override_num_blocks=-(-len(rows) // self.block))
        answered = made.map_batches(
            Actor, batch_size=self.block, fn_constructor_kwargs={"make": self.make}, **self.placed
        )
        try:
            for block in answered.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
                for number, told in zip(block["number"], block["told"], strict=True):
                    yield int(number), unpacked(json.loads(told))
        except self.ray.exceptions.RayError as error:
            raise EngineError(_why(self.model, error)) from error


def _why(model: str, error: Exception) -> str:
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).strip().splitlines() if line.strip()]
    said = lines[-1] if lines else type(cause).__name__
    return (
        f"Ray's actors stopped while {model} answered: {said.rstrip('.')}. What was answered before is kept; resume "
        "the job to ask the others again."
    )
