"""Which lane answers the items of a batch: the one that `backend=` names, or that a fleet's own value makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from greenai.bulk.calls_lane import Ask, CallsLane
from greenai.bulk.lanes import Backend, Bench, Fleet, Lane
from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = ["Way", "lane_of", "name_of"]

Way: TypeAlias = "Backend | Fleet"
"""What `backend=` takes."""


def name_of(given: Way) -> Backend:
    """Return the name of what was given as `backend`.

    Raises:
        InvalidRequest: there is no lane of that name.
    """
    name = given if isinstance(given, str) else getattr(given, "name", None)
    if name not in get_args(Backend):
        raise InvalidRequest(f'backend={given!r} is none. Pass "calls", "provider", "ray" or "vllm", or leave it out.')
    return cast("Backend", name)


def lane_of(given: Way, bench: Bench, ask: Ask | None) -> Lane:
    """Return the lane of what `name_of` has a name for."""
    if not isinstance(given, str):
        return given.lane(bench)
    if given == "calls":
        return CallsLane(bench, ask)
    if given == "provider":
        from greenai.bulk.provider_lane import ProviderLane

        return ProviderLane(bench, CallsLane(bench, ask))
    if given == "ray":
        from greenai.bulk.ray_lane import RayLane

        return RayLane(bench)
    from greenai.bulk.vllm_lane import VllmLane

    return VllmLane(bench)
