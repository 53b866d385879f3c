"""Whether a text is in another language than English, and which of its questions are known to be of a general matter.

All texts here are in lower case. Words that are English ones as well ("an", "was", "die") speak for neither.
"""

from __future__ import annotations

import re

__all__ = ["is_foreign", "is_general_elsewhere"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = _words(
    "the are were what what's who who's when where which why how does did can could would should of to from and my "
    "your "
    "you she it this that there if not have has with please than be been for by at their them they our us any all some "
    "about into its it's don't doesn't i'm let's explain write give make tell show between i is"
)
_OTHERS = _words(
    # German
    "der die hat das den dem ein eine einen einem einer eines ist sind nicht ich du er sie wir ihr mir mich dir dich "
    "und oder "
    "wie "
    "wo wer wann warum wieso wem wen welche welcher welches viel viele kostet haben habe hast kann kannst bitte auf "
    "mit von "
    "vom zu zum zur im ins bei nach aus neue noch mehr mach mache gib zeig zeige spiel spiele schalte ruf rufe wirf "
    "stell "
    "stelle schick schicke sag sage erinnere regnet uhr gibt es heute licht kein keine mein meine dein deine sein bist "
    "wird "
    "wurde schreib schreibe bestelle buche lies nenne "
    # French
    "le la les un une du est sont je tu il elle nous vous ils elles que qui quoi quand comment pourquoi quel quelle "
    "quels "
    "quelles combien dans sur avec pour et au aux ce cette ces mon ma mes ton ta tes son sa ses pleut allume lance "
    "envoie "
    "appelle mets joue ferme ouvre dis donne pas ne j'ai c'est qu'est-ce est-ce d'un d'une l'heure "
    # Spanish, Italian, Portuguese
    "el los las una uno es son por para con del y mi hay en al gli di della che chi dove quando sono quanto quanta "
    "quem "
    "onde um uma os em na no da dos das pon enciende apaga llama manda env\u00eda abre cierra dime lanza accendi "
    "spegni chiama "
    "manda apri liga desliga toca acende piove chove llueve metti quiero puedes tengo voglio puoi ho hai eu voc\u00ea "
    # Dutch, the Nordic languages, Polish, Turkish
    "het een hoe wat waar wie wanneer waarom niet ik jij zijn van voor mijn och det \u00e4r jag hur vad inte ett jeg "
    "er ikke hvad "
    "hvor hvem jest czy jak gdzie kiedy dlaczego nie nas\u0131l nerede bir ka\u00e7 bana"
)
_SHARED = _words("die hat is son no er me on es da na em ho hai al mi")
_ONLY_OTHERS = _OTHERS - _SHARED
_WORDS = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_MARKED = re.compile(
    r"[\u00bf\u00a1]|\W*(?:hat|haben|hast|ist|sind) \w+(?: \w+)? \w*(?:ge\w+(?:t|en)|iert|en)\b\W*$|"
    r"\W*was (?:kost|mach|hei|gib|l\u00e4uf|passier|komm|denk|sag|bedeut|brauch)\w*|"
    r"\W*(?:ruf|wirf|mach|hol|lies|nimm) \w+|\W*(?:hat|ist|hast|wird) (?:der|die|das|ein|eine|man|es|ich|du)\b"
)
_MIN_WORDS = 30  # of a long text the first words tell

_GENERAL = re.compile(
    r"\W*(?:(?:was (?:ist|sind) (?:ein|eine|einen|(?:der|die|das) (?:unterschied|hauptstadt|bedeutung|definition|"
    r"formel|"
    r"plural|gegenteil|wurzel|quadratwurzel|siedepunkt|gr\u00f6\u00dfte|l\u00e4ngste|h\u00f6chste))\b|was (?:bedeutet|"
    r"hei\u00dft)\b|wie (?:hei\u00dft die "
    r"hauptstadt|sagt man|schreibt man|kocht man|macht man|backt man|berechnet man|funktioniert|funktionieren|entsteht|"
    r"entstehen)\b|wer (?:schrieb|malte|erfand|entdeckte|komponierte|baute)\b|wer hat .{1,60}(?:geschrieben|gemalt|"
    r"erfunden|"
    r"entdeckt|komponiert|gebaut)\W*$|wann (?:begann|endete|wurde)\b|warum ist der himmel|(?:erkl\u00e4re?|definiere?|"
    r"\u00fcbersetze?|berechne) |"
    r"qu'est-ce qu(?:e|'un|'une)\b|qu'est-ce que c'est (?:que|qu')|que signifie\b|quelle? est (?:la|le|"
    r"l') ?(?:capitale|diff\u00e9rence|d\u00e9finition|"
    r"formule|racine|signification|sens|pluriel|contraire|point d'\u00e9bullition|plus (?:grande?|longue?|haute?))\b|"
    r"qui a (?:\u00e9crit|peint|invent\u00e9|"
    r"d\u00e9couvert|compos\u00e9|construit|fond\u00e9)\b|comment (?:faire|fonctionne|fonctionnent|dit-on|"
    r"\u00e9crit-on|calculer|pr\u00e9parer|"
    r"cuire|traduire)\b|pourquoi le ciel|(?:explique|d\u00e9finis|traduis|calcule)(?:z|-moi)? |"
    r"qu\u00e9 (?:es|son) (?:un|una|unos|unas|el|la|los|las)\b|qu\u00e9 significa\b|cu\u00e1l es (?:la|el) (?:capital|"
    r"diferencia|definici\u00f3n|f\u00f3rmula|"
    r"ra\u00edz|significado|plural|punto de ebullici\u00f3n)\b|qui\u00e9n (?:escribi\u00f3|pint\u00f3|invent\u00f3|"
    r"descubri\u00f3|compuso|fund\u00f3)\b|"
    r"c\u00f3mo (?:se (?:dice|escribe|hace|llama la capital|calcula|prepara)|funciona|funcionan|hacer|calcular)\b|"
    r"por qu\u00e9 el cielo|(?:explica|define|traduce|calcula) ))"
)
_OWN_OR_POINTING = re.compile(
    r"(?<![\w-])(?:mein\w*|dein\w*|unser\w*|ihm|ihn|dies\w*|hier|da|dort|mon|ma|mes|ton|ta|tes|notre|nos|ce|cet|cette|ces|ici|"
    r"cela|\u00e7a|mi|mis|tu|tus|nuestr\w+|est[aeo]s?|es[ao]s?|aqu\u00ed|eso|neu\w*|nouve\w+|nuev\w+|letzt\w*|derni\w+|"
    r"\u00faltim\w+)\b"
)


def is_foreign(head: str) -> bool:
    """Say whether more of its small words are of other languages than of English."""
    words = _WORDS.findall(head)[:_MIN_WORDS]
    english = sum(map(_ENGLISH.__contains__, words))
    others = sum(map((_ONLY_OTHERS if english else _OTHERS).__contains__, words))
    if _MARKED.match(head):
        others += 1
    if others <= english and not head.isascii() and not english:
        others += any(not word.isascii() for word in words)
    return others > english


def is_general_elsewhere(head: str) -> bool:
    """Say whether it is a German, French or Spanish question for a meaning, a fact that stays, or a way to do it."""
    return _GENERAL.match(head) is not None and _OWN_OR_POINTING.search(head.partition(":")[0]) is None
