"""What a project has written down: question and answer pairs, or a folder of documents, read and searched in memory.

Pairs are matched as a registered function's examples are (`matching.py`), each question for itself. Of documents the
best passage is quoted word for word, with its file and line: it is found by similarity and by the share of the
question's own words that stand in it, held against a threshold that chat prompts do not reach. Nothing is written.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.answerers.calibration import conformal, nearness, negatives
from greenai.answerers.matching import MAX_CHARS
from greenai.answerers.sameness import clean, content_words, is_negated
from greenai.errors import InvalidRequest
from greenai.units import format_bytes

if TYPE_CHECKING:
    from greenai.answerers.calibration import Matrix

__all__ = ["LEAST_COVERED", "Documents", "Faq", "Found", "Pair", "Progress", "Source", "covered", "pairs_of"]

logger = logging.getLogger("greenai")

Pairs: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
Source: TypeAlias = Pairs | Path | str
Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of files read, and of all files."""

KINDS = frozenset((".md", ".markdown", ".txt"))
PAIR_KINDS = frozenset((".jsonl", ".csv"))
MAX_FILES = 10_000
MAX_FILE_BYTES = 2_000_000
MAX_PASSAGES = 50_000
PASSAGE_CHARS = 800
MOST_WATCHED = 200  # looking at so many files takes 2 ms
CHECK_S = 2.0  # files are looked at again after this many seconds
LEAST_SCORE = 0.6
LEAST_COVERED = 0.6
FEWEST_WORDS = 2  # one word, such as a name, stands in many passages and asks for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One question with its answer, and where it stands (empty for what was passed in)."""

    question: str
    answer: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The passage that answers best: its words, its file and line, and how well; it `fires` from the threshold on."""

    text: str
    source: str
    score: float
    threshold: float
    covered: float
    negated: bool = False

    @property
    def fires(self) -> bool:
        """True where the passage is an answer; not where the question is `negated` and the passage is not."""
        return self.score >= self.threshold and self.covered >= LEAST_COVERED and not self.negated


class Faq:
    """One source of answers, read when it is first needed and again when its files change."""

    def __init__(self, source: Source, *, name: str = "faq", threshold: float | None = None) -> None:
        self.name = name
        self.threshold = threshold
        if not _may_be_source(source):
            raise InvalidRequest(f"faq: {source!r} holds no questions. {_FOR_EXAMPLE}")
        self.path = Path(source).expanduser() if isinstance(source, (str, Path)) else None
        self.pairs: tuple[Pair, ...] = () if self.path else pairs_of(source)  # type: ignore[arg-type]
        self.documents: Documents | None = None
        self._stamp: tuple[tuple[str, int, int], ...] | None = None
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._contents = _digest(self.pairs)
        self._checked = self._looked = -math.inf
        if self.path is not None and not self.path.exists():
            raise InvalidRequest(f"{self.path} does not exist. Pass a folder of .md or .txt files, a .jsonl or a .csv.")
        if self.path is None and not self.pairs:
            raise InvalidRequest(f"faq: 0 questions found in {source!r}. {_FOR_EXAMPLE}")
        if self.path is not None and next(_listed(self.path), None) is None:
            raise _nothing_in(self.path)

    def is_due(self) -> bool:
        """Say whether the files should be looked at: never yet, or not for `CHECK_S` seconds."""
        return self.path is not None and time.monotonic() - self._checked >= CHECK_S

    def refresh(self, progress: Progress | None = None) -> bool:
        """Read the files anew if they changed; return whether they did.

        Raises:
            InvalidRequest: there are too many, or a file of pairs is not what it should be.
        """
        if self.path is None:
            return False
        self._checked = time.monotonic()  # first: what fails is tried again after a while, not at every question
        files = _files(self.path)
        stamp = tuple(_stamp(file) for file in files)
        if stamp == self._stamp:
            return False
        if self.path.suffix.lower() in PAIR_KINDS:
            pairs = tuple(_pairs_in(self.path))
            if not pairs and self._stamp is None:
                raise _nothing_in(self.path)
            self.pairs = pairs
            self._contents = _digest(self.pairs)
        else:
            passages = _passages(self.path, files, progress)
            if not passages and self._stamp is None:
                raise _nothing_in(self.path)
            self.documents = Documents(passages, threshold=self.threshold)
            self._contents = _digest(passages)
        self._stamp = self._seen = stamp
        return True

    def version(self) -> str:
        """Return what tells these contents from others: a digest of what was read, or of files that are yet to be.

        Stored answers are looked for before anything is read, so files are looked at here too, and read again at once
        where they changed. Large folders are left to `refresh`.
        """
        now = time.monotonic()
        if self.path is not None and now - self._looked >= CHECK_S and len(self._stamp or ()) <= MOST_WATCHED:
            self._looked = now
            try:
                self._seen = tuple(_stamp(file) for file in _files(self.path))
            except (OSError, InvalidRequest):
                self._seen = ()  # `refresh` tells what is wrong
            if self._seen != self._stamp:
                self._checked = -math.inf
        return self._contents if self._seen == self._stamp else _digest(self._seen or ())


_FOR_EXAMPLE = 'Pass for example {"Do you ship abroad?": "Yes."}, or the path of a folder, a .jsonl or a .csv.'


def _may_be_source(given: object) -> bool:
    return bool(given.strip()) if isinstance(given, str) else isinstance(given, (Iterable, Path))


def _nothing_in(path: Path) -> InvalidRequest:
    """Say that nothing was there from the start; what is emptied later is only forgotten."""
    what = "Write a question and its answer" if path.suffix.lower() in PAIR_KINDS else "Put .md or .txt files"
    return InvalidRequest(f"faq: 0 questions found in {path}. {what} into it, or name another source.")


def _digest(parts: Iterable[object]) -> str:
    told = hashlib.sha256()
    for part in parts:
        told.update(repr(part).encode("utf-8", "surrogatepass"))
    return told.hexdigest()[:16]


# --- pairs --------------------------------------------------------------------------------


def pairs_of(source: Pairs) -> tuple[Pair, ...]:
    """Read question and answer pairs from a mapping or a list.

    Raises:
        InvalidRequest: something in it is no pair of texts.
    """
    items: Iterable[Any] = source.items() if isinstance(source, Mapping) else source
    return tuple(_pair(item, f"entry {n}") for n, item in enumerate(items, start=1))


def _pair(item: Any, where: str, source: str = "") -> Pair:
    if isinstance(item, Mapping):
        item = (item.get("question"), item.get("answer"))
    if isinstance(item, str) or not isinstance(item, Sequence) or len(item) != 2 or not all(map(_is_text, item)):
        raise InvalidRequest(f"faq: {where} is no question with an answer. Write it as (question, answer), both text.")
    return Pair(question=item[0].strip(), answer=item[1].strip(), source=source)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _pairs_in(path: Path) -> Iterator[Pair]:
    """Yield the pairs of a JSONL file, or of a CSV file with the columns question and answer."""
    text = _read(path)
    if path.suffix.lower() == ".csv":
        import csv

        rows = csv.DictReader(io.StringIO(text, newline=""))  # an answer may have several lines
        try:
            for row in rows:
                yield _pair(row, f"{path}, line {rows.line_num},", f"{path.name}, line {rows.line_num}")
        except csv.Error as error:
            raise InvalidRequest(
                f"faq: {path}, below line {rows.line_num}, is no CSV: {error}. Mend or shorten it."
            ) from None
        return
    for number, line in enumerate(text.split("\n"), start=1):  # JSON may hold what else ends a line, such as U+2028
        if line.strip():
            yield _pair(_json(line), f"{path}, line {number},", f"{path.name}, line {number}")


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


# --- documents ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of a document, word for word; `under` are the headings that it stands under."""

    text: str
    source: str
    under: str = ""


