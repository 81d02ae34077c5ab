"""Cross-validation folds: those of a study, and new ones of the same kind.

| folds | how they are made | new ones of the same kind |
| --- | --- | --- |
| a number | drawn, stratified by class or with groups kept together | drawn with another seed |
| splitters that draw (``shuffle=True``, ``ShuffleSplit``, ``RepeatedKFold``) | by it | other seed |
| ``GroupKFold``, ``StratifiedGroupKFold`` without shuffling | groups kept together | by seed |
| other splitters (``KFold(5)``, ``TimeSeriesSplit``), pairs of row numbers | by them | none |

The last kind may depend on the order of rows (blocks, time); drawing others would violate what the
user requested.
"""

import ast
import copy
import inspect
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from paceline.core import InvalidInput
from paceline.core.checks import whole_number
from paceline.data import targets
from paceline.data.fingerprints import fingerprint
from paceline.data.records import Split
from paceline.data.trees import Array

Parts = tuple[Array, Array]
"""Row numbers of training and validation part."""

_SEEDS = ("random_state", "random_seed", "seed")  # names of splitters' seeds
_FEW = 12  # characters of a fingerprint in a splitter's name


class GivenFolds:
    """Given folds in the form of a splitter of scikit-learn."""

    def __init__(self, pairs: Iterable[Any]) -> None:
        """Stores the folds.

        Args:
            pairs: ``(training rows, validation rows)`` of each fold: row numbers, or booleans for
                all rows.

        Raises:
            InvalidInput: something else.
        """
        found = []
        for pair in pairs:
            if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
                raise InvalidInput(
                    f"folds contains {str(pair)[:80]}",
                    expected="pairs of (training rows, validation rows)",
                )
            found.append((_rows(pair[0]), _rows(pair[1])))
        self.parts: tuple[Parts, ...] = tuple(found)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Parts]:  # noqa: ARG002 - scikit-learn's names
        """The folds, independent of the arguments."""
        return iter(self.parts)

    def __repr__(self) -> str:
        digest = fingerprint("folds", *(rows for part in self.parts for rows in part))[:_FEW]
        return f"{len(self.parts)} given folds ({digest})"


def folds_of(given: Any) -> Any:
    """Validates folds: a number, a splitter of scikit-learn's form, or None; pairs of row numbers.

    Pairs become `GivenFolds`.

    Raises:
        InvalidInput: anything else.
    """
    if given is None or (hasattr(given, "split") and not isinstance(given, str)):
        return given
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
        return GivenFolds(given)
    return whole_number(
        "folds", given, 2, also=", a splitter of scikit-learn, or pairs of row numbers"
    )


def in_time(folds: Any) -> bool:
    """Whether each fold trains only on rows before its validation rows."""
    return any(kind.__name__ == "TimeSeriesSplit" for kind in type(folds).__mro__)


