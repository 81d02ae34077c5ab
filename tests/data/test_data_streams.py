"""Objects of keras.utils.PyDataset pass through."""

import os
import re
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

from paceline.core import InvalidInput
from paceline.data import Dataset, Stream, load, split


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


def test_a_py_dataset_is_loaded_by_a_function_as_the_error_says() -> None:
    batches = Batches()
    says = r"Batches, which is asked .*, and never loaded; .*pass a function .*: (lambda: .*)\.$"
    with pytest.raises(InvalidInput, match=says) as caught:
        load(batches, in_memory=True)
    advice = re.search(says, str(caught.value))
    assert advice is not None
    loaded = load(eval(advice[1], {"batches": batches}))
    assert isinstance(loaded, Dataset)
    np.testing.assert_array_equal(loaded.x, np.ones((6, 4)))


def test_arrays_of_jax_are_arrays() -> None:
    x = keras.ops.ones((4, 2))
    assert (
        load((x, keras.ops.arange(4))).fingerprint
        == load((np.ones((4, 2)), np.arange(4))).fingerprint
    )
