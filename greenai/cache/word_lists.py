"""Hand-made lists of general English for comparing two questions: what says little, what asks for what.

Words stand in the form that `thesaurus.stem` gives them where that matters; everything is in lower case. Words that
are alike, opposite, or of which one excludes another are in own_words.txt.
"""

from __future__ import annotations

__all__ = [
    "ACRONYMS", "ADVERBS", "AMOUNTS", "ASK_AGAIN", "ASPECTS", "AUXILIARIES", "BARE", "BE", "CONDITIONS",
    "CONNECTORS", "DETERMINERS", "FEMALE", "FILLERS", "FORMATS", "FUNCTION", "GENERIC", "HOW", "HOW_TO",
    "KIND_NOUNS", "MALE", "MODALS", "MOVES", "NEGATIVES", "NUMBER_WORDS", "PRAISE", "PREPOSITIONS",
    "QUESTION_WORDS", "REQUESTS", "ROLES", "SCALES", "STRONG", "SYMMETRIC", "TAILS", "TELL", "TITLES", "UNCHANGED",
    "UNITS", "WAYS", "WHAT",
]  # fmt: skip


def _words(text: str) -> list[str]:
    return text.split()


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- words that carry no meaning of their own ----------------------------------------------

DETERMINERS = _set(
    "a an the this that these those my your our their its some any another each every all both no such which what whose"
)
PREPOSITIONS = _set(
    "of in on at by for with from to into onto about as like through over under between among against during within "
    "across behind beyond near per via toward towards upon off out up down around along inside outside above below "
    "than versus vs without before after until till since"
)
BARE = _set(
    "i me my mine myself we us our ours ourselves you your yours yourself yourselves u it its itself they them their "
    "theirs themselves he him his himself she her hers herself one ones who whom whose which what that this these "
    "those there here someone somebody anyone anybody everyone everybody something anything"
)
FUNCTION = (
    DETERMINERS
    | PREPOSITIONS
    | BARE
    | _set(
        "be is are was were been being am do does did done doing have has had having can could shall should "
        "will would may "
        "might must ought need and or but nor if then else so because while when where why how whether though "
        "although "
        "not 's 'm 're 've 'll 'd s t re ve ll d m just also too very quite rather well oh ok okay hi hello "
        "hey thanks "
        "thank please kindly cheers yes yeah sure now let lets 'em am pm away im ive id cant dont doesnt "
        "didnt isnt arent wasnt "
        "wont wouldnt shouldnt couldnt yet even still again ever much many"
    )
)
# Said in front of a question, or in place of "how" and "what"; or a comment that changes nothing.
FILLERS = _set(
    "way ways step method methods procedure approach mean means thing kind sort explain explanation tell describe "
    "description define definition meaning understand understanding learn know give show provide help wonder "
    "wondering "
    "curious question quick ask answer info information detail details tips tip advice guide tutorial instruction "
    "guy actually really basically simply exactly indeed truly somehow fact fairly essentially "
    "literally honestly generally possible possibly able manage go about "
    "like want need wish try trying find think suggest recommend recommended proper properly correctly right "
    "example name called call term concept idea overview brief purpose work works working happen process "
    "reason cause "
    "make making get getting do doing use using used take put keep come say look start case order "
    "anyone able need purpose main basic quickly summary involved "
    "whats hows wheres whos exact specific particular certain given calculate compute "
    "seem appear bit begin activity"
)
# "The best way to" and "how to" are one; "a good author" is more than "an author".
WAYS = _set(
    "way method approach procedure step technique strategy practice tip idea process source place example "
    "trick shortcut "
    "command function statement formula recipe principle rule instruction mechanism means route secret"
)
PRAISE = _set(
    "good best better easiest simplest quickest fastest proper right correct effective efficient main common great"
)
UNCHANGED = _set("hurt cut put set read hit let cost beat shut cast quit split spread")

# --- what one answer cannot serve twice -----------------------------------------------------

NEGATIVES = _set(
    "not never no none nobody nothing nowhere neither nor without cannot cant dont doesnt didnt isnt arent "
    "wasnt werent "
    "wont wouldnt shouldnt couldnt hasnt havent hadnt mustnt aint n't non"
)
MALE = _set("he him his himself")
FEMALE = _set("she her hers herself")
MODALS = {
    "should": "duty", "ought": "duty", "must": "force", "may": "leave", "might": "leave", "can": "able",
    "could": "able",
    "shall": "future", "will": "future", "would": "would", "won't": "future",
}  # fmt: skip
TITLES = _set("mr mrs ms dr prof sir st inc ltd corp co president king queen prince princess lord lady the and of")

# What is asked of a thing. One answer tells the causes or the cure.
ASPECTS = {
    word: aspect
    for aspect, words in {
        "cause": "cause reason trigger origin",
        "treatment": "treat treatment cure remedy relief relieve therapy heal rid medication medicine fix repair solve",
        "symptom": "symptom sign",
        "prevention": "prevent prevention avoid",
        "test": "test diagnose diagnosis detect detection",
        "risk": "risk danger dangerous safe harmful complication safety",
        "cost": "cost price expensive fee cheap",
        "history": "history origin invent inventor discover",
        "kinds": "type kind variety category",
        "benefit": "benefit advantage pro",
        "drawback": "drawback disadvantage con",
    }.items()
    for word in words.split()
}

