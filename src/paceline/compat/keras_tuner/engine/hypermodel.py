"""Models with hyperparameters."""

from collections.abc import Callable
from typing import Any

from paceline.compat.keras_tuner.engine.hyperparameters import HyperParameters
from paceline.compat.keras_tuner.errors import FatalValueError
from paceline.core import shown


class HyperModel:
    """A model with hyperparameters: subclasses define ``build(hp)``.

    ``super().__init__()`` need not be called.

    Args:
        name: of the model; has no meaning.
        tunable: whether hyperparameters that `build` defines are added to the space; otherwise they
            have their defaults, unless they were defined before.
    """

    name: str | None = None
    tunable: bool = True

    def __init__(self, name: str | None = None, tunable: bool = True) -> None:
        self.name, self.tunable = name, tunable
        if not tunable:
            build = self.build
            self.build = lambda hp: build(hp.copy())  # type: ignore[method-assign]

    def build(self, hp: HyperParameters) -> Any:
        """A compiled Keras model for the values of ``hp``."""
        raise NotImplementedError(f"{type(self).__name__} defines no build(self, hp)")

    def declare_hyperparameters(self, hp: HyperParameters) -> None:
        """Registers hyperparameters before the first build; none by default."""

    def fit(self, hp: HyperParameters, model: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Trains a model of `build`.

        Subclasses may do anything; where they add arguments and call ``model.fit`` once, trials
        train together all the same.

        Returns:
            What ``model.fit`` returns, a dict of metrics, or the objective as a number.
        """
        return model.fit(*args, **kwargs)


class DefaultHyperModel(HyperModel):
    """A function ``build(hp)`` as a `HyperModel`."""

    def __init__(
        self,
        build: Callable[[HyperParameters], Any],
        name: str | None = None,
        tunable: bool = True,
    ) -> None:
        self.function = build
        super().__init__(name or getattr(build, "__name__", None), tunable)

    def build(self, hp: HyperParameters) -> Any:
        """The result of the function."""
        return self.function(hp)


def get_hypermodel(given: Any) -> HyperModel | None:
    """The hypermodel that a tuner was given: a `HyperModel`, or a function of ``hp``.

    Raises:
        FatalValueError: neither.
    """
    if given is None or isinstance(given, HyperModel):
        return given
    if not callable(given):
        raise FatalValueError(
            f"The `hypermodel` argument should be either a function build(hp) that returns a "
            f"compiled Keras model, or a HyperModel; it is {shown(given)}."
        )
    return DefaultHyperModel(given)
