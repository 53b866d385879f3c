"""Small models made for one task, run in this process by transformers.

Classification and extraction go through transformers' pipelines; questions over a text and summaries through their
models directly, because transformers 5 has no pipelines for them; an embedding head is an encoder of any kind and a
linear layer that was fitted on labelled texts (`torch_heads`). Many texts go in batches of about one length. Weights
are read from safetensors only, and no code that comes with a model is run.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from greenai.errors import MissingExtra, ModelMissing
from greenai.local.torch_heads import EmbeddingHead
from greenai.local.torch_values import SAFE, Done, best_device

__all__ = ["KINDS", "Done", "Kind", "TaskModel"]

Kind = Literal["classification", "extraction", "question-answering", "summarisation", "embedding-head"]
KINDS: tuple[Kind, ...] = ("classification", "extraction", "question-answering", "summarisation", "embedding-head")

HEADS = {
    "classification": "ForSequenceClassification",
    "extraction": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
}
"""What the architecture of a model for a kind is called; transformers would give any other a head of random weights."""

MOST_ANSWER_TOKENS = 30
MOST_SUMMARY_TOKENS = 120
WINDOW_TOKENS = 384
STRIDE_TOKENS = 128
MOST_TOGETHER = 32
"""How many texts go together in one pass. Assumption, 2026-11-22: beyond it little is saved on a processor."""


class TaskModel:
    """One model for one kind of task, loaded at its first use. Calls from several threads wait for each other."""

    def __init__(self, model: str, kind: Kind) -> None:
        self.model = model
        self.kind: Kind = kind
        self._lock = threading.Lock()
        self._run: Any = None

    def __call__(self, text: str, question: str | None = None) -> Done:
        """Do the task on `text`; `question` is what to answer from it.

        Raises:
            MissingExtra: torch or transformers is not installed.
            ModelMissing: there is no such model here, and it could not be brought.
        """
        with self._lock:
            done: Done = self._ready()(text, question)
            return done

    def many(self, texts: Sequence[str], question: str | None = None) -> list[Done]:
        """Do the task on every text, and return what came of each in the same order.

        Texts of about one length go together in a pass. An answer over a text is found one by one: its windows fill a
        pass already.

        Raises:
            MissingExtra: torch or transformers is not installed.
            ModelMissing: there is no such model here, and it could not be brought.
        """
        done: dict[int, Done] = {}
        with self._lock:
            run = self._ready()
            for places in _together(texts):
                given = [texts[place] for place in places]
                found = run.many(given) if hasattr(run, "many") else [run(text, question) for text in given]
                done.update(zip(places, found, strict=True))
        return [done[place] for place in range(len(texts))]

    def _ready(self) -> Any:
        if self._run is None:
            self._run = _loaded(self.model, self.kind)
        return self._run


def _together(texts: Sequence[str]) -> list[list[int]]:
    """Return the places of the texts, those of about one length together and at most so many."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    batches: list[list[int]] = []
    for place in order:
        shortest = len(texts[batches[-1][0]]) if batches else 0
        if not batches or len(batches[-1]) >= MOST_TOGETHER or len(texts[place]) > max(2 * shortest, 64):
            batches.append([])
        batches[-1].append(place)
    return batches


def _loaded(model: str, kind: Kind) -> Any:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra("torch", "transformers", f"The task model {model}") from error
    make: Any = {
        "classification": _Classification,
        "extraction": _Extraction,
        "question-answering": _Answering,
        "summarisation": _Summary,
        "embedding-head": EmbeddingHead,
    }[kind]
    _check_folder(model)
    try:
        _check_head(transformers.AutoConfig, model, kind)
        return make(transformers, torch, model)
    except (OSError, ValueError) as error:
        raise ModelMissing(
            f"The task model {model} could not be loaded: {str(error).splitlines()[0]} "
            f"Name a folder with its weights (safetensors), or bring it with: hf download {model}",
            model=model,
        ) from error


def _check_folder(model: str) -> None:
    """Refuse a folder that is not there at once: the model hub would be asked for it, again and again.

    Raises:
        ModelMissing: There is no such folder, and no such repository was brought from the hub.
    """
    from huggingface_hub import try_to_load_from_cache  # transformers needs it

    path = Path(model).expanduser()
    near = path.is_absolute() or model.startswith((".", "~")) or ("/" in model and path.parent.is_dir())
    if path.exists() or not near or (model.count("/") == 1 and isinstance(_kept(try_to_load_from_cache, model), str)):
        return
    raise ModelMissing(
        f"The task model {model} is not here: there is no folder {path.absolute()}. Name a folder with its weights "
        f"(safetensors), or bring it with: hf download {model}",
        model=model,
    )


def _kept(ask: Any, model: str) -> object:
    try:
        return ask(model, "config.json")
    except ValueError:  # no name that the hub could have
        return None


def _check_head(configs: Any, model: str, kind: Kind) -> None:
    """Refuse a model that was made for another kind of task."""
    head = HEADS.get(kind)
    made = (configs.from_pretrained(model, trust_remote_code=False).architectures or ()) if head else ()
    if head and made and not any(head in one for one in made):
        own = next((f'kind="{other}", or name ' for other, mark in HEADS.items() if mark in made[0]), "")
        raise ModelMissing(
            f"The task model {model} is a {made[0]}, which was not made for the kind {kind}: its answers would be "
            f"chance. Pass {own or 'the name of '}a model that was made {head}.",
            model=model,
        )


