"""`greenai cache`: how full the cache is and what it saved, and taking answers out of it, one or all."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greenai.cli.common import AsJson, SettingsFile, Yes, console, needs_ascii, print_json, reported, settings_of
from greenai.cli.completion import complete_project
from greenai.errors import CacheError, InvalidRequest
from greenai.units import format_bytes, format_duration, format_energy

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from greenai.cache import Entry, ManagedStore
    from greenai.cache.log import Tally
    from greenai.settings import Settings
    from greenai.store.disk import JsonCache
    from greenai.store.redis import RedisCache

    Sealed = JsonCache | RedisCache

cache = typer.Typer(help="Show what the cache holds and saved; export, forget and drop answers.", no_args_is_help=True)

_KEY = re.compile(r"[0-9a-f]{64}")
_BEGINNING = re.compile(r"[0-9a-f]{4,63}")
_DAYS = 30.0


def complete_call(incomplete: str) -> list[str]:
    """Return the calls of the ledger that are in the cache and begin so, for the shell."""
    from greenai.errors import GreenAIError
    from greenai.ledger import open_ledger
    from greenai.settings import load_settings

    try:
        ledger = open_ledger(load_settings())
        try:
            rows = ledger.recent(200)
        finally:
            ledger.close()
    except GreenAIError:  # the command itself will tell; the shell is waiting for names
        return []
    return [row["call_id"] for row in rows if row["cache_key"] and row["call_id"].startswith(incomplete)]


Call = Annotated[
    str,
    typer.Argument(
        help="The call_id of a receipt, or its cache_key; or how one of them begins, from 4 characters on.",
        autocompletion=complete_call,
    ),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; standard output without it.")]
OfProject = Annotated[
    str | None,
    typer.Option(
        "--project", help="Only the answers of calls booked on this project.", autocompletion=complete_project
    ),
]


@contextmanager
def _opened(settings: Settings, *, must: bool = True) -> Generator[Sealed]:
    """Open the store, which never raises; with `must`, whatever it did not do is an error once the work is over.

    Raises:
        CacheError: the store did not do everything.
    """
    from greenai.store.opening import open_store

    store = open_store(settings)
    try:
        yield store
        if must and store.undone is not None:
            raise CacheError(
                f"The answer cache in {store.place} was not read or changed as told: {store.undone}. What was asked "
                "for is not done, or not all of it. Look whether the server runs and cache_url is right, or whether "
                "the folder can be written to and has space (greenai doctor tells), then run this again."
            )
    finally:
        store.close()


@cache.command()
def stats(*, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Show how full the cache is, and how many calls it answered in the last 30 days."""
    from greenai.cache.log import tally

    with reported(as_json=as_json):
        loaded = settings_of(settings)
        with _opened(loaded, must=False) as store:
            full = store.stats()
            ends = [row.expires_at for row in store.rows() if _KEY.fullmatch(row.key)]
            semantic = tally(store)
        calls, hits, alike, avoided_j = _served(loaded)
    if as_json:
        data = {"kind": full.kind, "place": full.place, "answers": len(ends), "size_bytes": full.size_bytes}
        data |= {"limit_bytes": full.limit_bytes, "problem": full.problem}
        data |= {"days": _DAYS, "calls": calls, "hits": hits, "semantic_hits": alike, "avoided_j": avoided_j}
        print_json(data | {"semantic": asdict(semantic)})
        return
    limit = "" if full.limit_bytes is None else f" of {format_bytes(full.limit_bytes)}"
    many = "an unknown number of answers" if full.problem is not None and not ends else _answers(len(ends))
    lines = [f"{many}, {format_bytes(full.size_bytes)}{limit}, in {full.place} ({full.kind})"]
    if ends:
        left_s = max(min(ends) - time.time(), 0.0), max(max(ends) - time.time(), 0.0)
        lines.append(f"they end in {format_duration(left_s[0])} to {format_duration(left_s[1])}")
    share = f" ({hits / calls:.0%})" if calls else ""
    lines.append(f"last {_DAYS:.0f} days: {hits} of {calls} calls answered{share}, {format_energy(avoided_j)} avoided")
    if semantic.questions or alike:
        lines.append(_of_meaning(semantic, alike))
    if full.problem is not None:
        lines.append(full.problem)
    for line in lines:
        console().print(line, soft_wrap=True)


def _of_meaning(semantic: Tally, hits: int) -> str:
    from greenai.cache.bound import WARM_UP

    questions = "1 question" if semantic.questions == 1 else f"{semantic.questions} questions"
    scopes = "1 scope" if semantic.scopes == 1 else f"{semantic.scopes} scopes"
    return (
        f"by meaning: {hits} of these answers; {questions} in {scopes}, proposals judged: {semantic.judged} (a scope "
        f"gives answers from {WARM_UP} on, and the furthest has {semantic.most_judged})"
    )


def _answers(count: int) -> str:
    return "1 answer" if count == 1 else f"{count} answers"


def _served(settings: Settings) -> tuple[int, int, int, float]:
    """Return the calls of the last days, those that the cache answered, those of these by meaning, and their energy."""
    from greenai.ledger import open_ledger

    ledger = open_ledger(settings)
    try:
        since = time.time() - _DAYS * 86_400
        (calls, exact, exact_j), (_, alike, alike_j) = (ledger.served(o, since) for o in ("cache", "semantic_cache"))
        return calls, exact + alike, alike, exact_j + alike_j
    finally:
        ledger.close()


