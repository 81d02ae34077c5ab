"""Models with hyperparameters."""

from collections.abc import Callable
from typing import Any

from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.core import InvalidInput, shown


class HyperModel:
    """A model with hyperparameters: subclasses define ``build(hp)``.

    ``super().__init__()`` need not be called.

    Attributes:
        name: of the model; has no meaning.
        tunable: as in KerasTuner; has no meaning.
    """

    name: str | None = None
    tunable: bool = True

    def __init__(self, name: str | None = None, tunable: bool = True) -> None:
        self.name, self.tunable = name, tunable

    def build(self, hp: HyperParameters) -> Any:
        """A compiled Keras model for the values of ``hp``."""
        raise NotImplementedError(f"{type(self).__name__} defines no build(self, hp)")

    def declare_hyperparameters(self, hp: HyperParameters) -> None:
        """Registers hyperparameters before the first build; none by default."""

    def fit(self, hp: HyperParameters, model: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Trains a model of `build`; subclasses may set batch_size and epochs by ``hp``."""
        return model.fit(*args, **kwargs)


class FunctionModel(HyperModel):
    """A function ``build(hp)`` as a `HyperModel`."""

    def __init__(self, function: Callable[[HyperParameters], Any]) -> None:
        super().__init__(getattr(function, "__name__", None))
        self.function = function

    def build(self, hp: HyperParameters) -> Any:
        """What the function returns."""
        return self.function(hp)


def get_hypermodel(given: Any) -> HyperModel:
    """The hypermodel that a tuner was given: a `HyperModel`, or a function of ``hp``.

    Raises:
        InvalidInput: neither.
    """
    if isinstance(given, HyperModel):
        return given
    if not callable(given):
        raise InvalidInput(
            f"hypermodel is {shown(given)}",
            expected="a function build(hp) that returns a compiled Keras model, or a HyperModel",
        )
    return FunctionModel(given)
