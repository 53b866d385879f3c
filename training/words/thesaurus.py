"""Words that mean the same, the opposite, or a thing of the same kind, taken from WordNet for the words in use.

    python training/words/thesaurus.py FOLDER

FOLDER holds WordNet 3.0's database files (data.noun, index.sense or cntlist.rev, noun.exc ...): the Debian package
`wordnet-base` carries them in usr/share/wordnet. Written is greenai/cache/thesaurus.txt, which the cache's vetoes read:

    = repair fix mend        one meaning, among the first senses of each of these words
    ~ explain explanation    a verb or adjective and the noun of the same act or quality
    ! hot cold               opposites
    # animal owl turtle ...  things of one kind, by the first sense of each
    @ go went gone           forms of one word

Only words that the packaged vectors know are kept, so rare senses and rare words stay out.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from greenai.embed import vectors

TARGET = Path(__file__).parents[2] / "greenai" / "cache" / "thesaurus.txt"
PARTS = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
SENSES = {"n": 2, "v": 3, "a": 3, "r": 2}  # of each word, that count as its meaning
KINDS = {5: "animal", 8: "body", 13: "food", 15: "place", 18: "person", 20: "plant", 27: "substance"}
ACTS = frozenset((4, 7, 9, 10, 11, 12, 16, 19, 22, 24, 26, 28))  # acts, qualities, thoughts, talk, events, states ...
PLACE = 15
MIN_NAME = 3
LICENCE = """
WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved.
This software and database is being provided to you, the LICENSEE, by Princeton University under the following license.
By obtaining, using and/or copying this software and database, you agree that you have read, understood, and will comply
with these terms and conditions.: Permission to use, copy, modify and distribute this software and database and its
documentation for any purpose and without fee or royalty is hereby granted, provided that you agree to comply with the
following copyright notice and statements, including the disclaimer, and that the same appear on ALL copies of the
software, database and documentation, including modifications that you make for internal use or for distribution.
THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS
OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF
MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, DATABASE OR
DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS.
The name of Princeton University or Princeton may not be used in advertising or publicity pertaining to distribution of
the software and/or database. Title to copyright in this software, database and any associated documentation shall at
all times remain with Princeton University and LICENSEE agrees to preserve same.
"""


@dataclass(frozen=True, kw_only=True)
class Synset:
    """One meaning: its part of speech, its place in the file, its field, its words as written, its pointers."""

    part: str
    offset: str
    field: int
    words: tuple[str, ...]
    pointers: tuple[tuple[str, str, str, int, int], ...]


def synsets(folder: Path, part: str) -> Iterator[Synset]:
    """Read one data file."""
    for line in (folder / f"data.{PARTS[part]}").read_text(encoding="ascii").splitlines():
        if line.startswith("  "):
            continue
        fields = line.split("|")[0].split()
        count = int(fields[3], 16)
        words = tuple(fields[4 + 2 * i].split("(")[0] for i in range(count))
        at = 5 + 2 * count
        pointers = tuple(
            (p[0], p[1], "a" if p[2] == "s" else p[2], int(f"0x{p[3][:2]}", 16), int(f"0x{p[3][2:]}", 16))
            for p in (fields[at + 4 * i : at + 4 * i + 4] for i in range(int(fields[4 + 2 * count])))
        )
        yield Synset(part=part, offset=fields[0], field=int(fields[1]), words=words, pointers=pointers)


def ranks(folder: Path, part: str) -> dict[tuple[str, str], int]:
    """Return which sense of a word a meaning is, by word and place: 1 for the most used."""
    found: dict[tuple[str, str], int] = {}
    for line in (folder / f"index.{PARTS[part]}").read_text(encoding="ascii").splitlines():
        if line.startswith("  "):
            continue
        fields = line.split()
        offsets = fields[-int(fields[2]) :]
        found.update({(fields[0], offset): rank for rank, offset in enumerate(offsets, 1)})
    return found


def known(folder: Path) -> frozenset[str]:
    """Return the words of the packaged vectors, and those that WordNet's own texts use more than once."""
    with np.load(vectors.FILE) as packed:
        found = set(bytes(packed["words"]).decode().split("\n"))
    for line in (folder / "cntlist.rev").read_text(encoding="ascii").splitlines():
        key, _, count = line.split()
        word = key.split("%")[0]
        if int(count) > 1 and word.isalpha():
            found.add(word)
    return frozenset(found)


