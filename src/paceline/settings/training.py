"""Settings of training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from paceline.core import InvalidInput, shown
from paceline.core.checks import number, whole_number
from paceline.core.events import Json
from paceline.settings.rules import Group, Terminal, choice, optional, setting, whole
from paceline.settings.typed import class_weights, loop_numbers, typed_weights
from paceline.space import Hyperparameter

if TYPE_CHECKING:
    from paceline.data.weights import Plain


class TrainingOptions(TypedDict, total=False):
    """Options of `paceline.tune` about training."""

    validation_batch_size: int | None
    """Rows of a validation batch; None for as many as in a training batch, as in ``fit``, and for
    32 if validation arrays are given with a stream. It changes the score only of models whose loss
    or metrics are not sums over rows, or that change their state in validation.
    """
    steps_per_epoch: int | None
    """Training batches in an epoch; None for all. The next epoch continues with the next batch, and
    after the last batch with the first: required for data without an end (``repeat()``,
    generators). For data in memory all batches are then full, and rows are shuffled anew for each
    pass.
    """
    validation_steps: int | None
    """Number of validation batches that are used in each epoch, from the first one on; None for
    all. Required for validation data without an end.
    """
    patience: int | None
    """Epochs without improvement after which a trial is complete; None to train all epochs."""
    min_delta: float
    """Smallest improvement of the objective that counts for ``patience``, in its own unit, as in
    Keras's ``EarlyStopping``.
    """
    keep: Literal["last", "best"]
    """Which weights and score of a trial count: those of its ``"last"`` or its ``"best"`` epoch."""
    class_weight: Mapping[Any, float] | Sequence[float] | str | None
    """Weight of each class in the loss, by the class as it is in the data, such as ``{"no": 1,
    "yes": 5}`` (missing classes have 1); ``"balanced"``; or a list, if the classes are 0 to k-1.
    """


def _loop(example: list[int]) -> Any:
    """Check of a whole number of at least 1; None for a hyperparameter, which is in the space."""
    also = f", or a hyperparameter such as paceline.Choice({example})"

    def check(name: str, value: Any) -> int | None:
        tuned = isinstance(value, Hyperparameter)
        return None if value is None or tuned else whole_number(name, value, also=also)

    return check


def _min_delta(name: str, value: Any) -> float:
    found = number(name, value, expected := "a number of at least 0")
    if found < 0:
        raise InvalidInput(f"{name} is {shown(value)}", expected=expected)
    return found


def _callbacks(_: str, value: Sequence[str] | None) -> Sequence[str] | None:
    return list(value) if value else None


def _class_weight(_: str, value: Any) -> Json:
    from paceline.data import weights

    return weights.plain(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings(Group):
    """How each network is trained.

    Attributes:
        epochs: epochs of each trial; None where it is a hyperparameter, which is then part of the
            space; of a function the steps that a full run reports, None where that is not known.
        batch_size: rows of a batch; None where it is a hyperparameter, and in a definition whose
            data, which may have batches of their own, have not been loaded.
        validation_batch_size, steps_per_epoch, validation_steps, patience, min_delta, keep,
        class_weight: see `TrainingOptions`.
        callbacks: the Keras callbacks that affect training, as text; None if there are none.
    """

    epochs: int | None = setting(
        10,
        _loop([10, 20]),
        terminal=Terminal(
            help="Epochs of each trial; 5,10 makes it a hyperparameter. Of a function: the steps "
            "that a full run reports.",
            parse=lambda text: loop_numbers("epochs", text),
        ),
    )
    batch_size: int | None = setting(
        32,
        _loop([32, 64]),
        terminal=Terminal(
            help="Rows of a batch; 32,64 makes it a hyperparameter.",
            parse=lambda text: loop_numbers("batch_size", text),
        ),
    )
    validation_batch_size: int | None = setting(
        None,
        optional(whole()),
        terminal=Terminal(
            int,
            "Rows of a validation batch.",
            default="as in a training batch",
        ),
    )
    steps_per_epoch: int | None = setting(
        None,
        optional(whole()),
        terminal=Terminal(int, "Training batches in an epoch.", default="all"),
    )
    validation_steps: int | None = setting(
        None,
        optional(whole()),
        terminal=Terminal(int, "Validation batches that are used.", default="all"),
    )
    patience: int | None = setting(
        None,
        optional(whole()),
        terminal=Terminal(int, "Epochs without improvement after which a trial is complete."),
    )
    min_delta: float = setting(
        0.0,
        _min_delta,
        terminal=Terminal(float, "By how much the objective has to improve for --patience."),
    )
    keep: Literal["last", "best"] = setting(
        "last",
        choice("last", "best"),
        terminal=Terminal(help="Whose weights and score count: the last or the best epoch's."),
    )
    class_weight: "Plain | None" = setting(
        None,
        _class_weight,
        terminal=Terminal(
            help="Weight of each class in the loss, such as no=1,yes=5; or balanced.",
            metavar="CLASS=WEIGHT,...|balanced",
            parse=class_weights,
            write=typed_weights,
        ),
    )
    callbacks: Sequence[str] | None = setting(None, _callbacks)
