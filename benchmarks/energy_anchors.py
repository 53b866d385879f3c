"""Energy, carbon and water of one request as others published them, against greenai's estimate in the same boundary.

The tokens of each are the source's own where it states any. Where it states none they are one assumption for all:
`TYPICAL_INPUT` and `TYPICAL_OUTPUT`; `halved` and `doubled` say whether half and twice the output would lie inside too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from greenai.catalog import find
from greenai.meters import ModelCard, estimate, sites
from greenai.meters.footprint import embodied_factor
from greenai.readings import Reading

TYPICAL_INPUT, TYPICAL_OUTPUT = 300, 500
"""Output: what Epoch AI takes for a typical query, the only count in these sources; input: as ML.ENERGY's chat rows."""

J_PER_WH = 3600.0

# Mistral Large 2: 123e9 parameters, dense; 88 layers, 8 key-value heads of 128 values of 2 bytes, from its public
# config.json. The catalog has only newer models of that name.
MISTRAL_LARGE_2 = ModelCard(
    total_params_b=123, layers=88, kv_gb_per_1k_tokens=0.36, name="Mistral Large 2", provider="mistral"
)

# Couch gives requests and tokens of a median session, not their kinds. Those are of Hausfather, The Climate Brink,
# 2026: eight weeks of one heavy user, 96% read from the cache, 0.4% output. With Couch's own Wh per token this mix
# gives 37 of his 41 Wh.
SESSION_TOKENS, SESSION_REQUESTS = 592_439, 24
CACHED_OF_SESSION, OUTPUT_OF_SESSION = 0.96, 0.004

