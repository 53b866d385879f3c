"""Whether a text asks for a fact at all: only then can live data be missing.

    a question ("Is it open today?"), a wish to be told ("show me …", "let me know whether …") ── asks
    a heading as typed into a search box ("bitcoin price now") ────────────────────────────────── asks
    a wish to write, to greet, to work on a text; a statement; thanks ─────────────────────────── asks nothing

Whether what is asked for changes with time is the classifier's business. It reads the form alone, sentence by sentence,
in English and, by their first words, in German, French, Spanish, Italian, Portuguese, Dutch and Chinese.
"""

from __future__ import annotations

import re

__all__ = ["asks_for_a_fact"]

_MAX_CHARS = 2000
_MAX_HEAD = 200


def _one_of(words: str) -> str:
    return "(?:" + "|".join(words.split()) + ")"


# --- what stands around the sentences ---------------------------------------------------------

_QUOTED = re.compile(
    r"\"[^\"\n]+\"|\u201c[^\u201d\n]+\u201d|\u201e[^\u201c\u201d\n]+[\u201c\u201d]|\u00ab[^\u00bb\n]+\u00bb|"
    r"(?<!\w)'[^'\n]{2,}'(?!\w)"
)
_SENTENCE = re.compile(r"[^.!?\n\u2026\u3002\uff01\uff1f]*(?:[.!](?=\w)[^.!?\n\u3002\uff01\uff1f]*)*[?\uff1f]?")
_OPENING = re.compile(
    r"[\W_]*(?:(?:(?:hi|hello|hey|dear|good (?:morning|afternoon|evening))(?: (?:there|all|everyone|team|again))?|"
    r"ok|okay|so|now|then|and|but|also|well|just|thanks|thank you|sorry|excuse me|pardon|please|pls|kindly|"
    r"quick question|one question|question|bitte|hallo|guten (?:tag|morgen|abend)|bonjour|bonsoir|salut|"
    r"s'il (?:vous|te) pla\u00eet|hola|buenos d\u00edas|por favor|ciao|buongiorno|ol\u00e1)\b[^\w\"]*)*"
)
_POLITE = re.compile(
    r"(?:(?:would|do) you mind|(?:can|could|would|will) (?:you|u)|i(?:'d| would) like you to|i (?:want|need) you to|"
    r"help me(?: to)?|be so (?:kind|good)(?: as)?(?: to|and)?|please|kindly|just|quickly|also)\b[ ,]*"
)
# "Can you see the stars tonight?" asks whether anybody can; "can you see whether …" asks to be told.
_REQUEST = re.compile(
    r"(?:^|[,;:\u2013-] ?)(?=(?:can|could|would|will) (?:you|u)\b"
    r"(?! (?:still|buy|visit|park|swim|ski|(?:see|hear)(?! (?:if|whether|what|when|where|who|how|to))))\b)"
)

# --- a text that is worked on -----------------------------------------------------------------

_WORKS = _one_of(
    "translate summari[sz]e proofread paraphrase rephrase rewrite reword correct edit fix improve shorten simplify "
    "classify label extract transcribe explain describe write draft compose reply respond continue complete turn put "
    "make convert say read format analy[sz]e check "
    "\u00fcbersetze? \u00fcbersetzen fasse formuliere korrigiere schreibe? k\u00fcrze antworte "
    "traduis traduisez r\u00e9sume[sz]? corrige[sz]? reformule[sz]? \u00e9cris r\u00e9dige[sz]? "
    "traduce traduzca resume corrige reescribe escribe redacta riassumi traduci traduza resuma vertaal vat"
)
_WORKED_ON = re.compile(rf"{_WORKS}\b[^:\n]{{0,120}}[:\n]")
_WORKED_ON_HAN = re.compile("[请請]?(?:翻译|翻譯|总结|總結|概括|改写|润色|校对|解释)[^:\uff1a]{0,20}[:\uff1a]")

# --- questions --------------------------------------------------------------------------------

