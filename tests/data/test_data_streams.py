"""Objects of keras.utils.PyDataset pass through."""

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

from paceline.core import InvalidInput
from paceline.data import Stream, load, split


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return np.ones((2, 4)), np.zeros(2)


def test_a_py_dataset_passes_through() -> None:
    source = Batches()
    stream = load(source)
    assert isinstance(stream, Stream)
    assert (stream.name, stream.num_batches) == ("Batches", 3)
    assert stream.source is source
    with pytest.raises(InvalidInput, match="expected a Dataset"):
        split(stream)


def test_arrays_of_jax_are_arrays() -> None:
    x = keras.ops.ones((4, 2))
    assert (
        load((x, keras.ops.arange(4))).fingerprint
        == load((np.ones((4, 2)), np.arange(4))).fingerprint
    )
