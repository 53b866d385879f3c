"""`greenai batch`: answer a file of requests that can wait, and go on where an earlier run ended.

Exit codes: 0 all are answered, 1 some failed, or greenai refused; 2 a wrong use of the command; 3 the job is paused (a
budget is spent, a provider refuses the key, the disk is full); 130 somebody pressed Ctrl-C. After 3 and 130 the line
that goes on with it is printed.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greenai.cli.common import (
    AsJson,
    Model,
    OptIns,
    Project,
    Reason,
    SettingsFile,
    Yes,
    client_arguments,
    console,
    may_pull,
    options_of,
    plain,
    print_json,
    pull,
    reported,
    settings_of,
)
from greenai.errors import BatchPaused, LedgerError, ModelMissing

if TYPE_CHECKING:
    from greenai import Client, Job
    from greenai.bulk.answers import Answer
    from greenai.bulk.journal import Journal
    from greenai.bulk.watching import Watching

__all__ = ["batch"]

REASONS = 3
"""How many kinds of failures are told beside the sum."""
PAUSED = 3
INTERRUPTED = 130


class Backend(StrEnum):
    """How the requests are asked."""

    CALLS = "calls"
    PROVIDER = "provider"
    RAY = "ray"
    VLLM = "vllm"


def complete_job(incomplete: str) -> list[str]:
    """Return the names of the jobs that begin so."""
    from greenai.bulk.journal import jobs

    try:
        return [journal.name for journal in jobs(settings_of(None)) if journal.name.startswith(incomplete)]
    except Exception:  # noqa: BLE001  # a shell waits for it, and what fails completes nothing
        return []


File = Annotated[
    Path | None,
    typer.Argument(help="A JSONL file: a request a line, in the form of OpenAI's batch files, or a body alone."),
]
By = Annotated[str | None, typer.Option(help='When it has to be done: "tonight", "06:00", "2h", or an ISO time.')]
Name = Annotated[str | None, typer.Option(help="A name for the job; by default one is made of its requests.")]
How = Annotated[Backend | None, typer.Option(help="How the requests are asked; by default as fits the time.")]
AtOnce = Annotated[int | None, typer.Option(min=1, help="How many are under way at the same time.")]
Out = Annotated[Path | None, typer.Option(help="Write the answers to this file, instead of standard output.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say what it would do, and do nothing.")]
List = Annotated[bool, typer.Option("--list", help="List the jobs there are.")]
Resume = Annotated[str | None, typer.Option(help="Go on with the job of this name.", autocompletion=complete_job)]
Forget = Annotated[
    str | None,
    typer.Option(help="Delete the job of this name: its prompts and answers.", autocompletion=complete_job),
]


def batch(
    file: File = None,
    *,
    by: By = None,
    name: Name = None,
    model: Model = None,
    backend: How = None,
    at_once: AtOnce = None,
    out: Out = None,
    explain: Explain = False,
    list_: List = False,
    resume: Resume = None,
    forget: Forget = None,
    opt_in: OptIns = None,
    reason: Reason = None,
    project: Project = None,
    settings: SettingsFile = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Answer a file of requests that can wait: each once, at a cleaner hour, resumable after a crash.

    The answers come in the form of OpenAI's batch files, in the order given, with a receipt each. Exit code 1: some
    failed. 3: paused, such as by a budget. 130: interrupted. Both go on with --resume.
    """
    if sum((file is not None, list_, resume is not None, forget is not None)) != 1:
        raise typer.BadParameter("Pass one of these: a file of requests, --list, --resume NAME, --forget NAME.")
    options = options_of(opt_in, reason)
    with reported(as_json=as_json):
        if list_:
            _list(settings, as_json=as_json)
            return
        from greenai import Client

        with Client(**client_arguments(settings, project)) as opened:
            client = opened.with_options(**options) if options else opened
            if forget is not None:
                _forget(client, forget, yes=yes, as_json=as_json)
                return
            if out is not None:
                _refuse_to_write(out, file)
            job = client.batch(
                file,
                by=by,
                name=name or resume,
                backend=None if backend is None else backend.value,
                model=model,
                at_once=at_once,
                progress=_progress(as_json=as_json),
            )
            if explain:
                planned = job.plan
                print_json(planned.to_dict()) if as_json else _say(str(planned))
                return
            command = _command(job, settings, out)
            _run(client, job, command, yes=yes, as_json=as_json)
            failed = _give(job, out, command, as_json=as_json)
    if failed:
        raise typer.Exit(1)