_SUBJECT = _one_of(
    "i we you he she it they there this that these those the a an any all some my our your his her its their one "
    "anyone anybody someone everyone"
)
_WH = r"(?:what|when|where|who|whom|whose|which|why|how)"
_IS = _one_of("is are am was were do does did has have had can could will would shall should may might must")
# Also without a question mark: "what is", "how much", "is the", but neither "when the" nor "what a day" nor "will be".
_ASKED = re.compile(
    rf"{_WH}(?:'s|'re|s|'ll|'d)\b|{_WH} (?:{_IS}n't|{_IS})\b|(?:what|which|whose) (?!(?:a|an)\b){_SUBJECT}?\w+ |"
    rf"how (?:much|many|long|far|old|often|high|low|warm|cold|hot|late|soon|early|busy|deep|big|large|fast|strong|"
    rf"about)\b|who \w+s\b|"
    rf"(?:is|are|am|was|were|does|did|has|had|can|could|will|would|should|may|might|must|shall) (?!(?:that|all|one)\b)"
    rf"{_SUBJECT}\b|do (?:i|we|you|they|the|these|any|your)\b|have (?:i|we|you|they|there|the \w+ \w+ed)\b|"
    rf"(?:is|are|was|were|does|did|has|will|can) (?!(?:not|be|been|still|never|always|now|only|just|again|very|too|"
    rf"so|already|no|also|currently|unable|able|available|late|down|broken|here|out|over)\b)(?!\w+(?:ed|ing|en)\b)"
    rf"\S+ \w+|any (?:news|update|word|delay|delays|updates|chance)\b"
)
_ASKED_LATER = re.compile(
    rf"[,;:\u2013] (?:and |but |so )?(?:(?:what|how|when|where|who)(?:'s|s)? {_IS}\b|what's|"
    rf"how (?:much|many|long|late)\b|(?:is|are|was|were|does|do|did|will|can|has|have) {_SUBJECT}\b)"
)
_ASKED_ELSEWHERE = re.compile(
    r"(?:wie|was|wann|wo|wer|wem|wen|welche[rsnm]?|wieso|warum|wohin|woher|wieviel)\b|"
    r"(?:sage?|sagen sie|zeige?|zeigen sie|nenne?|gib|geben sie|verrate?) (?:mir|uns)\b|"
    r"(?:quelle?s?|quand|o\u00f9|combien|comment|pourquoi|qui|est-ce|qu'est-ce|qu'y)\b|"
    r"(?:dis|dites|donne|donnez|montre|montrez)-(?:moi|nous)\b|"
    r"(?:qu\u00e9|cu\u00e1l(?:es)?|cu\u00e1ndo|cu\u00e1nt[oa]s?|d\u00f3nde|qui\u00e9n(?:es)?|c\u00f3mo)\b|"
    r"(?:dime|d\u00edgame|mu\u00e9strame|dame|ens\u00e9\u00f1ame)\b|"
    r"(?:che (?:tempo|ore)|quando|quanto|dove|chi|qual[ei]?|dimmi|mostrami|onde|quem|quais|diga-me|"
    r"hoe|wat|wanneer|waar|wie|welke|hoeveel|vertel me)\b"
)
_ASKED_HAN = re.compile("[吗嗎么麼呢谁誰哪几幾]|什么|多少|怎|何时|是否|告诉我|告訴我|查一下|ですか|ますか")
# Asked for with a question mark, but of the person asked: "can you thank Ann?", in other languages than English.
_REQUEST_ELSEWHERE = re.compile(
    r"(?:kannst du|k\u00f6nnen sie|k\u00f6nntest du|k\u00f6nnten sie|w\u00fcrdest du|peux-tu|pouvez-vous|"
    r"pourrais-tu|pourriez-vous|puedes|podr\u00edas|puede|podr\u00eda)\b(?!.*\b(?:mir|uns|me|nous|moi|nos|"
    r"ob|si|sagen|dire|decir|decirme|wie|wann|quel\w*|quand|cu\u00e1ndo|qu\u00e9)\b)"
)
_HOW_TO = re.compile(
    r"(?:how (?:do|can|could|should|would|might) (?:i|we|you|one)|how to|what (?:should|can|could|shall|must|do) "
    r"(?:i|we) do|(?:can|could|would|will) (?:you|someone|somebody|anyone) (?:please )?help)\b"
)