def name_of(folds: Any) -> str:
    """A name of the folds, equal in every process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(folds))


def plain_name_of(folds: Any) -> str:
    """A name of the folds for messages."""
    return "a list of pairs" if isinstance(folds, GivenFolds) else name_of(folds)


def rebuilt(name: str) -> Any:
    """The splitter of scikit-learn with this name from `name_of`; None if the name is not enough.

    The name is parsed and not executed: a class of ``sklearn.model_selection`` with numbers, texts,
    booleans and None as arguments.
    """
    from sklearn import model_selection

    try:
        call = ast.parse(name, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            return None
        kind = getattr(model_selection, call.func.id, None)
        if not inspect.isclass(kind) or not hasattr(kind, "get_n_splits"):
            return None
        found = kind(**{str(one.arg): ast.literal_eval(one.value) for one in call.keywords})
    except (SyntaxError, ValueError, TypeError):
        return None
    return found if name_of(found) == name else None


def fold_parts(split: Split, folds: Any, seed: int) -> tuple[Parts, ...]:
    """The folds of a study, over all rows outside the test part.

    Args:
        split: the study's own split.
        folds: as in the table above.
        seed: of drawn folds, if a splitter has no seed of its own.

    Raises:
        InvalidInput: folds that are impossible for these rows.
    """
    if split.val_rows is None:
        raise InvalidInput(
            "folds and validation data were both given",
            expected="one of them",
            fix="Leave validation out: each fold has validation rows of its own.",
        )
    return _parts(split, _seeded(_splitter(split, folds), seed, only_unset=True), folds)


def repeated_folds(split: Split, folds: Any, seeds: Sequence[int]) -> tuple[tuple[Parts, ...], ...]:
    """The folds of each repeat: those of a study, then new ones of the same kind if there are any.

    Raises:
        InvalidInput: folds that are impossible for these rows.
    """
    first = fold_parts(split, folds, seeds[0])
    return first, *(_redrawn(split, folds, seed, first) or first for seed in seeds[1:])


def other_folds(split: Split, folds: Any, seeds: Sequence[int]) -> tuple[Parts, ...] | None:
    """As many folds as seeds, drawn anew like those of a study; None if that is impossible.

    The folds of one draw, with the seed of the first, are followed by those of the next.
    """
    own = _parts(split, _seeded(_splitter(split, folds), 0, only_unset=True), folds)
    found = list[Parts]()
    while len(found) < len(seeds):
        drawn = _redrawn(split, folds, seeds[len(found)], own)
        if drawn is None:
            return None
        found += drawn
    return tuple(found[: len(seeds)])


def _redrawn(split: Split, folds: Any, seed: int, own: Sequence[Parts]) -> tuple[Parts, ...] | None:
    """Folds of the same kind as ``own`` with another seed; None if the seed changes nothing."""
    splitter = _splitter(split, folds)
    other = _seeded(splitter, seed)
    drawn = None if other is splitter else _parts(split, other, folds)
    return None if drawn is None or _contents(drawn) == _contents(own) else drawn


def order_of(num_folds: int) -> list[int]:
    """The order in which fresh trainings use folds that cannot be drawn anew.

    Any first few are spread over all of them, by the fractional parts of multiples of the golden
    ratio.
    """
    place = (np.arange(1, num_folds + 1) * 0.6180339887498949) % 1.0
    return [int(fold) for fold in np.argsort(place, kind="stable")]


def _splitter(split: Split, folds: Any) -> Any:
    """The splitter of a number of folds: stratified by classes and grouped, where the data are."""
    folds = folds_of(folds)
    if not isinstance(folds, int):
        return folds
    if not split.shuffle:
        raise InvalidInput(
            f"folds is {folds} and shuffle is False",
            expected="a splitter that respects the order of rows",
            fix=f"Pass folds=sklearn.model_selection.TimeSeriesSplit({folds}).",
        )
    from sklearn import model_selection

    has_labels = targets.labels(split.dataset.y, split.dataset.task) is not None
    if split.dataset.groups is not None:
        kind = model_selection.StratifiedGroupKFold if has_labels else model_selection.GroupKFold
    else:
        kind = model_selection.StratifiedKFold if has_labels else model_selection.KFold
    return kind(folds, shuffle=True)


def _seeded(splitter: Any, seed: int, *, only_unset: bool = False) -> Any:
    """The splitter with another seed; unchanged if it draws nothing.

    Args:
        splitter: of scikit-learn, or of its form.
        seed: the seed.
        only_unset: leave it unchanged if it has a seed, or does not shuffle.
    """
    name = next((name for name in _SEEDS if hasattr(splitter, name)), None)
    shuffles = getattr(splitter, "shuffle", True)
    if name is None or (only_unset and (not shuffles or getattr(splitter, name) is not None)):
        return splitter
    if not shuffles and not _keeps_groups_only(splitter):
        return splitter
    try:
        seeded = copy.copy(splitter)
        setattr(seeded, name, seed % 2**32)
        if not shuffles:
            seeded.shuffle = True
    except (AttributeError, TypeError):  # it cannot be copied or changed
        return splitter
    return seeded


def _keeps_groups_only(splitter: Any) -> bool:
    """Whether its folds depend on groups alone, so that the order of rows does not matter."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    return type(splitter) in (GroupKFold, StratifiedGroupKFold)