Quantity = Literal["energy_wh", "co2e_g", "water_ml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """How greenai estimates one published figure. `item` is its name in published_anchors.csv."""

    item: str
    model: str | ModelCard
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    requests: int = 1
    boundary: Literal["site", "accelerators", "life cycle"] = "site"
    kind: Literal["measured", "statement", "life-cycle study", "estimate"] = "estimate"
    tokens: str = "stated"

    def reading(self, output_share: float = 1.0) -> Reading:
        """Return the estimate of one of its requests."""
        card = find(self.model) if isinstance(self.model, str) else self.model
        if card is None:
            raise LookupError(f"The catalog no longer has {self.model}. Choose another model for {self.item!r}.")
        site = sites.find(card.provider)
        return estimate(
            card,
            input_tokens=self.input_tokens,
            output_tokens=round(self.output_tokens * output_share),
            cached_tokens=self.cached_tokens,
            zone=site.zone if site else "WORLD",
        )

    @property
    def provider(self) -> str | None:
        """Whose site it is."""
        card = find(self.model) if isinstance(self.model, str) else self.model
        return None if card is None else card.provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One published figure, and the median and 90% interval of greenai's."""

    item: str
    quantity: Quantity
    boundary: str
    kind: str
    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    requests: int
    tokens: str
    published: float
    low: float
    median: float
    high: float
    inside: bool
    halved: bool
    doubled: bool
    source: str


def _typical(item: str, model: str, **more: Any) -> Anchor:
    return Anchor(
        item=item,
        model=model,
        input_tokens=TYPICAL_INPUT,
        output_tokens=TYPICAL_OUTPUT,
        tokens="assumed",
        **more,
    )


def _session() -> Anchor:
    one = SESSION_TOKENS / SESSION_REQUESTS
    output = round(one * OUTPUT_OF_SESSION)
    return Anchor(
        item="Claude Code median session (S. Couch, Jan 2026)",
        model="anthropic/claude-opus-4-5",
        input_tokens=round(one) - output,
        output_tokens=output,
        cached_tokens=round(one * CACHED_OF_SESSION),
        requests=SESSION_REQUESTS,
        tokens="total stated, kinds assumed",
    )


_EPOCH = {"model": "openai/gpt-4o", "output_tokens": 500}

ANCHORS: tuple[Anchor, ...] = (
    _typical("Google Gemini Apps median text prompt (May 2025)", "gemini/gemini-2.5-flash", kind="measured"),
    _typical(
        "Google Gemini Apps, narrow boundary (active accelerator only)",
        "gemini/gemini-2.5-flash",
        kind="measured",
        boundary="accelerators",
    ),
    _typical("OpenAI average ChatGPT query (Jun 2025)", "openai/gpt-4o", kind="statement"),
    Anchor(
        item="Epoch AI GPT-4o typical query (Feb 2025)",
        input_tokens=TYPICAL_INPUT,
        tokens="output stated, input assumed",
        **_EPOCH,
    ),
    Anchor(item="Epoch AI 10k-token input", input_tokens=10_000, **_EPOCH),
    Anchor(item="Epoch AI 100k-token input", input_tokens=100_000, **_EPOCH),
    Anchor(
        item="Mistral Large 2, Le Chat 400-token response (LCA)",
        model=MISTRAL_LARGE_2,
        input_tokens=TYPICAL_INPUT,
        output_tokens=400,
        boundary="life cycle",
        kind="life-cycle study",
        tokens="output stated, input assumed",
    ),
    Anchor(item="GPT-4o short prompt (Jegham et al.)", model="openai/gpt-4o", input_tokens=100, output_tokens=300),
    Anchor(item="o3 long prompt (Jegham et al. v2)", model="openai/o3", input_tokens=10_000, output_tokens=1500),
    _session(),
)


def compare(published: Iterable[dict[str, str]]) -> list[Compared]:
    """Return every figure of the published rows beside greenai's; energy first.

    Raises:
        LookupError: a published row has no anchor here, or the other way round.
    """
    rows = {row["item"]: row for row in published}
    unmatched = rows.keys() ^ {anchor.item for anchor in ANCHORS}
    if unmatched:
        raise LookupError(f"Published rows and anchors differ in {', '.join(sorted(unmatched))}. Describe each.")
    return [
        _compared(anchor, quantity, float(rows[anchor.item][quantity]), rows[anchor.item]["source"])
        for anchor in ANCHORS
        for quantity in ("energy_wh", "co2e_g", "water_ml")
        if rows[anchor.item][quantity]
    ]


def counted(compared: Iterable[Compared]) -> dict[str, bool]:
    """Say for each published row whether the interval holds its energy; where it states none, all that it states."""
    by_item: dict[str, list[Compared]] = {}
    for one in compared:
        by_item.setdefault(one.item, []).append(one)
    energies = {item: [c for c in some if c.quantity == "energy_wh"] for item, some in by_item.items()}
    return {item: all(c.inside for c in energies[item] or some) for item, some in by_item.items()}


def _compared(anchor: Anchor, quantity: Quantity, published: float, source: str) -> Compared:
    low, median, high = interval(anchor, quantity)
    other = [interval(anchor, quantity, share) for share in (0.5, 2.0)]
    card = find(anchor.model) if isinstance(anchor.model, str) else anchor.model
    return Compared(
        quantity=quantity,
        model=getattr(card, "name", str(anchor.model)),
        published=published,
        low=_round(low),
        median=_round(median),
        high=_round(high),
        inside=low <= published <= high,
        halved=other[0][0] <= published <= other[0][2],
        doubled=other[1][0] <= published <= other[1][2],
        source=source,
        **{k: v for k, v in asdict(replace(anchor, model="")).items() if k != "model"},
    )


def interval(anchor: Anchor, quantity: Quantity, output_share: float = 1.0) -> tuple[float, float, float]:
    """Return low, median and high of a quantity in the anchor's boundary, in the quantity's unit."""
    reading = anchor.reading(output_share)
    energy = reading.energy_j or 0.0
    spans = (reading.low_j or 0.0) / energy, 1.0, (reading.high_j or 0.0) / energy
    if anchor.boundary == "accelerators":
        gpu = reading.gpu_low_j or 0.0, reading.gpu_energy_j or 0.0, reading.gpu_high_j or 0.0
        return _scaled(anchor.requests / J_PER_WH, gpu)
    if quantity == "energy_wh":
        return _scaled(energy / J_PER_WH * anchor.requests, spans)
    if quantity == "water_ml":
        return _scaled(_water_ml(anchor, reading), spans)
    return _carbon_g(anchor, reading, spans)


def _scaled(value: float, spans: tuple[float, float, float]) -> tuple[float, float, float]:
    return value * spans[0], value * spans[1], value * spans[2]


def _water_ml(anchor: Anchor, reading: Reading) -> float:
    """Return cooling alone, what a provider's own figure counts; with the electricity's water in a life cycle."""
    if anchor.boundary == "life cycle":
        return (reading.footprint.water_ml if reading.footprint else None) or 0.0
    site = sites.find(anchor.provider)
    machines_j = (reading.energy_j or 0.0) - reading.components["facility"]
    return machines_j / 3.6e6 * (site.wue_l_per_kwh.value if site else 0.0) * 1000


def _carbon_g(anchor: Anchor, reading: Reading, spans: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return market-based carbon of use; in a life cycle the location-based one and that of making the hardware."""
    made = reading.footprint
    if made is None:
        raise LookupError(f"No footprint for {anchor.item!r}.")
    if anchor.boundary != "life cycle":
        return _scaled(made.market_carbon_g or 0.0, spans)
    use = _scaled(made.carbon_g or 0.0, spans)
    factor, hardware = embodied_factor(), made.embodied_carbon_g or 0.0
    return use[0] + hardware / factor, use[1] + hardware, use[2] + hardware * factor


def _round(value: float) -> float:
    return float(f"{value:.3g}")
