"""One rating, from a model's name to its signed record: what the command line is a shell over."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, get_args

from greenai import catalog, meters
from greenai.errors import EngineError, MissingExtra, ModelError
from greenai.local import EngineSettings
from greenai.local.cpus import compute_threads
from greenai.local.names import missing, parse, path_of, revision_of
from greenai.local.process import check_magic, kind_of, launch, needs
from greenai.local.profiles import Profile, Profiles
from greenai.local.tuned import applied
from greenai.meters import nvml, watts
from greenai.rate import prompts as texts
from greenai.rate import scale
from greenai.rate.estimate import Estimate, Run, estimate
from greenai.rate.journal import Journal, Part
from greenai.rate.measure import CPU_WINDOW_S, GPU_WINDOW_S, Plan, Progress, measured
from greenai.rate.record import SCHEMA, Record, made
from greenai.rate.signing import new_id
from greenai.rate.target import ANSWER_TOKENS, MOST_THINKING, ChatTarget, LlamaTarget, Target, check_here
from greenai.readings import Evidence
from greenai.settings import Settings
from greenai.store.files import private_folder
from greenai.tune.llama import precision_of

__all__ = ["KEPT", "Asked", "Rated", "folder_of", "rate"]

CONTEXT_ROOM = 64
KEPT = "What was measured is kept; go on with the same options and --resume."
FOLDER_FILES = frozenset((".json", ".safetensors"))
PROFILE_TOKENS = 512  # the mean prompt and its answer lie in that range of lengths


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be rated.

    Args:
        model: `local/...`, or the name that the server at `base_url` knows.
        prompts: How many of the 1,000.
        runs: How many passes; None: until they agree, from three to ten.
        reasoning: Off: answers of ten tokens. On: answers that end by themselves.
        served: At the batch that `greenai tune` found, rather than one at a time.
        batch: So many at a time, in place of the profile's.
        base_url: An OpenAI-compatible server on this machine.
        pid: Its process, for the meters.
        api_key: What it asks for.
        model_class: The board's class, where the catalog does not know the model.
        resume: Go on with a rating that was stopped.
    """

    model: str
    prompts: int = texts.COUNT
    runs: int | None = None
    reasoning: Literal["off", "on"] = "off"
    served: bool = False
    batch: int | None = None
    base_url: str | None = None
    pid: int | None = None
    api_key: str = ""
    model_class: scale.Class | None = None
    resume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """What is known of the model and how it runs."""

    name: str
    engine: str
    weights: str | None
    quantisation: str
    params_b: float | None
    packages: tuple[str, ...]
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """What a rating gave; `resumed` requests of it were measured before.

    `journal` has what was measured until somebody ends it: once the record is kept.
    """

    record: Record
    runs: Sequence[Run]
    estimate: Estimate
    resumed: int
    journal: Journal


def folder_of(settings: Settings) -> Path:
    """Return where ratings are kept.

    Raises:
        ModelError: this machine has no folder for them.
    """
    if settings.state_dir is None:
        raise ModelError("This machine has no folder for what is measured. Set GREENAI_STATE_DIR to one.")
    return settings.state_dir / "rate"


def rate(asked: Asked, settings: Settings, told: Callable[[Progress], object] | None = None) -> Rated:
    """Measure a model and make its record. What is measured is in the journal at once.

    Raises:
        ModelError: there is no such model, it cannot be measured, or it has no such mode.
        MissingExtra: its engine is not installed.
        JournalError: the rating that was to be continued is another one.
    """
    model = _remote(asked) if asked.base_url is not None else _local(asked, settings)
    _check_class(asked, model)
    device = meters.device()
    batch, profile = _batch(asked, settings, model, device)
    how = _how(asked, settings, model, batch, profile)
    journal = _journal(asked, settings, model, how, device)
    try:
        private_folder(folder_of(settings))
        resumed = journal.begin(resume=asked.resume)
        runs = _runs(asked, settings, model, how, journal, told)
        content = _content(asked, model, how, device, journal, runs)
        record = made(content, folder_of(settings))
    except EngineError as error:
        if journal.parts:
            error.add_note(KEPT)
        journal.close()
        raise
    except BaseException:
        journal.close()
        raise
    found = estimate(runs, texts.sample(asked.prompts))
    return Rated(record=record, runs=runs, estimate=found, resumed=resumed, journal=journal)


