"""Finds the constants of a traced network as functions of the numbers of its configuration.

Networks of one structure are traced to the same program and differ in scalar constants only. Where
each constant is the same for all of them, or one of a few functions of one number of the
configuration, such as ``1 - v`` for a dropout rate, the constants of further networks are known
without a trace.

| symbol | meaning |
| --- | --- |
| v | a number of the configuration, such as a rate, a momentum or a number of units |
| f | one of `_FUNCTIONS` |
| r | rounding to the type in which the constant is used, or none |
| candidate | (v, f, computed in 64 or 32 bits, r); its value is a float64 |

A candidate remains as long as its value equals the constant, bit for bit, for all networks added.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.uint64]

_FUNCTIONS: tuple[Callable[[Any], Any], ...] = (
    lambda v: v,
    lambda v: -v,
    lambda v: 1 - v,
    lambda v: v - 1,
    lambda v: 1 + v,
    lambda v: v / 2,
    lambda v: 1 / v,
    lambda v: 1 / (1 - v),
    lambda v: np.sqrt(v / (1 - v)),  # Gaussian dropout
    lambda v: 1 / np.sqrt(v),  # attention, of the key dimension
)
_ROUNDINGS = (np.float64, np.float32, np.float16, jnp.bfloat16)

_MIN_NETWORKS = 2  # before the constants of another one are predicted


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A traced network.

    Attributes:
        numbers: all numbers of its configuration, float64 ``(num_numbers,)``.
        constants: all its constants, float64 ``(num_constants,)``.
    """

    numbers: Floats
    constants: Floats


class KnownConstants:
    """The constants of networks of one structure.

    Two networks suffice for a prediction: a constant that varies has to equal the same function of
    the same number in both, bit for bit.

    Attributes:
        names: of the numbers of a configuration; empty before a network was added.
        examples: those of the networks added that have ruled out a candidate or shown that a
            number or a constant varies. Added anew, they give the same predictions.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.examples: list[Example] = []
        self._num_networks = 0

    def add(self, numbers: Mapping[str, float], constants: Floats) -> bool:
        """Adds a traced network; returns whether that has changed `examples`.

        Args:
            numbers: all numbers of its configuration, by name.
            constants: all its constants, ``(num_constants,)``.

        Raises:
            ValueError: it has other numbers, or another number of constants, than those before it.
        """
        values, bits = self._values(numbers), _bits(constants)
        if self._num_networks == 0:
            self.names = tuple(numbers)
            self._first_values, self._first = _bits(values), bits
            self._varies = np.zeros(len(values), bool)
            self._is_fixed = np.ones(len(bits), bool)
            self._constant, self._candidate = np.nonzero(bits[:, None] == _candidates(values))
            is_new = True
        else:
            if bits.shape != self._first.shape:
                raise ValueError(f"{bits.size} constants instead of {self._first.size}")
            before = self._extent
            self._varies |= _bits(values) != self._first_values
            self._is_fixed &= bits == self._first
            fits = _candidates(values)[self._candidate] == bits[self._constant]
            self._constant, self._candidate = self._constant[fits], self._candidate[fits]
            is_new = self._num_networks < _MIN_NETWORKS or self._extent != before
        self._num_networks += 1
        if is_new:
            self.examples.append(Example(values, np.array(constants, np.float64)))
        return is_new

    def predict(self, numbers: Mapping[str, float]) -> Floats | None:
        """The constants of a network, float64 ``(num_constants,)``; None if they are not known.

        They are known if all candidates of each constant have the same value, and each number is
        either the same as in all networks so far or known to vary between them.
        """
        values = self._values(numbers)
        if self._num_networks < _MIN_NETWORKS or not self._is_explained.all():
            return None
        # a number that never varied may matter in an unknown way
        if ((_bits(values) != self._first_values) & ~self._varies).any():
            return None
        found = _candidates(values)[self._candidate]
        guess = self._first.copy()
        varying = ~self._is_fixed[self._constant]
        guess[self._constant[varying]] = found[varying]
        return guess.view(np.float64) if (guess[self._constant] == found).all() else None

    @property
    def is_unpredictable(self) -> bool:
        """Whether a constant has no candidate, so that no network will ever be predicted."""
        return self._num_networks > 0 and not self._is_explained.all()

    @property
    def _is_explained(self) -> npt.NDArray[np.bool_]:
        explained = self._is_fixed.copy()
        explained[self._constant] = True
        return explained

    @property
    def _extent(self) -> tuple[int, int, int]:
        """How many numbers vary, constants are fixed, and candidates remain."""
        return int(self._varies.sum()), int(self._is_fixed.sum()), len(self._candidate)

    def _values(self, numbers: Mapping[str, float]) -> Floats:
        if self._num_networks and tuple(numbers) != self.names:
            raise ValueError("the numbers have other names")
        return np.array(list(numbers.values()), np.float64)


def _candidates(values: Floats) -> Bits:
    """The bits of the values of all candidates, ``(num_candidates,)``."""
    found = []
    with np.errstate(all="ignore"):  # such as 1 / 0
        for exact in (values, values.astype(np.float32)):
            for function in _FUNCTIONS:
                result = function(exact)
                found += [result.astype(rounded).astype(np.float64) for rounded in _ROUNDINGS]
    return _bits(np.concatenate(found))


def _bits(values: Floats) -> Bits:
    """The bits, for exact comparison: 0.0 == -0.0, and NaN != NaN."""
    return np.ascontiguousarray(values, np.float64).view(np.uint64)
