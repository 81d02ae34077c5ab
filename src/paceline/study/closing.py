"""What follows a search, and how often each of its configurations is trained: asked for, and checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from paceline.core import InvalidInput
from paceline.core.events import Json
from paceline.data.folds import folds_of, name_of

STANDARD_PAIRS, STRICT_PAIRS = 8, 30


@dataclass(frozen=True, slots=True)
class Closing:
    """The final, and how the winner's model is made.

    Attributes:
        pairs: fresh pairs of seed and split on which each finalist trains; 0 for no final.
        is_automatic: whether the number of finalists follows from how much the search trained.
        prefer: which of the tied finalists wins: the ``"small"`` one, the ``"fast"`` one, or None for the best mean.
        refit: whether the model is trained anew on training and validation part together; None: where a final was held.
    """

    pairs: int = 0
    is_automatic: bool = False
    prefer: Literal["small", "fast"] | None = None
    refit: bool | None = None

    @classmethod
    def of(cls, final: Any = "auto", prefer: Any = None, refit: Any = None) -> "Closing":
        """From what a user passes.

        Raises:
            InvalidInput: anything that cannot be.
        """
        if prefer not in (None, "small", "fast"):
            raise InvalidInput(f"prefer is {prefer!r}", expected="'small', 'fast' or nothing")
        if refit not in (None, True, False):
            raise InvalidInput(f"refit is {refit!r}", expected="True, False or nothing")
        if final == "auto":
            return cls(STANDARD_PAIRS, True, prefer, refit)
        if final == "strict":
            return cls(STRICT_PAIRS, False, prefer, refit)
        if final is False or final is None or final == "off":
            return cls(0, False, prefer, refit)
        if isinstance(final, bool) or not isinstance(final, int) or final < 2:
            raise InvalidInput(
                f"final is {final!r}", expected="'auto', 'strict', False, or a number of pairs of at least 2"
            )
        return cls(final, False, prefer, refit)

    @property
    def is_strict(self) -> bool:
        """Whether claims are to be tested on other pairs than those that chose the winner."""
        return self.pairs >= STRICT_PAIRS

    def to_json(self) -> dict[str, Json]:
        """For the record."""
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Json] | None) -> "Closing":
        """Back from `to_json`; of a study that has none, no final."""
        return cls(**state) if state else cls()


@dataclass(frozen=True, slots=True, eq=False)
class Replication:
    """How often each configuration of the search is trained.

    Attributes:
        repeats: on so many seeds, each with a split of its own.
        folds: on each fold of cross-validation, see `paceline.data.folds`; None for none.
        groups: of each row, for folds that keep groups together.
    """

    repeats: int = 1
    folds: Any = None
    groups: Any = None

    @classmethod
    def of(cls, repeats: Any = 1, folds: Any = None, groups: Any = None) -> "Replication":
        """From what a user passes.

        Raises:
            InvalidInput: anything that cannot be.
        """
        if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
            raise InvalidInput(f"repeats is {repeats!r}", expected="a whole number of at least 1")
        if groups is not None and folds is None:
            raise InvalidInput("groups were given without folds", expected="folds=5, or a splitter that uses groups")
        return cls(repeats, folds_of(folds), groups)

    @property
    def is_single(self) -> bool:
        """Whether each configuration is trained once."""
        return self.repeats == 1 and self.folds is None

    def to_json(self) -> dict[str, Json]:
        """For the record; a splitter is told by its name and settings."""
        folds = self.folds if self.folds is None or isinstance(self.folds, int) else name_of(self.folds)
        return {"repeats": self.repeats, "folds": folds, "groups": self.groups is not None}
