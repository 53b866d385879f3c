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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from greenai.bulk.fleet import Loaded, Told, drive, one_model, unpacked
from greenai.bulk.ray_worker import Actor, LocalEngine, Make, Own, VllmEngine, Worker, row_of
from greenai.errors import EngineError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Generator

    from greenai.bulk.lanes import Backend, Bench, Keep, Stop, Tell
    from greenai.bulk.values import Item
    from greenai.values import Call

__all__ = ["RayLane"]

BLOCK = 32
"""Requests in one block: what an actor answers at a time, and what a crash of it repeats. Ray has 32 for LLMs too."""
WAVE = 4096
"""Requests that are under way together. Between two waves Ray makes its actors anew, which loads the model again."""


class RayLane:
    """Answers items on the actors of a Ray cluster, or of this machine."""

    name: Backend = "ray"

    def __init__(
        self,
        bench: Bench,
        *,
        worker: Literal["auto", "local", "vllm"] | Callable[[], Worker] = "auto",
        engine: Mapping[str, Any] | None = None,
        actors: int | tuple[int, int] = 1,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        block: int = BLOCK,
        wave: int = WAVE,
        init: Mapping[str, Any] | None = None,
    ) -> None:
        """Make one; Ray is started, or its cluster found, when items need it.

        Args:
            bench: what the lane works with.
            worker: what each actor holds: vLLM, greenai's own engine, or a class of the app's. "auto" is vLLM where
                the cluster has GPUs, else greenai's own.
            engine: arguments of `vllm.LLM`, or fields of `greenai.local.EngineSettings`.
            actors: how many; two numbers are the fewest and the most.
            num_cpus: processors that Ray reserves for each.
            num_gpus: GPUs that Ray reserves for each; for vLLM one, where nothing is said.
            block: how many requests an actor answers at a time.
            wave: how many are under way together.
            init: arguments of `ray.init`, where this process has not called it.
        """
        self._session = bench.session
        self._worker, self._engine, self._actors = worker, dict(engine or {}), actors
        self._num_cpus, self._num_gpus = num_cpus, num_gpus
        self._block, self._wave = block, bench.at_once or wave
        self._init = dict(init or {})

    def answer(self, items: Sequence[Item], keep: Keep, tell: Tell, until: Stop) -> None:
        """Answer the items; see `Lane`."""
        model, ray = one_model(items, "ray"), _ray()
        with _running(ray, self._init):
            gpus = float(ray.cluster_resources().get("GPU", 0))
            placed = {"compute": _pool(ray, self._actors), **self._placed(gpus)}
            crew = _Actors(ray, model, self._made(model, gpus), placed, self._block, tell)
            drive(self._session, items, crew, keep, until, most=self._wave)

    def _made(self, model: str, gpus: float) -> Make:
        if callable(self._worker):
            return Own(kind=self._worker)
        if self._is_vllm(gpus):
            if gpus < self._gpus_each:
                raise EngineError(
                    f'worker="vllm" needs {self._gpus_each:g} GPUs for each actor, and this Ray cluster has {gpus:g}. '
                    'Join one that has them (init={"address": "auto"}), or pass worker="local" for a small model.'
                )
            return VllmEngine(model=model, arguments=self._engine)
        settings = {"slots": self._session.resources.settings.local.slots, **self._engine}
        return LocalEngine(
            model=model, settings=settings, watts_per_core=self._session.resources.settings.watts_per_core
        )

    @property
    def _gpus_each(self) -> float:
        each = int(self._engine.get("tensor_parallel_size", 1)) * int(self._engine.get("pipeline_parallel_size", 1))
        return float(each) if self._num_gpus is None else self._num_gpus

    def _is_vllm(self, gpus: float) -> bool:
        return self._worker == "vllm" or (self._worker == "auto" and gpus > 0)

    def _placed(self, gpus: float) -> dict[str, Any]:
        """Return what an actor reserves."""
        placed: dict[str, Any] = {}
        if self._num_cpus is not None:
            placed["num_cpus"] = self._num_cpus
        if self._num_gpus is not None or (not callable(self._worker) and self._is_vllm(gpus)):
            placed["num_gpus"] = self._gpus_each
        return placed


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

    def ask(self, calls: Sequence[Call]) -> Iterator[tuple[int, Told]]:
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
