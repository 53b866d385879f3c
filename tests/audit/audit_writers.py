"""The same calls in every format: rows of the fixtures with other tokens and other moments, as many as wanted."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audit_fixtures import FIXTURES
from audit_workload import WORKLOAD, Ask

BEGUN = 1_795_000_000
SPANS = 500
"""How many spans a line of OTLP holds, as a batch of the SDK does."""

NO_PRICES = {"model_map_key": "", "model_map_value": None}
"""What litellm knows of a model that its map of prices does not have; else it is most of a row, which takes its time."""

Row = dict[str, Any]
BY_PROJECT = sorted(range(len(WORKLOAD)), key=lambda n: WORKLOAD[n].project, reverse=True)
"""The order of fixtures whose script sends one project after the other."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """One call of the log that is made: which of the workload, with tokens of its own."""

    number: int
    of: int
    ask: Ask

    @property
    def created(self) -> float:
        return BEGUN + 7.0 * self.number


def made(count: int, seed: int) -> list[Made]:
    """Draw calls: some of the workload's again and again, each with tokens of its own."""
    draw = random.Random(seed)
    picked = (draw.randrange(len(WORKLOAD)) for _ in range(count))
    return [Made(number=number, of=of, ask=_drawn(WORKLOAD[of], draw)) for number, of in enumerate(picked)]


