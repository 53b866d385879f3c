"""`greenai why`: the story of one call, by its id or how that begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bookkeeping import BEGIN, HOSTILE, Book, fill

from greenai import Client
from greenai.cli.completion import complete_call
from greenai.ledger import Ledger
from greenai.readings import Reading
from greenai.store.ledger_db import LedgerDb

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shell  # type: ignore[attr-defined]
    from servers import Scripted


@pytest.fixture
def book(shell: Shell, tmp_path: Path) -> Book:
    """The ledger that the settings of the shell's folder name."""
    (tmp_path / "greenai.toml").write_text(f'ledger = "{tmp_path / "ledger.db"}"\n')
    return fill(Book(tmp_path / "ledger.db"))


def test_a_real_call_from_end_to_end(shell: Shell, remote: Scripted, tmp_path: Path) -> None:
    (tmp_path / "greenai.toml").write_text(
        f'ledger = "{tmp_path / "ledger.db"}"\nmax_retries = 0\n'
        f'ladder = [{{model = "openai/scripted-model", base_url = "{remote.url}", tier = "small"}}]\n'
    )
    with Client(project="shop") as client:
        careful = client.with_options(opt_in={"reasoning"}, reason="checked by a person")
        receipt = careful.ask("Why is Paris the capital of France, zorbleflux?").greenai
    out = shell("why", receipt.call_id[:8])
    assert (out.exit_code, out.stderr) == (0, "")
    text = " ".join(out.stdout.split())
    assert f"call {receipt.call_id}, " in text
    assert "project shop" in text
    assert "asked for no model: the ladder decides (through ask)" in text
    assert "answered by openai/scripted-model: small model" in text
    assert "checked by a person" in text
    assert "1. openai/scripted-model: answered;" in text
    assert "zorbleflux" not in text
    data = shell.json("why", receipt.call_id)
    assert data["call_id"] == receipt.call_id
    assert data["cache_key"] == receipt.cache_key
    assert data["story"]["route"] == list(receipt.decision.route)
    assert [check["name"] for check in data["story"].get("checks", [])] == [c.name for c in receipt.decision.checks]
    assert data["attempts"][0]["attempt_id"] == receipt.attempts[0].attempt_id


def test_every_attempt_with_its_retries_and_what_was_held(shell: Shell, book: Book) -> None:
    ledger = Ledger(LedgerDb(book.path))
    ledger.reserve("f" * 32, "f0", "shop", "openai/gpt-5.5", Reading.unknown("x"), 60.0)
    ledger.close()
    book.attempt("e" * 32, attempt_id="e0", energy_j=7200.0, low_j=3600.0, high_j=10800.0, evidence="modelled_api",
                 cost_usd=0.02, latency_s=1.5, retries='[{"error": "429 slow down", "status": 429, "waited_s": 0.5}]')  # fmt: skip
    book.call("large", 7200.0, call_id="e" * 32, reasoning=True, opt_in='["reasoning"]', feature="search_summary",
              granted='[{"kind": "reasoning", "by": "block", "reason": "tax", "until": 1793491200.0, "user": "ann"}]',
              carbon_g=2.0, carbon_low_g=1.0, carbon_high_g=4.0, carbon_source="World grid mix, 2023", market_carbon_g=0.5,
              water_ml=3.0, cost_usd=0.02, input_tokens=10, output_tokens=20, reasoning_tokens=5, avoided_j=3600.0,
              avoided_low_j=1800.0, avoided_high_j=7200.0, baseline="gpt-5.5 as written", overhead_ms=0.4, overhead_j=0.002,
              warnings='["It reasoned."]', parent="d" * 32, error=None, cache_key="c" * 64,
              story='{"why":["task: maths (0.99)"],"checks":[["loss",0.2026,0.16,"nano"]],'
                    '"rungs":[["nano","small",28.1,0.76,0.2,"not expected to suffice"]],'
                    '"notes":[["effort","reasoning off","with_options()"]],"budget":"12 Wh left"}')  # fmt: skip
    book.call("small", 1.0, call_id="b" * 32, parent="e" * 32)
    rows = [line.rstrip() for line in shell("why", "eeee").stdout.splitlines() if line.strip()]
    assert [" ".join(row.split()) for row in rows] == [
        f"call {'e' * 32}, 2026-11-01 00:00:08 UTC",
        "project shop / search_summary",
        "asked for gpt-5.5 (through create)",
        "answered by openai/gpt-5.4-nano: large model, with reasoning",
        "why task: maths (0.99)",
        "probabilities loss 0.203 against 0.160 (nano)",
        "rungs nano (small): 7.8 mWh expected, answers well with 0.76, loss 0.20; not used: not expected to suffice",
        "opt-ins reasoning, by ann, given by block, until 2026-11-01 00:00:00 UTC: tax",
        "adjusted reasoning off. To change it: with_options()",
        "energy 2 Wh (1 to 6 Wh)",
        "method modelled_api, physics-2",
        "carbon 2 g CO2e (1 g to 4 g; World grid mix, 2023); 500 mg by what the provider bought",
        "water 3 ml",
        "cost 0.02 US dollars",
        "tokens 10 in, 20 out, 5 of the output reasoning",
        "avoided 1 Wh (500 mWh to 2 Wh; against gpt-5.5 as written)",
        "budget 12 Wh left",
        "greenai itself 0.4 ms, 560 nWh",
        "attempts 1. openai/gpt-5.4-nano: answered; used 2 Wh (1 to 3 Wh), modelled_api, 0.02 US dollars in 1.5 s",
        "sent again after 500 ms: 429 slow down, status 429",
        "warnings It reasoned.",
        f"asked again after call {'d' * 32}",
        f"as call {'b' * 32}: small model, openai/gpt-5.4-nano",
        f"cache key {'c' * 64}",
    ]
    going_on = shell("why", "f" * 32).stdout
    assert "not yet, or its process was killed: it has no row" in going_on
    assert "1. openai/gpt-5.5: held until" in going_on