# Nouns by which "what is the ..." asks who, when, where: "the year in which" is "when".
KIND_NOUNS = {
    "who": _set(
        "person author writer inventor creator founder owner leader painter composer director name president "
        "winner king discoverer"
    ),
    "when": _set("time year date day month hour century era moment deadline birthday age"),
    "where": _set(
        "place location city country state region capital continent area site origin birthplace street venue "
        "locate situated"
    ),
    "why": _set("reason cause purpose lead trigger"),
    "how many": _set("number amount count population quantity total price cost percentage rate sum charge"),
    "how old": _set("age year"),
    "how long": _set("time duration length hour day week month year minute span"),
    "how far": _set("distance mile kilometer"),
    "how often": _set("frequency time"),
    "how": _set(
        "way step method process procedure approach technique trick tip instruction mechanism strategy guide"
    ),
}  # fmt: skip
TAILS = _set(
    "body process concept method term word language number company city country system theory function thing year"
)
CONDITIONS = _set("if when while unless despite because although without whenever")

SCALES = _set(
    "more less most least better worse best worst only almost nearly exactly over under maximum minimum first last "
    "fastest cheapest oldest newest biggest smallest largest highest lowest longest shortest tallest richest "
    "twice double triple half hourly daily weekly monthly yearly"
)

FORMATS = _set(
    "json xml yaml csv html markdown latex table bullet bullets bulleted list essay haiku poem rhyme emoji "
    "emojis pirate "
    "paragraph paragraphs sentence sentences word words line lines diagram limerick"
)
ACRONYMS = {
    "us": "united states", "usa": "united states", "u.s": "united states", "u.s.a": "united states",
    "america": "united states",
    "uk": "united kingdom", "u.k": "united kingdom", "britain": "united kingdom", "eu": "european union",
    "un": "united nations",
    "ai": "artificial intelligence", "ml": "machine learning", "nlp": "natural language processing",
    "js": "javascript",
    "ts": "typescript", "py": "python", "golang": "go", "postgres": "postgresql", "db": "database",
    "os": "operating system",
    "nyc": "new york city", "la": "los angeles", "dc": "washington", "wwii": "world war 2", "ww2": "world war 2",
    "wwi": "world war 1", "ww1": "world war 1", "gdp": "gross domestic product", "dna": "deoxyribonucleic acid",
    "bp": "blood pressure", "tv": "television", "pc": "computer", "id": "identity", "faq": "questions",
    "ssd": "solid state drive",
    "cpu": "processor", "ram": "memory", "hiv": "human immunodeficiency virus", "vat": "value added tax",
    "ceo": "chief executive",
}  # fmt: skip

# --- numbers ---------------------------------------------------------------------------------

_TEENS = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
NUMBER_WORDS = {
    **{word: value for value, word in enumerate(_TEENS)},
    **{word: 10 * value for value, word in enumerate(_TENS, 2)},
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
    "million": 1_000_000,
    "billion": 1_000_000_000,
}

# --- who does what to whom ----------------------------------------------------------------------

CONNECTORS = _set("and or & , vs versus nor plus versus against")
SYMMETRIC = _set(
    "marry related friend engage connect equal same similar differ difference compare different identical between "
    "relation relationship link tie linked sibling cousin neighbor twin meet date resemble distance adjacent versus "
    "separate combine merge mix both together interchange synonym alike rhyme overlap intersect parallel"
)

# --- sentences ------------------------------------------------------------------------------------

BE = _set("is are was were be been being am")
AUXILIARIES = _set("is are was were am do does did can could should will would may might must has have had shall isn't")
QUESTION_WORDS = _set("who what when where which why how whose whom")
UNITS = _set("second minute hour day week month year mile kilometer kilometre pound dollar euro percent")
TELL = _set("me us define explain describe list name suggest recommend")
ASK_AGAIN = _set("tell explain know me wonder wondering curious about understand and please")
REQUESTS = _set("tell explain describe give show help way provide")
HOW_TO = _set("do does did can could should would to is are was were has have will might must you i")
HOW = {
    "many": "how many", "much": "how many", "old": "how old", "long": "how long", "far": "how far",
    "often": "how often",
}  # fmt: skip
STRONG = {"who": "who", "whose": "who", "whom": "who", "when": "when", "where": "where", "why": "why"}
WHAT = {
    "time": "when", "year": "when", "date": "when", "day": "when", "month": "when", "city": "where",
    "country": "where",
    "place": "where", "state": "where", "reason": "why", "cause": "why", "causes": "why", "caused": "why",
    "makes": "why", "person": "who", "people": "who", "percentage": "how many", "number": "how many",
    "amount": "how many", "age": "how old",
}  # fmt: skip

# --- what a difference is made of ---------------------------------------------------------------

MOVES = tuple(
    (pair.split("/")[0], pair.split("/")[1])
    for pair in _words("on/off up/down before/after over/under above/below inside/outside after/within")
)
AMOUNTS = {
    "all": "all", "every": "all", "each": "all", "both": "all", "some": "some", "any": "some", "none": "none",
    "no": "none", "most": "most",
}  # fmt: skip
GENERIC = _set(
    "person people animal food body place area region plant city country town state user adult human customer "
    "individual patient member citizen part"
)
ADVERBS = _set(
    "fast quickly slowly safely free online now today again together alone twice forever easily cheaply naturally"
)
ROLES = _set("to from than by for over of in on with into against before after under above below as at onto")
