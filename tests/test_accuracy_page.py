"""The page on accuracy says what the fit and the benchmark found, and the benchmark says who is missing."""

from __future__ import annotations

import io
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

import greenai.meters
from greenai.meters import Deployment, ModelCard
from greenai.meters.physics import METHOD
from greenai.readings import Reading

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "docs" / "assets"
DATA: dict[str, Any] = json.loads((ASSETS / "accuracy.json").read_text("utf-8"))
ERRORS: dict[str, Any] = json.loads(Path(greenai.meters.__file__).with_name("errors.json").read_text("utf-8"))
PAGE = (ROOT / "docs" / "accuracy.md").read_text("utf-8")
README = " ".join((ROOT / "README.md").read_text("utf-8").split())

SAME = {
    "known_deployment": "known_deployment",
    "batch_hidden": "batch_hidden_31_to_128",
    "batch_and_hardware_hidden": "engine_and_precision_known_31_to_128",
    "interval_batch_hidden": "batch_hidden_16_to_256",
    "interval_engine_known": "engine_and_precision_known_16_to_256",
    "interval_api_view": "api_view_16_to_256",
    "transfer_a100": "vllm_older_a100",
    "transfer_h100": "vllm_older_h100",
    "transformers_batch_1": "transformers_batch_1",
    "image_chat": "image_chat",
}
"""The benchmark's name of a comparison, and the fit's."""

AGAIN = (
    "run: python benchmarks/energy_accuracy.py FOLDER --json docs/assets/accuracy.json --plot docs/assets/accuracy.svg"
)


