"""Tables and data sets of other libraries: polars, Arrow, sparse matrices, Hugging Face."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from PIL import Image

import paceline
from paceline import data as paceline_data
from paceline.core import InvalidInput
from paceline.data import Dataset, Stream, split
from paceline.data.batch_loading import LoadingOptions
from paceline.data.loading import load_dataset

load: Any = paceline_data.load  # its results are of two types

RNG = np.random.default_rng(0)
X = np.where(RNG.random((40, 6)) < 0.7, 0, RNG.normal(size=(40, 6))).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int64")
FRAME = pd.DataFrame(
    {
        "area": RNG.normal(100, 20, 40),
        "heating": RNG.choice(["gas", "oil"], 40),
        "sold": pd.date_range("2024-01-01", periods=40),
        "price": RNG.normal(3, 1, 40),
    }
)


def of_polars() -> Any:
    polars = pytest.importorskip("polars")
    return polars.DataFrame({name: FRAME[name].to_list() for name in FRAME.columns})


def of_arrow() -> Any:
    return pytest.importorskip("pyarrow").Table.from_pandas(FRAME)


def build(hp: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, "softmax")])
    rate = hp.Float("rate", 1e-2, 1.0, sampling="log")
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["acc"])
    return model


@pytest.mark.parametrize("table", [of_polars, of_arrow, lambda: of_polars().lazy()])
def test_tables_are_read_as_data_frames(table: Any) -> None:
    known = load(FRAME, target="price")
    loaded = load(table(), target="price")
    assert loaded.feature_names == known.feature_names
    np.testing.assert_allclose(loaded.x, known.x, rtol=1e-6)
    np.testing.assert_allclose(loaded.y, known.y, rtol=1e-6)
    inputs = FRAME.drop(columns="price")
    pair = (table(), FRAME["price"]) if table is of_arrow else (of_polars(), FRAME["price"])
    with_price = load(pair, task="regression")
    assert "price" in with_price.feature_names
    assert load((inputs, FRAME["price"])).feature_names == known.feature_names


def test_prepared_rows_and_validation_in_polars() -> None:
    frame = of_polars()
    loaded = load(FRAME, target="price")
    parts = split(loaded, validation=0.2)
    rows = paceline_data.prepare(parts, frame.drop("price"))
    np.testing.assert_allclose(rows, paceline_data.prepare(parts, FRAME.drop(columns="price")))


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array", "coo_matrix"])
def test_sparse_matrices_are_made_dense_where_they_fit(kind: str) -> None:
    matrix = getattr(scipy.sparse, kind)(X)
    loaded = load((matrix, Y))
    np.testing.assert_array_equal(loaded.x, X)
    assert any("of the sparse matrix were loaded into memory" in note for note in loaded.notes)
    held_out = load((matrix, Y), test=(matrix, Y))
    np.testing.assert_array_equal(held_out.x_test, X)
    parts = split(loaded, validation=(matrix, Y))
    np.testing.assert_array_equal(parts.x_val, X)


@pytest.mark.exhaustive
def test_sparse_matrices_are_streamed_where_they_do_not_fit(tmp_path: Path) -> None:
    matrix = scipy.sparse.csr_matrix(X)
    stream = load_dataset((matrix, Y), loading=LoadingOptions(memory=lambda: 100, rows=16))
    assert isinstance(stream, Stream)
    x, _ = stream.source[0]
    assert x.shape == (16, 6)
    rows = {tuple(row) for row in X.tolist()}
    assert {tuple(row) for row in x.tolist()} <= rows
    study = paceline.tune(
        build,
        (matrix, Y),
        "val_loss",
        in_memory=False,
        validation=0.25,
        batch_size=10,
        epochs=2,
        trials=2,
        search="random",
        seed=1,
        display=False,
        study=tmp_path / "s",
    )
    assert study.record.created is not None
    assert study.record.created.data["batches"] == {"train": 3, "val": 1}


def hugging_face(columns: Any, features: Any = None) -> Any:
    datasets = pytest.importorskip("datasets")
    return datasets.Dataset.from_dict(columns, features=features)


def test_columns_of_hugging_face() -> None:
    datasets = pytest.importorskip("datasets")
    plain = hugging_face(FRAME.drop(columns="sold").to_dict("list"))
    known = load(FRAME.drop(columns="sold"), target="price")
    loaded = load(plain, target="price")
    assert loaded.feature_names == known.feature_names
    np.testing.assert_allclose(loaded.x, known.x, rtol=1e-6)
    with pytest.raises(InvalidInput, match=r"target is not given.*'area', 'heating', 'price'"):
        load(plain)
    with pytest.raises(InvalidInput, match="Did you mean 'price'"):
        load(plain, target="prise")
    parts = datasets.DatasetDict(
        {"train": plain, "test": plain.select(range(8)), "validation": plain.select(range(4))}
    )
    divided = load(parts, target="price")
    assert len(divided.x_test) == 8
    assert any("pass validation=dataset['validation']" in note for note in divided.notes)
    with pytest.raises(InvalidInput, match="one with the part 'train'"):
        load(datasets.DatasetDict({"all": plain}), target="price")


def test_images_and_classes_of_hugging_face() -> None:
    datasets = pytest.importorskip("datasets")
    images = RNG.integers(0, 255, (12, 5, 4, 3)).astype("uint8")
    labels = [0, 1, 2] * 4
    features = datasets.Features(
        {
            "image": datasets.Array3D((5, 4, 3), "uint8"),
            "label": datasets.ClassLabel(names=list("cab")),
        }
    )
    data = hugging_face({"image": list(images), "label": labels}, features)
    loaded = load(data)
    assert isinstance(loaded, Dataset)
    np.testing.assert_array_equal(loaded.x, images)
    assert loaded.class_names == ("c", "a", "b")
    files = datasets.Features({**features, "image": datasets.Image()})
    pictures = [Image.fromarray(pixels) for pixels in images]
    np.testing.assert_array_equal(
        load(hugging_face({"image": pictures, "label": labels}, files)).x, images
    )
    stream = load(data, in_memory=False)
    assert isinstance(stream, Stream)
    both = hugging_face({"row": X[:12].tolist(), "size": list(range(12)), "label": labels})
    two = load(both)
    assert two.x["row"].shape == (12, 6)
    assert two.x["size"].shape == (12, 1)
    rows = load(both.to_iterable_dataset(), target="label")
    np.testing.assert_allclose(rows.x["row"], two.x["row"])
    uneven = hugging_face({"row": [[1.0], [1.0, 2.0]], "label": [0, 1]})
    with pytest.raises(InvalidInput, match="rows of the column 'row' have shapes such as"):
        load(uneven)