# --- wishes to be told ------------------------------------------------------------------------

_IF_OR_WHAT = r"(?:if|whether|what|what's|when|where|who|which|whose|how|how's)\b"
_KNOW = re.compile(
    rf"(?:.{{0,60}}\b)?(?:(?:want|need|like|love|wish|trying) to (?:know|see|hear|find out|check|learn|get)|know|"
    rf"wonder|wondering|curious|not sure|tell(?:ing)? (?:me|us)|(?:inform|advise|remind) (?:me|us)(?: of)?|"
    rf"any idea|(?:let|lets) (?:me|us) know|find out|figure out|see|confirm|verify|check(?:ing)?)(?: about)?"
    rf"[ ,]+{_IF_OR_WHAT}|"
    r"i(?:'d| would)? (?:like|love|want|need) to (?:know|see|hear|check|find out) |"
    r"i(?:'m| am) (?:looking for|after|interested in) (?:the|today's|tomorrow's|your|current|latest)\b"
)
_TELL = re.compile(
    r"(?:(?:tell|telling|show|showing|give|giving|get|fetch|find|bring|list|read|send|name) "
    r"(?:me|us)|let (?:me|us) know|(?:inform|update|"
    r"brief|quote) (?:me|us)|list|find(?: out)?|check|look (?:up|for|at)|track|get|fetch|"
    r"search(?: for)?|google|pull up|retrieve|display|view|compare|count|determine|what about|how about)\b(?! that\b)"
)
_TELL_TOPIC = re.compile(r"(?:show|give|provide|name|report|see|say)\b")
# After a wish to be told: something that is to be thought up, not looked up.
_INVENTED = re.compile(
    r" (?:(?:about|of|for|up|with) )?(?:a|an|some|any|another|one|two|three|four|five|ten|ideas?|tips|advice|"
    r"suggestions?|ways|words)\b"
    r"(?! (?:\w+ ){0,2}(?:forecast|report|update|overview|list|summary|estimate|idea of|information|info|news|"
    r"headlines?)\b)"
)
_RENDERED = re.compile(
    r"(?:summari[sz]e|recap|sum up|translate|explain|describe|outline|analy[sz]e)(?: me| us)? (?:the )?(?:(?:today|"
    r"yesterday|tonight|tomorrow|this (?:morning|week|month))'s|latest|current|newest|breaking) "
)

# --- headings ---------------------------------------------------------------------------------

_LIVE = re.compile(
    r"\b(?:weather|forecasts?|temperatures?|prices?|costs?|rates?|fares?|scores?|results?|standings|hours|times|"
    r"traffic|headlines?|news|status|schedules?|timetables?|departures|arrivals|delays?|delayed|queue|"
    r"availability|stocks?|shares?|quotes?|odds|tides?|pollen|index|tickets?|bitcoin|events|on tv|fixtures|"
    r"open|closed|sunrise|sunset|markets?)\b"
)
_LIVE_ELSEWHERE = re.compile(
    r"\b(?:wetter|wettervorhersage|\u00f6ffnungszeiten|kurs|aktienkurs|preis|nachrichten|verkehr|m\u00e9t\u00e9o|"
    r"horaires|cours|prix|actualit\u00e9s|tiempo en|pron\u00f3stico|horario|precio|noticias|tr\u00e1fico|"
    r"meteo|previsioni|orari|prezzo|notizie|previs\u00e3o|pre\u00e7o|weer|openingstijden|koers|prijs|nieuws)\b"
)
# A heading has no verb and no person; it praises, blames and denies nothing.
_SAID = re.compile(
    rf"\b(?:{_IS}|be|been|being|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|hasn't|haven't|can't|cannot|won't|"
    r"i|i'm|i've|i'd|i'll|we|we're|we've|you|you're|he|she|it|it's|they|they're|me|us|him|them|someone|nobody|"
    r"everybody|there|that's|went|came|got|took|said|told|rose|fell|lost|won|broke|kept|made|gave|left|let|"
    r"ruined|seems?|looks?|feels?|means|went|goes|gets|needs?|wants?|works?|"
    r"not|no|never|nothing|still|too|very|wrong|missing|great|nice|lovely|bad|terrible|awful|good|horrible|"
    r"beautiful|fantastic|sorry|thanks|thank|"
    r"ist|sind|war|waren|wird|wurde|hat|habe|haben|ich|wir|est|sont|\u00e9tait|a \u00e9t\u00e9|je|nous|"
    r"es|est\u00e1|son|era|fue|ha|he|yo)\b|'(?:m|re|ve|ll|d)\b"
)
_WISHED = re.compile(
    r"(?:say|thank|greet|welcome|wish|apologi[sz]e|congratulate|invite|announce|mention|ask|tell|remind|inform|"
    r"reassure|confirm|promise|reply|respond|answer|write|draft|compose|create|make|add|put|set|turn|send|post|"
    r"publish|prepare|plan|design|generate|suggest|imagine|pretend|act|play|discuss|praise|cheer|celebrate|"
    r"translate|summari[sz]e|rewrite|rephrase|explain|describe|change|update|raise|lower|buy|sell|book|pay|cancel|move|"
    r"transfer|close|remind|"
    r"\w+ (?:the|a|an|my|our|your|this|that|her|his|their|today's|tomorrow's|yesterday's)) "
)
_HEADING_OF = re.compile(r"(?:in|at|on|for|of|from|with|about) ")
_HEADING_WORDS = 10
_WANTED = re.compile(
    r"(?:i(?:'d| would)? )?(?:need|want|like|require|looking for) (?!(?:to|you|a|an|some|my|help)\b)(?:\S+ ){0,4}"
)