def _parts(split: Split, splitter: Any, folds: Any) -> tuple[Parts, ...]:
    """The folds of a splitter, checked."""
    dataset, groups = split.dataset, split.dataset.groups
    labels = targets.labels(dataset.y, dataset.task)
    of_rows = labels if labels is not None else np.zeros(dataset.num_rows)
    if groups is None and any(
        kind.__name__ == "GroupsConsumerMixin" for kind in type(splitter).__mro__
    ):
        raise _without_groups(folds)
    try:
        with warnings.catch_warnings():  # whether groups are kept together is checked below
            warnings.filterwarnings("ignore", "The groups parameter is ignored")
            drawn = splitter.split(np.zeros((dataset.num_rows, 1)), of_rows, groups)
            found = tuple(
                (np.sort(_rows(train)), np.sort(_rows(held_out))) for train, held_out in drawn
            )
    except InvalidInput:
        raise
    except (ValueError, TypeError) as error:
        if groups is None and "groups" in str(error):  # a custom splitter
            raise _without_groups(folds) from None
        raise InvalidInput(
            f"folds is {plain_name_of(folds)}: {error}",
            expected="folds that are possible for these rows",
        ) from None
    _check(found, dataset.num_rows, folds)
    if groups is not None:
        _check_groups(found, groups, folds)
    return found


def _without_groups(folds: Any) -> InvalidInput:
    return InvalidInput(
        f"folds is {name_of(folds)}, which splits by groups, and groups is not given",
        expected="groups=..., the group of each row",
    )


def _check(parts: Sequence[Parts], num_rows: int, folds: Any) -> None:
    name = plain_name_of(folds)
    if not parts:
        raise InvalidInput(f"folds is {name}, which returns no fold", expected="at least one")
    for place, (train, held_out) in enumerate(parts, 1):
        if not len(train) or not len(held_out):
            part = "validation" if len(train) else "training"
            raise InvalidInput(
                f"folds is {name}: fold {place} has no {part} rows", expected="rows in both parts"
            )
        if min(train[0], held_out[0]) < 0 or max(train[-1], held_out[-1]) >= num_rows:
            raise InvalidInput(
                f"folds is {name}: fold {place} has rows up to {max(train[-1], held_out[-1])}",
                expected=f"row numbers below {num_rows}",
                fix="Folds are made of the rows outside the test set: pass test=(x_test, y_test), "
                "or test=None for none.",
            )
        shared = np.intersect1d(train, held_out)
        if len(shared):
            raise InvalidInput(
                f"folds is {name}: row {shared[0]} is in both parts of fold {place}",
                expected="folds whose validation rows are not trained on",
            )


def _check_groups(parts: Sequence[Parts], groups: Array, folds: Any) -> None:
    for place, (train, held_out) in enumerate(parts, 1):
        shared = np.intersect1d(groups[train], groups[held_out])
        if len(shared):
            raise InvalidInput(
                f"folds is {plain_name_of(folds)}: group {shared[0]} is in both parts of fold "
                f"{place}",
                expected="folds that keep the groups together, such as a number or GroupKFold(5)",
                fix="Leave groups out where they need not stay together.",
            )


def _rows(given: Any) -> Array:
    rows = np.asarray(given)
    if rows.ndim == 1 and rows.dtype == bool:
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.size and not np.issubdtype(rows.dtype, np.integer)):
        raise InvalidInput(
            f"folds has rows {str(given)[:80]}", expected="row numbers, or booleans for all rows"
        )
    return rows.astype(np.int64)


def _contents(parts: Sequence[Parts]) -> frozenset[tuple[bytes, bytes]]:
    """Equal for equal folds in any order."""
    return frozenset((train.tobytes(), held_out.tobytes()) for train, held_out in parts)
