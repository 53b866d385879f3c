"""Make the pictures of report.md from a ledger of made-up calls: `python docs/report_assets.py`, about 20 s.

They are the report's page in a headless Chromium (apt-get install chromium), and the burn-down of three budgets.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

DOCS = Path(__file__).parent
ASSETS = DOCS / "assets"
sys.path.append(str(DOCS.parent / "benchmarks"))
from report import fill  # noqa: E402 (of benchmarks/)

from greenai import spending  # noqa: E402
from greenai.budget import Amount, open_ledger  # noqa: E402
from greenai.cli.pictures import draw_burn_down  # noqa: E402
from greenai.report import page, read  # noqa: E402
from greenai.report.burn import burns, points  # noqa: E402
from greenai.settings import load_settings  # noqa: E402
from greenai.store.reading import reading  # noqa: E402

CALLS = 6000
MADE = 1_792_600_000.0  # the morning after the last of them
WIDTH, HEIGHT = 1000, 1280
LIMITS = """
[budget]
energy = "{month_wh} Wh/month"
timezone = "UTC"
[projects.support-bot.budget]
energy = "{day_wh} Wh/day"
cost = "{day_usd} USD/day"
"""


def main() -> None:
    """Write report.png and burn-down.svg."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _page(place)
        _burn_down(place)


def _page(place: Path) -> None:
    ledger = place / "ledger.db"
    fill(ledger, CALLS)
    report = read(ledger)
    if report is None:
        raise SystemExit("the ledger was not written")
    file = place / "report.html"
    file.write_text(page(report, made=MADE).replace(str(ledger), "ledger.db"), "utf-8")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("chromium is not here: apt-get install chromium")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={place}/user"]
    shot = [f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={ASSETS / 'report.png'}", file.as_uri()]
    subprocess.run([chromium, *options, *shot], check=True, capture_output=True, timeout=60)


def _burn_down(place: Path) -> None:
    """Draw budgets as they would stand this evening, with limits that fit what the calls took."""
    ledger = place / "today.db"
    evening = datetime.now(UTC).replace(hour=17, minute=0, second=0, microsecond=0)
    fill(ledger, CALLS, end=evening.timestamp())
    begin = evening.replace(hour=0)
    today = read(ledger, since=begin.timestamp(), project="support-bot")
    month = read(ledger, since=begin.replace(day=1).timestamp())
    if today is None or month is None:
        raise SystemExit("the ledger was not written")
    used_j, cost_usd, month_j = today.total.energy_j or 1, today.total.cost_usd or 1, month.total.energy_j or 1
    file = place / "greenai.toml"
    file.write_text(
        LIMITS.format(
            month_wh=round(month_j / 3600 * 1.6), day_wh=round(used_j / 3600 * 1.25), day_usd=round(cost_usd * 3, 2)
        )
    )
    os.environ["GREENAI_STATE_DIR"] = str(place / "state")
    settings = load_settings(file)
    budgets = open_ledger(spending.address(settings))
    amounts = {
        "organisation": Amount(energy_j=month_j),
        "project/support-bot": Amount(energy_j=used_j, usd=cost_usd),
    }
    for scope, caps in spending.caps(settings).items():
        hold = budgets.reserve_all([(scope, cap.budget) for cap in caps], amounts[scope], attempt_id=scope)
        hold.settle(amounts[scope])
    budgets.close()
    with reading(ledger) as reader:
        found = [(burn, points(reader, burn)) for burn in burns(settings, now=evening + timedelta(minutes=1))]
    draw_burn_down(found, ASSETS / "burn-down.svg")


if __name__ == "__main__":
    main()
