"""Arrays reach a network with the types that `fit` gives them."""

from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest

from paceline.train.array_feed import TrainingData
from paceline.train.stream_feed import ArrayBatches, DatasetBatches

TYPES = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    ml_dtypes.bfloat16,
]


class Sees(keras.Model):  # type: ignore[misc]
    """Records the types of its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Any = None

    def call(self, x: Any) -> Any:
        return x

    def train_step(self, state: Any, data: Any) -> Any:
        self.seen = [str(part.dtype) for part in data]
        return {"loss": 0.0}, state


class Dataset(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, *arrays: Any) -> None:
        super().__init__()
        self.arrays = arrays

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return self.arrays


def seen_in_fit(*args: Any) -> list[str]:
    model = Sees()
    model.compile("sgd")
    model.fit(*args[:2], sample_weight=args[2] if len(args) > 2 else None, verbose=0)
    return list(model.seen)


@pytest.mark.parametrize("dtype", TYPES)
def test_dtypes_are_those_of_fit(dtype: Any) -> None:
    arrays = np.ones((4, 2), dtype), np.ones(4, dtype), np.ones(4, "float64")
    expected = seen_in_fit(*arrays)
    assert [str(part.dtype) for part in TrainingData.of(arrays, arrays).train] == expected
    assert [str(part.dtype) for part in DatasetBatches(ArrayBatches(arrays)).load(0)] == expected
    assert [str(part.dtype) for part in DatasetBatches(Dataset(*arrays)).load(0)] == seen_in_fit(
        Dataset(*arrays)
    )


@pytest.mark.parametrize("floatx", ["float16", "bfloat16"])
def test_floats_have_the_float_type_of_keras(floatx: str) -> None:
    arrays = np.ones((4, 2), "float64"), np.ones(4, "float16")
    keras.config.set_floatx(floatx)
    try:
        assert [str(part.dtype) for part in TrainingData.of(arrays, None).train] == [floatx, floatx]
    finally:
        keras.config.set_floatx("float32")