@cache.command()
def forget(call: Call, *, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Take one answer out of the cache, so that the same request is asked anew."""
    from greenai.cache.log import forget_rows

    with reported(as_json=as_json):
        loaded = settings_of(settings)
        with _opened(loaded) as store:
            key = call if _KEY.fullmatch(call) else _key_of(call, store, loaded)
            was_there = key is not None and store.get(key) is not None
            if key is not None:
                store.forget(key)
                forget_rows(store, key)
    if as_json:
        print_json({"call": call, "cache_key": key, "forgotten": was_there})
    else:
        typer.echo(f"{call}: forgotten" if was_there else f"{call}: its answer is not in the cache")


def _key_of(call: str, store: Sealed, settings: Settings) -> str | None:
    from greenai.ledger import open_ledger

    ledger = open_ledger(settings)
    try:
        named = ledger.keys_of(call, whole=_BEGINNING.fullmatch(call) is None)
    finally:
        ledger.close()
    if call in named:
        return named[call]
    if _BEGINNING.fullmatch(call):
        named |= {row.key: row.key for row in store.rows(call) if _KEY.fullmatch(row.key)}
    keys = list(dict.fromkeys(named.values()))
    if len(keys) > 1:
        raise InvalidRequest(
            f"{call!r} begins {len(named)} calls and keys, of {len(keys)} answers: {', '.join(sorted(named)[:5])}. "
            "Pass more of it."
        )
    if not keys and store.undone is None:  # else it is the store that is told of
        raise InvalidRequest(
            f"The ledger has no call {call!r}, so nothing is known of its answer. Pass the call_id of a receipt of "
            "this machine, its cache_key, or the first 4 characters of one of them."
        )
    return keys[0] if keys else None


@cache.command()
def clear(
    *, project: OfProject = None, yes: Yes = False, settings: SettingsFile = None, as_json: AsJson = False
) -> None:
    """Drop every answer of the cache, or those of one project; without --yes it asks first, in a terminal."""
    with reported(as_json=as_json):
        loaded = settings_of(settings)
        with _opened(loaded) as store:
            full = store.stats()
            keys = [key for key, _ in _entries(store, project)] if project is not None else _keys(store)
            found = len(keys)
            if (found or (full.count and project is None)) and not yes:
                whose = "" if project is None else f" of the project {project}"
                _confirm(f"{_answers(found)}{whose} in {full.place}", as_json=as_json)
            if project is None:
                found = found if store.clear() else 0  # what was learned of questions goes with them, uncounted
            else:
                for key in keys:
                    store.forget(key)
                store.clear("semantic:")  # whose these are, their keys do not tell: others lose what was learned
    if as_json:
        print_json({"dropped": found, "place": full.place, "project": project})
    else:
        typer.echo(f"{_answers(found)} dropped")


def _confirm(what: str, *, as_json: bool) -> None:
    try:
        if not as_json and typer.confirm(f"Drop {what}?", err=True):
            return
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        typer.echo(err=True)
        as_json = True
    if not as_json:
        raise typer.Abort
    raise InvalidRequest(f"{what[0].upper()}{what[1:]} would be dropped, and nobody was asked. Pass --yes to do so.")


@cache.command()
def export(
    *, output: Output = None, project: OfProject = None, settings: SettingsFile = None, as_json: AsJson = False
) -> None:
    """Write the stored answers as JSON, one per line (with --json as one list). The questions are not stored."""
    with reported(as_json=as_json):
        loaded = settings_of(settings)
        with _opened(loaded) as store:
            ends = {row.key: row.expires_at for row in store.rows()}
            found = [_exported(key, entry, ends.get(key)) for key, entry in _entries(store, project)]
        text = _lines(found, as_list=as_json, in_ascii=output is None and needs_ascii())
        if output is not None:
            _write(output, text)
            typer.echo(f"{_answers(len(found))} written to {output}", err=True)
            return
    typer.echo(text, nl=False)


def _entries(store: ManagedStore, project: str | None) -> Iterator[tuple[str, Entry]]:
    """Yield the answers of the exact tier, by key."""
    from greenai.cache import ExactCache

    exact = ExactCache(store)
    for key in _keys(store):
        entry = exact.get(key)
        if entry is not None and project in (None, entry.project):
            yield key, entry


def _keys(store: ManagedStore) -> list[str]:
    """Return the keys of the answers; the semantic tier keeps rows of its own beside them, and counters."""
    return [row.key for row in store.rows() if _KEY.fullmatch(row.key)]


def _exported(key: str, entry: Entry, ends: float | None) -> dict[str, Any]:
    data = entry.to_json()
    body = data.pop("body")
    return {"cache_key": key, "expires_at": ends, **data, "body": body}


def _lines(found: list[dict[str, Any]], *, as_list: bool, in_ascii: bool) -> str:
    if as_list:
        return json.dumps(found, ensure_ascii=in_ascii, indent=2) + "\n"
    return "".join(json.dumps(one, ensure_ascii=in_ascii) + "\n" for one in found)


def _write(path: Path, text: str) -> None:
    from greenai.store.files import private_file

    try:
        with os.fdopen(private_file(path), "w", encoding="utf-8", errors="surrogatepass") as file:
            file.truncate()
            file.write(text)
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be written ({error.strerror}). Name a file in a folder that you may write to: --output FILE"
        ) from None
