"""A provider's batch API, as openai has it: what its HTTP messages say of what was asked and of what it took.

    POST …/files               requests are uploaded       what they may take is estimated, where budgets hold
    POST …/batches             a batch of them is made     refused where its budgets have too little left, else held
    GET  …/batches/{id}        it is asked after           its receipt, once the provider says what it took
    GET  …/files/{id}/content  its answers are read        its receipt: what each of its requests took

Whichever of the last two is seen first books the batch (steps/booking.py), once. Nothing of a message is changed, and
what cannot be read or booked is logged and costs nobody the message; only a configured budget refuses.
"""

from __future__ import annotations

import json
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from weakref import WeakKeyDictionary

from greenai import drivers
from greenai.catalog import find
from greenai.errors import GreenAIError
from greenai.prompts import CHARACTERS_PER_TOKEN
from greenai.reported import MOST_TOKENS, count
from greenai.spending.charges import UNASSESSED
from greenai.steps import booking, fail_open
from greenai.values import Receipt, Request, Rung, Usage
from greenai.wire.exchange import AUTH
from greenai.wire.fields import listed, mapping, text, usage_of
from greenai.wire.responses import chat_usage

if TYPE_CHECKING:
    from greenai.resources import Resources
    from greenai.session import Session
    from greenai.wire.exchange import Host
    from greenai.wire.slot import Slot

__all__ = ["Passing", "passing"]

logger = logging.getLogger("greenai")

V = TypeVar("V")
Kind = Literal["upload", "create", "batch", "list", "content"]

_KINDS: tuple[tuple[str, re.Pattern[str], Kind], ...] = (
    ("POST", re.compile(r"(?<!/messages)/batches/?$"), "create"),
    ("GET", re.compile(r"(?<!/messages)/batches/?$"), "list"),
    ("GET", re.compile(r"(?<!/messages)/batches/(?P<id>[^/]+)/?$"), "batch"),
    ("POST", re.compile(r"(?<!/messages)/batches/(?P<id>[^/]+)/cancel/?$"), "batch"),
    ("POST", re.compile(r"/files/?$"), "upload"),
    ("GET", re.compile(r"/files/(?P<id>[^/]+)/content/?$"), "content"),
)
_HOSTS = ("openai", "azure")
_DATE = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_ENDED = ("completed", "expired", "cancelled", "failed")
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")

MOST_UPLOAD_BYTES = 64_000_000
"""A larger upload is not read for an estimate of what it may take: it stays a stream."""

MOST_KNOWN = 1000
"""Uploads and batches of which something is remembered."""


