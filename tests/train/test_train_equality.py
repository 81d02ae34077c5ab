"""Cohorts train as `fit` does: the table of kinds."""

import keras
import numpy as np
import pytest
from tests.train.kinds import TABLE, Row


def test_the_table_has_at_least_sixty_kinds() -> None:
    assert len({name for row in TABLE for name in row.names}) >= 60


# Keras's own: mean IoU counts in 64 bits
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64 requested in asarray")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kinds[:50])
def test_two_epochs_equal_fit(row: Row) -> None:
    gap = row.gap(row.odd)
    if np.isnan(gap.weights) and keras.__version__.startswith("3.12."):
        pytest.skip(
            "Keras 3.12 gives NaN for ignored labels where rows have weights, in fit as in a cohort"
        )
    assert bool(gap.alone) == bool(row.alone)
    assert row.alone in gap.alone
    assert max(gap.weights, gap.optimizer, gap.metrics) < 1e-5
    assert gap.score < 1e-6 * row.size


# Keras's own: mean IoU counts in 64 bits
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64 requested in asarray")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kinds[:50])
def test_two_epochs_of_several_widths_in_one_program_equal_fit(row: Row) -> None:
    (gap,) = row.merged_gaps(odd=False, checked=[1])
    if np.isnan(gap.weights) and keras.__version__.startswith("3.12."):
        pytest.skip(
            "Keras 3.12 gives NaN for ignored labels where rows have weights, in fit as in a cohort"
        )
    assert bool(gap.alone) == bool(row.alone)
    assert max(gap.weights, gap.optimizer, gap.metrics) < (1e-3 if row.is_half else 1e-5)
    assert gap.score < 1e-6 * row.size
