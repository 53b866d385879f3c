"""`greenai budget`: what is left, until when, and a picture of the way there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from greenai import spending
from greenai.budget import Amount, open_ledger
from greenai.cli.budget import NO_BUDGET
from greenai.settings import load_settings

if TYPE_CHECKING:
    from conftest import Shell  # type: ignore[attr-defined]

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="the extra `plot` is not installed")
LIMITS = """
[budget]
energy = "1 kWh/day"
timezone = "UTC"
[projects.shop.budget]
calls = "10/30d rolling"
when_spent = "refuse"
[user_budget]
calls = "5/day"
"""


@pytest.fixture
def spent(shell: Shell, tmp_path: Path) -> Path:
    """Where budgets are counted, of which one is half used and one is spent."""
    file = tmp_path / "greenai.toml"
    file.write_text(LIMITS)
    settings = load_settings(file)
    ledger = open_ledger(spending.address(settings))
    caps = spending.caps(settings)
    for scope, amount in (("organisation", Amount(energy_j=1.8e6)), ("project/shop", Amount(calls=10))):
        ledger.reserve_all([(scope, cap.budget) for cap in caps[scope]], amount, attempt_id=scope).settle(amount)
    ledger.close()
    return Path(spending.address(settings))


def test_what_is_left_and_what_becomes_of_it(shell: Shell, spent: Path) -> None:
    out = shell("budget")
    assert (out.exit_code, out.stderr) == (0, "")
    lines = out.stdout.splitlines()
    assert lines[0] == "organisation: 1 kWh/day"
    assert lines[1].endswith(" 50% used")
    assert lines[2] == "    0.5 kWh used, 0 kWh held, 0.5 kWh left"
    assert lines[3].startswith("    ends ")
    assert "project/shop: 10 calls/30d rolling" in lines
    assert "    10 calls used, 0 calls held, 0 calls left" in lines
    assert "    spent: refuse" in lines
    assert "Each user: 5 calls/day. See one with: greenai budget --scope user/..." in lines
    assert lines[-1] == (
        f"Counted in {spent}. Forecasts are linear: what was settled since the window began, "
        "carried on at the same pace."
    )


def test_json(shell: Shell, spent: Path) -> None:
    data = shell.json("budget")
    assert data["place"] == str(spent)
    assert data["for_each"] == {"user": ["5/day"]}
    first, second = data["budgets"]
    assert (first["scope"], first["unit"], first["limit"], first["settled"], first["left"]) == (
        "organisation", "energy_j", 3.6e6, 1.8e6, 1.8e6,
    )  # fmt: skip
    assert (second["left"], second["when_spent"], second["window"]) == (0, "refuse", "rolling")


def test_one_scope(shell: Shell, spent: Path) -> None:
    assert [b["scope"] for b in shell.json("budget", "--scope", "user/ab12")["budgets"]] == ["user/ab12"]
    kind, message = shell.error("budget", "--scope", "project/none")
    assert kind == "InvalidRequest"
    assert message == (
        "No budget is configured for the scope 'project/none'. Configured: organisation, user, project/shop."
    )


def test_without_a_budget_it_says_how_to_have_one(shell: Shell, tmp_path: Path) -> None:
    out = shell("budget")
    assert (out.exit_code, out.stdout) == (0, NO_BUDGET + "\n")
    assert shell.json("budget") == {"budgets": [], "hint": NO_BUDGET}
    example = "\n".join(line.strip() for line in NO_BUDGET.splitlines()[1:])
    (tmp_path / "greenai.toml").write_text(example)
    assert [b["budget"] for b in shell.json("budget")["budgets"]] == ["50 Wh/day"]


@needs_matplotlib
def test_the_burn_down_has_a_legend_and_its_time_zone(
    shell: Shell, spent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr("greenai.cli.pictures.save", lambda figure, *_: drawn.append(figure))
    assert shell("budget", "--plot", "b.png").exit_code == 0
    axes = drawn[0].axes[0]
    assert {"left", "even pace"} <= {text.get_text() for text in axes.get_legend().get_texts()}
    assert axes.get_xlabel() == "time in UTC"


@needs_matplotlib
def test_a_picture(shell: Shell, spent: Path) -> None:
    file = spent.with_name("b.png")
    out = shell("budget", "--plot", str(file))
    assert out.exit_code == 0, out.stderr
    assert out.stdout.splitlines()[-1] == f"Picture: {file}"
    assert file.read_bytes().startswith(b"\x89PNG")
    wrong = shell("budget", "--plot", "b.jpg")
    assert wrong.exit_code == 2
    assert "--plot: b.jpg ends in .jpg. Use one of .svg, .png, .pdf." in wrong.stderr


@needs_matplotlib
def test_too_many_budgets_for_a_picture(shell: Shell, tmp_path: Path) -> None:
    tables = "".join(f'[projects.p{n}.budget]\nenergy = "1 Wh/day"\ntimezone = "UTC"\n' for n in range(13))
    (tmp_path / "greenai.toml").write_text(tables)
    assert shell.error("budget", "--plot", "b.png") == (
        "PlotError",
        "--plot: 13 budgets are too many for a picture. Choose some with --scope.",
    )


def test_a_ledger_of_budgets_that_is_damaged(shell: Shell, spent: Path) -> None:
    for name in ("budgets.db", "budgets.db-wal", "budgets.db-shm"):
        spent.with_name(name).unlink(missing_ok=True)
    spent.write_bytes(b"x" * 5000)
    out = shell("budget")
    assert (out.exit_code, out.stdout) == (1, "")
    assert "damaged" in out.stderr
