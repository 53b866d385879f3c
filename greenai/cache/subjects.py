"""Whom or what a question is about: somebody with a first name, or what is generally known by its name.

"Where is Ben?" depends on who asks, "Where is Bhutan?" does not, and their form is the same: names decide. All heads
here are in lower case; `large` are the words that were written with a capital where none has to be.
"""

from __future__ import annotations

import re
from typing import Literal

from greenai.cache.names import Names, names, plain

__all__ = ["is_of_somebody", "is_to_somebody", "known", "known_elsewhere"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAME = r"(?P<name>[^\W\d_]+(?:['.-][^\W\d_]+)*)"
_REST = r"(?P<rest>(?: [^?!]*)?)"
_BE = r"(?:'s|'re| is| are| was| were)"
_AUX = (
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|shall|may|might|must|isn't|aren't|wasn't|"
    r"doesn't|didn't|hasn't|can't|couldn't|won't|shouldn't)"
)
# --- somebody with a first name -----------------------------------------------------------

_BEFORE_SOMEBODY = tuple(
    re.compile(rf"\W*{before} {_NAME}{_REST}")
    for before in (
        rf"(?:who|where|whose|when|how){_BE}",
        rf"(?:and )?{_AUX}",
        rf"(?:what|which|when|where|why|how|who|whom)(?: \w+){{0,3}}?(?:'s| {_AUX})",
        r"(?:please )?(?:tell (?:me|us) (?:more )?|all |anything )?about",
    )
)
# What follows a name that is the name of a thing: of a place, a book, a tool, of the word itself.
_OF_THING = re.compile(
    r" (?:(?:really |still )?(?:an?|the) (?:\w+ ){0,2}(?:country|city|town|capital|state|continent|island|river|"
    r"language|"
    r"planet|region|kingdom|republic|word|name|verb|noun|fruit|plant|flower|colou?r|mineral|gem\w*|spice|herb)|"
    r"(?:mean|stand for|rhyme|used for|used in|made|short for|about|the (?:great|terrible|conqueror|magnificent|bold))|"
    r"(?:i|ii|iii|iv|v|vi|vii|viii|[0-9]+)|(?:\w+ ){0,3}(?:theorem|laws?|rule|effect|paradox|razor|principle))\b"
)
_ALONE = re.compile(r"\W*what(?:'s| is| are| was| were) \S+\W*$")  # a thing may be called so, and is asked for
_GONE = frozenset(
    ("napoleon", "jesus", "caesar", "cleopatra", "columbus", "lincoln", "darwin", "newton", "mozart", "gandhi", "moses",
     "homer", "virgil", "dante", "socrates", "elvis", "leonardo", "michelangelo", "raphael", "nero", "augustus")
)  # fmt: skip
_FAMILY = _words("mum mom dad mummy mommy daddy grandma grandpa granny grandad nana auntie mama papa")
_MAY = re.compile(r"\W*(?:can|could|will|would|should|shall|may|might|must|has|have|had|can't|won't|shouldn't)\b")


def is_of_somebody(head: str, large: frozenset[str]) -> bool:
    """Say whether it asks of somebody who is called by the first name alone: "Can Ben drive?", "How old is Ben?"."""
    found = next((match for before in _BEFORE_SOMEBODY if (match := _of_given(before, head, large))), None)
    if found is None or _OF_THING.match(found["rest"]) or _ALONE.match(head):
        return False
    follows = found["rest"].split()[:1]
    if found["name"].endswith("'s"):  # Charlotte's Web
        return not (follows and plain(follows[0]) in large)
    if plain(found["name"]) in _GONE or _in_full(found, large):
        return False
    surname = bool(follows) and plain(follows[0].strip(",.")) in large
    return not surname or _MAY.match(head) is not None


def _of_given(before: re.Pattern[str], head: str, large: frozenset[str]) -> re.Match[str] | None:
    found = before.match(head)
    if found is None or found["name"] in _TOOLS:
        return None
    return found if found["name"] in _FAMILY or names().is_given(found["name"], large) else None


def _in_full(found: re.Match[str], large: frozenset[str]) -> bool:
    """Say whether the name goes on to one that is known: Ada, and Ada Lovelace."""
    words = f"{found['name']}{found['rest']}".split()[:_LONGEST]
    known_names = names()
    return any(
        known_names.is_person(" ".join(words[:end])) or known_names.is_place(" ".join(words[:end]), large)
        for end in range(2, len(words) + 1)
    )


_TO_SOMEBODY = re.compile(
    rf"\W*(?:call|text|phone|ring|message|e-?mail|invite|remind|notify|ping|pay|tell|ask|thank|congratulate|find|"
    rf"locate|reach|contact) {_NAME}"
    r"(?:\W*$| (?:to|that|about|and|at|on|for|back|now|again|tomorrow|today|tonight|an?|the|my|our|i|we|if|whether|"
    r"when|please|[0-9])\b)"
)


def is_to_somebody(head: str, large: frozenset[str]) -> bool:
    """Say whether somebody is to be called, told or paid: "Call Ada.", "Text Ben that I am late."."""
    return _of_given(_TO_SOMEBODY, head, large) is not None


# --- what is generally known --------------------------------------------------------------

_LONGEST = 5  # words of a name
_FULL = 2  # words of a first name and a surname
_POINTS = re.compile(
    r"\b(?:my|our|your|me|us|i|we|mine|ours|here|this|that|these|those|there|now|today|tonight|yet|his|her|their|it)\b"
)
_PLACED = re.compile(
    rf"\W*where(?: exactly)?(?: in (?:the )?\w+(?: \w+)?)?{_BE} (?:the )?(?P<name>[^?!,]+?)"
    r"(?: located| situated| found| on (?:a|the) (?:map|globe)| in the world)?\W*$"
)
_WHO = re.compile(rf"\W*who{_BE} (?P<name>[^?!,]+?)(?:,? and (?:why|what|how|when|where|for what|which)\b[^?!]*)?\W*$")
_TOLD = re.compile(r"\W*(?:please )?(?:tell (?:me|us) (?:more )?)?about (?P<name>[^?!,]+?)\W*$")
_PARTICLES = frozenset(
    ("von", "van", "de", "da", "di", "del", "della", "der", "den", "la", "le", "al", "bin", "ibn", "the", "of")
)
_STUDIES = (
    r"(?:modern |classical |analytical |experimental |quantum )?(?:physics|chemistry|biology|medicine|mathematics|"
    r"geometry|"
    r"algebra|history|philosophy|psychology|psychoanalysis|economics|sociology|computing|computer science|genetics|"
    r"astronomy|botany|geology|logic|democracy|capitalism|communism|the (?:atomic|hydrogen) bomb|the nation|"
    r"artificial intelligence)"
)
_MAKER = re.compile(
    rf"\W*who{_BE} (?:the )?(?:(?:original )?(?:author|writer|painter|composer|inventor|discoverer|founder|creator|"
    rf"architect|"
    r"sculptor|playwright|poet|villain|protagonist|antagonist|narrator|hero|heroine|main characters?|title character) "
    rf"(?:of|in|behind) (?!(?:a|an)\b|.*\b(?:e-?mail|ticket|issue|post|commit|pull request|pr|message|letter|file|"
    rf"document|"
    rf"report|article|page|change|startup|company)\b)\S|(?:father|mother|founder) of {_STUDIES}\W*$|"
    r"(?:greek|roman|norse|egyptian|hindu|aztec|celtic|chinese|japanese|inca|mayan|patron) (?:god(?:dess)?|saint|deity)"
    r"(?: of| for)?\b|(?:god|goddess) of\b)"
)
_OF_PERSON = re.compile(
    r"\W*(?:(?:what|when|where|why|how|which \w+|in which \w+) (?:did|was|were)|"
    r"(?:please )?(?:tell (?:me|us) (?:more )?)?about|what(?:'s| is| was)) "
    r"(?P<name>[^?!,]+?)(?: (?:do|born|live|die|died|famous|known|remembered|best known|invent|discover|write|paint|"
    r"compose|"
    r"believe|teach|study|prove|publish|found|build|design|create|contribute|develop|achieve|win|get|grow|become|"
    r"explore|"
    r"rule|reign|conquer|fight|say|think|mean|argue|come|marry|go|work|buried|killed|executed|assassinated|exiled)\b"
    r"[^?!]*)?\W*$"
)
_ABOUT = re.compile(
    r"\W*(?:please )?(?:tell (?:me|us) (?:more )?)?about the [\w' -]{2,40} (?:revolution|war|wars|empire|dynasty|"
    r"renaissance|reformation|crusades?|civili[sz]ation|treaty|period|era|movement|theory|theorem|theorems|principle|"
    r"effect|"
    r"system|cycle|age|ages)\W*$"
)
_WHICH_PLACE = re.compile(
    rf"\W*(?:in |on )?(?:what|which) (?:country|continent|state|province|region|hemisphere|ocean|sea|part of \w+) "
    rf"{_AUX} "
    r"(?:the )?(?P<name>[^?!,]+?)(?: in| on| located| located in| belong to| a part of| part of)?\W*$"
)
_PLACE_IS = re.compile(
    r"\W*(?:is|are|was|were) (?:the )?(?P<name>[^?!,]+?) (?:(?:in|on|part of|located in|north of|south of|east of|west "
    r"of|near|"
    r"(?:bigger|larger|smaller|older|further north|further south) than) (?:the )?(?P<other>[^?!,]+?)|(?:really )?(?:a|"
    r"an|the) "
    r"(?:\w+ ){0,2}(?:country|city|continent|island|planet|star|moon|state|capital|desert|river|lake|sea|ocean|volcano|"
    r"republic|monarchy|kingdom|peninsula)(?: (?:of|in|on) [^?!,]+)?)\W*$"
)
_PLACE_HAS = re.compile(
    r"\W*(?:does|do) (?:the )?(?P<name>[^?!,]+?) have (?:a |an |any )?(?:\w+ )?(?:coast|coastline|deserts?|"
    r"volcano(?:es)?|"
    r"mountains?|moons?|rings?|gravity|atmosphere|rivers?|lakes?|islands?|seasons|water|ice|core|magnetic field|border|"
    r"access to the sea|jungles?|rainforests?|glaciers?|alphabet)(?: (?:with|on|around|at) [^?!]+)?\W*$"
)
_PLACE_SIZE = re.compile(
    r"\W*how (?:long|big|large|deep|high|tall|wide|far(?=.* from )) (?:is|are|was) (?:the )?(?P<name>[^?!,]+?)"
    r"(?: from (?:the )?(?P<other>[^?!,]+?))?\W*$"
)


def known(head: str, large: frozenset[str]) -> Literal["static", "slow"] | None:
    """Return "static" for what an encyclopedia tells of a name, "slow" for whom a full name stands for, or None."""
    if _POINTS.search(head.removeprefix("tell me ").removeprefix("tell us ")):
        return None
    if _is_of_kind(head, large) or _MAKER.match(head) or _ABOUT.match(head) or _WHICH_MADE.match(head):
        return "static"
    if _is_placed(head, large):
        return "static"
    return _told_of_person(head, large)


def _is_placed(head: str, large: frozenset[str]) -> bool:
    """Say whether it asks where a known place or an organ is, or for what is so of a place."""
    found = _PLACED.match(head) or _WHICH_PLACE.match(head) or _PLACE_HAS.match(head) or _PLACE_SIZE.match(head)
    found = found or _PLACE_IS.match(head)
    lists = names()
    if found is None:
        return False
    other = found.groupdict().get("other")
    if other is not None and not (lists.is_place(other, large) or set(re.findall(r"\w+", other)) & _CONTINENTS):
        return False
    name = found["name"]
    return _is_place(lists, name, large) or (found.re is _PLACED and plain(name) in lists.organs and " the " in head)


def _is_place(lists: Names, name: str, large: frozenset[str]) -> bool:
    return lists.is_place(name, large) or any(
        name.startswith(f"{before} ") and lists.is_place(name[len(before) + 1 :], large)
        for before in ("lake", "mount", "river", "the")
    )


def _told_of_person(head: str, large: frozenset[str]) -> Literal["static", "slow"] | None:
    lists = names()
    found = _OF_PERSON.match(head)
    if found is not None and (lists.is_person(found["name"]) or plain(found["name"]) in _GONE):
        return "static"
    found = _WHO.match(head) or _TOLD.match(head)
    if found is None:
        return None
    if lists.is_person(found["name"]):
        return "static"
    words = [word for word in plain(found["name"]).split("_") if word not in _PARTICLES]
    full = len(words) >= _FULL and all(word in large for word in words) and not set(words) & _NO_NAMES
    return "slow" if full else None


_CONTINENTS = frozenset(("europe", "asia", "africa", "america", "oceania", "antarctica"))
# Written large they are no names all the same.
_NO_NAMES = _words(
    "uncle aunt auntie cousin grandma grandpa lead account project shift sales owner customer supervisor "
    "on in at next duty call line home first last new mr mrs ms miss dr my our your driving coming going here there"
    " office manager director president ceo king queen prince princess pope chief head boss team support service"
)
_WHICH_MADE = re.compile(
    r"\W*(?:which|what) (?:country|nation|city|people|peoples|civili[sz]ation|empire|culture|man|woman|mathematician|"
    r"explorer|chemist|physicist|president|general) (?:first )?(?:invented|discovered|founded|built|wrote|painted|"
    r"colonised|"
    r"colonized|conquered|developed|introduced|signed|created|ruled|designed|proved|gave)\b"
)

# --- a kind of things ---------------------------------------------------------------------

_SINGLE = re.compile(
    r"\W*(?:can|could|do|does|is|are) (?:(?P<article>an?|the) )?(?:(?:male|female|wild|adult|baby|pure|liquid|solid|"
    r"polar|prime|even|odd|sea|fresh|salt|hot|cold) )?(?P<noun>[\w+#-]+) (?P<verb>[\w-]+)"
)
_SKY = _words("sun moon earth universe heart brain human stomach tongue ozone atmosphere equator")
# What a certain one of a kind does as all of them do: not "Does the heart rate look fine?".
_DOES = _words(
    "a an made part bigger larger smaller hotter round flat have contain produce pump store make help control regulate "
    "filter revolve orbit rotate spin affect cause emit shine expand move use connect grow regenerate heal"
)
_NATURE = _words(
    "human humans man gold silver sugar salt glass light sound lightning electricity fire heat gravity time number "
    "numbers "
    "integer function class struct enum variable loop matrix vector triangle square circle polygon tuple tuples list "
    "array "
    "string pointer process thread transistor atom electron electrons proton neutron photon photons virus viruses cell "
    "star stars planet planets comet moon mountain volcano river zero infinity parallelogram polynomial prime"
)
_TOOLS = _words(
    "python java javascript typescript rust golang c c++ c# php kotlin swift scala haskell lua sql html css git bash "
    "linux "
    "docker numpy pandas regex json yaml xml postgresql mysql sqlite matlab fortran cobol erlang clojure perl http tcp "
    "udp "
    "ipv6 unicode utf-8"
)
# What is asked of a certain one, of what is for sale, or of what moves in price.
_CERTAIN = re.compile(
    r"\W*\w+ (?:[\w+#-]+ ){1,3}?(?:(?:come|comes|join|stay|cost|costs|arrive|ship|rise|fall|drop|crash|go up|go down|"
    r"sell|"
    r"trade|running|ready|late|gone|available|included|allowed|need|pay|win|play|"
    r"delivered|installed|updated|enabled|configured|needed|required|set up|patched|in stock)\b|"
    r"(?:down|up|out|off|on|back)\W*$)"
)


def _is_of_kind(head: str, large: frozenset[str]) -> bool:
    """Say whether it asks if something holds for a kind of things, or for a language of computers."""
    found = _SINGLE.match(head)
    if found is None or _CERTAIN.match(head):
        return False
    noun, article = found["noun"], found["article"]
    lists = names()
    if article == "the":
        return (noun in _SKY or noun in lists.organs) and found["verb"] in _DOES
    if article is None and noun in _TOOLS:
        return True
    if lists.is_given(noun, large):
        return False
    if article is None and head.lstrip().startswith(("is", "are")):
        return noun in _NATURE or (lists.is_kind(noun) and found["verb"] in ("a", "an", "really", "considered"))
    return noun in _NATURE or lists.is_kind(noun)


# --- in other languages -------------------------------------------------------------------

_WHERE_ELSEWHERE = re.compile(
    r"\W*(?P<how>wo (?:liegt|liegen|ist|sind|befindet sich)|o\u00f9 (?:se trouve(?:nt)?|se situe(?:nt)?|est|sont)|"
    r"d\u00f3nde (?:est\u00e1n?|quedan?|se encuentran?)) (?:(?P<article>der|die|das|le|la|les|el|los|las) |l')?"
    r"(?P<name>[^?!,]+?)\W*$"
)
_WHO_ELSEWHERE = re.compile(
    r"\W*(?:(?P<is>wer ist|qui est|qui\u00e9n es)|wer war(?:en)?|qui (?:\u00e9tait|fut)|qui\u00e9n (?:fue|era)) "
    r"(?P<name>[^?!,]+?)\W*$"
)
_TITLED = _words(
    "herr frau fr\u00e4ulein monsieur madame mademoiselle senor senora don dona mama papa oma opa maman mon ma mi mein "
    "meine "
    "unser unsere"
)
_CHINESE = re.compile(
    r"(?:\u4ec0\u4e48\u662f|\u8c01(?:\u53d1\u660e|\u53d1\u73b0|\u5199|\u753b|\u521b\u4f5c|\u5efa\u9020|"
    r"\u521b\u7acb)\u4e86|[^\s]{1,12}\u7684\u9996\u90fd(?:\u662f|\u5728)(?:\u54ea|\u4ec0))"
    r"[^\u6211\u4f60\u60a8\u4ed6\u5979\u5b83\u8fd9\u90a3]{1,20}$"
)


def known_elsewhere(head: str, large: frozenset[str]) -> Literal["static", "slow"] | None:
    """Return the same for a question in German, French, Spanish or Chinese."""
    if _CHINESE.match(head):
        return "static"
    lists = names()
    found = _WHERE_ELSEWHERE.match(head)
    if found is not None:
        name = plain(found["name"])
        lone = found["how"] == "wo liegt" and not found["article"] and name.isalpha() and name in large
        return "static" if lists.is_place(name, large) or (lone and not _may_be_somebody(name, large)) else None
    found = _WHO_ELSEWHERE.match(head)
    if found is None:
        return None
    words = [word for word in plain(found["name"]).split("_") if word not in _PARTICLES]
    if lists.is_person(found["name"]):
        return "static"
    if len(words) < _FULL or not large.issuperset(words) or _TITLED & set(words):
        return None
    return "slow" if found["is"] else "static"


def _may_be_somebody(name: str, large: frozenset[str]) -> bool:
    return name in _TITLED or names().is_given(name, large)