class _Latest(OrderedDict[str, V], Generic[V]):
    """What was put in lately."""

    def put(self, key: str, value: V) -> None:
        self[key] = value
        while len(self) > MOST_KNOWN:
            self.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is known of a batch whose answers may be read: its address with its id, and who waits for its receipt."""

    name: str
    failed: int = 0
    slot: Slot | None = None


@dataclass(slots=True)
class _Known:
    """What the clients of one session have seen."""

    uploads: _Latest[list[booking.Group]] = field(default_factory=_Latest)
    outputs: _Latest[Batch] = field(default_factory=_Latest)
    receipts: _Latest[Receipt] = field(default_factory=_Latest)
    booking: dict[str, object] = field(default_factory=dict[str, object])


_known: WeakKeyDictionary[Resources, _Known] = WeakKeyDictionary()


def passing(
    session: Session | None, host: Host, method: str, url: Any, headers: Mapping[str, str], slot: Slot | None
) -> Passing | None:
    """Return what looks at a message of a batch API, None where it is none: most messages are not."""
    path: str = url.path
    if session is None or host.provider not in _HOSTS or ("/batches" not in path and "/files" not in path):
        return None
    for verb, form, kind in _KINDS:
        matched = form.search(path) if verb == method else None
        if matched is not None:
            passed = Passing(session, host, kind, matched.groupdict().get("id") or "", _origin(url), headers, slot)
            return passed if passed.concerns else None
    return None


def _origin(url: Any) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"


class Passing:
    """One message of a batch API on its way: `before` it is sent, and `after` its response has come."""

    def __init__(
        self, session: Session, host: Host, kind: Kind, name: str, origin: str, headers: Mapping[str, str], slot: Any
    ) -> None:
        self._session = session
        self._host = host
        self._kind = kind
        self._id = name
        self._origin = origin
        self._headers = headers
        self._slot: Slot | None = slot
        self._groups: list[booking.Group] | None = None
        self._known = _known.setdefault(session.resources, _Known())

    @property
    def concerns(self) -> bool:
        """Whether this message has to be looked at: another file's content has not, nor an upload without budgets."""
        if self._kind == "content":
            return self._id in self._known.outputs
        if self._kind != "upload":
            return True
        size = self._headers.get("content-length", "")
        return size.isdecimal() and int(size) <= MOST_UPLOAD_BYTES and bool(self._request("upload").scopes)

    @property
    def reads_request(self) -> bool:
        """Whether the request's content has to be read before it is sent."""
        return self._kind in ("upload", "create")

    # Before it.

    def before(self, content: Callable[[], bytes]) -> None:
        """Look at a request.

        Raises:
            GreenAIError: a budget has too little left for the batch, or cannot be checked.
        """
        said = "A batch's request could not be read; it is sent as it is."
        refusal = fail_open(said, lambda: self._look(content()), None)
        if refusal is not None:
            raise refusal

    def _look(self, content: bytes) -> GreenAIError | None:
        if self._kind == "upload":
            self._groups = booking.grouped(self._expected(content, self._headers.get("content-type", "")))
        elif self._kind == "create":
            self._groups = self._known.uploads.get(text(mapping(json.loads(content)).get("input_file_id")))
            return self._refusal(self._groups) if self._groups else None
        return None

    def _refusal(self, groups: list[booking.Group]) -> GreenAIError | None:
        try:
            booking.checked(self._request("new"), groups, self._session.resources.spending)
        except GreenAIError as error:
            return error
        return None

    def _expected(self, content: bytes, content_type: str) -> Iterator[tuple[Rung, Usage]]:
        """Yield what each request of an uploaded file may take; nothing of a file for another purpose."""
        parts = dict(_parts(content, content_type))
        lines = parts.get("file", b"").splitlines() if parts.get("purpose") == b"batch" else []
        for line in lines:
            asked = mapping(json.loads(line)) if line.strip() else {}
            body = mapping(asked.get("body"))
            if text(body.get("model")):
                yield self._rung(text(body.get("model"))), _expected_usage(body, text(asked.get("url")))

    # After it.

    def after(self, content: bytes) -> Receipt | None:
        """Look at a response; return the receipt of the batch that it is of, where that has one."""
        return fail_open("A batch could not be booked; what came is delivered.", lambda: self._seen(content), None)

    def _seen(self, content: bytes) -> Receipt | None:
        if self._kind == "content":
            return self._read(content)
        body = mapping(json.loads(content))
        if self._kind == "upload":
            self._known.uploads.put(text(body.get("id")), self._groups or [])
        elif self._kind == "list":
            for listed_one in listed(body.get("data")):
                self._remember(mapping(listed_one), None)
        elif self._kind == "create":
            self._created(body)
        else:
            return self._asked_after(body)
        return None

    def _created(self, body: Mapping[str, Any]) -> None:
        name = text(body.get("id"))
        if name and self._groups:
            booking.held(self._request(name), self._groups, self._session.resources.spending)

    def _asked_after(self, body: Mapping[str, Any]) -> Receipt | None:
        name, status = text(body.get("id")), body.get("status")
        if self._slot is not None:
            self._slot.expected = True
        if status not in _ENDED:
            return None
        request = self._request(name)
        if (receipt := self._known.receipts.get(request.call_id)) is not None:
            return receipt
        self._remember(body, self._slot)
        groups = self._summed(body)
        if groups:
            return self._booked(request, groups, _failed(body))
        if not body.get("output_file_id"):
            booking.let_go(request, self._session.resources.spending)
        return None

    def _remember(self, body: Mapping[str, Any], slot: Slot | None) -> None:
        file = text(body.get("output_file_id"))
        if file and body.get("status") in _ENDED:
            self._known.outputs.put(file, Batch(name=text(body.get("id")), failed=_failed(body), slot=slot))

    def _summed(self, body: Mapping[str, Any]) -> list[booking.Group]:
        """Return what a batch took, as the provider's own sum says it: that is there for all but old batches."""
        said, model = mapping(body.get("usage")), text(body.get("model"))
        done = count(mapping(body.get("request_counts")).get("completed"))
        if (
            not _sum(said.get("input_tokens"), done) or not model or not done
        ):  # a sum of 0 is none: it was not filled in
            return []
        details = mapping(said.get("input_tokens_details")), mapping(said.get("output_tokens_details"))
        usage = Usage(
            input_tokens=_sum(said.get("input_tokens"), done),
            output_tokens=_sum(said.get("output_tokens"), done),
            cached_tokens=_sum(details[0].get("cached_tokens"), done),
            reasoning_tokens=_sum(details[1].get("reasoning_tokens"), done),
        )
        return booking.evenly(self._rung(model), done, usage)

    def _read(self, content: bytes) -> Receipt | None:
        batch = self._known.outputs[self._id]
        request = self._request(batch.name)
        receipt = self._known.receipts.get(request.call_id)
        if receipt is None:
            lines = list(_answered(content))
            groups = booking.grouped((self._rung(model), usage) for model, usage in lines)
            receipt = self._booked(request, groups, batch.failed)
        if batch.slot is not None:
            batch.slot.fill(receipt)
        return receipt

    def _booked(self, request: Request, groups: list[booking.Group], failed: int) -> Receipt:
        models = {group.rung.model for group in groups}
        request = replace(request, model=models.pop() if len(models) == 1 else None)
        mine, under_way = object(), self._known.booking
        first = under_way.setdefault(request.call_id, mine) is mine  # no lock: an observer may ask after it again
        flow = booking.booked(request, groups, failed, self._session.resources.steps, first=first)
        try:
            receipt = drivers.run(flow, self._session.provider).receipt
            if first:  # another's does not say what is left of its budgets
                self._known.receipts.put(request.call_id, receipt)
        finally:
            if first:
                del under_way[request.call_id]
        return receipt

    def _request(self, name: str) -> Request:
        """Return the request that a batch is booked as; its id is the batch's, in whichever process that is seen."""
        session = self._session
        request = session.request("batch", [{"role": "user", "content": ""}], None, stream=False, arguments={})
        digest = sha256(f"batch {self._origin} {name}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
        scopes = session.resources.spending.scopes_of(request.options, {}, self._key)
        return replace(request, call_id=digest, scopes=scopes)

    def _key(self) -> str:
        if not self._session.config.pinned:
            return self._session.config.key()
        keys = "\n".join(self._headers[name] for name in AUTH if name in self._headers)
        return sha256(keys.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def _rung(self, model: str) -> Rung:
        provider = "endpoint" if self._host.base_url is not None else self._host.provider
        whole = f"{provider}/{model}"
        undated = _DATE.sub("", whole)
        known = undated if find(whole) is None and find(undated) is not None else whole
        return Rung(model=known, base_url=self._host.base_url)


def _sum(tokens: object, requests: int | None) -> int | None:
    """Return the tokens of so many requests; more than each of them may count are none."""
    return tokens if type(tokens) is int and 0 <= tokens <= MOST_TOKENS * (requests or 0) else None


def _failed(body: Mapping[str, Any]) -> int:
    return count(mapping(body.get("request_counts")).get("failed")) or 0


def _answered(content: bytes) -> Iterator[tuple[str, Usage]]:
    """Yield model and usage of each answer in an output file; each `custom_id` counts once."""
    seen: set[str] = set()
    for line in content.splitlines():
        said = mapping(json.loads(line)) if line.strip() else {}
        body = mapping(mapping(said.get("response")).get("body"))
        name = text(said.get("custom_id")) or text(said.get("id"))
        if not body or body.get("error") or name in seen:
            continue
        seen.add(name)
        yield text(body.get("model")), _usage(body)


def _usage(body: Mapping[str, Any]) -> Usage:
    said = mapping(body.get("usage"))
    if "prompt_tokens" not in said:
        return usage_of(chat_usage(said))
    usage = usage_of(said)
    return replace(usage, output_tokens=0) if body.get("object") == "list" else usage  # vectors


def _expected_usage(body: Mapping[str, Any], path: str) -> Usage:
    given = body.get("messages") or body.get("input") or body.get("prompt") or ""
    size = len(given if isinstance(given, str) else json.dumps(given, ensure_ascii=False))
    limits = [limit for name in _LIMITS if (limit := count(body.get(name))) is not None]
    written = min(limits) if limits else UNASSESSED
    if path.endswith(("/embeddings", "/moderations")):
        written = 0
    return Usage(input_tokens=round(size / CHARACTERS_PER_TOKEN), output_tokens=written, estimated=True)


def _parts(content: bytes, content_type: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each part of a form."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if boundary is None:
        return
    for part in content.split(b"--" + boundary[1].encode("latin-1"))[1:-1]:
        head, _, body = part.partition(b"\r\n\r\n")
        name = re.search(rb'\bname="([^"]*)"', head)
        if name is not None:
            yield name[1].decode("utf-8", "replace"), body.removesuffix(b"\r\n")
