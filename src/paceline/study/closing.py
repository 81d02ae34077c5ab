"""What follows a search, and how often each of its configurations is trained: asked for, and
checked.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from paceline.core import known_name
from paceline.core.checks import flag, whole_number
from paceline.core.events import Json
from paceline.data.folds import folds_of, name_of

STANDARD_PAIRS, STRICT_PAIRS = 8, 30
_NAMED = {"auto": STANDARD_PAIRS, "strict": STRICT_PAIRS, "off": 0}


@dataclass(frozen=True, slots=True)
class Closing:
    """The final, and how the winner's model is made.

    Attributes:
        pairs: fresh pairs of seed and split on which each finalist trains; 0 for no final.
        is_automatic: whether the number of finalists follows from how much the search trained.
        prefer: which of the tied finalists wins: the ``"small"`` one, the ``"fast"`` one, or None
            for the best mean.
        refit: whether the model is trained anew on training and validation part together; None:
            where a final was held.
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
        if prefer is not None:
            prefer = known_name("prefer", prefer, ("small", "fast"))
        if refit is not None:
            refit = flag("refit", refit, also=", or nothing")
        if final is None or (isinstance(final, bool | np.bool_) and not final):
            return cls(0, False, prefer, refit)
        if isinstance(final, str) and final.strip().lower() in _NAMED:
            return cls(
                _NAMED[final.strip().lower()], final.strip().lower() == "auto", prefer, refit
            )
        also = " (fresh trainings of each finalist), 'auto', 'strict' or False"
        return cls(whole_number("final", final, 2, also=also), False, prefer, refit)

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
    """

    repeats: int = 1
    folds: Any = None

    @classmethod
    def of(cls, repeats: Any = 1, folds: Any = None) -> "Replication":
        """From what a user passes.

        Raises:
            InvalidInput: anything that cannot be.
        """
        repeats = whole_number("repeats", repeats)
        return cls(repeats, folds_of(folds))

    @property
    def is_single(self) -> bool:
        """Whether each configuration is trained once."""
        return self.repeats == 1 and self.folds is None

    def to_json(self) -> dict[str, Json]:
        """For the record; a splitter is told by its name and settings."""
        folds = (
            self.folds if self.folds is None or isinstance(self.folds, int) else name_of(self.folds)
        )
        return {"repeats": self.repeats, "folds": folds}