def asks_for_a_fact(text: str) -> bool:
    """Say whether any sentence of `text` asks to be told something."""
    bare = _QUOTED.sub(' "" ', text[:_MAX_CHARS].replace("\u2019", "'")).lower()
    sentences = [found for found in _SENTENCE.findall(bare) if found.strip()]
    start = 0
    for sentence in sentences:
        start = bare.find(sentence, start)
        if _is_work(bare[start : start + _MAX_HEAD]):  # what follows is the text to work on
            return False
        if _asks(sentence):
            return True
        start += len(sentence)
    return False


def _is_work(rest: str) -> bool:
    head = _without_polite(_opened(rest))
    return _WORKED_ON.match(head) is not None or _WORKED_ON_HAN.match(rest.strip()) is not None


def _opened(sentence: str) -> str:
    found = _OPENING.match(sentence)
    return " ".join((sentence if found is None else sentence[found.end() :]).split())


def _without_polite(sentence: str) -> str:
    while found := _POLITE.match(sentence):
        sentence = sentence[found.end() :]
    return sentence


def _asks(sentence: str) -> bool:
    opened = _opened(sentence)
    if _HOW_TO.match(opened):
        return False
    requested = _REQUEST.search(opened)
    if requested is not None:
        return _is_told(_without_polite(opened[requested.end() :]))
    if opened.endswith(("?", "\uff1f")):
        return _REQUEST_ELSEWHERE.match(opened) is None
    if _ASKED.match(opened) or _ASKED_LATER.search(opened):
        return True
    if "\u00bf" in sentence or _ASKED_ELSEWHERE.match(opened) or _ASKED_HAN.search(sentence):
        return True
    return _is_told(_without_polite(opened))


def _is_told(wish: str) -> bool:
    """Say whether a sentence that is no question wishes to be told something."""
    if _KNOW.match(wish) or _RENDERED.match(wish):
        return True
    found = _TELL.match(wish) or (_TELL_TOPIC.match(wish) if _LIVE.search(wish) and not _SAID.search(wish) else None)
    if found is not None:
        return _INVENTED.match(wish, found.end()) is None
    wanted = _WANTED.match(wish)
    if wanted is not None:
        return _LIVE.search(wish) is not None
    return _is_heading(wish)


def _is_heading(words: str) -> bool:
    if len(words.split()) > _HEADING_WORDS or _SAID.search(words):
        return False
    if _LIVE_ELSEWHERE.search(words):
        return ":" not in words
    return _LIVE.search(words) is not None and (_WISHED.match(words) is None or _HEADING_OF.match(words) is not None)
