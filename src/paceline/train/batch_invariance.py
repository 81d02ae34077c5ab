"""Determines whether the metrics of a test step depend on the batch size.

If they do not, validation uses larger batches than ``fit``, with the same results.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from paceline.train.constant_lifting import LiftedStep
from paceline.train.row_analysis import NotAdditive, RowAnalysis


class StepIdentity(Protocol):
    """What determines a step; see `LiftedStep`."""

    @property
    def digest(self) -> str:
        """Of its program."""

    @property
    def constants(self) -> np.ndarray:
        """The values of its constants."""

    @property
    def arrays_hash(self) -> str:
        """Of the values of its arrays."""


@dataclass(frozen=True, slots=True)
class _CachedResult:
    """The result of an analysis and the constants on which it depends.

    Attributes:
        reason: of the dependence; empty if there is none.
        used: numbers of the constants whose values were used.
        constants: all constants, for both sizes.
    """

    reason: str
    used: list[int]
    constants: tuple[np.ndarray, np.ndarray]

    def applies_to(self, small: StepIdentity, large: StepIdentity) -> bool:
        """Whether a step with the same digests has the same constants where they matter."""
        differs = _differ(small.constants, large.constants)
        if not np.array_equal(differs, _differ(*self.constants)):
            return False
        differs[self.used] = True
        pairs = zip((small, large), self.constants, strict=True)
        return all(not _differ(step.constants, known)[differs].any() for step, known in pairs)


def _differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray((a != b) & ~(np.isnan(a) & np.isnan(b)))


_cache: dict[tuple[object, ...], list[_CachedResult]] = {}


def _key(small: StepIdentity, large: StepIdentity, *others: object) -> tuple[object, ...]:
    return (small.digest, small.arrays_hash, large.digest, large.arrays_hash, *others)


def known_dependence(
    small: StepIdentity,
    large: StepIdentity,
    sizes: tuple[int, int],
    num_state: int,
    num_metrics: int,
) -> str | None:
    """The same as `batch_size_dependence` if it follows from an earlier result, else None."""
    known = _cache.get(_key(small, large, sizes, num_state, num_metrics), [])
    return next((result.reason for result in known if result.applies_to(small, large)), None)


def batch_size_dependence(
    small: LiftedStep, large: LiftedStep, sizes: tuple[int, int], num_state: int, num_metrics: int
) -> str:
    """Returns why the metrics of a test step depend on the batch size; empty if they do not.

    The result is cached for other steps of the same program.

    Args:
        small, large: the step traced for two batch sizes.
        sizes: the two sizes.
        num_state: number of arrays of the step's state, of which the metrics are the last.
        num_metrics: number of those that are metrics.
    """
    known = known_dependence(small, large, sizes, num_state, num_metrics)
    if known is not None:
        return known
    analysis, reason = RowAnalysis(sizes), ""
    try:
        analysis.check(small, large, num_state, num_metrics)
    except NotAdditive as error:
        reason = str(error)
    result = _CachedResult(reason, sorted(analysis.used), (small.constants, large.constants))
    key = _key(small, large, sizes, num_state, num_metrics)
    _cache.setdefault(key, []).append(result)
    return reason
