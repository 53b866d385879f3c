"""`greenai feedback`: a verdict on a call by its id, and what `greenai doctor` says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shell  # type: ignore[attr-defined]
    from servers import Scripted


def test_verdict_is_kept_and_doctor_tells_it(shell: Shell, remote: Scripted, tmp_path: Path) -> None:
    rungs = ", ".join(f'{{model = "openai/{name}", base_url = "{remote.url}"}}' for name in ("one", "two"))
    (tmp_path / "greenai.toml").write_text(f"ladder = [{rungs}]")
    call_id = shell.json("ask", "What is the capital of France?")["receipt"]["call_id"]
    result = shell("feedback", call_id, "--bad")
    assert (result.exit_code, result.stdout) == (0, f"{call_id}: bad\n")
    assert shell.json("feedback", call_id[:8], "--good") == {"call_id": call_id[:8], "good": True}
    [told] = shell.json("doctor")["feedback"]
    assert (told["labels"], told["bad"], told["corrected"], told["drift"]) == (1, 0, False, None)
    assert f"{told['classifier']}: 1 answers labelled, 0 bad; too few of both kinds" in shell("doctor").stdout


def test_unknown_call_and_missing_verdict_are_refused(shell: Shell) -> None:
    kind, message = shell.error("feedback", "nobody", "--bad")
    assert kind == "InvalidRequest"
    assert message.startswith("The ledger has no call 'nobody'")
    assert shell("feedback", "nobody").exit_code == 2
