"""`greenai report`: tables, JSON, CSV, a page and a picture of what the ledger has."""

from __future__ import annotations

import csv
import io
import stat
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bookkeeping import BEGIN, HOSTILE, Book, fill

from greenai.cli.report import EMPTY, complete_by

if TYPE_CHECKING:
    from conftest import Shell  # type: ignore[attr-defined]

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="the extra `plot` is not installed")


@pytest.fixture
def book(shell: Shell, tmp_path: Path) -> Book:
    """The ledger that the settings of the shell's folder name."""
    (tmp_path / "greenai.toml").write_text(f'ledger = "{tmp_path / "ledger.db"}"\n')
    return fill(Book(tmp_path / "ledger.db"))


def test_it_prints_what_the_rows_add_up_to(shell: Shell, book: Book) -> None:
    out = shell("report")
    assert (out.exit_code, out.stderr) == (0, "")
    lines = out.stdout.splitlines()
    assert lines[0] == (
        f"7 calls and 7 attempts in {book.path}, the first at 2026-11-01 00:00:01 UTC, the last at 2026-11-01 00:00:07 UTC."
    )
    for title in ("by outcome", "by project", "by model", "by feature", "how calls were answered", "how often"):
        assert title in [line.strip() for line in lines]
    assert "2 calls of 7 with unknown energy: in no sum, never taken as 0." in lines
    assert any(line.split()[:4] == ["failed", "1", "unknown", "-"] for line in lines)


def test_a_refused_call_is_its_own_end_of_the_flow(shell: Shell, book: Book) -> None:
    book.call("refused", 0.0, model=None, cost_usd=0.0)
    lines = [line.split() for line in shell("report").stdout.splitlines()]
    assert ["Cache", "7", "1"] in [line[:3] for line in lines]
    assert ["Refused,", "nothing", "was", "sent", "-", "1"] in [line[:6] for line in lines]
    shell("report", "--html", "r.html")
    assert "Refused, nothing was sent" in Path("r.html").read_text("utf-8")


