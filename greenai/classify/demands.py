"""What in a prompt asks to spend more, and nothing else: sentences on effort, budgets, models and settings.

The classifier does not read them, because what they ask for is not a text's to give: only code and settings opt in.
The model is sent them as they are. A sentence goes only where others are left to judge, and a question never does.
"""

from __future__ import annotations

import re

__all__ = ["LONGEST", "without_demands"]

LONGEST = 8000
"""Characters of a text that is looked through; in a longer one a sentence weighs little."""

# One of these stands in every demand below. Looking for them first spares most texts the pattern, which is slow.
_STUBS = (
    "reason", "think", "budget", "token", "opt_in", "opt-in", "opt in", "opted in", "greenai", "with_options", "system",
    "inst]", "<|", "tool_result", "effort", "model", "llm", "limit", "credit", "quota", "deep breath", "matter",
    "no object", "denk", "grenze", "presupuesto", "raisonne", "d'importance", "piensa", "pens", "ragiona", "razona",
    "raciocine",
)  # fmt: skip
_STUBS_BEYOND_ASCII = (
    "modèl", "límit", "orçamento", "réfléch", "推理", "思考", "预算", "限制", "予算", "制限", "考え", "模型", "モデル",
    "думай", "размышляй", "рассуждай", "бюджет", "лимит",
)  # fmt: skip
_EVERY_STUB = (*_STUBS, *_STUBS_BEYOND_ASCII)

_MUCH = r"(?:maximum|maximal|max|x?high|higher|highest|full|extended|deep|deeper|unlimited|extra|more|hard|harder)"
_HARD = r"(?:hard|harder|long|longer|deep|deeper|deeply)"
_MODEL = r"(?:model|llm|modell|modèle|modelo|modello)"
_NAMES = (
    # switches, fields and settings, also inside JSON, code and headers
    r"reasoning[ _-]?(?:effort|budget|mode|level|tokens)",
    r"(?:reasoning|thinking)[\"']?\s*[:=]",
    r"thinking[ _-]?(?:budget|mode|tokens|on)\b|extended thinking",
    r"enable_thinking|budget_tokens|chat_template_kwargs|max_(?:completion_)?tokens\b|ultrathink|megathink",
    r"\bopt(?:ed)? in to|opt[_-]in\b|greenai|with_options",
    r"</?\s*(?:think|thinking|reasoning|system|tool_result)\b[^>]*>",
    r"<\|[^|>]{1,40}\|>|\[/?(?:system|inst)\]|#+ ?system\b",
    r"(?:^|\s)/(?:no_?)?think\b",
)
_WISHES = (
    # how hard to think
    rf"{_MUCH} (?:reasoning|thinking|effort)\b",
    rf"think(?:ing)? (?:very |really |as |much |for )*{_HARD}\b|(?:think|reason) for (?:at least |as long|a long)",
    r"^\W*(?:let'?s |please )*(?:think|reason)(?: about (?:it|this))?,?(?: step[ -]by[ -]step)?(?:,? at [\w ]+)?\W*$",
    r"take a deep breath|think about this for a long",
    # which model, and what it may cost
    rf"(?:larg|bigg|strong|smart|great)e(?:st|r) {_MODEL}\b",
    rf"(?:best|better|most (?:capable|powerful|expensive)|small(?:er|est)?|cheap(?:er|est)?) {_MODEL}\b.{{0,40}}$",
    (
        r"(?:ignore|exceed|disregard|bypass|override|raise|lift|forget|spend|use up)\b.{0,40}"
        r"\b(?:budget|limits?|credits?|quota)\b"
    ),
    r"\bset\b.{0,20}\bbudget\b|\b(?:budget|limit|quota)s?\b.{0,20}\b(?:not apply|unlimited|infinite)\b",
    r"(?:no|without (?:a|any)) (?:budget|limit)\b|unlimited (?:credits?|budget|tokens|reasoning|thinking)",
    r"(?:cost|price|money|energy) (?:is no object|(?:does not|doesn'?t|do not) matter)",
)
_ELSEWHERE = (
    # the same in German, French, Spanish, Italian, Portuguese, Chinese, Japanese and Russian
    r"(?:ignorier|missacht|vergiss)\w*\b.{0,40}\b(?:budget|limit|grenze)|denkaufwand|größten? modell",
    r"denke? (?:so lange|lange|gründlich|scharf|intensiv)",
    r"(?:ignor|dépass|oublie)\w*\b.{0,40}\b(?:budget|limite|presupuesto|orçamento|límite)",
    r"(?:réfléchi|raisonne)\w* (?:très|bien|aussi|le plus|long)|co[uû]t n'a pas d'importance",
    rf"plus (?:grand|gros|puissant) {_MODEL}|meilleur {_MODEL}|{_MODEL} (?:más|mais|più) (?:grande|potente)",
    r"(?:piensa|pensa|pense|ragiona|razona|raciocine) (?:paso|passo|il più|o máximo|lo más|mucho|molto|muito)",
    r"推理强度|深度思考|忽略.{0,6}(?:预算|限制)|(?:予算|制限).{0,4}無視|深く考え|(?:最大|最强|最強)の?(?:模型|モデル)",
    r"(?:думай|размышляй|рассуждай) (?:как можно|очень|долго|глубоко)",
    r"(?:игнориру|не обращай внимания на).{0,20}(?:бюджет|лимит)",
)
_DEMAND = re.compile("|".join((*_NAMES, *_WISHES, *_ELSEWHERE)), re.IGNORECASE)
_ENDS = re.compile(r"(?<=[.!?])(?=\s)|(?<=[。\uff01\uff1f])|(?<=\n)")
_QUESTION = re.compile(r"[?\uff1f]\W*$")


def without_demands(text: str) -> str:
    """Return a text without the sentences that ask to spend more; all of it where nothing else would be left."""
    if len(text) > LONGEST or not _has_stub(text):
        return text
    sentences = _ENDS.split(text)
    kept = [sentence for sentence in sentences if not _is_demand(sentence)]
    left = "".join(kept).strip()
    return left if len(kept) < len(sentences) and any(map(str.isalpha, left)) else text


def _is_demand(sentence: str) -> bool:
    """Say whether a sentence asks to spend more; a question asks for something else, whatever words it has."""
    return _has_stub(sentence) and _QUESTION.search(sentence) is None and _DEMAND.search(sentence) is not None


def _has_stub(text: str) -> bool:
    lower = text.lower()
    return any(map(lower.__contains__, _STUBS if lower.isascii() else _EVERY_STUB))