class Documents:
    """Passages, indexed; it never changes."""

    def __init__(self, passages: Sequence[Passage], *, threshold: float | None = None) -> None:
        from greenai.embed import encode

        self._passages = tuple(passages)
        whole = [clean(f"{p.under}\n{p.text}") for p in self._passages]
        self._vectors: Matrix = encode(whole)
        self._words = [frozenset(content_words(text)) for text in whole]
        counts = Counter(word for words in self._words for word in words)
        most = math.log(len(whole) + 1)
        self._rarity = {word: most - math.log(count) for word, count in counts.items()}
        self._unknown = most or 1.0
        self.threshold = self._calibrated() if threshold is None else threshold

    def __len__(self) -> int:
        return len(self._passages)

    def best(self, question: str) -> Found | None:
        """Return the passage that answers `question` best; None where there is none, or the question is too long."""
        if not self._passages or not question.strip() or len(question) > MAX_CHARS:
            return None
        from greenai.embed import encode

        score, covered, at = self._score(question, encode([clean(question)])[0])
        passage = self._passages[at]
        negated = is_negated(question) and not _is_negated_too(question, f"{passage.under}\n{passage.text}")
        return Found(
            text=passage.text,
            source=passage.source,
            score=score,
            threshold=self.threshold,
            covered=covered,
            negated=negated,
        )

    def _calibrated(self) -> float:
        if not self._passages:
            return LEAST_SCORE
        texts, vectors = negatives()
        return max(conformal([self._score(t, v)[0] for t, v in zip(texts, vectors, strict=True)]), LEAST_SCORE)

    def _score(self, question: str, vector: Any) -> tuple[float, float, int]:
        """Return the best passage's score, the share of the question's words that it has, and its position."""
        similarities = nearness(self._vectors, vector)
        words = set(content_words(question))
        looked_at = min(_LOOKED_AT, len(similarities))
        nearest = similarities.argpartition(-looked_at)[-looked_at:].tolist()
        scored = ((float(similarities[n]), self._covered(words, n), n) for n in nearest)
        similarity, covered, at = max(scored, key=lambda found: found[0] + found[1])
        return (similarity + covered) / 2, covered, at

    def _covered(self, words: set[str], at: int) -> float:
        """Return the share of the question's words that the passage has, rare ones counting more."""
        if len(words) < FEWEST_WORDS:
            return 0.0
        weights = {word: self._rarity.get(word, self._unknown) for word in words}
        whole = sum(weights.values())
        return sum(weights[word] for word in words & self._words[at]) / whole if whole else 0.0


