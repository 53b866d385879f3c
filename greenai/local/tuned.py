"""What a running engine takes from a profile of `greenai tune`: all that the user's settings do not say otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from greenai.local.names import precision_of, revision_of
from greenai.local.process import EngineSettings, kind_of
from greenai.local.profiles import Profile, Profiles

__all__ = ["Tuned", "applied"]

FLASH = {"on": True, "off": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """Finds the profile of a model on this machine and applies it.

    Args:
        profiles: Where they are kept.
        device: Returns this machine's device and driver, as profiles name them; asked when a model is started.
        given: The names of the engine's settings that the user gave: these stay.
    """

    profiles: Profiles
    device: Callable[[], tuple[str, str]]
    given: frozenset[str] = field(default_factory=frozenset)

    def __call__(self, name: str, path: Path, settings: EngineSettings) -> tuple[EngineSettings, Profile | None]:
        """Return how model `name` is to be run, and the profile that says so, if any.

        One process serves requests of every length, so the profile of the longest measured ones counts.
        """
        if not self.profiles.all():
            return settings, None
        device, driver = self.device()
        revision, kind = revision_of(name, settings.weights_dir), kind_of(path)
        if revision is None:
            return settings, None
        # A file has one precision, and torch's is the profile's own.
        precision = precision_of(path) if kind == "llama" else None
        found = self.profiles.find(revision, device=device, driver=driver, engine=kind, precision=precision)
        if found is None or found.leave:
            return settings, None
        return applied(found, settings, self.given), found


def applied(profile: Profile, settings: EngineSettings, given: frozenset[str] = frozenset()) -> EngineSettings:
    """Return `settings` with what the profile says, but for what was given; as they are where it says to leave them."""
    if profile.leave:
        return settings
    slots = settings.slots if "slots" in given else profile.batch
    threads = settings.threads if "threads" in given else profile.threads
    if profile.engine == "torch":
        kinds = {"precision": profile.precision, "attention": profile.attention, "cache": profile.cache}
        torch = {key: value for key, value in kinds.items() if value} | {"compile": profile.compile}
        window_s = profile.window_ms / 1000
        return replace(settings, slots=slots, threads=threads, torch={**torch, **settings.torch}, window_s=window_s)
    return replace(
        settings,
        slots=slots,
        threads=threads,
        flash=FLASH.get(profile.attention or ""),
        cache_type=profile.cache,
        ubatch=profile.more.get("ubatch"),
    )
