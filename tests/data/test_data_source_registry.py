"""Data sources that are added: by name and by type, for arrays and for batches."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from paceline.core import InvalidInput, MissingData, PacelineError
from paceline.data import (
    DataRequest,
    Dataset,
    Raw,
    load,
    register_source,
    register_type,
)
from paceline.data.source_registry import provided, sources, types
from paceline.testing.data_sources import DataSourceContract
from paceline.testing.packages import installed

X, Y = np.random.default_rng(0).random((20, 3)), np.arange(20) % 2


class Box:
    """A type of somebody else."""

    def __init__(self, x: Any) -> None:
        self.x = x


class SmallBox(Box):
    pass


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras is untyped
    def __init__(self) -> None:
        super().__init__()

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return X[10 * index :][:10], Y[10 * index :][:10]


@pytest.fixture(autouse=True)
def added() -> Iterator[None]:
    with sources.scope(), types.scope():

        @register_source("boxes")
        def boxes(request: DataRequest) -> Any:
            if request.argument == "none":
                return None
            if request.argument == "stream":
                return Batches()
            if request.argument == "box":
                return Box(X)
            if request.argument == "down":
                raise OSError("no route")
            if request.argument == "missing":
                return "no_such_file.csv"
            return Raw("", X, Y, class_names=("even", "odd"))

        @register_type(f"{__name__}.Box")
        def read_box(box: Box) -> Any:
            return Batches() if box.x is None else (box.x, Y)

        yield


class TestByName(DataSourceContract):
    @pytest.fixture
    def source(self) -> str:
        return "boxes"


class TestStreamByName(DataSourceContract):
    @pytest.fixture
    def source(self) -> str:
        return "boxes:stream"


class TestByType(DataSourceContract):
    @pytest.fixture
    def source(self) -> Any:
        return SmallBox(X)


class TestStreamByType(DataSourceContract):
    @pytest.fixture
    def source(self) -> Any:
        return Box(None)


class TestDigits(DataSourceContract):
    @pytest.fixture
    def source(self) -> str:
        return "digits"


class TestPyDataset(DataSourceContract):
    @pytest.fixture
    def source(self) -> Any:
        return Batches()


def test_names_of_classes_are_kept() -> None:
    loaded = load("boxes")
    assert isinstance(loaded, Dataset)
    assert loaded.class_names == ("even", "odd")
    assert loaded.x_test is not None  # drawn, as of every named data set
    assert load("boxes:box").fingerprint == load("boxes").fingerprint


def test_what_a_source_returns_is_checked() -> None:
    with pytest.raises(InvalidInput, match=r"data source 'boxes:none': data is NoneType"):
        load("boxes:none")
    with pytest.raises(MissingData, match=r"no_such_file.csv does not exist"):
        load("boxes:missing")
    with pytest.raises(PacelineError, match=r"data source 'boxes:down' failed \(OSError: no route"):
        load("boxes:down")
    with pytest.raises(PacelineError, match=r"the type 'Box' failed \(AttributeError: "):
        load(Box.__new__(Box))
    register_source("endless")(lambda request: "endless")
    with pytest.raises(InvalidInput, match=r"data is 'endless', whose source returns"):
        load("endless")
    with pytest.raises(InvalidInput, match=r"data is 'digits:3'; expected 'digits', which has no"):
        load("digits:3")


def test_unknown_sources_are_refused() -> None:
    with pytest.raises(MissingData, match=r"named 'boxs:3'.*boxes, california.*mean 'boxes'\?"):
        load("boxs:3")
    with pytest.raises(InvalidInput, match="data is object"):
        load(object())
    with pytest.raises(InvalidInput, match=r"name of .* is 'Box'"):
        register_type("Box")(lambda box: box)
    with pytest.raises(InvalidInput, match=r"'digits' is that of .*_from_registry and .*lambda"):
        register_source("digits")(lambda request: None)


def test_an_installed_package_reads_its_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "class Table:\n    pass\n\n"
        "def read(table):\n    import numpy\n    return numpy.ones((8, 2)), numpy.arange(8) % 2\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    installed(tmp_path, "tabular", code, {"paceline.data_types": {"tabular.Table": "read"}})
    import tabular  # type: ignore[import-not-found]

    assert load(tabular.Table()).num_rows == 8
    assert provided(3) == (3, None)


def test_a_subclass_may_have_a_reader_of_its_own() -> None:
    register_type(f"{__name__}.Batches")(lambda batches: (X, Y))
    assert isinstance(load(Batches()), Dataset)
    assert isinstance(load(Box(None)), Dataset)