# --- running --------------------------------------------------------------------------------


def _progress(*, as_json: bool) -> Watching:
    """Return who is told how far it is: nobody, a bar, or the lines of a log such as cron's."""
    if as_json or sys.stderr.isatty():
        return not as_json
    from greenai.bulk.watching import Logged

    return Logged(lambda line: _say(line, err=True))


def _command(job: Job, settings: Path | None, out: Path | None) -> str:
    """Return the line that goes on with a job as it was begun here."""
    more = [f" {name} {quote(str(path))}" for name, path in (("--settings", settings), ("--out", out)) if path]
    return "".join((job.command, *more))


def _run(client: Client, job: Job, command: str, *, yes: bool, as_json: bool) -> None:
    if not as_json and sys.stderr.isatty():
        _say(str(job.plan), err=True)
    try:
        try:
            job.run()
        except BatchPaused as paused:
            missing = paused.__cause__
            if not isinstance(missing, ModelMissing) or not may_pull(missing, yes=yes, as_json=as_json):
                raise
            pull(missing.model, client.settings.weights_dir)
            job.run()
    except BatchPaused as paused:
        _end_paused(paused, str(paused).replace(job.command, command), as_json=as_json)
    except KeyboardInterrupt:
        line = f"Stopped. What was answered is kept; go on with: {command}"
        console(stderr=True).print(line, markup=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None


def _end_paused(paused: BatchPaused, message: str, *, as_json: bool) -> None:
    if as_json:
        data = {"type": type(paused).__name__, "message": message}
        print_json({"error": data | {"name": paused.name, "done": paused.done, "of": paused.of}})
    else:
        console(stderr=True).print(plain(message), markup=False, soft_wrap=True, style="red")
    raise typer.Exit(PAUSED) from None


# --- what came of it ------------------------------------------------------------------------


def _give(job: Job, out: Path | None, command: str, *, as_json: bool) -> bool:
    """Give the answers and what they took; return whether one failed."""
    receipt = job.receipt
    if out is not None:
        _write(out, job, command)
    if as_json:
        whole: dict[str, Any] = {"name": job.name, "receipt": receipt.to_dict()}
        answers = {"answers": list(_lines(job))} if out is None else {"out": str(out)}
        print_json(whole | answers)
    elif out is None:
        for line in _lines(job):
            typer.echo(json.dumps(line))
    if not as_json:
        _say(str(receipt), err=out is None)
        for reason in _reasons(job) if receipt.failed else ():
            _say(reason, err=out is None)
        if out is not None:
            _say(f"Answers: {out}")
    return receipt.failed > 0


def _reasons(job: Job) -> Iterator[str]:
    """Say why requests failed, the most frequent first: of each kind the first one."""
    errors = [answer.error for answer in job.results(run=False) if answer.error is not None]
    first = {error.code: error.message for error in reversed(errors)}
    kinds = Counter(error.code for error in errors).most_common()
    for code, count in kinds[:REASONS]:
        yield f"Failed: {count:,} with {code}{', such as' if count > 1 else ''}: {first[code]}"
    if len(kinds) > REASONS:
        yield f"Failed: {sum(count for _, count in kinds[REASONS:]):,} in other ways."


def _refuse_to_write(out: Path, file: Path | None) -> None:
    """Refuse a file of answers that could not be written, before a night is spent on them.

    Raises:
        InvalidRequest: it is the file of requests, or a folder, or in none.
    """
    from greenai.errors import InvalidRequest

    if out.is_dir():
        why = "it is a folder. Name a file in it"
    elif file is not None and out.resolve() == file.resolve():
        why = "the requests are in that file. Name another one"
    elif not out.resolve().parent.is_dir():
        why = f"there is no folder {out.parent}. Make it with: mkdir -p {quote(str(out.parent))}"
    elif not os.access(out.resolve().parent, os.W_OK):
        why = f"the folder {out.parent} cannot be written to. Name another one"
    else:
        return
    raise InvalidRequest(f"The answers cannot be written to {out}: {why}.")


def _write(out: Path, job: Job, command: str) -> None:
    """Write the answers to a file: all of them, or what was there before stays."""
    from greenai.errors import InvalidRequest

    part = out.with_name(f"{out.name}.part")
    try:
        try:
            with part.open("w", encoding="utf-8") as file:
                for line in _lines(job):
                    file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(out)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidRequest(
            f"The answers could not be written to {out}: {error.strerror}. They are kept: free some space, or name "
            f"another file, and write them with: {command}"
        ) from error


def _lines(job: Job) -> Iterator[dict[str, Any]]:
    return map(_line, job.results())


def _line(answer: Answer) -> dict[str, Any]:
    """Return an answer as a line of OpenAI's batch output, with the receipt besides."""
    error, receipt = answer.error, answer.greenai
    line: dict[str, Any] = {
        "id": None if receipt is None else f"batch_req_{receipt.call_id}",
        "custom_id": answer.custom_id or f"request-{answer.index + 1}",
        "response": None,
        "error": None if error is None else {"code": error.code, "message": error.message},
        "greenai": None if receipt is None else receipt.to_dict(),
    }
    if answer.response is not None:
        body = answer.response.model_dump(mode="json", exclude_unset=True, exclude={"greenai"})
        line["response"] = {"status_code": 200, "request_id": body.get("id"), "body": body}
    elif error is not None and error.status is not None:
        said = {"error": {key: value for key, value in asdict(error).items() if key in ("code", "message")}}
        line["response"] = {"status_code": error.status, "request_id": None, "body": said}
    return line


def _say(text: str, *, err: bool = False) -> None:
    console(stderr=err).print(plain(text), markup=False, soft_wrap=True)


# --- the jobs there are ---------------------------------------------------------------------


def _list(settings: Path | None, *, as_json: bool) -> None:
    from greenai.bulk.journal import jobs

    rows = [_row(journal) for journal in jobs(settings_of(settings))]
    if as_json:
        print_json({"jobs": rows})
        return
    for row in rows:
        if "error" in row:
            _say(f"{row['name']}  {row['error']}")
            continue
        failed = f", {row['failed']:,} failed" if row["failed"] else ""
        state = "done" if not row["left"] else f"{row['left']:,} left"
        of = f"{row['items']:,}" + (f" ({row['requests']:,} requests)" if row["requests"] != row["items"] else "")
        _say(f"{row['name']}  {row['items'] - row['left']:,} of {of}{failed}  {state}  begun {row['created']}")
    if not rows:
        _say("No batch was begun on this machine. Begin one with: greenai batch requests.jsonl")


def _row(journal: Journal) -> dict[str, Any]:
    try:
        counts, created = journal.counts(), journal.created()
    except LedgerError as error:  # a file that is damaged hides no other
        return {"name": journal.name, "error": str(error)}
    journal.close()
    return {
        "name": journal.name,
        "requests": counts.requests,
        "items": counts.items,
        "answered": counts.answered,
        "failed": counts.failed + counts.unsure,
        "left": counts.left,
        "created": None if created is None else f"{created:%Y-%m-%d %H:%M} UTC",
    }


def _forget(client: Client, name: str, *, yes: bool, as_json: bool) -> None:
    job = client.batch(name=name)
    asked = yes or as_json or not sys.stdin.isatty()
    if not asked and not typer.confirm(f"Delete the batch {name}, its prompts and its answers?", err=True):
        raise typer.Exit(1)
    job.forget()
    print_json({"forgotten": name}) if as_json else _say(f"The batch {name} is forgotten: its prompts and answers.")
