"""What a provider's batch is sent: each item decided and drafted as any call, a line of a file of requests alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenai import drivers, flow
from greenai.bulk.batch_lines import encoded
from greenai.bulk.provider_parts import Made, Record
from greenai.steps import Flow, Steps
from greenai.steps.attempt import drafted
from greenai.values import Call, Draft, Request, Rung
from greenai.wire.batches import MOST_UPLOAD_BYTES

if TYPE_CHECKING:
    from greenai.bulk.values import Item
    from greenai.session import Session

__all__ = ["PROVIDER", "File", "line_of", "request_of"]

MOST_LINES = 50_000
MOST_BYTES = MOST_UPLOAD_BYTES - 1_000_000
"""Of one file: OpenAI takes 200 MB, and what budgets are held to is read up to this."""

PROVIDER = "openai"


def request_of(session: Session, item: Item) -> Request:
    """Return the request that an item is.

    Raises:
        InvalidRequest: it cannot be sent to any model.
        TypeError: an argument that openai's `create` does not have.
    """
    body = dict(item.body)
    messages, model = body.pop("messages"), body.pop("model", None)
    if item.options:
        body["greenai"] = dict(item.options)
    return session.request("batch", messages, model, stream=False, arguments=body)


def line_of(session: Session, item: Item, denied: frozenset[str] = frozenset()) -> tuple[Made, bytes] | None:
    """Return the line that asks an item, and what was made of it; None where no provider's batch is needed for it.

    `denied` are models that the provider refused for this key: none of them is chosen in place of another one.

    Raises:
        GreenAIError: what a call would be refused with.
    """
    request = request_of(session, item)
    steps = session.steps_of(request)
    steps.denied.update((request.namespace, model) for model in denied)
    draft = drivers.run(_draft_of(request, steps), session.provider)
    if draft is None or not _is_of(session, draft.rung):
        return None
    made = Made(model=draft.rung.model, tier=draft.rung.tier, notes=draft.notes, reasoning=draft.reasoning)
    return made, encoded(item.key, _body(draft, request))


def _draft_of(request: Request, steps: Steps) -> Flow[Draft | None]:
    deciding = flow.observed(request, steps) if request.options.observe else flow.decide(request, steps, dry=True)
    plan = yield from deciding
    rungs = plan.rungs[1:] if plan.decision.verify and len(plan.rungs) > 1 else plan.rungs
    rung = next(iter(rungs), None)
    if rung is None:
        return None
    return drafted(plan, steps, rung, request)


def _is_of(session: Session, rung: Rung) -> bool:
    """Say whether a rung is where the session's own batches go, with the same key: a ladder's may be elsewhere."""
    here = rung.base_url == session.config.endpoint and rung.api_key is None
    return here and rung.provider in (PROVIDER, "endpoint")


def _body(draft: Draft, request: Request) -> dict[str, Any]:
    """Return the JSON that openai's client would send for a draft."""
    from greenai.provider.openai_path import wire

    call = Call(
        draft=draft,
        stream=False,
        hide_usage_chunk=False,
        transport=request.transport,
        deadline=request.deadline,
        attempt_id=request.call_id,
        renew=lambda: None,
    )
    body = wire(call)
    extra: Mapping[str, Any] = body.pop("extra_body", None) or {}
    for name in ("extra_headers", "extra_query", "timeout", "stream"):
        body.pop(name, None)
    return {**body, **extra}


@dataclass(slots=True)
class File:
    """Lines on their way into a part: requests to one model, with the same options."""

    options: Mapping[str, Any]
    model: str
    made: dict[Made, int] = field(default_factory=dict["Made", int])
    keys: dict[str, int] = field(default_factory=dict[str, int])
    lines: list[bytes] = field(default_factory=list[bytes])
    size: int = 0

    def takes(self, line: bytes) -> bool:
        """Say whether there is room for one more."""
        return len(self.lines) < MOST_LINES and self.size + len(line) <= MOST_BYTES

    def add(self, key: str, made: Made, line: bytes) -> None:
        """Take one more."""
        self.keys[key] = self.made.setdefault(made, len(self.made))
        self.lines.append(line)
        self.size += len(line)

    @property
    def record(self) -> Record:
        """What is written down of it."""
        return Record(options=self.options, made=tuple(self.made), keys=self.keys)