def _runs(
    asked: Asked, settings: Settings, model: _Model, how: EngineSettings, journal: Journal,
    told: Callable[[Progress], object] | None,
) -> list[Run]:  # fmt: skip
    plan = Plan(
        prompts=texts.prompts(asked.prompts),
        batch=how.slots,
        runs=asked.runs,
        window_s=GPU_WINDOW_S if nvml.named() else CPU_WINDOW_S,
        most_tokens=_most(asked),
        watts_per_core=settings.watts_per_core,
    )
    target = _target(asked, model, how)
    try:
        return measured(target, plan, journal, told)
    finally:
        target.close()


# --- the model ------------------------------------------------------------------------------


def _local(asked: Asked, settings: Settings) -> _Model:
    bare = asked.model.removeprefix("local/")
    card = catalog.find(asked.model)
    if card is not None and card.provider != "local" and "/" not in bare and not Path(bare).exists():
        raise ModelError(
            f"{bare} is answered by a provider, whose energy no meter here sees; greenai rate measures what runs on "
            "this machine. Name a model of it, such as local/smollm2-135m. Estimates of others: greenai models --sort "
            "energy"
        )
    parse(bare)
    path = path_of(bare, settings.weights_dir)
    extra, packages = needs(path)
    if path is None:
        raise missing(bare)
    from importlib.util import find_spec

    for package in packages:
        if find_spec(package) is None:
            raise MissingExtra(extra, package, f"Rating local/{bare}")
    if kind_of(path) == "llama":
        check_magic(bare, path)
    return _Model(
        name=f"local/{bare}" if not Path(bare).is_absolute() else f"local/{path.name}",
        engine=kind_of(path),
        weights=_hash(path),  # of the file that runs, whatever its name promises
        quantisation=_precision(path),
        params_b=_params(f"local/{bare}"),
        packages=packages,
        path=path,
    )


def _remote(asked: Asked) -> _Model:
    if asked.pid is None:
        raise EngineError(
            f"Which process serves {asked.base_url} is not known, so its energy cannot be measured. Name it with "
            "--pid, on the machine that it runs on: pgrep -f vllm, for example."
        )
    check_here(asked.base_url or "", asked.pid)
    name = asked.model
    return _Model(
        name=name, engine="server", weights=None, quantisation="", params_b=_params(name), packages=(), path=None
    )


def _check_class(asked: Asked, model: _Model) -> None:
    """Refuse a class that is not that of the model's size: a larger one has easier bands."""
    known = scale.class_of(model.params_b)
    if asked.model_class not in {None, known} and known is not None:
        raise ModelError(
            f"{model.name} has {model.params_b:g}e9 parameters, so it is of the public board's class {known}, not "
            f"{asked.model_class}. Leave out --class."
        )


def _params(name: str) -> float | None:
    card = catalog.find(name)
    return card.total_params_b.mid if card is not None and card.total_params_b is not None else None


