"""Settings of evaluation: in the search, in the final, and on the test part."""

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from paceline.core.checks import is_false, real, whole_number
from paceline.settings.rules import (
    Change,
    FromMemory,
    Group,
    Terminal,
    choice,
    flag,
    optional,
    optional_flag,
    setting,
    whole,
)

STANDARD_PAIRS, STRICT_PAIRS = 8, 30
"""Fresh trainings of each finalist in an automatic final, and in a strict one."""

_NAMED = ("auto", "strict", "off")


class FinalOptions(TypedDict, total=False):
    """Options of `paceline.tune` and `paceline.optimize` about the final evaluation."""

    final: Literal["auto", "strict", "off"] | int | bool | None
    """The final evaluation after the search: the best configurations are trained again on fresh
    pairs of seed and split, and the best one there is the winner. ``"auto"`` trains up to 8
    finalists on 8 pairs, fewer if that would cost more than the search; ``"strict"`` uses 30 pairs,
    and selects and tests on different ones; a number uses that many; ``"off"``, False or None skips
    the final.
    """


class EvaluationOptions(FinalOptions, total=False):
    """Options of `paceline.tune` about evaluation."""

    validation: Any
    """Fraction of the rows outside the test part, or ``(x_val, y_val)``; for a stream ``(x_val,
    y_val)``, another PyDataset, or None if the objective is a training metric.
    """
    repeats: int
    """How often each configuration is trained in the search, each time with another seed and
    another split; its score is the mean.
    """
    folds: Any
    """Cross-validation in the search: a number of folds, stratified by class; a splitter of
    scikit-learn, or one with its methods; or pairs of (training rows, validation rows). The folds
    train together, as one compiled model. Further ``repeats``, and the final, draw other folds of
    the same kind with other seeds, even if the splitter has a ``random_state``; if there are no
    others (``KFold(5)``, ``TimeSeriesSplit``, pairs), they use these with fresh seeds.
    """
    prefer: Literal["small", "fast"] | None
    """Which of several tied finalists wins: the ``"small"`` one, the ``"fast"`` one, or None for
    the best mean.
    """
    refit: bool | None
    """Whether the winner's model is trained again on training and validation data together; None:
    if there was a final.
    """
    test_trials: bool
    """Whether every completed trial is also measured on the test part. These scores are too
    optimistic for whatever is chosen by them.
    """
    keep_models: int | None
    """Number of best trials whose trained networks are kept, for ``study.model(number)``; None for
    one. Trials that a schedule stopped early count after those that completed.
    """


def _final(name: str, value: Any) -> str | int:
    if value is None or is_false(value):
        return "off"
    if isinstance(value, str) and value.strip().lower() in _NAMED:
        return value.strip().lower()
    also = " (fresh trainings of each finalist), 'auto', 'strict' or 'off'"
    return whole_number(name, value, 2, also=also)


def _typed_final(text: str) -> str | int:
    if text.strip().lower() in ("false", "no", "none"):  # as in Python
        return "off"
    return int(text) if text.isdigit() else text


def _validation(_: str, value: Any) -> float | FromMemory | None:
    number = real(value)
    return number if number is not None or value is None else FromMemory(_kind(value))


def _folds(_: str, value: Any) -> int | str | None:
    if value is None:
        return None
    from paceline.data.folds import folds_of, name_of

    folds = folds_of(value)
    return folds if isinstance(folds, int) else name_of(folds)


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings(Group):
    """How configurations are evaluated; see `EvaluationOptions`.

    Attributes:
        validation: fraction of the rows; None for none.
        folds: number of folds, or the name of the splitter.
        final: ``"auto"``, ``"strict"``, ``"off"`` or the number of fresh pairs.
    """

    validation: float | FromMemory | None = setting(
        0.1,
        _validation,
        terminal=Terminal(float, "Fraction of the rows to validate on."),
    )
    repeats: int = setting(
        1,
        whole(),
        terminal=Terminal(
            int, "How often each configuration is trained, on other seeds and splits."
        ),
    )
    folds: int | str | None = setting(
        None,
        _folds,
        terminal=Terminal(
            int,
            "Cross-validate each configuration in so many folds.",
            write=lambda value: str(value) if isinstance(value, int) else None,
        ),
    )
    final: str | int = setting(
        "auto",
        _final,
        Change.NOTED,
        terminal=Terminal(
            help="Fresh trainings of each finalist after the search; the winner is the one that is "
            "best there.",
            metavar="auto|strict|off|N",
            parse=_typed_final,
        ),
    )
    prefer: Literal["small", "fast"] | None = setting(
        None,
        optional(choice("small", "fast")),
        Change.NOTED,
        terminal=Terminal(help="Of tied finalists the small or the fast one wins."),
    )
    refit: bool | None = setting(
        None,
        optional_flag,
        Change.NOTED,
        terminal=Terminal(
            bool,
            "Train the winner again on training and validation data.",
            flags="--refit/--no-refit",
            default="after a final",
        ),
    )
    test_trials: bool = setting(False, flag, Change.NOTED)
    keep_models: int | None = setting(
        None,
        optional(whole()),
        Change.SILENT,
        terminal=Terminal(
            int,
            "Keep the trained networks of the K best trials.",
            metavar="K",
            default="1",
        ),
    )

    @property
    def num_pairs(self) -> int:
        """Fresh pairs of seed and split on which each finalist trains; 0 for no final."""
        named = {"auto": STANDARD_PAIRS, "strict": STRICT_PAIRS, "off": 0}
        return self.final if isinstance(self.final, int) else named[self.final]

    @property
    def is_automatic(self) -> bool:
        """Whether the size of the final is chosen automatically."""
        return self.final == "auto"

    @property
    def is_strict(self) -> bool:
        """Whether claims are tested on other pairs than those that select the winner."""
        return self.num_pairs >= STRICT_PAIRS

    @property
    def is_single(self) -> bool:
        """Whether each configuration of the search is trained once."""
        return self.repeats == 1 and self.folds is None
