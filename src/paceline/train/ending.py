"""What an optimizer does to the weights when training ends, such as replacing them by their
averages.

``fit`` lets it do so once, at its end. A score is that of the model that would be handed out if
training ended now, so each validation sees the weights as they would then be, and training goes on
from those it had.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from paceline.train.variables import unshare


def finalises(optimizer: Any) -> bool:
    """Whether an optimizer may change the weights at the end of training."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return False
    own = (
        type(optimizer).finalize_variable_values
        is not keras.optimizers.Optimizer.finalize_variable_values
    )
    return own or bool(optimizer.use_ema)


def finalise(model: keras.Model) -> None:
    """Ends the training of a model that was trained an epoch at a time, as ``fit`` would at its
    end.
    """
    if finalises(model.optimizer):
        type(model.optimizer).finalize_variable_values(model.optimizer, model.trainable_variables)
        unshare(model)


class ValidatesFinalised(keras.callbacks.Callback):  # type: ignore[misc]
    """Lets ``fit`` validate with the weights that it would leave behind if it ended now."""

    def __init__(self) -> None:
        super().__init__()
        self._values: list[np.ndarray] = []

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Ends the training, for the time of the validation."""
        self._values = [
            np.array(keras.ops.convert_to_numpy(variable)) for variable in self._variables
        ]
        finalise(self.model)

    def on_test_end(self, logs: Any = None) -> None:  # noqa: ARG002 - as above
        """Brings back what is trained."""
        for variable, value in zip(self._variables, self._values, strict=True):
            variable.assign(value)

    @property
    def _variables(self) -> list[Any]:
        return [*self.model.trainable_variables, *self.model.optimizer.variables]


@contextmanager
def not_ending(model: keras.Model) -> Iterator[list[keras.callbacks.Callback]]:
    """While it lasts, the end of ``fit`` is not the end of the model's training; gives callbacks
    for that ``fit``.
    """
    optimizer = model.optimizer
    if not finalises(optimizer):
        yield []
        return
    optimizer.finalize_variable_values = lambda var_list: None  # noqa: ARG005 - Keras passes it by its name
    try:
        yield [ValidatesFinalised()]
    finally:
        del optimizer.finalize_variable_values
