"""What a cohort trains is what `fit` trains: the table of kinds, and what no row of it can show."""

from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras import layers, optimizers, regularizers
from tests.train.kinds import CLASSES, HELD_OUT, ROWS, SPARSE, TABLE, Row, X, network

from paceline.testing.same_answer import Gap, SameAnswer


def test_the_table_names_at_least_sixty_kinds() -> None:
    assert len({name for row in TABLE for name in row.names}) >= 60


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.kinds[:50])
def test_two_epochs_are_those_of_fit(row: Row) -> None:
    gap = row.gap()
    assert bool(gap.alone) == bool(row.alone)
    assert row.alone in gap.alone
    assert max(gap.weights, gap.optimizer, gap.metrics) < 1e-5
    assert gap.score < 1e-6 * row.size


def gaps(build: Callable[..., keras.Model], configs: list[dict[str, Any]], batch_size: int = 16) -> list[Gap]:
    held_out = slice(ROWS, ROWS + HELD_OUT)
    return SameAnswer((X[:ROWS], CLASSES[:ROWS]), (X[held_out], CLASSES[held_out]), batch_size=batch_size)(
        build, configs
    )


def test_every_lane_has_numbers_of_its_own() -> None:
    def build(rate: float, l2: float, clip: float) -> keras.Model:
        penalty = regularizers.L2(l2)
        return network(optimizers.Adam(rate, clipnorm=clip), SPARSE, layers.Dense(5, kernel_regularizer=penalty))

    configs = [
        {"rate": 1e-2, "l2": 1e-3, "clip": 1.0},
        {"rate": 1e-3, "l2": 1e-2, "clip": 0.3},
        {"rate": 3e-3, "l2": 3e-2, "clip": 0.1},
    ]
    assert max(max(gap.weights, gap.metrics) for gap in gaps(build, configs)) < 1e-5


def test_a_batch_larger_than_the_data() -> None:
    found = gaps(lambda rate: network(optimizers.SGD(rate), SPARSE), [{"rate": 0.1}], 1000)
    assert max(found[0].weights, found[0].metrics) < 1e-5


def test_configurations_of_different_structure_are_refused() -> None:
    def build(units: int) -> keras.Model:
        return network(optimizers.SGD(0.1), SPARSE, layers.Dense(units))

    with pytest.raises(ValueError, match="2 programs"):
        gaps(build, [{"units": 3}, {"units": 4}])
