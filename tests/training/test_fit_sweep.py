from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from pathlib import Path

import fit_sweep
import pytest
from nvml_sweep import COLUMNS
from sweep_points import plan

ENERGY = Path(fit_sweep.__file__).parent
TRUE = {"e_pre": 0.003, "e_cached": 0.0003, "traffic": 0.2, "launch": 0.002}
MODELS = {"1b": (1.24, 2.5, 16), "3b": (3.2, 6.4, 28), "8b": (8.0, 16.0, 32)}


def write(
    folder: Path, *, noise: float = 0.0, idle_w: float = 0.0, models: tuple[str, ...] = ("1b", "3b", "8b")
) -> None:
    """Write a sweep whose energy follows from `TRUE`."""
    chance = random.Random(3)
    abouts = {name: {"params_b": b, "weights_gb": w, "layers": layers} for name, (b, w, layers) in MODELS.items()}
    header = {"device": "made up", "driver": "0", "versions": {"torch": "0"}, "synthetic": True, "date": "2026-11-21"}
    (folder / "sweep.json").write_text(json.dumps(header | {"models": abouts}))
    with (folder / "sweep.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for point in plan(models):
            params_b, weights_gb, layers = MODELS[point.model]
            factors = (
                params_b * point.batch * point.new_tokens,
                params_b * point.batch * point.cached_tokens,
                weights_gb,
                layers,
            )
            unit_j = sum(value * factor for value, factor in zip(TRUE.values(), factors, strict=True))
            for repeat in range(3):
                energy_j = 100 * unit_j * (1 + chance.gauss(0, noise)) + idle_w * 5.0
                row = {name: getattr(point, name, None) for name in COLUMNS}
                row |= {"params_b": params_b, "repeat": repeat, "status": "ok", "units": 100, "seconds": 5.0}
                writer.writerow(row | {"counter_j": energy_j, "idle_w": idle_w})
        writer.writerow({"key": "1b-prefill-b64-n512-c0", "model": "1b", "mode": "prefill", "status": "oom"})


def test_the_terms_are_recovered(tmp_path: Path) -> None:
    write(tmp_path)
    found = fit_sweep.fit(fit_sweep.points(tmp_path))
    assert found == {name: pytest.approx(value, rel=1e-6) for name, value in TRUE.items()} | {
        "cached_share": pytest.approx(0.1, rel=1e-6)
    }


def test_the_terms_are_recovered_from_noise_within_their_spread(tmp_path: Path) -> None:
    write(tmp_path, noise=0.03)
    found = fit_sweep.result(tmp_path)
    assert found["terms"]["e_pre"]["value"] == pytest.approx(0.003, rel=0.05)
    assert found["terms"]["cached_share"]["value"] == pytest.approx(0.1, rel=0.2)
    for term in found["terms"].values():
        assert term["low"] <= term["value"] <= term["high"]
    assert found["median_error"] < 0.05
    assert found["synthetic"] is True
    assert found["source"] == "nvml_sweep.py on made up, driver 0, {'torch': '0'}"


def test_idle_power_is_taken_off_when_asked(tmp_path: Path) -> None:
    write(tmp_path, idle_w=80.0)
    above = fit_sweep.fit(fit_sweep.points(tmp_path, above_idle=True))
    assert above["e_pre"] == pytest.approx(0.003, rel=1e-6)
    assert fit_sweep.fit(fit_sweep.points(tmp_path))["e_pre"] != pytest.approx(0.003, rel=1e-3)


def test_no_term_is_negative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRUE, "launch", -0.001)
    write(tmp_path)
    found = fit_sweep.fit(fit_sweep.points(tmp_path))
    assert min(found.values()) == 0.0


def test_too_few_points_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    measured = [point for point in fit_sweep.points(tmp_path) if not point.factors[1]]
    with pytest.raises(fit_sweep.TooFew) as caught:
        fit_sweep.fit(measured)
    assert str(caught.value) == (
        f"{len(measured)} points of prefill and cached tokens, none with cached tokens: 4 terms need at least as many, "
        "some with cached tokens. Run nvml_sweep.py to its end."
    )


def test_one_model_alone_cannot_tell_weights_from_launches(tmp_path: Path) -> None:
    write(tmp_path, models=("1b",))
    with pytest.raises(fit_sweep.TooFew) as caught:
        fit_sweep.fit(fit_sweep.points(tmp_path))
    assert str(caught.value) == "two terms cannot be told apart by these points: measure more models or lengths."


def test_the_script_prints_json(tmp_path: Path) -> None:
    write(tmp_path)
    done = subprocess.run(
        [sys.executable, str(ENERGY / "fit_sweep.py"), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["terms"]["e_pre"]["value"] == pytest.approx(0.003)
