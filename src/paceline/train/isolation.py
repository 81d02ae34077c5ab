"""Isolates networks from each other: each has its own global state of Keras and random generators.

Keras names layers and metrics by global counters, reads its settings and draws seeds from global
state, and layers may use the generators of Python, NumPy and PyTorch. So that no network depends on
those built or trained before, nor the user's program on any of them, a network is built in a new
`GlobalState` and traced, trained and measured in the same one. The previous state is restored
afterwards. Custom objects registered meanwhile remain registered.
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
    """The global state of a network, as a reentrant context for one thread at a time.

    Args:
        seed: of all generators when it is entered for the first time.
        names: initial counters of Keras's names; None for zero.
    """

    def __init__(self, seed: int, names: Mapping[str, int] | None = None) -> None:
        self._seed, self._names = seed, names or {}
        self._depth = 0
        self._inside: _Values | None = None
        self._outside: _Values | None = None

    def __enter__(self) -> Self:
        internals.keras_lock.acquire()
        self._depth += 1
        if self._depth == 1:
            self._outside = _Values.current()
            if self._inside is None:
                internals.set_name_counters(self._names)
                internals.set_layer_seeds(random.Random())
                internals.seed_all(self._seed)
            else:
                self._inside.restore()
        return self

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self._outside is not None:
            self._inside = _Values.current()
            self._outside.restore()
        internals.keras_lock.release()

    def keep_for(self, model: keras.Model) -> None:
        """Makes it the state that `global_state_of` returns for a model."""
        _states[model] = self


def set_aside() -> None:
    """Sets the user's global state aside until the current call of Paceline ends."""
    outside = _Values.current()
    if process_state.restore_at_end(__name__, outside.restore):
        internals.copy_keras_globals()


def global_state_of(model: keras.Model) -> AbstractContextManager[Any]:
    """The global state in which a model was built; no change for models built elsewhere."""
    return _states.get(model) or nullcontext()


def seed_epoch(seed: int, epoch: int) -> None:
    """Seeds all generators for an epoch of a training.

    The random numbers of an epoch do not depend on earlier ones, so a resumed training draws the
    same.
    """
    internals.seed_all(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))


@dataclass(frozen=True, slots=True)
class _Values:
    """The values that are swapped, except for TensorFlow's global seed, which cannot be read."""

    keras: dict[str, Any]
    layer_seeds: random.Random | None
    settings: tuple[str, float, str]
    python: Any
    numpy: Any
    torch: Any

    @classmethod
    def current(cls) -> "_Values":
        settings = (keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format())
        return cls(
            internals.keras_globals(),
            internals.layer_seeds(),
            settings,
            random.getstate(),
            np.random.get_state(legacy=False),
            _torch_states(),
        )

    def restore(self) -> None:
        internals.set_keras_globals(self.keras)
        internals.set_layer_seeds(self.layer_seeds)
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