def uses(folder: Path) -> dict[str, tuple[int, int]]:
    """Return how often WordNet's own texts use a word as a noun, and as anything else."""
    found: dict[str, tuple[int, int]] = {}
    for line in (folder / "cntlist.rev").read_text(encoding="ascii").splitlines():
        key, _, count = line.split()
        word, part = key.split("%")[0], key.split("%")[1][0]
        noun, rest = found.get(word, (0, 0))
        found[word] = (noun + int(count), rest) if part == "1" else (noun, rest + int(count))
    return found


def places(meanings: Iterable[Synset], vocabulary: frozenset[str]) -> list[str]:
    """Return names of places that are no other word when written small."""
    ordinary = {word for synset in meanings for word in synset.words if word.islower()}
    named = {
        word.lower()
        for synset in meanings
        if synset.part == "n" and synset.field == PLACE
        for word in synset.words
        if word.istitle() and word.isalpha() and len(word) > MIN_NAME
    }
    return sorted(named & vocabulary - ordinary)


def lines(folder: Path) -> list[str]:
    """Return the lines of the file, without its head."""
    vocabulary = known(folder)
    meanings = {(s.part, s.offset): s for part in PARTS for s in synsets(folder, part)}
    rank = {part: ranks(folder, part) for part in PARTS}

    def usual(synset: Synset, word: str, limit: int | None = None) -> bool:
        place = rank[synset.part].get((word.lower(), synset.offset), 99)
        return word in vocabulary and place <= (limit or SENSES[synset.part])

    same, acts, opposites = set[str](), set[str](), set[tuple[str, str]]()
    kinds: dict[str, set[str]] = defaultdict(set)
    for synset in meanings.values():
        words = sorted({word for word in synset.words if usual(synset, word)})
        same.update(" ".join(("=", *pair)) for pair in [words] if len(words) > 1)
        if synset.part == "n" and synset.field in KINDS:
            kinds[KINDS[synset.field]].update(word for word in synset.words if usual(synset, word, 1))
        for sign, place, part, source, target in synset.pointers:
            other = meanings[part, place]
            if sign not in ("+", "!") or not source:
                continue
            pair = tuple(sorted((synset.words[source - 1], other.words[target - 1])))
            if pair[0] == pair[1] or not (
                usual(synset, synset.words[source - 1]) and usual(other, other.words[target - 1])
            ):
                continue
            if sign == "!":
                opposites.add((pair[0], pair[1]))
            elif "n" in {synset.part, part} and (synset if synset.part == "n" else other).field in ACTS:
                acts.add(" ".join(("~", *pair)))
    mostly_other = {word for word, (noun, rest) in uses(folder).items() if rest > noun}
    return [
        *sorted(same),
        *sorted(acts),
        *(f"! {a} {b}" for a, b in sorted(opposites)),
        *(f"# {kind} {' '.join(sorted(words - mostly_other))}" for kind, words in sorted(kinds.items())),
        f"# name {' '.join(places(meanings.values(), vocabulary))}",
        *forms(folder, vocabulary),
    ]


def forms(folder: Path, vocabulary: frozenset[str]) -> list[str]:
    """Return irregular forms, the word itself first."""
    found: dict[str, set[str]] = defaultdict(set)
    for part in PARTS.values():
        for line in (folder / f"{part}.exc").read_text(encoding="ascii").splitlines():
            form, base, *_ = line.split()
            if form in vocabulary and base in vocabulary and form != base and "_" not in form:
                found[base].add(form)
    return [f"@ {base} {' '.join(sorted(found[base]))}" for base in sorted(found)]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    made = lines(parser.parse_args().folder)
    head = [
        f"% {line}".rstrip()
        for line in ("Made from WordNet 3.0 by training/words/thesaurus.py.", *LICENCE.strip().split("\n"))
    ]
    TARGET.write_text("\n".join((*head, *made)) + "\n", encoding="utf-8")
    print(f"{TARGET}: {len(made)} lines, {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
