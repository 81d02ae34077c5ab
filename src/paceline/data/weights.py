"""Class weights: from the user's names of classes to the numbers in the targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paceline.core import InvalidInput, checks, did_you_mean, shown
from paceline.data.named_sets import NAMED_SETS
from paceline.data.records import Dataset
from paceline.data.trees import Array, is_branch

BALANCED = "balanced"

Plain = Mapping[str, float] | list[float] | str
"""Class weights as stored: by the class as text, in the order of the classes, or ``"balanced"``."""

_EXPECTED = "a weight for each class, {class: weight}, or 'balanced'"


def plain(given: Any) -> Plain | None:
    """Validates ``class_weight`` without the data, and converts it to plain types.

    Raises:
        InvalidInput: neither a mapping, a list nor ``"balanced"``; a weight that is negative or not
            finite; all zero.
    """
    if given is None:
        return None
    if isinstance(given, str):
        if given != BALANCED:
            raise InvalidInput(f"class_weight is {given!r}", expected=_EXPECTED)
        return given
    if isinstance(given, Mapping):
        found = {_text(key): _weight(_text(key), weight) for key, weight in given.items()}
        if len(found) < len(given):
            raise InvalidInput(f"class_weight is {shown(given)}", expected="each class once")
        weights = list(found.values())
    elif hasattr(given, "__len__") and hasattr(given, "__getitem__"):
        weights = [_weight(str(number), given[number]) for number in range(len(given))]
    else:
        raise InvalidInput(f"class_weight is {shown(given)}", expected=_EXPECTED)
    if not any(weights):
        raise InvalidInput(
            f"class_weight is {shown(given)}", expected="at least one weight above 0"
        )
    return found if isinstance(given, Mapping) else weights


def by_number(given: Plain | None, dataset: Dataset, y_train: Any) -> dict[int, float] | None:
    """The weight of each class by its number in the targets; 1 for classes that are not named.

    Args:
        given: from `plain`.
        dataset: with the classes.
        y_train: targets of the training part, for ``"balanced"``.

    Raises:
        InvalidInput: an unknown class, an ambiguous list, or targets without classes.
    """
    if given is None:
        return None
    if not _has_classes(dataset):
        raise InvalidInput(
            f"class_weight is {shown(given)} and the target {dataset.target_name} has no class for "
            f"each row",
            expected="no class_weight",
            fix="If its numbers are classes pass task='classification', else sample_weight=..., "
            "one for each row.",
        )
    numbers = _numbers(dataset)
    if given == BALANCED:
        return _balanced(y_train)
    if isinstance(given, list):
        return _listed(given, numbers)
    if isinstance(given, str):
        raise InvalidInput(f"class_weight is {given!r}", expected=_EXPECTED)
    unknown = next((key for key in given if key not in numbers), None)
    if unknown is not None:
        raise InvalidInput(
            f"class_weight names the class {unknown!r}, which {dataset.target_name} does not have",
            expected=f"one of its classes: {', '.join(list(numbers)[:20])}",
            fix=did_you_mean(unknown, numbers),
        )
    found = {numbers[key]: weight for key, weight in given.items()}
    if len(found) < len(given):
        raise InvalidInput(
            f"class_weight names a class twice: {', '.join(given)}",
            expected="each class once",
        )
    return {**dict.fromkeys(numbers.values(), 1.0), **found}


def of_stream(
    given: Plain | None, names: Sequence[str] = (), labels: Array | None = None
) -> dict[int, float] | None:
    """Weights by the numbers of classes in the batches of a stream.

    Args:
        given: from `plain`.
        names: names of the classes in the order of their numbers, if they are known.
        labels: number of the class of each row, if it is known.

    Raises:
        InvalidInput: ``"balanced"`` where classes are not known beforehand, or a class that is not
            known.
    """
    if given is None:
        return None
    if given == BALANCED and labels is not None:
        return _balanced(labels)
    numbers = {name: number for number, name in enumerate(names)}
    if isinstance(given, list):
        return dict(enumerate(given))
    if isinstance(given, Mapping) and all(key in numbers or key.isdigit() for key in given):
        return {numbers.get(key, int(key) if key.isdigit() else 0): given[key] for key in given}
    raise InvalidInput(
        f"class_weight is {shown(given)} and data is a stream",
        expected="a weight for each class by the number that it has in the batches, {0: 1, 1: 5}"
        + (f", or by its name: {', '.join(names[:20])}" if names else ""),
    )


def _numbers(dataset: Dataset) -> dict[str, int]:
    """The numbers of the classes by their names, and by the user's own numbers."""
    present = range(dataset.num_classes or 0)
    if dataset.y.ndim == 1:
        parts = [part for part in (dataset.y, dataset.y_test) if part is not None]
        present = np.unique(np.concatenate(parts)).astype(int).tolist()
    names = (
        {dataset.class_names[number]: number for number in present} if dataset.class_names else {}
    )
    source = NAMED_SETS.get(dataset.name)
    if not names or set(names) == {"False", "True"} or (source is not None and source.class_names):
        names |= {str(number): number for number in present}
    return names


def _has_classes(dataset: Dataset) -> bool:
    """Whether each row has one class: a number or one-hot, including floats that are all 0 or 1."""
    y = dataset.y
    if is_branch(y):
        return False
    if dataset.task == "classification":
        return bool(y.ndim == 1 or (y.ndim == 2 and y.dtype == np.float32))
    return y.ndim == 1 and bool(np.isin(y, (0, 1)).all())


def _balanced(y: Array) -> dict[int, float]:
    """Rows over classes times rows of the class, as scikit-learn's ``class_weight="balanced"``."""
    classes, counts = np.unique(y if y.ndim == 1 else y.argmax(axis=1), return_counts=True)
    weights = counts.sum() / (len(classes) * counts)
    return dict(zip(classes.tolist(), weights.tolist(), strict=True))


def _listed(given: list[float], numbers: Mapping[str, int]) -> dict[int, float]:
    """A list applies by number if the user's classes are 0 to k-1."""
    count = len(numbers)
    if any(str(number) != name for name, number in numbers.items()) or set(numbers.values()) != set(
        range(count)
    ):
        raise InvalidInput(
            f"class_weight is a list and the classes are {', '.join(list(numbers)[:10])}",
            expected="a weight for each class by its name, {class: weight}, since their order is "
            "ambiguous",
        )
    if len(given) != count:
        raise InvalidInput(
            f"class_weight is a list of {len(given)}", expected=f"{count}, one for each class"
        )
    return dict(enumerate(given))


def _text(key: Any) -> str:
    """A class as text: 2, 2.0 and "2" are equal."""
    number = checks.real(key)
    return str(key) if number is None else str(int(number)) if number.is_integer() else str(number)


def _weight(name: str, weight: Any) -> float:
    found = checks.number(f"class_weight of {name}", weight, "a number of at least 0")
    if found < 0:
        raise InvalidInput(
            f"class_weight of {name} is {weight!r}", expected="a number of at least 0"
        )
    return found
