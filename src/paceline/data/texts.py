"""Columns of texts: their words as numbers, a vocabulary, and its tf-idf or sequences of words.

n  rows of the training part    V  words of the vocabulary    L  words of a text that are used
c  count of a word in a text    d  rows of the training part whose text has the word

A text is stored as the numbers of its first L words, in a table's matrix: 0 for none, 1 for a word
that is not known, then the words of all rows outside the test set, the most frequent first. The
vocabulary is fitted to the training part alone: its V most frequent words. A text becomes

- ``"tfidf"``: V numbers c·(ln((1 + n) / (1 + d)) + 1), divided by their Euclidean norm; as
  scikit-learn's ``TfidfVectorizer``;
- ``"sequences"``: L whole numbers for an ``Embedding``: 0 for none, 1 for a word outside of the
  vocabulary, then its words; Keras's ``TextVectorization``.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from paceline.core import InvalidInput, known_name
from paceline.data.trees import Array

TextMode = Literal["tfidf", "sequences", "off"]
"""The encoding of texts; ``"off"`` leaves them out."""

MODES: tuple[TextMode, ...] = ("tfidf", "sequences", "off")
NONE, UNKNOWN, FIRST = 0, 1, 2
"""The numbers of no word, of an unknown one, and of the first known one."""

VOCABULARY: Mapping[str, int] = {"tfidf": 1000, "sequences": 10_000}
"""Most words of a vocabulary."""

_MOST_WORDS = 20_000  # that are known by number
_LONGEST = 256  # words of a text that are used
_PROSE = 3.0  # words of an average text; shorter ones are names
_WORD = re.compile(r"\w+")


def words_of(text: Any) -> list[str]:
    """The words of a text in lower case; none of a missing value."""
    return _WORD.findall(text.lower()) if isinstance(text, str) else []


def is_prose(texts: Iterable[Any]) -> bool:
    """Whether texts have several words each, so that they are not names or keys."""
    counts = [len(words_of(text)) for text in texts]
    return bool(counts) and float(np.mean(counts)) >= _PROSE


def learn_words(texts: Iterable[Any]) -> tuple[tuple[str, ...], int, int]:
    """The words of a column, the most frequent first, and how many of a text are used.

    Args:
        texts: of all rows outside the test set.

    Returns:
        The words, the number that is used, and the number of texts that are cut.
    """
    counts: Counter[str] = Counter()
    lengths = []
    for text in texts:
        found = words_of(text)
        counts.update(found)
        lengths.append(len(found))
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    longest = min(_LONGEST, max(lengths, default=0))
    return tuple(ranked[:_MOST_WORDS]), longest, sum(length > longest for length in lengths)


def word_numbers(texts: Iterable[Any], words: Iterable[str], length: int) -> Array:
    """The numbers of the first words of texts, float64 ``(rows, length)``."""
    number = {word: float(place) for place, word in enumerate(words, FIRST)}
    rows = []
    for text in texts:
        found = [number.get(word, float(UNKNOWN)) for word in words_of(text)[:length]]
        rows.append(found + [float(NONE)] * (length - len(found)))
    return np.asarray(rows, np.float64).reshape(len(rows), length)


@dataclass(frozen=True, slots=True, eq=False)
class TextFeatures:
    """Features of a column of texts, fitted to a training part.

    Attributes:
        mode: ``"tfidf"`` or ``"sequences"``.
        first: the column of the table's matrix with the first word.
        length: L.
        place: int32, the place of each word by its number: -1 for words outside of the vocabulary.
        weight: float32 ``(V,)``, the factor of each word's count; empty for sequences.
        width: number of features.
    """

    mode: str
    first: int
    length: int
    place: Array
    weight: Array
    width: int

    def apply(self, cells: Array) -> Array:
        """The features, float32 ``(rows, width)``, of a table's matrix."""
        own = cells[:, self.first : self.first + self.length]
        numbers = np.nan_to_num(own).astype(np.int64)
        places = self.place[np.clip(numbers, 0, len(self.place) - 1)]
        if self.mode == "sequences":
            return _sequence(numbers, places).astype(np.float32)
        count = np.zeros((len(cells), self.width), np.float32)
        rows, columns = np.nonzero(places >= 0)
        np.add.at(count, (rows, places[rows, columns]), np.float32(1))
        weighted = count * self.weight
        norm = np.sqrt(np.sum(np.square(weighted), axis=1, keepdims=True))
        return np.asarray(weighted / np.maximum(norm, np.float32(1e-12)), np.float32)

    def to_json(self) -> dict[str, Any]:
        """As JSON types; the vocabulary as the numbers of its words, in order."""
        numbers = np.flatnonzero(self.place >= 0)
        ordered = numbers[np.argsort(self.place[numbers])]
        return {
            "mode": self.mode,
            "first": self.first,
            "length": self.length,
            "num_words": len(self.place),
            "vocabulary": ordered.tolist(),
            "weight": self.weight.tolist(),
            "width": self.width,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "TextFeatures":
        """The inverse of `to_json`."""
        place = _places(np.asarray(state["vocabulary"], np.int64), state["num_words"])
        weight = np.asarray(state["weight"], np.float32)
        return cls(state["mode"], state["first"], state["length"], place, weight, state["width"])


def fit_texts(cells: Array, mode: str, first: int, length: int, num_words: int) -> TextFeatures:
    """Fits the vocabulary of a column of texts.

    Args:
        cells: a table's matrix, the rows of the training part.
        mode: ``"tfidf"`` or ``"sequences"``.
        first, length: as in `TextFeatures`.
        num_words: number of known words, see `learn_words`.
    """
    size = vocabulary_size(mode, num_words)
    own = np.nan_to_num(cells[:, first : first + length]).astype(np.int64)
    counts = np.bincount(own.ravel(), minlength=num_words + FIRST)[FIRST:]
    chosen = np.argsort(-counts, kind="stable")[:size]
    chosen = chosen[counts[chosen] > 0] + FIRST
    place = _places(chosen, num_words + FIRST)
    if mode == "sequences":
        return TextFeatures(mode, first, length, place, np.zeros(0, np.float32), length)
    rows = np.zeros(num_words + FIRST, np.int64)
    for row in own:
        rows[np.unique(row)] += 1
    weight = np.log((1 + len(own)) / (1 + rows[chosen])) + 1
    padded = np.zeros(size, np.float32)
    padded[: len(chosen)] = weight
    return TextFeatures(mode, first, length, place, padded, size)


def width_of(mode: str, length: int, num_words: int) -> int:
    """Number of features of a column of texts."""
    return length if mode == "sequences" else vocabulary_size(mode, num_words)


def vocabulary_size(mode: str, num_words: int) -> int:
    """V, of which a training part may have fewer.

    Args:
        mode: ``"tfidf"`` or ``"sequences"``.
        num_words: number of known words, see `learn_words`.
    """
    return min(VOCABULARY[mode], num_words)


def checked_modes(given: Any) -> str | dict[str, str] | None:
    """Checks the option ``texts``: a mode for all columns, or one by column.

    Raises:
        InvalidInput: a mode that is not known.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        return {
            str(name): known_name(f"texts[{name!r}]", mode, MODES) for name, mode in given.items()
        }
    if not isinstance(given, str):
        raise InvalidInput(
            f"texts is {given!r}", expected="'tfidf', 'sequences', 'off', or one of them by column"
        )
    return known_name("texts", given, MODES)


def _places(vocabulary: Array, num_words: int) -> Array:
    place = np.full(num_words, -1, np.int32)
    place[vocabulary] = np.arange(len(vocabulary), dtype=np.int32)
    return place


def _sequence(numbers: Array, places: Array) -> Array:
    known = np.where(places >= 0, places + FIRST, UNKNOWN)
    return np.where(numbers == NONE, NONE, known)
