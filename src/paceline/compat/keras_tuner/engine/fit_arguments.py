"""The arguments of ``search``, which are those of Keras's ``fit``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paceline.compat.keras_tuner.engine.alone import RunsAlone
from paceline.compat.keras_tuner.engine.options import warn_once
from paceline.compat.keras_tuner.engine.overriding import first_overridden, is_overridden
from paceline.compat.keras_tuner.engine.project import is_finished
from paceline.core import InvalidInput, check_argument, checks, shown
from paceline.data import Stream
from paceline.data.batch_sources import BatchSource
from paceline.data.source_registry import provided

_ORDER = (
    "x",
    "y",
    "batch_size",
    "epochs",
    "verbose",
    "callbacks",
    "validation_split",
    "validation_data",
    "shuffle",
    "class_weight",
    "sample_weight",
    "initial_epoch",
    "steps_per_epoch",
    "validation_steps",
    "validation_batch_size",
    "validation_freq",
)
"""The order of ``fit``'s arguments."""

_ALONE: Mapping[str, Any] = {
    "initial_epoch": 0,
    "validation_freq": 1,
}
"""Arguments with which trials train one by one, unless they have their default."""


@dataclass(frozen=True)
class FitArguments:
    """The arguments of ``search``; their meaning and defaults are those of ``fit``.

    Raises:
        InvalidInput: one that cannot be honoured.
    """

    x: Any
    y: Any = None
    batch_size: int | None = None
    epochs: int = 1
    verbose: Any = "auto"
    callbacks: Sequence[Any] = ()
    validation_split: float = 0.0
    validation_data: Any = None
    class_weight: Mapping[int, float] | None = None
    sample_weight: Any = None
    validation_batch_size: int | None = None
    steps_per_epoch: int | None = None
    validation_steps: int | None = None

    def __post_init__(self) -> None:
        if self.class_weight is not None and self.sample_weight is not None:
            raise InvalidInput(
                "class_weight and sample_weight are given", expected="one of them, as in fit"
            )
        for name in ("batch_size", "epochs", "steps_per_epoch", "validation_steps"):
            if getattr(self, name) is not None:
                checks.whole_number(name, getattr(self, name))
        share = checks.number("validation_split", self.validation_split)
        if not 0 <= share < 1:
            raise InvalidInput(
                f"validation_split is {share}", expected="a number of at least 0 and below 1"
            )

    @property
    def is_in_batches(self) -> bool:
        """Whether the training data arrive in batches."""
        return is_in_batches(self.x)

    def batch_size_for(self, rows: int) -> int:
        """Rows of a batch of arrays with so many training rows, as in ``fit``."""
        if self.batch_size is not None:
            return self.batch_size
        return 32 if self.steps_per_epoch is None else math.ceil(rows / self.steps_per_epoch)

    @classmethod
    def of(cls, args: Sequence[Any], given: Mapping[str, Any], objective: str) -> "FitArguments":
        """The arguments of a call of ``search``.

        Args:
            args, given: positional and named ones.
            objective: the metric of the search.

        Raises:
            InvalidInput: an unknown argument, or one that cannot be honoured.
            RunsAlone: one that can only be honoured by ``fit`` itself.
        """
        for name in given:
            check_argument("search", name, _ORDER)
        if len(args) > len(_ORDER):
            raise InvalidInput(
                f"search was given {len(args)} arguments", expected=f"at most {len(_ORDER)}"
            )
        by_place = dict(zip(_ORDER, args, strict=False))
        if twice := by_place.keys() & given.keys():
            raise InvalidInput(f"{min(twice)} is given twice", expected="each argument once")
        named = {**by_place, **given}
        for name, default in _ALONE.items():
            value = named.pop(name, None)
            if value is not None and value != default:
                raise RunsAlone(f"{name} is {shown(value)}")
        if not objective.startswith("val_"):
            raise RunsAlone(
                f"the objective is {objective}, which is not a metric of validation rows"
            )
        if not named.pop("shuffle", True):
            warn_once(
                "shuffle",
                "shuffle=False has no effect on training: each epoch sees the training rows in a "
                "new order. The validation rows of validation_split are the last ones, as in fit.",
            )
        if is_in_batches(named.get("x")):
            _check_batches(named)
        else:
            _check_arrays(named)
        if named.get("validation_data") is None and not named.get("validation_split"):
            raise InvalidInput(
                "neither validation_split nor validation_data is given",
                expected=f"one of them: the objective is {objective}",
                fix="Pass validation_split=0.2.",
            )
        return cls(**{name: value for name, value in named.items() if value is not None})


def _check_arrays(named: dict[str, Any]) -> None:
    """Checks that data are arrays, in memory.

    Raises:
        RunsAlone: they are something else that ``fit`` may know.
    """
    for name in ("x", "y"):
        value = named.get(name)
        if value is None or not is_array(value):
            what = "missing" if value is None else f"a {type(value).__name__}"
            raise RunsAlone(f"{name} is {what}, and not an array")


def _check_batches(named: Mapping[str, Any]) -> None:
    """Refuses arguments that batches do not have, as ``fit`` does."""
    kind = type(named["x"]).__name__
    for name in ("y", "sample_weight"):
        if named.get(name) is not None:
            raise InvalidInput(
                f"{name} is given and x is a {kind}",
                expected=f"batches that contain it, and no {name}",
            )
    if named.get("validation_split"):
        raise InvalidInput(
            f"validation_split is given and x is a {kind}",
            expected="validation_data=..., since batches are not divided",
        )


def check_has_data(tuner: Any, args: Sequence[Any], given: Mapping[str, Any]) -> None:
    """Refuses a search without data, unless something of the user's own may need none.

    Args:
        tuner: the tuner.
        args, given: positional and named arguments of its ``search``.

    Raises:
        InvalidInput: Keras's own ``fit`` would be called without data.
    """
    if any(one is not None for one in args) or given.get("x") is not None:
        return
    hypermodel = tuner.hypermodel
    own = first_overridden(tuner, ("run_trial", "_build_and_fit_model", "_try_build"))
    if own or hypermodel is None or is_overridden(hypermodel, "fit"):
        return
    if tuner.remaining_trials == 0 or is_finished(tuner._study, tuner.oracle.num_trials):
        return
    fit = getattr(type(hypermodel.build(tuner.oracle.get_space())), "fit", None)
    if not getattr(fit, "__module__", "").startswith("keras."):
        return
    raise InvalidInput(
        f"{type(tuner).__name__}.search was given no data",
        expected="the arguments of fit",
        fix="Pass search(x, y, epochs=10, validation_split=0.2). Only a HyperModel.fit or "
        "run_trial of your own may load the data itself.",
    )


def is_in_batches(value: Any) -> bool:
    """Whether data arrive in batches: ``tf.data``, generators, PyDataset, DataLoader."""
    if value is None or isinstance(value, str):
        return False
    return isinstance(provided(value)[0], BatchSource | Stream)


def is_array(value: Any) -> bool:
    """Whether data are an array or a data frame, or a tree of these."""
    return hasattr(value, "to_numpy") or _is_tree(value)


def _is_tree(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_tree, value.values()))
    if isinstance(value, list | tuple):
        return True
    return hasattr(value, "__array__") and hasattr(value, "shape")
