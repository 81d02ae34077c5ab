"""Changes of the weights by the optimizer at the end of training, such as averaging.

``fit`` does it once, at its end. A score is that of the model as if training ended now: each
validation uses the weights as they would then be, and training continues with those before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from paceline.train.variables import copy_weights


def finalizes(optimizer: Any) -> bool:
    """Whether an optimizer may change the weights at the end of training."""
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return False
    own = (
        type(optimizer).finalize_variable_values
        is not keras.optimizers.Optimizer.finalize_variable_values
    )
    return own or bool(optimizer.use_ema)


def finalize(model: keras.Model) -> None:
    """Ends the training of a model that was trained epoch by epoch, as ``fit`` does at its end."""
    if finalizes(model.optimizer):
        type(model.optimizer).finalize_variable_values(model.optimizer, model.trainable_variables)
        copy_weights(model)


class ValidateFinalized(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback with which ``fit`` validates the weights as they would be if it ended now."""

    def __init__(self) -> None:
        super().__init__()
        self._values: list[np.ndarray] = []

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Applies the end of training for the validation."""
        self._values = [
            np.array(keras.ops.convert_to_numpy(variable)) for variable in self._variables
        ]
        finalize(self.model)

    def on_test_end(self, logs: Any = None) -> None:  # noqa: ARG002 - as above
        """Restores the variables in training."""
        for variable, value in zip(self._variables, self._values, strict=True):
            variable.assign(value)

    @property
    def _variables(self) -> list[Any]:
        return [*self.model.trainable_variables, *self.model.optimizer.variables]


@contextmanager
def without_finalization(model: keras.Model) -> Iterator[list[keras.callbacks.Callback]]:
    """A context in which ``fit`` does not end the model's training.

    Yields the callbacks for that ``fit``.
    """
    optimizer = model.optimizer
    if not finalizes(optimizer):
        yield []
        return
    optimizer.finalize_variable_values = lambda var_list: None  # noqa: ARG005 - Keras passes it by its name
    try:
        yield [ValidateFinalized()]
    finally:
        del optimizer.finalize_variable_values
