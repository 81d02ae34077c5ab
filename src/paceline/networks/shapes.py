"""The shape of the data that a network is made for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataShape:
    """The shape of inputs and targets.

    Attributes:
        input: of one row.
        classes: whether the outputs are classes.
        outputs: classes, or target columns.
        one_hot: whether class targets are one-hot.
        vocabulary: for rows of tokens, the number of different ones, 0 to ``vocabulary - 1``; None
            for other data.
        padded: whether token 0 fills up rows that are shorter than others.
        texts: for rows of words of several texts, one after another, the length and the number of
            words of each; each has words of its own, from 2 on. Empty for others.
        categories: for each feature of a table, the number of its categories if its values are
            those of a category (0, 1, ..., and their number for unknown ones), and 0 if they are
            amounts. Empty for other data, and for a table of one-hot categories.
        num_weights: number of the last features of a table that are weights of words (tf-idf).
    """

    input: tuple[int, ...]
    classes: bool
    outputs: int
    one_hot: bool = False
    vocabulary: int | None = None
    padded: bool = False
    texts: tuple[tuple[int, int], ...] = ()
    categories: tuple[int, ...] = ()
    num_weights: int = 0

    @property
    def are_images(self) -> bool:
        """Whether they can be images, with or without a channel axis, of at least 4 pixels."""
        return len(self.input) in (2, 3) and min(self.input[:2]) >= SMALLEST_IMAGE

    @property
    def are_sequences(self) -> bool:
        """Whether they are numbers of shape (time, features), or tokens of shape (time,)."""
        return len(self.input) == 2 or self.vocabulary is not None


SMALLEST_IMAGE = 4
"""Pixels; smaller images cannot be pooled."""

IMAGES = (
    f"images, (height, width) or (height, width, channels), of at least {SMALLEST_IMAGE} pixels "
    "each way"
)
SEQUENCES = (
    "sequences: numbers of shape (time, features), whole numbers (tokens) of shape (time,), or a "
    "table with a column of texts"
)
TABLES = "a table, or rows of numbers of shape (features,)"
