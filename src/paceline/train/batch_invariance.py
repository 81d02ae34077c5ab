"""Determines whether the metrics of a test step depend on the batch size.

If they do not, validation uses larger batches than ``fit``, with the same results.
"""

from dataclasses import dataclass

import numpy as np

from paceline.train.constant_lifting import LiftedStep
from paceline.train.row_analysis import NotAdditive, RowAnalysis


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

    def applies_to(self, small: LiftedStep, large: LiftedStep) -> bool:
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
    known = _cache.setdefault((small.digest, large.digest, sizes, num_state, num_metrics), [])
    for result in known:
        if result.applies_to(small, large):
            return result.reason
    analysis, reason = RowAnalysis(sizes), ""
    try:
        analysis.check(small, large, num_state, num_metrics)
    except NotAdditive as error:
        reason = str(error)
    known.append(_CachedResult(reason, sorted(analysis.used), (small.constants, large.constants)))
    return reason
