"""Small models made for one task, run in this process by transformers: the only door to torch and transformers.

Classification and extraction go through transformers' pipelines; questions over a text and summaries through their
models directly, because transformers 5 has no pipelines for them. Weights are read from safetensors only, and no code
that comes with a model is run.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Literal

from greenai.errors import MissingExtra, ModelMissing

__all__ = ["KINDS", "SAFE", "Done", "Kind", "TaskModel", "best_device"]

Kind = Literal["classification", "extraction", "question-answering", "summarisation"]
KINDS: tuple[Kind, ...] = ("classification", "extraction", "question-answering", "summarisation")

MOST_ANSWER_TOKENS = 30
MOST_SUMMARY_TOKENS = 120
WINDOW_TOKENS = 384
STRIDE_TOKENS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a task model said: text, the label where there is one, and how sure it was, in [0, 1] (None: unknown)."""

    text: str
    label: str | None = None
    confidence: float | None = None


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
            if self._run is None:
                self._run = _loaded(self.model, self.kind)
            done: Done = self._run(text, question)
            return done


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
    }[kind]
    try:
        return make(transformers, torch, model)
    except (OSError, ValueError) as error:
        raise ModelMissing(
            f"The task model {model} could not be loaded: {str(error).splitlines()[0]} "
            f"Name a folder with its weights (safetensors), or bring it with: hf download {model}",
            model=model,
        ) from error


SAFE = {"use_safetensors": True, "trust_remote_code": False}
"""What every model is loaded with: no pickles, and no code that comes with it."""


def best_device(torch: Any) -> str:
    """Return the GPU where there is one, else the processor."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


class _Classification:
    def __init__(self, transformers: Any, torch: Any, model: str) -> None:
        self._pipe = _pipeline(transformers, torch, "text-classification", "AutoModelForSequenceClassification", model)

    def __call__(self, text: str, question: str | None) -> Done:
        del question
        found = self._pipe(text, truncation=True, top_k=1)[0]
        return Done(text=str(found["label"]), label=str(found["label"]), confidence=float(found["score"]))


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
        found = self._pipe(text)
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
        given = self._tokenizer(text, truncation=True, return_tensors="pt")
        given.pop("token_type_ids", None)
        with self._torch.inference_mode():
            tokens = self._model.generate(
                **given.to(self._model.device), max_new_tokens=MOST_SUMMARY_TOKENS, do_sample=False
            )
        return Done(text=self._tokenizer.decode(tokens[0], skip_special_tokens=True).strip())