def test_what_failed_and_what_is_unknown(shell: Shell, book: Book) -> None:
    book.call("failed", None, call_id="a" * 32, model=None, error="APITimeoutError", high_j=7200.0)
    out = " ".join(shell("why", "aaaa").stdout.split())
    assert "ended failed" in out
    assert "why No answer came; the error says why." in out
    assert "energy unknown; at most 2 Wh" in out
    assert "error APITimeoutError" in out


def test_what_was_refused_says_why_with_its_numbers(shell: Shell, book: Book) -> None:
    why = "BudgetExceeded: project/shop has 0 J left of its budget of 50 Wh/day (50 Wh settled), and this needs 1 Wh."
    book.call("refused", 0.0, call_id="a" * 32, model=None, error=why)
    out = " ".join(shell("why", "aaaa").stdout.split())
    assert "ended refused why greenai refused the call, and nothing was sent; the error says why." in out
    assert "energy 0 Wh (0 to 0 Wh)" in out
    assert "method physics-2" in out
    assert f"error {why}" in out


def test_an_attempt_of_unknown_energy_says_so_once(shell: Shell, book: Book) -> None:
    attempt = {"state": "failed", "evidence": "unknown", "latency_s": 0.0078, "error": "MissingKey"}
    book.call("failed", None, call_id="a" * 32, model=None, attempts=[attempt])
    out = " ".join(shell("why", "aaaa").stdout.split())
    assert "failed (MissingKey); used unknown in 7.8 ms" in out


def test_a_call_that_is_not_there_says_the_next_step(shell: Shell, book: Book) -> None:
    assert shell.error("why", "0123456789") == (
        "InvalidRequest",
        (
            f"The ledger {book.path} has no call '0123456789'. Pass the call_id of a receipt of this machine "
            "(receipt.call_id), or list the last calls with: greenai why"
        ),
    )
    assert shell.error("why", "0") == (
        "InvalidRequest",
        (
            "'0' is too short to name a call. Pass the call_id of a receipt, or at least its first 4 characters. "
            "The last calls are listed by: greenai why"
        ),
    )
    kind, message = shell.error("why", "0000")
    assert kind == "InvalidRequest"
    assert message == (
        "'0000' begins 7 calls: " + ", ".join(f"{n:032x}" for n in range(1, 6)) + ", .... Pass more of it."
    )


def test_percent_and_underscore_are_no_wildcards(shell: Shell, book: Book) -> None:
    assert shell.error("why", "____")[1].startswith(f"The ledger {book.path} has no call '____'.")
    assert shell.error("why", "0%%%")[1].startswith(f"The ledger {book.path} has no call '0%%%'.")


def test_the_last_calls_are_listed(shell: Shell, book: Book) -> None:
    data = shell.json("why")
    assert [row["call_id"] for row in data["calls"]] == [f"{n:032x}" for n in range(7, 0, -1)]
    assert data["calls"][-1]["created"] == BEGIN + 1
    assert "the last calls" in shell("why").stdout


def test_the_shell_completes_calls(shell: Shell, book: Book) -> None:
    book.call("small", 1.0, call_id="abc" * 10)
    assert complete_call("ab") == ["abc" * 10]
    assert len(complete_call("")) == 8


def test_the_shell_completes_nothing_where_the_ledger_cannot_be_read(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"x" * 5000)
    (tmp_path / "greenai.toml").write_text(f'ledger = "{tmp_path / "ledger.db"}"\n')
    assert complete_call("") == []


def test_hostile_text_steers_no_terminal(shell: Shell, book: Book) -> None:
    book.call(HOSTILE, 1.0, call_id="abcdef", model=HOSTILE, project=HOSTILE, error=HOSTILE, warnings=f'["{chr(92)}u001b[2J"]',
              baseline=HOSTILE, avoided_j=1.0, story='{"why":["\\u001b[2J"]}', opt_in="no json", granted="[1")  # fmt: skip
    out = shell("why", "abcdef")
    assert out.exit_code == 0
    assert "\x1b" not in out.stdout
    assert "\u202e" not in out.stdout
