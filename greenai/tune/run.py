"""One tuning from the name of a model to the profile that is kept: what the command line is a shell over."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from greenai import catalog, meters
from greenai.errors import MissingExtra, ModelError, UnknownModel
from greenai.local import EngineSettings
from greenai.local.names import missing, parse, path_of, revision_of
from greenai.local.profiles import Engine, Profile, bin_of
from greenai.meters import nvml
from greenai.settings import Settings
from greenai.tune.guard import Guard
from greenai.tune.journal import Journal, Journaled
from greenai.tune.load import Load, sample_text
from greenai.tune.reading import BenchError
from greenai.tune.search import Outcome, Plan, Progress, Search
from greenai.tune.space import Bench, Space

__all__ = ["Job", "Options", "Result", "job", "run"]

MOST_BATCH = {"processor": 16, "gpu": 256}
"""Largest batch that is looked at where nobody says. Assumption, 2026-11-22."""

CPU_WINDOW_S, GPU_WINDOW_S = 1.0, 5.0
"""How long a measurement lasts at least. A GPU's counter moves about every 100 ms, and windows of under 2 s are noisy
(ML.ENERGY's practice is 5 s; read 2026-11-21); core time is exact."""

LEAST_MEASUREMENTS = 60
"""A small space needs repeats too: no fewer measurements than this are allowed by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user chooses. None leaves it to greenai.

    Args:
        tokens: Length of a request, prompt and answer, in tokens.
        most_batch: Largest batch to look at.
        most_p95_s: 95th percentile of a request's latency that may not be exceeded, in seconds.
        budget_j: What the search may take, in joules.
        measurements: How many measurements it may make.
        text: The text that prompts are cut from and that the guard reads.
        guard: What may be lost.
        compiled: Whether torch may compile the model; None: on a GPU.
        resume: Whether to go on with the journal of an earlier search.
    """

    tokens: int = 128
    most_batch: int | None = None
    most_p95_s: float | None = None
    budget_j: float | None = None
    measurements: int | None = None
    text: str | None = None
    guard: Guard = field(default_factory=Guard)
    compiled: bool | None = None
    resume: bool = False


class Closing(Bench, Protocol):
    """A bench that holds processes."""

    def close(self) -> None:
        """End them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that a search needs, made of a model's name."""

    name: str
    engine: Engine
    revision: str
    device: str
    driver: str
    space: Space
    bench: Closing
    plan: Plan
    journal: Path
    head: Mapping[str, Any]
    options: Options
    files: Mapping[str, Path] = field(default_factory=dict[str, Path])

    def weights_of(self, precision: str) -> Path | None:
        """Return the file that runs at a precision where that is another one than the model's own, else None."""
        own = self.space.default.setting.precision
        return None if self.engine == "torch" or precision == own else self.files.get(precision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What tuning gave: `profile` is None where nothing ran or was compared, or nothing keeps the latency bound."""

    job: Job
    outcome: Outcome
    profile: Profile | None
    resumed: int


def job(name: str, settings: Settings, options: Options) -> Job:
    """Prepare the tuning of a local model.

    Raises:
        ModelError: there is no such model, or its weights are not here.
        MissingExtra: its engine is not installed.
    """
    bare = name.removeprefix("local/")
    _parsed(name, bare)
    path = path_of(bare, settings.weights_dir)
    if path is None:
        raise missing(bare)
    if options.tokens > settings.local.context_tokens:
        raise ModelError(
            f"Requests of {options.tokens} tokens do not fit into the {settings.local.context_tokens} that a local "
            "engine takes (context_tokens of [local] in greenai.toml). Lower --tokens, or raise it."
        )
    device, driver = meters.device()
    engine: Engine = "torch" if path.is_dir() else "llama"
    revision = revision_of(bare, settings.weights_dir) or ""
    most = options.most_batch or MOST_BATCH["gpu" if driver else "processor"]
    made = _torch if engine == "torch" else _llama
    space, bench = made(bare, path, settings, options, most)
    if options.most_p95_s is not None:
        space = _bounded(space, options.most_p95_s)
    head = {
        "version": 1,
        "model": f"local/{bare}",
        "revision": revision,
        "device": device,
        "driver": driver,
        "engine": engine,
        "versions": _versions(engine),
        "tokens": options.tokens,
        "most_batch": most,
        "text": hashlib.sha256((options.text or sample_text()).encode()).hexdigest()[:16],
        "guard": [options.guard.least_agreement, options.guard.most_perplexity],
        "precisions": {kind: _weights(bench, kind) for kind in space.precisions},
        "default": str(space.default),
        "settings": sum(1 for _ in space.settings()),
        "context_tokens": settings.local.context_tokens,
    }
    most_measured = options.measurements or max(space.size() // 3, LEAST_MEASUREMENTS)
    return Job(
        name=f"local/{bare}",
        engine=engine,
        revision=revision,
        device=device,
        driver=driver,
        space=space,
        bench=bench,
        plan=Plan(most=most_measured, budget_j=options.budget_j),
        journal=_journal_path(settings, f"local/{bare}", device, options.tokens),
        head=head,
        options=options,
        files=_files(bench),
    )


def _parsed(name: str, bare: str) -> None:
    try:
        parse(bare)
    except UnknownModel:
        if catalog.find(name) is None:
            raise
        raise ModelError(
            f"{name} runs elsewhere, and tuning measures models on this machine. greenai models list shows those that "
            "are here."
        ) from None


def _files(bench: Bench) -> Mapping[str, Path]:
    files: Mapping[str, Path] = getattr(bench, "files", {})
    return files


def _weights(bench: Bench, precision: str) -> str | None:
    """Return which weights a precision stands for, where it is a file of its own."""
    path = _files(bench).get(precision)
    return None if path is None else revision_of(str(path))


def _bounded(space: Space, most_p95_s: float) -> Space:
    from dataclasses import replace

    return replace(space, most_p95_s=most_p95_s)


def _llama(name: str, path: Path, settings: Settings, options: Options, most: int) -> tuple[Space, Closing]:
    from importlib.util import find_spec

    from greenai.tune.llama import LlamaBench, precision_of, quantisations, space_of

    if find_spec("xllamacpp") is None:
        raise MissingExtra("local", "xllamacpp", f"Tuning local/{name}")
    files = quantisations(path)
    named = precision_of(path)
    local = settings.local
    space = space_of(files, named, slots=local.slots, threads=local.threads, most_batch=most)
    bench = LlamaBench(
        name=name,
        files=files,
        reference=named,
        text=options.text or sample_text(),
        load=_load(options),
        guard=options.guard,
        base=EngineSettings(weights_dir=settings.weights_dir, context_tokens=local.context_tokens),
        watts_per_core=settings.watts_per_core,
    )
    return space, bench


def _torch(name: str, path: Path, settings: Settings, options: Options, most: int) -> tuple[Space, Closing]:
    from importlib.util import find_spec

    from greenai.tune.torch import TorchBench, space_of

    if find_spec("torch") is None or find_spec("transformers") is None:
        raise MissingExtra("torch", "transformers", f"Tuning local/{name}")
    local, gpu = settings.local, nvml.named() is not None
    compiled = gpu if options.compiled is None else options.compiled
    space = space_of(slots=local.slots, threads=local.threads, most_batch=most, gpu=gpu, compiled=compiled)
    bench = TorchBench(
        folder=path,
        text=options.text or sample_text(),
        load=_load(options),
        guard=options.guard,
        watts_per_core=settings.watts_per_core,
    )
    return space, bench


def _load(options: Options) -> Load:
    return Load(tokens=options.tokens, window_s=GPU_WINDOW_S if nvml.named() else CPU_WINDOW_S)


def _journal_path(settings: Settings, name: str, device: str, tokens: int) -> Path:
    if settings.state_dir is None:
        raise ModelError("This machine has no folder for what is measured. Set GREENAI_STATE_DIR to one.")
    told = re.sub(r"[^\w.-]+", "_", name.removeprefix("local/"))[-60:]
    mark = hashlib.sha256(json.dumps([name, device, tokens]).encode()).hexdigest()[:8]
    return settings.state_dir / "tune" / f"{told}-{mark}.jsonl"


def run(
    job: Job, told: Callable[[Progress], object] | None = None, stopping: Callable[[], object] | None = None
) -> Result:
    """Search, and make the profile of what was found. Every measurement is in the journal when it is made.

    `stopping` is called at Ctrl-C, before the processes are ended.

    Raises:
        JournalError: the journal that was to be continued is of another search.
        BenchError: nothing could be measured.
    """
    journal = Journal(path=job.journal, head=job.head)
    try:
        resumed = journal.begin(resume=job.options.resume)
        bench = Journaled(bench=job.bench, journal=journal)
        outcome = Search(space=job.space, bench=bench, plan=job.plan, told=told).run()
    except KeyboardInterrupt:
        if stopping is not None:
            stopping()
        raise
    finally:
        job.bench.close()
        journal.close()
    _refuse_if_nothing_ran(job, outcome)
    profile = _profile(job, outcome, journal.written_s or time.time())
    return Result(job=job, outcome=outcome, profile=profile, resumed=resumed)


def _refuse_if_nothing_ran(job: Job, outcome: Outcome) -> None:
    cells = outcome.cells.of
    if cells and not any(cell.logs for cell in cells.values()):
        why = cells[outcome.default].samples[-1].why
        raise BenchError(
            f"Nothing of {job.name} could be measured: {why}. Name another model, or lower --tokens and --most-batch."
        )


def _profile(job: Job, outcome: Outcome, measured_s: float) -> Profile | None:
    found, usual = outcome.energy(outcome.chosen), outcome.energy(outcome.default)
    if found is None or (outcome.leave_it and not _is_told(outcome)):
        return None
    cell = outcome.cells.of[outcome.chosen]
    default = outcome.cells.of.get(outcome.default)
    setting, sample = outcome.chosen.setting, next(s for s in reversed(cell.samples) if s.status == "ok")
    other = job.weights_of(setting.precision)
    return Profile(
        device=job.device,
        driver=job.driver,
        model=job.revision if other is None else revision_of(str(other)) or "",
        name=job.name if other is None else f"local/{other}",
        engine=job.engine,
        sequence_bin=bin_of(job.options.tokens),
        precision=setting.precision,
        batch=outcome.chosen.batch,
        threads=setting.threads or None,
        attention=setting.attention or None,
        cache=setting.cache or None,
        compile=setting.compile,
        window_ms=_window_ms(cell.p95_s),
        energy_j_per_token=found.value,
        low=found.low,
        high=found.high,
        default_energy_j_per_token=None if usual is None else usual.value,
        p95_s=cell.p95_s,
        default_p95_s=default.p95_s if default is not None and default.p95s else None,
        leave=outcome.leave_it,
        measured=datetime.fromtimestamp(measured_s, UTC).isoformat(timespec="seconds"),
        versions=_versions(job.engine),
        evidence=sample.evidence,
        method=sample.method,
        more={"ubatch": setting.ubatch} if setting.ubatch else {},
    )


def _is_told(outcome: Outcome) -> bool:
    """Say whether "leave it as it is" was found out: something was compared, and what runs now keeps the bound."""
    if outcome.ruled_out:
        return False
    if outcome.best != outcome.default:
        return outcome.ratio is not None
    return sum(bool(cell.logs) for cell in outcome.cells.of.values()) > 1


def _window_ms(p95_s: float) -> float:
    """Return how long a micro-batcher may wait for company: a twentieth of a request's time, 50 ms at most."""
    return round(min(p95_s * 1000 / 20, 50.0), 1)


def _versions(engine: Engine) -> dict[str, str]:
    wanted = {"llama": ("greenai", "xllamacpp"), "torch": ("greenai", "torch", "transformers", "torchao")}[engine]
    found = {}
    for package in wanted:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