_LOOKED_AT = 50


def covered(question: str, other: str) -> float:
    """Return the share of the question's words that `other` has: as vectors, Chile and Canada are near."""
    words = set(content_words(question))
    return len(words & set(content_words(other))) / len(words) if words else 1.0


def _is_negated_too(question: str, passage: str) -> bool:
    """Tell whether the sentence that has most of the question's words is negated as the question is."""
    sentences = [s for line in passage.split("\n") for s in _SENTENCE_END.split(line)]
    shares = [covered(question, sentence) for sentence in sentences]
    return any(is_negated(s) for s, share in zip(sentences, shares, strict=True) if share == max(shares))


_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def _passages(folder: Path, files: Sequence[Path], progress: Progress | None) -> list[Passage]:
    """Cut the files into passages.

    Raises:
        InvalidRequest: there are too many.
    """
    found: list[Passage] = []
    for number, file in enumerate(files, start=1):
        try:
            name = str(file.relative_to(folder)) if file != folder else file.name
            found.extend(_cut(_read(file), name))
        except (OSError, InvalidRequest) as error:
            logger.warning("faq: %s is left out: %s", file, error)
        if len(found) > MAX_PASSAGES:
            raise InvalidRequest(
                f"{folder} has more than {MAX_PASSAGES:,} passages, which is more than is searched in memory. "
                "Name a smaller folder."
            )
        if progress is not None:
            progress(number, len(files))
    return found


def _cut(text: str, name: str) -> Iterator[Passage]:
    """Yield the paragraphs of a document, each with its first line and the headings above it."""
    headings: dict[int, str] = {}
    lines = [*text.splitlines(), ""]
    start: int | None = None
    for number, line in enumerate(lines):
        heading = _HEADING.fullmatch(line)
        if start is not None and (heading or not line.strip()):
            under = " ".join(headings[level] for level in sorted(headings))
            yield from _pieces("\n".join(lines[start:number]), name, start + 1, under)
            start = None
        if heading:
            level = len(heading[1])
            headings = {n: words for n, words in headings.items() if n < level} | {level: heading[2]}
        elif line.strip() and start is None:
            start = number


def _pieces(paragraph: str, name: str, line: int, under: str) -> Iterator[Passage]:
    """Yield a paragraph, or the parts between sentences of one that is too long to be an answer."""
    begin = 0
    while begin < len(paragraph):
        end = _end(paragraph, begin)
        at = line + paragraph.count("\n", 0, begin)
        yield Passage(text=paragraph[begin:end].strip(), source=f"{name}, line {at}", under=under)
        begin = end


def _end(paragraph: str, begin: int) -> int:
    if len(paragraph) - begin <= PASSAGE_CHARS:
        return len(paragraph)
    ends = [m.end() for m in _SENTENCE_END.finditer(paragraph, begin, begin + PASSAGE_CHARS)]
    return ends[-1] if ends else begin + PASSAGE_CHARS


# --- files --------------------------------------------------------------------------------


def _files(path: Path) -> list[Path]:
    """Return the files to read, in a stable order; hidden ones are left out.

    Raises:
        InvalidRequest: there are too many.
    """
    found = sorted(_listed(path))
    if len(found) > MAX_FILES:
        raise InvalidRequest(
            f"{path} has {len(found):,} .md and .txt files, and at most {MAX_FILES:,} are read. Name a smaller folder."
        )
    return found


def _listed(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for file in path.rglob("*"):
        if file.suffix.lower() in KINDS and file.is_file() and not _is_hidden(file.relative_to(path)):
            yield file


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _stamp(file: Path) -> tuple[str, int, int]:
    try:
        state = file.stat()
    except OSError:
        return str(file), 0, 0
    return str(file), state.st_mtime_ns, state.st_size


def _read(file: Path) -> str:
    size = file.stat().st_size
    if size > MAX_FILE_BYTES:
        raise InvalidRequest(f"{file} has {format_bytes(size)}, and the limit is {format_bytes(MAX_FILE_BYTES)}.")
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.read_bytes().count(b"\n", 0, error.start) + 1
        raise InvalidRequest(f"faq: {file}, line {line}, is no UTF-8 text. Save the file as UTF-8.") from None
