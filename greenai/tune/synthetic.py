"""A made-up device whose energies are known: what the search is tested and compared on.

Energy per token falls with the batch (a step reads the weights once), in waves (a device works in tiles of its own
size, and one row over a full tile costs a whole one), with single cliffs besides, and in precisions that save weights
but cost arithmetic, so that which precision is best depends on the batch. Memory ends at an edge, latency grows with
the batch, and every reading is off by lognormal noise and now and then by far.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from greenai.tune.space import Point, Sample, Setting, Space

__all__ = ["Device", "device"]

PRECISIONS = ("float32", "bfloat16", "int8")
TILES = (4, 6, 8, 10, 12, 16, 20, 24)
OUTLIERS = 0.03


@dataclass(slots=True, kw_only=True)
class Device:
    """One made-up device and its space. It is a bench: `measure` draws a sample of a point."""

    space: Space
    weights_j: dict[str, float]
    arithmetic_j: dict[str, float]
    tiles: dict[str, int]
    factors: dict[tuple[str, str], float]
    cliffs: dict[str, dict[int, float]]
    attention_j: float
    gigabytes: dict[str, float]
    slot_gb: dict[str, float]
    memory_gb: float
    noise: float
    rejected: frozenset[str] = frozenset()
    random: random.Random = field(default_factory=random.Random)
    measured: int = 0

    def energy_j(self, point: Point) -> float:
        """Return the true joules per token."""
        setting, batch = point.setting, point.batch
        kind, tile = setting.precision, self.tiles[setting.precision]
        rows = math.ceil(batch / tile) * tile
        step_j = self.weights_j[kind] + self.arithmetic_j[kind] * rows + self.attention_j * batch * batch
        axes = (setting.attention, setting.cache, "compiled" if setting.compile else "plain")
        factor = math.prod(self.factors[kind, axis] for axis in axes)
        cliff = math.prod(f for at, f in self.cliffs[kind].items() if batch > at)
        return step_j / batch * factor * cliff

    def p95_s(self, point: Point) -> float:
        """Return the true latency."""
        return 0.02 + 0.05 * point.batch * self.energy_j(point)

    def memory_bytes(self, point: Point) -> float:
        """Return the memory that a point takes."""
        return 1e9 * (self.gigabytes[point.setting.precision] + self.slot_gb[point.setting.cache] * point.batch)

    def allows(self, point: Point, slack: float = 1.0) -> bool:
        """Say whether a point may be chosen."""
        bound = self.space.most_p95_s
        if self.memory_bytes(point) > self.memory_gb * 1e9 or point.setting.precision in self.rejected:
            return False
        return bound is None or self.p95_s(point) <= bound * slack

    def points(self) -> list[Point]:
        """Return the whole grid."""
        return [Point(setting=s, batch=b) for s in self.space.settings() for b in range(1, self.space.most_batch + 1)]

    def best(self) -> Point:
        """Return the point of least true energy among those that may be chosen."""
        return min(filter(self.allows, self.points()), key=self.energy_j)

    def measure(self, point: Point, *, short: bool = False) -> Sample:
        """Draw one reading."""
        del short
        self.measured += 1
        if point.setting.precision in self.rejected:
            return Sample(status="rejected", why="planted")
        if self.memory_bytes(point) > self.memory_gb * 1e9:
            return Sample(status="out_of_memory", why="planted")
        off = math.exp(self.random.gauss(0.0, self.noise))
        if self.random.random() < OUTLIERS:
            off *= self.random.uniform(1.3, 2.5)
        late = math.exp(self.random.gauss(0.0, 0.02))
        return Sample(
            energy_j_per_token=self.energy_j(point) * off,
            tokens=100 * point.batch,
            requests=point.batch,
            p50_s=self.p95_s(point) * late * 0.8,
            p95_s=self.p95_s(point) * late,
            memory_bytes=int(self.memory_bytes(point)),
            spent_j=self.energy_j(point) * 100 * point.batch,
            took_s=1.0,
            evidence="measured",
            method="made up",
        )


def device(seed: int, *, most_batch: int = 64) -> Device:
    """Return the made-up device of `seed`."""
    rng = random.Random(seed)  # noqa: S311  # no secret
    axes = {"attentions": ("eager", "sdpa"), "caches": ("dynamic", "static"), "compiles": (False, True)}
    default = Point(setting=Setting(precision="float32", attention="sdpa", cache="dynamic"), batch=1)
    weights_j = {"float32": 1.0, "bfloat16": rng.uniform(0.45, 1.1), "int8": rng.uniform(0.25, 0.9)}
    arithmetic_j = {
        "float32": rng.uniform(0.02, 0.06),
        "bfloat16": rng.uniform(0.01, 0.06),
        "int8": rng.uniform(0.015, 0.12),
    }
    space = Space(default=default, precisions=PRECISIONS, most_batch=most_batch, **axes)  # type: ignore[arg-type]
    names = ("eager", "sdpa", "dynamic", "static", "plain", "compiled")
    factors = {(kind, name): rng.uniform(0.8, 1.25) for kind in PRECISIONS for name in names}
    cliffs = {
        kind: {rng.randrange(6, most_batch): rng.uniform(1.05, 1.35) for _ in range(rng.randrange(3))}
        for kind in PRECISIONS
    }
    made = Device(
        space=space,
        weights_j=weights_j,
        arithmetic_j=arithmetic_j,
        tiles={kind: rng.choice(TILES) for kind in PRECISIONS},
        factors=factors,
        cliffs=cliffs,
        attention_j=rng.choice((0.0, rng.uniform(1e-5, 8e-4))),
        gigabytes={"float32": 4.0, "bfloat16": 2.0, "int8": 1.0},
        slot_gb={"dynamic": rng.uniform(0.05, 0.2), "static": rng.uniform(0.1, 0.3)},
        memory_gb=rng.uniform(6.0, 16.0),
        noise=rng.uniform(0.03, 0.08),
        rejected=frozenset({"int8"}) if rng.random() < 0.2 else frozenset(),
        random=random.Random(seed + 10_000),  # noqa: S311
    )
    if rng.random() < 0.5:
        made.space = bounded(made, rng)
    return made


def bounded(made: Device, rng: random.Random) -> Space:
    """Return the space with a latency bound that some of the points keep."""
    from dataclasses import replace

    reachable = sorted(made.p95_s(point) for point in made.points() if made.allows(point))
    return replace(made.space, most_p95_s=reachable[int(len(reachable) * rng.uniform(0.35, 0.95))])