def _precision(path: Path) -> str:
    """Return a file's quantisation, or the type that a folder's config.json names."""
    if path.is_file():
        return precision_of(path)
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        return str(config.get("dtype") or config.get("torch_dtype") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def _hash(path: Path) -> str:
    """Return the SHA-256 of the weights; of a folder, over the names and hashes of its files."""
    if path.is_file():
        return _digest(path).hex()
    told = hashlib.sha256()
    for file in sorted(p for p in path.iterdir() if p.suffix in FOLDER_FILES and p.is_file()):
        told.update(file.name.encode() + b"\n" + _digest(file))
    return told.hexdigest()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


# --- how it is run --------------------------------------------------------------------------


def _batch(asked: Asked, settings: Settings, model: _Model, device: tuple[str, str]) -> tuple[int, Profile | None]:
    """Return how many requests run at a time, and the profile that says so."""
    if not asked.served:
        return asked.batch or 1, None
    profile = None
    if model.path is not None:
        revision = revision_of(asked.model.removeprefix("local/"), settings.weights_dir) or ""
        held = Profiles(settings.state_dir)
        engine = kind_of(model.path)
        # The best of another file of the model is not the best of this one; torch's precision is the profile's own.
        precision = model.quantisation if engine == "llama" else None
        profile = held.find(
            revision, device=device[0], driver=device[1], tokens=PROFILE_TOKENS, engine=engine, precision=precision
        )
    if asked.batch is not None:
        return asked.batch, profile
    if model.path is None:
        raise EngineError(f"The best batch of {asked.base_url} is not known here. Name one with --batch.")
    if profile is None:
        raise EngineError(
            f"There is no profile of {model.name} on {device[0]}, so its best batch is not known. Make one with: "
            f"greenai tune {model.name} (or name a batch with --batch)"
        )
    return profile.batch, profile


def _most(asked: Asked) -> int:
    return MOST_THINKING if asked.reasoning == "on" else ANSWER_TOKENS


def _is_exact(asked: Asked, model: _Model) -> bool:
    """Say whether prompts are sent as tokens and answers have exactly ten: over llama.cpp's own interface."""
    return model.engine == "llama" and asked.reasoning == "off"


def _how(asked: Asked, settings: Settings, model: _Model, batch: int, profile: Profile | None) -> EngineSettings:
    """Return how the engine is run; of a server of another process only the slots count."""
    base = EngineSettings(weights_dir=settings.weights_dir, threads=settings.local.threads)
    if profile is not None:
        base = applied(profile, base, frozenset(("threads",)) if settings.local.threads else frozenset())
    # Text is cut by words, which may make more tokens than were counted.
    longest = texts.LONGEST if _is_exact(asked, model) else 2 * texts.LONGEST
    return replace(base, slots=batch, context_tokens=longest + _most(asked) + CONTEXT_ROOM)


def _target(asked: Asked, model: _Model, how: EngineSettings) -> Target:
    fields, most = _fields(asked, model), _most(asked)  # refuses before an engine is started
    forced = asked.reasoning == "off"
    if model.path is None:
        base_url, pid = asked.base_url or "", asked.pid or 0
        return ChatTarget(
            base_url=base_url, model=asked.model, pid=pid, api_key=asked.api_key, fields=fields, most_tokens=most,
            forced=forced,
        )  # fmt: skip
    name = asked.model.removeprefix("local/")
    engine = launch(name, model.path, how)
    if _is_exact(asked, model):
        return LlamaTarget(engine=engine)
    return ChatTarget(
        base_url=engine.base_url, model=name, pid=engine.pid, api_key=engine.api_key, fields=fields, most_tokens=most,
        forced=forced and model.engine == "llama", engine=engine,
    )  # fmt: skip


def _fields(asked: Asked, model: _Model) -> Mapping[str, Any]:
    """Return what switches reasoning as it was asked for.

    Raises:
        EngineError: the model does not reason, or always does.
    """
    switch = catalog.switch_of(asked.model, asked.base_url)
    if asked.reasoning == "off":
        if switch.status == "always_on" and not _is_exact(asked, model):
            raise EngineError(f"{model.name} always reasons. Rate it with --reasoning on.")
        return switch.off
    if switch.status == "none":
        raise EngineError(f"{model.name} does not reason. Rate it with --reasoning off.")
    if switch.status == "always_on":
        return switch.on
    # Where the catalog has no fields: what vLLM, SGLang and llama.cpp hand to the model's template.
    return switch.on or {"chat_template_kwargs": {"enable_thinking": True}}


def _reasoning(asked: Asked, model: _Model) -> str:
    """Return "on", "off", or "least" where the least that the model accepts is not off."""
    is_least = catalog.switch_of(asked.model, asked.base_url).status == "lowest" and not _is_exact(asked, model)
    return "least" if is_least and asked.reasoning == "off" else asked.reasoning


def _journal(asked: Asked, settings: Settings, model: _Model, how: EngineSettings, device: tuple[str, str]) -> Journal:
    head = {
        "version": 2,
        "model": model.name,
        "weights": model.weights,
        "device": device[0],
        "driver": device[1],
        "prompts": [texts.HASH, asked.prompts],
        "reasoning": asked.reasoning,
        "served": asked.served,
        "engine settings": _told(model, how),
        "watts_per_core": settings.watts_per_core,
        "versions": _versions(model.packages),
        "server": asked.base_url,
    }
    told = re.sub(r"[^\w.-]+", "_", model.name.removeprefix("local/"))[-60:]
    what = json.dumps([model.name, asked.prompts, asked.reasoning, asked.served, asked.batch, asked.base_url])
    mark = hashlib.sha256(what.encode()).hexdigest()[:8]
    return Journal(path=folder_of(settings) / "unfinished" / f"{told}-{mark}.jsonl", head=head)


def _told(model: _Model, how: EngineSettings) -> dict[str, Any]:
    """Return how the engine is run, as far as it is known here."""
    told: dict[str, Any] = {"slots": how.slots}
    if model.engine == "server":
        return told
    told |= {"context_tokens": how.context_tokens, "threads": how.threads or compute_threads()}
    if model.engine == "llama":
        return {**told, "flash": how.flash, "cache_type": how.cache_type, "ubatch": how.ubatch}
    return {**told, **how.torch, "window_s": how.window_s}


# --- the record -----------------------------------------------------------------------------


def _content(
    asked: Asked, model: _Model, how: EngineSettings, device: tuple[str, str], journal: Journal, runs: Sequence[Run]
) -> dict[str, Any]:
    found, boundary = estimate(runs, texts.sample(asked.prompts)), journal.parts[0].boundary
    requests = sum(run.requests for run in runs)
    # On a machine with a GPU, a model may still run on its processor.
    name, driver = device if boundary == "gpu" or nvml.named() is None else (watts.model_name() or "processor", "")
    own = scale.own(found.value, found.low, found.high)
    is_off = asked.reasoning == "off"
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "id": new_id(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "task": scale.TASK,
        "class": scale.class_of(model.params_b) or asked.model_class,
        "model": {
            "name": model.name,
            "weights_sha256": model.weights,
            "quantisation": _ran_as(model, how, boundary),
            "params_b": model.params_b,
        },
        "engine": model.engine,
        "engine_settings": _told(model, how),
        "device": {"name": name, "driver": driver},
        "versions": _versions(model.packages),
        "prompts": {
            "version": texts.VERSION,
            "hash": texts.HASH,
            "count": asked.prompts,
            "mean_tokens": sum(run.prompt_tokens for run in runs) / requests,
            "sent_as": "tokens" if _is_exact(asked, model) else "chat messages",
        },
        "mode": {
            "reasoning": _reasoning(asked, model), "serving": "served" if asked.served else "single", "batch": how.slots
        },
        "output_tokens": {
            "asked": ANSWER_TOKENS if is_off else None,
            "at_most": _most(asked),
            "mean": sum(run.output_tokens for run in runs) / requests,
            "cut": None if is_off else sum(run.cut for run in runs),
        },
        "boundary": boundary,
        "evidence": _worst(journal.parts),
        "meter": "; ".join(sorted({part.method for part in journal.parts})),
        "runs": [{**asdict(run), "wh_per_1000": run.wh_per_1000} for run in runs],
        "wh_per_1000": {**asdict(found), "level": 0.9},
        "stars": {"scale": own.scale, "grade": own.grade, "worst": own.worst, "best": own.best},
    }  # fmt: skip
    public = scale.of_record(content)
    content["deviations"] = scale.deviations(content)
    return {**content, "public_board": {**asdict(public), "why_not": list(public.why_not)}}


def _worst(parts: Sequence[Part]) -> str:
    """Return the evidence of what is least known: one window of many may have been shared."""
    order = get_args(Evidence)
    return max((part.evidence for part in parts), key=order.index)


def _ran_as(model: _Model, how: EngineSettings, boundary: str) -> str:
    """Return the precision that was run: torch's is its setting's, else float32 on a processor."""
    if model.engine != "torch":
        return model.quantisation
    asked = str(how.torch.get("precision", "auto"))
    return asked if asked != "auto" else "float32" if boundary == "cpu" else model.quantisation


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = dict[str, str]()
    for package in ("greenai", *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
