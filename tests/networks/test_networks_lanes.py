"""Built-in networks of several widths train together, and as Keras's own `fit` trains each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
import pytest

from paceline import networks
from paceline.space import HyperParameters
from paceline.testing.same_answer import SameAnswer

ROWS, HELD_OUT = 48, 16
RANDOM = np.random.default_rng(0)
CLASSES = RANDOM.integers(0, 3, ROWS + HELD_OUT).astype("int32")
WORDS = np.sort(RANDOM.integers(0, 9, (ROWS + HELD_OUT, 6)), axis=1)[:, ::-1].astype("int32")
TABLE = np.column_stack(
    [
        RANDOM.normal(size=(ROWS + HELD_OUT, 2)),
        RANDOM.integers(0, 4, (ROWS + HELD_OUT, 2)),  # 3 categories, and unknown ones
    ]
).astype("float32")


@dataclass(frozen=True)
class Case:
    """A network on data.

    Attributes:
        network: its name.
        x: inputs.
        fixed: hyperparameters that all lanes share.
        widths: hyperparameters whose two values differ in sizes.
        shape: further facts about the data.
    """

    network: str
    x: Any
    fixed: Mapping[str, Any]
    widths: Mapping[str, tuple[int, int]]
    shape: Mapping[str, Any]

    def configs(self) -> list[dict[str, Any]]:
        rates = ({"learning_rate": 1e-3, "dropout": 0.1}, {"learning_rate": 2e-3, "dropout": 0.2})
        return [
            {**rate, **{name: sizes[lane] for name, sizes in self.widths.items()}}
            for lane, rate in enumerate(rates)
        ]

    def build(self, **config: Any) -> Any:
        described: dict[str, Any] = {"task": "classification", "num_outputs": 3, **self.shape}
        build = networks.create(self.network, input_shape=self.x.shape[1:], **described)
        return build(HyperParameters(values={**self.fixed, **config}))


def images(size: int) -> Any:
    return RANDOM.uniform(size=(ROWS + HELD_OUT, size, size)).astype("float32")


SEQUENCES = RANDOM.normal(size=(ROWS + HELD_OUT, 5, 3)).astype("float32")
TOKENS = {"vocabulary": 9, "padded": True}
CATEGORIES = {"categories": (0, 0, 3, 3)}
CASES = {
    "tabular": Case(
        "tabular", TABLE, {"layers": 2}, {"units": (64, 128), "embedding": (4, 8)}, CATEGORIES
    ),
    "resnet": Case("resnet", images(8), {"stages": 2}, {"filters": (8, 16)}, {}),
    "transformer of numbers": Case(
        "transformer", SEQUENCES, {"layers": 1, "heads": 2}, {"units": (32, 64)}, {}
    ),
    "lstm of tokens": Case("lstm", WORDS, {"layers": 1}, {"units": (16, 32)}, TOKENS),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CASES)
def test_two_widths_train_in_one_program_as_fit_does(name: str) -> None:
    case = CASES[name]
    train, held_out = ((case.x[rows], CLASSES[rows]) for rows in (slice(ROWS), slice(ROWS, None)))
    compare = SameAnswer(train, held_out, batch_size=16, epochs=2, checked=[1])
    (gap,) = compare(case.build, case.configs())
    assert gap.alone == ""
    assert gap.weights < 1e-4
    assert gap.metrics < 1e-4