def test_it_fits_80_columns(shell: Shell, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = shell("report").stdout
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "…" not in out


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_names_stay_whole_where_figures_give_way(
    shell: Shell, book: Book, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    book.call("refused", 0.0, project="support-bot", feature="a_feature")
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = [line.rstrip() for line in shell("report").stdout.splitlines()]
    assert max(map(len, lines)) <= columns
    begins = [line.split()[0] for line in lines if line]
    for name in ("support-bot", "openai/gpt-5", "search_summa", "Large", "features,", "a_feature"):
        assert any(begin.startswith(name) for begin in begins), name
    [head] = [line.split() for line in lines if line.split()[:1] == ["outcome"]]
    assert head[:3] == ["outcome", "calls", "energy"]
    assert ("interval" in head) == (columns == 80)


def test_by_one_way_alone(shell: Shell, book: Book) -> None:
    out = shell("report", "--by", "model").stdout
    assert "by model" in out
    assert "by project" not in out
    wrong = shell("report", "--by", "colour")
    assert wrong.exit_code == 2
    assert "'colour' is none of outcome, project, model, feature, evidence." in wrong.stderr


def test_by_evidence(shell: Shell, book: Book) -> None:
    out = shell("report", "--by", "evidence").stdout
    assert "modelled, deployment unknown" in out
    assert "by outcome" not in out
    assert complete_by("e") == ["evidence"]


def test_json_and_csv_cannot_both_be_printed(shell: Shell, book: Book) -> None:
    out = shell("report", "--json", "--csv", "-")
    assert out.exit_code == 1
    assert "--json and --csv - would both print. Pass one of them, or --csv FILE." in out.stdout


def test_json_has_the_sums_and_their_rows(shell: Shell, book: Book) -> None:
    data = shell.json("report")
    assert data["rows"] == {
        "path": str(book.path), "calls": 7, "attempts": 7, "energy_unknown": 2, "first": BEGIN + 1, "last": BEGIN + 7,
    }  # fmt: skip
    assert data["total"]["avoided_j"] == 97.0
    assert sum(part["energy_j"] or 0 for part in data["by_model"]) == data["total"]["energy_j"]
    assert shell.json("report", "--project", "desk")["total"]["calls"] == 1


def test_since_days_and_what_is_no_moment(shell: Shell, book: Book) -> None:
    book.call("small", created=time.time() - 3600)
    assert shell.json("report", "--days", "1")["rows"]["calls"] == 1
    assert shell.json("report", "--since", "2h")["rows"]["calls"] == 1
    assert shell.json("report", "--since", "2026-11-01")["rows"]["calls"] >= 7
    assert shell.json("report", "--since", "2026-11-01T00:00:06+00:00")["rows"]["calls"] >= 2
    assert shell.error("report", "--since", "yesterday") == (
        "InvalidRequest",
        (
            '--since \'yesterday\' is no moment. Pass a date such as "2026-11-01", a moment such as "2026-11-01T09:00", or a '
            'time ago such as "36h", "7d" or "4w".'
        ),
    )
    assert shell.error("report", "--since", "7d", "--days", "3") == (
        "InvalidRequest",
        "--since and --days say the same in two ways. Pass one of them.",
    )


def test_a_span_without_calls_says_how_to_see_more(shell: Shell, book: Book) -> None:
    out = shell("report", "--project", "shop", "--since", "2027-01-01")
    assert out.exit_code == 0
    assert out.stdout.strip() == (
        f"No call of this span and project is in the ledger ({book.path}). Take a longer one with --days, leave --project "
        "out, or see all with: greenai report"
    )


def test_without_a_ledger_it_says_how_to_make_the_first_call(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "none" / "ledger.db"
    (tmp_path / "greenai.toml").write_text(f'ledger = "{path}"\n')
    hint = EMPTY.format(where=f" ({path}; the folder {path.parent} does not exist)")
    for command in (("report",), ("why",), ("report", "--days", "3")):
        out = shell(*command)
        assert (out.exit_code, out.stdout) == (0, hint + "\n")
    assert shell.json("report") == {"rows": {"path": str(path), "calls": 0, "attempts": 0}, "hint": hint}
    assert shell.error("why", "abcdef") == ("InvalidRequest", f"There is no call 'abcdef'. {' '.join(hint.split())}")
    assert not path.parent.exists()
    (tmp_path / "greenai.toml").write_text('ledger = ":memory:"\n')
    assert "it is kept in memory, each process its own" in shell("report").stdout


@pytest.mark.parametrize("there", [True, False])
def test_without_a_call_files_are_written_all_the_same(shell: Shell, tmp_path: Path, there: bool) -> None:
    (tmp_path / "greenai.toml").write_text(f'ledger = "{tmp_path / "ledger.db"}"\n')
    if there:
        Book(tmp_path / "ledger.db")
    out = shell("report", "--csv", "-", "--html", "e.html")
    assert out.exit_code == 0
    assert out.stdout.splitlines()[0].startswith("part,name,more,calls,")
    assert len(out.stdout.splitlines()) == 1
    assert out.stderr.startswith("There is no call in the ledger yet")
    assert out.stderr.endswith("Page: e.html\n")
    assert "There is no call in the ledger yet" in Path("e.html").read_text("utf-8")


def test_a_project_that_nobody_knows_is_refused(shell: Shell, book: Book) -> None:
    assert shell.error("report", "--project", "shpo") == (
        "InvalidRequest",
        (
            f"No call in the ledger ({book.path}) is of the project 'shpo', and the settings do not name it. "
            "Did you mean 'shop'?"
        ),
    )
    assert shell.error("report", "--project", "nope")[1].endswith("the settings do not name it. It has: desk, shop.")
    with Path("greenai.toml").open("a") as file:
        file.write("[projects.nope]\n")
    assert shell("report", "--project", "nope").exit_code == 0


def test_a_damaged_ledger_is_the_known_error(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"x" * 5000)
    (tmp_path / "greenai.toml").write_text(f'ledger = "{path}"\n')
    for command in (("report",), ("why",), ("why", "abcdef")):
        out = shell(*command)
        assert (out.exit_code, out.stdout) == (1, "")
        assert out.stderr.startswith(f"The ledger {path} is damaged (file is not a database). It was left as it is.")


def test_csv_has_every_part_and_no_formula(shell: Shell, book: Book, tmp_path: Path) -> None:
    book.call("small", 5.0, project="=cmd|' /C calc'!A0", model=HOSTILE)
    out = shell("report", "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(out.stdout)))
    assert {row["part"] for row in rows} >= {
        "total",
        "outcome",
        "project",
        "model",
        "feature",
        "stage",
        "time",
        "baseline",
    }
    total = next(float(row["energy_j"]) for row in rows if row["part"] == "total")
    assert sum(float(row["energy_j"] or 0) for row in rows if row["part"] == "model") == total
    assert [row["energy_j"] for row in rows if row["name"] == "failed" and row["part"] == "outcome"] == [""]
    assert "'=cmd|' /C calc'!A0" in [row["name"] for row in rows]
    assert "\x1b" not in out.stdout
    file = tmp_path / "r.csv"
    assert shell("report", "--csv", str(file)).stdout == f"CSV: {file}\n"
    assert file.read_text() == shell("report", "--csv", "-").stdout


def test_the_page_is_written_for_its_owner_alone(shell: Shell, book: Book, tmp_path: Path) -> None:
    book.call("small", 5.0, project=HOSTILE, model="\ud800")
    file = tmp_path / "report.html"
    out = shell("report", "--html", str(file))
    assert (out.exit_code, out.stdout) == (0, f"Page: {file}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "<script" not in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    kind, message = shell.error("report", "--html", str(tmp_path / "no" / "report.html"))
    assert kind == "InvalidRequest"
    assert message == (
        f"{tmp_path / 'no' / 'report.html'} cannot be written (No such file or directory). Name a file in a folder that you "
        "may write to: --html FILE"
    )


def test_json_and_files_together_leave_json_alone_on_standard_output(shell: Shell, book: Book, tmp_path: Path) -> None:
    assert shell.json("report", "--html", str(tmp_path / "r.html"))["rows"]["calls"] == 7


@needs_matplotlib
def test_the_picture_marks_what_is_unknown(shell: Shell, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr("greenai.cli.pictures.save", lambda figure, *_: drawn.append(figure))
    assert shell("report", "--png", "r.png").exit_code == 0
    assert "of unknown energy too" in [text.get_text() for text in drawn[0].axes[0].get_legend().get_texts()]


@needs_matplotlib
def test_a_picture(shell: Shell, book: Book, tmp_path: Path) -> None:
    file = tmp_path / "r.png"
    out = shell("report", "--png", str(file))
    assert (out.exit_code, out.stdout) == (0, f"Picture: {file}\n")
    assert file.read_bytes().startswith(b"\x89PNG")
    wrong = shell("report", "--png", "r.jpg")
    assert wrong.exit_code == 2
    assert "--png: r.jpg ends in .jpg. Use one of .svg, .png, .pdf." in wrong.stderr
    assert shell.error("report", "--png", "nowhere/r.png") == (
        "PlotError",
        "--png: the folder nowhere does not exist. Make it, or choose another.",
    )


def test_without_matplotlib_it_names_the_install(shell: Shell, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenai.cli.plot.find_spec", lambda _: None)
    kind, message = shell.error("report", "--png", "r.png")
    assert kind == "MissingExtra"
    assert message.startswith("Drawing the report needs the package matplotlib, which is not installed.")


def test_hostile_names_steer_no_terminal(shell: Shell, book: Book) -> None:
    book.call("small", 5.0, project=HOSTILE, model=HOSTILE, feature=HOSTILE, baseline=HOSTILE, avoided_j=1.0,
              carbon_g=1.0, carbon_source=HOSTILE)  # fmt: skip
    book.call(HOSTILE, 1.0)
    out = shell("report").stdout
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[bold]=1+1" in out