class _Classification:
    def __init__(self, transformers: Any, torch: Any, model: str) -> None:
        self._pipe = _pipeline(transformers, torch, "text-classification", "AutoModelForSequenceClassification", model)

    def __call__(self, text: str, question: str | None) -> Done:
        del question
        return self.many([text])[0]

    def many(self, texts: Sequence[str]) -> list[Done]:
        found = [one[0] for one in self._pipe(list(texts), truncation=True, top_k=1, batch_size=len(texts))]
        return [Done(text=str(one["label"]), label=str(one["label"]), confidence=float(one["score"])) for one in found]


class _Extraction:
    """Names what stands in a text: one line per find, `KIND: words`. As sure as its least sure find."""

    def __init__(self, transformers: Any, torch: Any, model: str) -> None:
        self._pipe = _pipeline(
            transformers,
            torch,
            "token-classification",
            "AutoModelForTokenClassification",
            model,
            aggregation_strategy="simple",
        )

    def __call__(self, text: str, question: str | None) -> Done:
        del question
        return self.many([text])[0]

    def many(self, texts: Sequence[str]) -> list[Done]:
        found = self._pipe(list(texts), batch_size=len(texts))
        return [self._done(text, one) for text, one in zip(texts, found, strict=True)]

    def _done(self, text: str, found: list[dict[str, Any]]) -> Done:
        lines = [f"{one['entity_group']}: {text[one['start'] : one['end']].strip()}" for one in found]
        sure = min((float(one["score"]) for one in found), default=None)
        return Done(text="\n".join(lines), confidence=sure)


def _pipeline(transformers: Any, torch: Any, task: str, kind: str, model: str, **more: Any) -> Any:
    tokenizer = transformers.AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    weights = getattr(transformers, kind).from_pretrained(model, **SAFE)
    return transformers.pipeline(task, model=weights, tokenizer=tokenizer, device=best_device(torch), **more)


class _Answering:
    """The stretch of a text that answers a question, word for word; a long text is read in windows that overlap."""

    def __init__(self, transformers: Any, torch: Any, model: str) -> None:
        self._torch = torch
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(model, trust_remote_code=False)
        weights = transformers.AutoModelForQuestionAnswering.from_pretrained(model, **SAFE)
        self._model = weights.to(best_device(torch)).eval()

    def __call__(self, text: str, question: str | None) -> Done:
        given = self._tokenizer(
            question or "", text, truncation="only_second", max_length=WINDOW_TOKENS, stride=STRIDE_TOKENS,
            return_overflowing_tokens=True, return_offsets_mapping=True, padding=True, return_tensors="pt",
        )  # fmt: skip
        offsets = given.pop("offset_mapping").tolist()
        given.pop("overflow_to_sample_mapping", None)
        owners = [given.sequence_ids(n) for n in range(len(offsets))]
        with self._torch.inference_mode():
            said = self._model(**given.to(self._model.device))
        best = Done(text="", confidence=0.0)
        for n, owner in enumerate(owners):
            span = self._span(said.start_logits[n], said.end_logits[n], owner)
            if span is not None and span[2] > (best.confidence or 0.0):
                begin, end = offsets[n][span[0]][0], offsets[n][span[1]][1]
                best = Done(text=text[begin:end], confidence=span[2])
        return best

    def _span(self, starts: Any, ends: Any, owner: list[int | None]) -> tuple[int, int, float] | None:
        """Return the likeliest span of the text and its probability among all of the window, "no answer" too."""
        torch, inside = self._torch, [n for n, one in enumerate(owner) if one == 1]
        if not inside:
            return None
        allowed = torch.full_like(starts, -torch.inf)
        allowed[[0, *inside]] = 0.0  # the first token stands for "no answer"
        begin, end = (starts + allowed).softmax(-1), (ends + allowed).softmax(-1)
        both = (begin[:, None] * end[None, :]).triu().tril(MOST_ANSWER_TOKENS - 1)
        both[0, :] = 0.0
        at = int(both.argmax())
        return at // len(begin), at % len(begin), float(both.flatten()[at])


class _Summary:
    def __init__(self, transformers: Any, torch: Any, model: str) -> None:
        self._torch = torch
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(model, trust_remote_code=False)
        weights = transformers.AutoModelForSeq2SeqLM.from_pretrained(model, **SAFE)
        self._model = weights.to(best_device(torch)).eval()

    def __call__(self, text: str, question: str | None) -> Done:
        del question
        return self.many([text])[0]

    def many(self, texts: Sequence[str]) -> list[Done]:
        given = self._tokenizer(list(texts), truncation=True, padding=True, return_tensors="pt")
        given.pop("token_type_ids", None)
        with self._torch.inference_mode():
            tokens = self._model.generate(
                **given.to(self._model.device), max_new_tokens=MOST_SUMMARY_TOKENS, do_sample=False
            )
        return [Done(text=self._tokenizer.decode(row, skip_special_tokens=True).strip()) for row in tokens]