def block(name: str) -> dict[str, Any]:
    return next(one for one in DATA["blocks"] if one["name"] == name)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    pytest.importorskip("scipy")
    for folder in ("benchmarks", "training/energy"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    import energy_accuracy
    import energy_anchors
    import energy_peers
    import rows

    return {"accuracy": energy_accuracy, "anchors": energy_anchors, "peers": energy_peers, "rows": rows}


# --- what is committed is current -----------------------------------------------------------


def test_the_benchmark_ran_on_the_shipped_method() -> None:
    assert (DATA["method"], ERRORS["version"]) == (METHOD, METHOD), AGAIN


@pytest.mark.parametrize(("ours", "fits"), SAME.items())
def test_the_benchmark_and_the_fit_found_the_same(ours: str, fits: str) -> None:
    line = block(ours)["lines"][0]
    assert line["name"] == "greenai"
    shared = line.keys() & ERRORS[fits].keys()
    assert {"rows", "median_error", "within_two"} <= shared
    assert {k: line[k] for k in shared} == {k: ERRORS[fits][k] for k in shared}, AGAIN


def test_families_are_those_of_the_fit() -> None:
    own = {name: figures["greenai"] for name, figures in DATA["families"].items()}
    fit = {name: {k: own[name][k] for k in figures} for name, figures in ERRORS["families"].items()}
    assert fit == ERRORS["families"], AGAIN
    assert own.keys() == ERRORS["families"].keys()


def test_every_peer_was_there_and_called_as_before() -> None:
    missing = [line for one in DATA["blocks"] for line in one["lines"] if "missing" in line]
    assert missing == []
    assert len(DATA["agreement"]) == 4
    assert all(difference < 0.001 for difference in DATA["agreement"].values())


def test_published_figures_are_compared_with_what_greenai_says_today(bench: dict[str, ModuleType]) -> None:
    anchors = bench["anchors"]
    rows: dict[str, dict[str, str]] = {}
    for one in DATA["anchors"]:
        row = rows.setdefault(one["item"], dict.fromkeys(("energy_wh", "co2e_g", "water_ml"), ""))
        row |= {"item": one["item"], "source": one["source"], one["quantity"]: str(one["published"])}
    today = anchors.compare(rows.values())
    assert [asdict(one) for one in today] == DATA["anchors"], AGAIN
    assert anchors.counted(today) == DATA["anchors_inside"]


def test_goals_are_stated_with_what_was_found() -> None:
    missed = sorted(one["name"] for one in DATA["blocks"] if not all(one["met"].values()))
    count = sum(DATA["anchors_inside"].values())
    assert PAGE.count("| **no** |\n") == sum(not met for one in DATA["blocks"] for met in one["met"].values()) + sum(
        not one["inside"] for one in DATA["anchors"]
    )
    assert missed in ([], ["batch_hidden"])
    assert count >= 8
    assert f"{count} of {len(DATA['anchors_inside'])}" in PAGE


def test_the_readme_says_what_was_found() -> None:
    known = block("known_deployment")["lines"][0]
    assert f"the accelerators' energy has a median error of {known['median_error']:.0%}." in README
    assumed = re.search(r"\| assumed \| \d+ \| \d+ \((\d+) to (\d+)\) \|", PAGE)
    assert assumed is not None
    assert f"typically {assumed[1]} to {assumed[2]} times wide" in README
    own = re.search(r"greenai's median is ([\d.]+ to [\d.]+) times their figures", PAGE)
    assert own is not None
    assert f"greenai's median is {own[1]} times them." in README


def test_widths_count_the_models_that_the_catalogs_page_counts() -> None:
    catalog = (ROOT / "docs" / "catalog.md").read_text("utf-8")
    cards, models = re.findall(r"has (\d+) cards: (\d+) models", catalog)[0]
    said = re.search(r"(\d+) of the catalog's (\d+) models: (\d+) have no size, and (\d+) runs on this machine", PAGE)
    assert said is not None
    shown, every, unsized, here = map(int, said.groups())
    kinds = re.findall(r"^\| (?:published|the name alone, 10% either way|assumed) \| (\d+) \|", PAGE, re.MULTILINE)
    assert (str(every), sum(map(int, kinds))) == (models, shown)
    assert shown + unsized + here == every
    assert f"the catalog's {cards} cards" in PAGE


def test_rows_off_by_more_than_two_are_those_that_the_page_names() -> None:
    off = {name: sum(not 0.5 <= r <= 2 for r in one["ratios"]["greenai"]) for name, one in DATA["families"].items()}
    assert f"Of the {sum(off.values())} rows of all families" in PAGE
    assert f"{off['qwen3-480b']} are of these." in PAGE


# --- the picture ----------------------------------------------------------------------------


def test_the_picture_is_small_and_shows_every_family() -> None:
    picture = ASSETS / "accuracy.svg"
    assert picture.stat().st_size < 150_000
    texts = {(e.text or "").strip() for e in ET.parse(picture).iter("{http://www.w3.org/2000/svg}text")}
    for figures in DATA["families"].values():
        assert f"{figures['greenai']['median_error']:.0%}" in texts, AGAIN
        assert f"{figures['EcoLogits']['median_error']:.0%}" in texts, AGAIN
    known = block("known_deployment")["lines"][0]
    assert any(f"median error {known['median_error']:.0%}, {known['within_two']:.0%}" in text for text in texts)


def test_the_picture_can_be_drawn_without_a_peer(bench: dict[str, ModuleType], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    import energy_plot

    found = json.loads(json.dumps(DATA))
    for figures in found["families"].values():
        figures["EcoLogits"] = {"name": "EcoLogits 0.11.3", "missing": "not installed"}
        del figures["ratios"]["EcoLogits"]
    for one in found["blocks"]:
        one["lines"] = [line for line in one["lines"] if not line["name"].startswith("EcoLogits")]
    energy_plot.draw(found, tmp_path / "a.svg")
    assert "EcoLogits" not in (tmp_path / "a.svg").read_text("utf-8")


# --- the benchmark --------------------------------------------------------------------------


def row(bench: dict[str, ModuleType], **changes: Any) -> Any:
    one = bench["rows"].Row(
        group="a",
        model="a/a",
        task="chat",
        card=ModelCard(total_params_b=8, name="a/a"),
        place=Deployment(gpu="H100", gpus=1, batch=64),
        input_tokens=300,
        output_tokens=100,
        joules=20.0,
        batch=64.0,
    )
    return replace(one, **changes)


def test_a_missing_peer_is_named_with_its_command(
    bench: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench["peers"], "_module", lambda _name: None)
    peers = bench["peers"].peers()
    lines = bench["accuracy"].others([row(bench)], peers)
    assert [line["missing"] for line in lines] == ["not installed: pip install ecologits==0.11.3"] * 4 + [
        "not installed: pip install ecocost==0.2.4"
    ]
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(bench["accuracy"].shown({"title": "t", "lines": lines, "targets": {}, "met": {}}))
    assert "not installed: pip install ecocost==0.2.4" in console.export_text()
    assert set(bench["peers"].agreement([row(bench)], []).values()) == {None}


def test_files_that_are_missing_are_named_in_one_line(
    bench: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in bench["accuracy"].FILES[1:]:
        (tmp_path / name).touch()
    monkeypatch.setattr("sys.argv", ["energy_accuracy.py", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        bench["accuracy"].main()
    said = f'{tmp_path} lacks mlenergy_v3_llm.csv: see docs/accuracy.md, section "Run it yourself".'
    assert caught.value.code == said
    assert "## Run it yourself\n" in PAGE
    assert all(f"| `{name}` |" in PAGE for name in bench["accuracy"].FILES)


def test_a_figure_of_accelerators_is_compared_with_their_own_interval(bench: dict[str, ModuleType]) -> None:
    (anchor,) = (a for a in bench["anchors"].ANCHORS if a.boundary == "accelerators")
    reading = anchor.reading()
    low, median, high = (joules / 3600 for joules in (reading.gpu_low_j, reading.gpu_energy_j, reading.gpu_high_j))
    assert bench["anchors"].interval(anchor, "energy_wh") == pytest.approx((low, median, high))
    assert high / low < reading.high_j / reading.low_j


def test_a_median_without_one_row_and_without_one_family(bench: dict[str, ModuleType]) -> None:
    rows = [row(bench, group=group, joules=100.0) for group in "aab"]
    readings = [Reading(energy_j=j, low_j=j, high_j=j, gpu_energy_j=j) for j in (110.0, 120.0, 150.0)]
    found = bench["accuracy"].moved(zip(rows, readings, strict=True))
    assert found == {"one_row_less": [0.15, 0.35], "one_family_less": [0.15, 0.5]}


def test_the_constant_never_sees_its_own_family(bench: dict[str, ModuleType]) -> None:
    rows = [row(bench, joules=20.0), row(bench, group="b", joules=500.0), row(bench, group="c", joules=700.0)]
    constant = bench["peers"].constant(rows)
    assert [round(constant.joules(one), 9) for one in rows] == [600.0, 360.0, 260.0]


def test_a_goal_is_met_at_its_limit_and_missed_beyond(bench: dict[str, ModuleType]) -> None:
    targets = {"median_error": 0.2, "within_two": 0.95, "coverage": (0.85, 0.95), "median_width": 9}

    def met(**own: float) -> dict[str, bool]:
        found: dict[str, bool] = bench["accuracy"].Block(name="n", title="t", lines=[own], targets=targets).met()
        return found

    assert set(met(median_error=0.2, within_two=0.95, coverage=0.95, median_width=9).values()) == {True}
    assert set(met(median_error=0.201, within_two=0.949, coverage=0.951, median_width=9.1).values()) == {False}
    assert met(median_error=0.1, within_two=1, coverage=0.84, median_width=2)["coverage"] is False


def test_published_rows_without_an_anchor_are_refused(bench: dict[str, ModuleType]) -> None:
    with pytest.raises(LookupError) as caught:
        bench["anchors"].compare([{"item": anchor.item} for anchor in bench["anchors"].ANCHORS] + [{"item": "new"}])
    assert str(caught.value) == "Published rows and anchors differ in new. Describe each."
