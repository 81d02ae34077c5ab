"""Each network in a global state of its own.

Keras numbers layers and metrics without a name, looks up its settings and draws seeds in global
state, and layers may draw from the generators of Python, NumPy and PyTorch. So that no network
depends on what was built or trained before it, and the user's program not on any of them, a network
is built in a fresh `GlobalState` and traced, trained and measured in that same one; what was there
before comes back afterwards. Custom objects that are registered meanwhile stay registered.
"""

import random
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Self
from weakref import WeakKeyDictionary

import keras
import numpy as np

from paceline.core import process_state
from paceline.train import internals

_states: WeakKeyDictionary[keras.Model, "GlobalState"] = WeakKeyDictionary()


class GlobalState(AbstractContextManager["GlobalState"]):
    """What is global, as one network sees it. Entered as often as needed, in one thread at a time.

    Args:
        seed: of all generators when it is entered for the first time.
        names: counters to go on from where Keras numbers names; None to count from zero.
    """

    def __init__(self, seed: int, names: Mapping[str, int] | None = None) -> None:
        self._seed, self._names = seed, names or {}
        self._depth = 0
        self._inside: _Values | None = None
        self._outside: _Values | None = None

    def __enter__(self) -> Self:
        internals.one_at_a_time.acquire()
        self._depth += 1
        if self._depth == 1:
            self._outside = _Values.current()
            if self._inside is None:
                internals.set_name_counters(self._names)
                internals.seed_all(self._seed)
            else:
                self._inside.put_back()
        return self

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self._outside is not None:
            self._inside = _Values.current()
            self._outside.put_back()
        internals.one_at_a_time.release()

    def keep_for(self, model: keras.Model) -> None:
        """Makes it the state that `state_of` gives for a model."""
        _states[model] = self


def set_aside() -> None:
    """Puts the user's global state of Keras aside until the call of Paceline that runs now ends."""
    outside = _Values.current()
    if process_state.restore_at_end(__name__, outside.put_back):
        internals.copy_keras_globals()


def state_of(model: keras.Model) -> AbstractContextManager[Any]:
    """The global state that a model was built in; as it is where the model was not built here."""
    return _states.get(model) or nullcontext()


def seed_epoch(seed: int, epoch: int) -> None:
    """Seeds all generators for one epoch of a training.

    What is drawn in it does not depend on anything that was drawn before, so a training that is
    resumed goes on with the numbers that it would have drawn.
    """
    internals.seed_all(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))


@dataclass(frozen=True, slots=True)
class _Values:
    """All that is swapped. TensorFlow's global seed is not: it cannot be read."""

    keras: dict[str, Any]
    settings: tuple[str, float, str]
    python: Any
    numpy: Any
    torch: Any

    @classmethod
    def current(cls) -> "_Values":
        settings = (keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format())
        return cls(
            internals.keras_globals(),
            settings,
            random.getstate(),
            np.random.get_state(legacy=False),
            _torch_states(),
        )

    def put_back(self) -> None:
        internals.set_keras_globals(self.keras)
        floatx, epsilon, image_data_format = self.settings
        keras.config.set_floatx(floatx)
        keras.config.set_epsilon(epsilon)
        keras.config.set_image_data_format(image_data_format)
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        _set_torch_states(self.torch)


def _torch_states() -> Any:
    if keras.backend.backend() != "torch":
        return None
    import torch

    return (
        torch.get_rng_state(),
        torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    )


def _set_torch_states(states: Any) -> None:
    if states is None:
        return
    import torch

    torch.set_rng_state(states[0])
    if states[1]:
        torch.cuda.set_rng_state_all(states[1])
