"""Tokens: whole numbers that stand for words or symbols, as networks for sequences read them.

They are arrays of whole numbers, or the columns of texts of a table.
"""

import numpy as np

from paceline.core import InvalidInput
from paceline.core.events import Json
from paceline.data import Dataset
from paceline.data.texts import FIRST, vocabulary_size
from paceline.data.trees import Array


def tokens_of(dataset: Dataset) -> dict[str, Json]:
    """The vocabulary of rows of tokens, and whether they are padded; empty for other data.

    Rows of tokens are whole numbers of shape (rows, time). The vocabulary counts those of the test
    part, too, so that each of them has a number of its own.

    Raises:
        InvalidInput: negative numbers, or texts of a table that are not sequences.
    """
    if dataset.columns:
        return _words_of(dataset)
    x = dataset.x
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "iu" or x.ndim != 2:
        return {}
    parts = [x] if dataset.x_test is None else [x, dataset.x_test]
    least = min(int(part.min()) for part in parts)
    if least < 0:
        raise InvalidInput(
            f"x contains the token {least}",
            expected="tokens that are numbered from 0",
            fix="Pass floats of shape (rows, time, features) if these are amounts.",
        )
    return {"vocabulary": 1 + max(int(part.max()) for part in parts), "padded": _is_padded(x)}


def _words_of(dataset: Dataset) -> dict[str, Json]:
    """The vocabulary of a table's columns of texts; empty if it has none."""
    used = [column for column in dataset.columns if column.features]
    if not any(column.has_texts for column in used):
        return {}
    other = next((column for column in used if column.kind != "sequences"), None)
    if other is not None:
        became = dict(dataset.became)[other.name]
        raise InvalidInput(
            f"the network reads sequences of words, and column {other.name!r} is {became}",
            expected="columns of texts with texts='sequences', and no other columns",
            fix="Leave out texts=, or tune 'tabular' or 'mlp', which take all columns.",
        )
    sizes = [
        (column.width, vocabulary_size(column.kind, len(column.categories))) for column in used
    ]
    vocabulary = FIRST + sum(size for _, size in sizes)
    several = {"texts": [list(one) for one in sizes]} if len(sizes) > 1 else {}
    return {"vocabulary": vocabulary, "padded": True, **several}


def _is_padded(x: Array) -> bool:
    """Whether zeros only fill up rows, all of them at the end or all at the beginning."""
    is_token = x != 0
    if is_token.all():
        return False
    at_end = np.all(is_token[:, 1:] <= is_token[:, :-1])
    at_beginning = np.all(is_token[:, 1:] >= is_token[:, :-1])
    return bool(at_end or at_beginning)