def _drawn(ask: Ask, draw: random.Random) -> Ask:
    if not ask.ok:
        return ask
    sent, written = draw.randint(8, 4000), draw.randint(1, 900)
    cached = draw.choice((0, 0, sent // 2))
    return replace(
        ask,
        input_tokens=sent,
        output_tokens=written,
        cached_tokens=cached,
        reasoning_tokens=draw.choice((0, 0, written // 3)),
    )


# --- rows of fixtures ---------------------------------------------------------------------


def _rows(name: str) -> list[Row]:
    data = (FIXTURES / name).read_bytes()
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode()
    return [json.loads(line) for line in text.split("\n") if line]


def _ordered(rows: Sequence[Row], order: Sequence[int]) -> dict[int, Row]:
    """Return each row by its call's place in the workload."""
    assert len(rows) == len(order)
    return dict(zip(order, rows, strict=True))


def _lines(
    name: str, order: Sequence[int], told: Callable[[Row, Made], None]
) -> Callable[[Path, Sequence[Made]], None]:
    """Return a writer of JSON lines, which tells each row its call's own figures."""

    def write(path: Path, calls: Sequence[Made]) -> None:
        rows = _ordered([row for row in _rows(name) if _is_call(row)], order)
        with path.open("w", encoding="utf-8") as out:
            for call in calls:
                if call.of in rows:
                    row = rows[call.of]
                    told(row, call)
                    out.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write


def _is_call(row: Row) -> bool:
    return row.get("type") != "SPAN" and row.get("run_type") != "chain"


ALL = range(len(WORKLOAD))
ANSWERED = [number for number in ALL if WORKLOAD[number].ok]
FAILED = [number for number in ALL if not WORKLOAD[number].ok]


# --- each format's own names --------------------------------------------------------------


def _stored(row: Row, call: Made) -> None:
    row |= {"id": f"chatcmpl-{call.number}", "created": int(call.created), "usage": call.ask.usage()}


def _pair(row: Row, call: Made) -> None:
    row |= {"id": f"call-{call.number}", "created": call.created}
    if call.ask.ok:
        row["response"]["usage"] = call.ask.usage()


def _batched(row: Row, call: Made) -> None:
    row["custom_id"] = f"ask-{call.number}"
    if call.ask.ok and "response" in row:
        row["response"]["body"]["usage"] = call.ask.usage()


def _resulted(row: Row, call: Made) -> None:
    row["custom_id"] = f"ask-{call.number}"
    if call.ask.ok and "result" in row:
        row["result"]["message"]["usage"] = {
            "input_tokens": call.ask.input_tokens - call.ask.cached_tokens,
            "cache_read_input_tokens": call.ask.cached_tokens,
            "output_tokens": call.ask.output_tokens,
            "output_tokens_details": {"thinking_tokens": call.ask.reasoning_tokens},
        }


def _payload(row: Row, call: Made) -> None:
    usage = call.ask.usage()
    row |= {"id": f"c-{call.number}", "litellm_call_id": f"l-{call.number}"}
    row |= {"startTime": call.created, "endTime": call.created + 1.0}
    row["model_map_information"] = NO_PRICES
    if call.ask.ok:
        row |= {name: usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
        row["metadata"]["usage_object"] = row["response"]["usage"] = usage


def _spent(row: Row, call: Made) -> None:
    usage = call.ask.usage()
    row |= {"request_id": f"c-{call.number}", "litellm_call_id": f"l-{call.number}"}
    if call.ask.ok:
        row |= {name: usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
        details = {name: value for name, value in usage.items() if name.endswith("_details")}
        told = {"usage_object": usage, "additional_usage_values": details, "model_map_information": NO_PRICES}
        row["metadata"] = _with(row["metadata"], **told)
        row["response"] = _with(row["response"], usage=usage)


def _with(text: str, **values: Any) -> str:
    """Return JSON in a text with other values."""
    return json.dumps({**json.loads(text), **values})


def _observed(row: Row, call: Made) -> None:
    row["id"] = f"{call.number:016x}"
    if call.ask.ok:
        row["usageDetails"] = {
            "input": call.ask.input_tokens - call.ask.cached_tokens,
            "input_cached_tokens": call.ask.cached_tokens,
            "output": call.ask.output_tokens - call.ask.reasoning_tokens,
            "output_reasoning_tokens": call.ask.reasoning_tokens,
            "total": call.ask.input_tokens + call.ask.output_tokens,
        }


def _ran(row: Row, call: Made) -> None:
    row["id"] = f"01a201bf-0000-7000-8000-{call.number:012d}"
    if call.ask.ok:
        row["outputs"]["usage_metadata"] = {
            "input_tokens": call.ask.input_tokens,
            "output_tokens": call.ask.output_tokens,
            "total_tokens": call.ask.input_tokens + call.ask.output_tokens,
            "input_token_details": {"audio": 0, "cache_read": call.ask.cached_tokens},
            "output_token_details": {"audio": 0, "reasoning": call.ask.reasoning_tokens},
        }


def _proxied(row: Row, call: Made) -> None:
    row |= {"response_id": f"r-{call.number}", "request_id": f"q-{call.number}"}
    if call.ask.ok:
        row["response_body"]["usage"] = call.ask.usage()
        row |= {"prompt_tokens": call.ask.input_tokens, "completion_tokens": call.ask.output_tokens}
        row |= {"prompt_cache_read_tokens": call.ask.cached_tokens, "reasoning_tokens": call.ask.reasoning_tokens}


# --- formats of other shapes --------------------------------------------------------------


def _batch(path: Path, calls: Sequence[Made]) -> list[Path]:
    """Write a batch's three files."""
    parts = (("input", ALL), ("output", ANSWERED), ("error", FAILED))
    files = [path.with_name(f"batch_{name}.jsonl") for name, _ in parts]
    for (name, order), file in zip(parts, files, strict=True):
        _lines(f"openai_batch_{name}.jsonl", order, _batched)(file, calls)
    return files


def _messages(path: Path, calls: Sequence[Made]) -> list[Path]:
    """Write the two files of a batch of Anthropic's."""
    files = [path.with_name(f"anthropic_batch_{name}.jsonl") for name in ("requests", "results")]
    for file in files:
        _lines(file.name, ALL, _resulted)(file, calls)
    return files


def _table(path: Path, calls: Sequence[Made]) -> None:
    head, *rows = csv.reader(io.StringIO((FIXTURES / "helicone.csv").read_text(encoding="utf-8")))
    sent, written, name = head.index("prompt_tokens"), head.index("completion_tokens"), head.index("response_id")
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(head)
        for call in calls:
            row = list(rows[call.of])
            row[sent], row[written] = str(call.ask.input_tokens), str(call.ask.output_tokens)
            row[name] = f"r-{call.number}"
            writer.writerow(row)


def _spans(
    name: str, order: Sequence[int], told: Callable[[Row, Made], None]
) -> Callable[[Path, Sequence[Made]], None]:
    """Return a writer of OTLP lines: of each project its resource, with hundreds of spans in a line."""

    def write(path: Path, calls: Sequence[Made]) -> None:
        found = list(_packed(name))
        spans = _ordered([span for _, span in found], order)
        packages = _ordered([package for package, _ in found], order)
        with path.open("w", encoding="utf-8") as out:
            for of in {id(package): package for package in packages.values()}.values():
                own = [call for call in calls if packages[call.of] is of]
                for begin in range(0, len(own), SPANS):
                    out.write(_line(of, [_told(spans[call.of], call, told) for call in own[begin : begin + SPANS]]))

    return write


def _packed(name: str) -> Iterator[tuple[Row, Row]]:
    """Return each call's span with the package that it stands in."""
    for line in _rows(name):
        for package in line["resourceSpans"]:
            for scope in package["scopeSpans"]:
                yield from ((package, span) for span in scope["spans"] if len(span.get("attributes", ())) > 2)


def _told(span: Row, call: Made, told: Callable[[Row, Made], None]) -> str:
    span |= {"spanId": f"{call.number:016x}", "startTimeUnixNano": str(int(call.created * 1e9))}
    span["endTimeUnixNano"] = str(int((call.created + 1.0) * 1e9))
    told(span, call)
    return json.dumps(span)


def _line(package: Row, spans: Sequence[str]) -> str:
    resource, scope = json.dumps(package["resource"]), json.dumps(package["scopeSpans"][0]["scope"])
    inner = f'{{"resource":{resource},"scopeSpans":[{{"scope":{scope},"spans":[{",".join(spans)}]}}]}}'
    return f'{{"resourceSpans":[{inner}]}}\n'


def _attributed(span: Row, call: Made) -> None:
    counts = {
        "gen_ai.usage.input_tokens": call.ask.input_tokens,
        "gen_ai.usage.output_tokens": call.ask.output_tokens,
        "gen_ai.response.id": f"chatcmpl-{call.number}",
    }
    for part in span["attributes"]:
        if part["key"] in counts:
            kind = next(iter(part["value"]))
            part["value"][kind] = str(counts[part["key"]])


def _inferred(span: Row, call: Made) -> None:
    counts = {
        "prompt": call.ask.input_tokens,
        "completion": call.ask.output_tokens,
        "prompt_details.cache_read": call.ask.cached_tokens,
        "completion_details.reasoning": call.ask.reasoning_tokens,
    }
    for part in span["attributes"]:
        name = part["key"].removeprefix("llm.token_count.")
        if name in counts:
            part["value"][next(iter(part["value"]))] = str(counts[name])


def _generated(span: Row, call: Made) -> None:
    for part in span["attributes"]:
        if part["key"] == "langfuse.observation.usage_details" and call.ask.ok:
            part["value"]["stringValue"] = json.dumps(call.ask.usage())


def _console(path: Path, calls: Sequence[Made]) -> None:
    text = (FIXTURES / "otel_console.json").read_text(encoding="utf-8")
    spans = [span for span in _objects(text) if "gen_ai.operation.name" in span["attributes"]]
    rows = _ordered(spans, BY_PROJECT)
    with path.open("w", encoding="utf-8") as out:
        for call in calls:
            span = rows[call.of]
            span["context"]["span_id"] = f"0x{call.number:016x}"
            if call.ask.ok:
                span["attributes"]["gen_ai.usage.input_tokens"] = call.ask.input_tokens
                span["attributes"]["gen_ai.usage.output_tokens"] = call.ask.output_tokens
                span["attributes"]["gen_ai.response.id"] = f"chatcmpl-{call.number}"
            out.write(json.dumps(span, indent=4) + "\n")


def _objects(text: str) -> Iterator[Row]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        found, at = decoder.raw_decode(text, at)
        yield found
        at += len(text[at:]) - len(text[at:].lstrip())


def _copied(
    path: Path, name: str, table: str, order: Sequence[int], told: Callable[[Row, Made], Row], calls: Sequence[Made]
) -> None:
    """Write a database with other rows in its table of calls."""
    path.write_bytes(gzip.decompress((FIXTURES / name).read_bytes()))
    base = sqlite3.connect(path)
    base.row_factory = sqlite3.Row
    found = [dict(row) for row in base.execute(f"SELECT * FROM {table} ORDER BY rowid")]
    rows = _ordered(found, order)
    base.execute(f"DELETE FROM {table}")
    names = list(found[0])
    held = (told(rows[call.of], call) for call in calls if call.of in rows)
    base.executemany(
        f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", ([row[n] for n in names] for row in held)
    )
    base.commit()
    base.close()


def _turn(row: Row, call: Made) -> Row:
    details = {
        "completion_tokens_details": {"reasoning_tokens": call.ask.reasoning_tokens},
        "prompt_tokens_details": {"cached_tokens": call.ask.cached_tokens},
    }
    tokens = {"input_tokens": call.ask.input_tokens, "output_tokens": call.ask.output_tokens}
    return {**row, **tokens, "id": f"{call.number:026d}", "token_details": json.dumps(details)}


def _entry(row: Row, call: Made) -> Row:
    named = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
    counts = {name: getattr(call.ask, name) for name in named} if call.ask.ok else {}
    return {**row, **counts, "call_id": f"{call.number:032x}", "created": call.created}


def _llm(path: Path, calls: Sequence[Made]) -> None:
    _copied(path, "llm_logs.db.gz", "turns", ANSWERED, _turn, calls)


def _ledger(path: Path, calls: Sequence[Made]) -> None:
    _copied(path, "greenai_ledger.db.gz", "calls", BY_PROJECT, _entry, calls)


def _traces(path: Path, calls: Sequence[Made]) -> None:
    """Write a trace for each call, with the span of that call alone."""
    held = [(trace, span) for trace in _rows("mlflow.jsonl.gz") for span in trace["data"]["spans"]]
    rows = _ordered([one for one in held if one[1]["attributes"]["mlflow.spanType"] == '"CHAT_MODEL"'], BY_PROJECT)
    with path.open("w", encoding="utf-8") as out:
        for call in calls:
            trace, span = rows[call.of]
            told = dict(span["attributes"])
            if call.ask.ok:
                told["mlflow.spanOutputs"] = _with(
                    told["mlflow.spanOutputs"], usage=call.ask.usage(), id=f"c-{call.number}"
                )
                told["mlflow.chat.tokenUsage"] = "{}"
            begun = int(call.created * 1e9)
            own = {"span_id": f"{call.number:016x}", "start_time_unix_nano": begun, "end_time_unix_nano": begun + 10**9}
            row = {**span, **own, "parent_span_id": None, "events": [], "attributes": told}
            info = {**trace["info"], "trace_id": f"tr-{call.number}"}
            out.write(json.dumps({"info": info, "data": {"spans": [row]}}) + "\n")


# --- all of them --------------------------------------------------------------------------

Writer = Callable[[Path, Sequence[Made]], "list[Path] | None"]

WRITERS: Mapping[str, Writer] = {
    "openai_stored.jsonl": _lines("openai_stored.jsonl", ANSWERED, _stored),
    "openai_pairs.jsonl": _lines("openai_pairs.jsonl", ALL, _pair),
    "openai_batch_input.jsonl": _batch,
    "anthropic_batch_requests.jsonl": _messages,
    "litellm_callback.jsonl.gz": _lines("litellm_callback.jsonl.gz", ALL, _payload),
    "litellm_spend_logs.jsonl.gz": _lines("litellm_spend_logs.jsonl.gz", ALL, _spent),
    "langfuse_observations.jsonl": _lines("langfuse_observations.jsonl", ALL, _observed),
    "langfuse_otlp.jsonl.gz": _spans("langfuse_otlp.jsonl.gz", ALL, _generated),
    "langsmith_runs.jsonl.gz": _lines("langsmith_runs.jsonl.gz", BY_PROJECT, _ran),
    "helicone.jsonl.gz": _lines("helicone.jsonl.gz", ALL, _proxied),
    "helicone.csv": _table,
    "otel.jsonl": _spans("otel.jsonl", BY_PROJECT, _attributed),
    "otel_console.json": _console,
    "openinference.jsonl.gz": _spans("openinference.jsonl.gz", BY_PROJECT, _inferred),
    "mlflow.jsonl.gz": _traces,
    "llm_logs.db.gz": _llm,
    "greenai_ledger.db.gz": _ledger,
}
"""What writes each fixture's format, by the fixture's first file."""


def written(name: str, calls: Sequence[Made], folder: Path) -> list[Path]:
    """Write calls as the library of a fixture logs them; return the files."""
    path = folder / name.removesuffix(".gz")
    return WRITERS[name](path, calls) or [path]
