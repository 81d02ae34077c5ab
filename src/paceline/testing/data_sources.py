"""The contract of data sources, as tests.

A test class inherits `DataSourceContract` and supplies one fixture, what users pass as ``data``:
the text that names the source, or an object of the type that it reads::

    class TestWaves(DataSourceContract):
        @pytest.fixture
        def source(self) -> str:
            return "waves:200"
"""

from paceline.testing import extra  # noqa: F401 - says what to install if it is missing

# isort: split
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from paceline.data import Dataset, Stream, load, split
from paceline.data.source_registry import provided
from paceline.data.trees import leaves


class DataSourceContract:
    """Tests that every data source passes; see `paceline.data.register_source`, `register_type`.

    Define the fixture ``source``.
    """

    options: ClassVar[Mapping[str, Any]] = {}
    """Further arguments of `paceline.data.load`, such as the ``target`` of a table."""

    @pytest.fixture
    def source(self) -> Any:
        """The value for ``data``."""
        raise NotImplementedError

    def test_it_is_found(self, source: Any) -> None:
        """By its name or type, and it returns what can be read."""
        read, name = provided(source)
        assert read is not source
        assert name == (source if isinstance(source, str) else None)

    def test_it_gives_data(self, source: Any) -> None:
        """Arrays of as many inputs as targets, or batches."""
        loaded = self._load(source)
        if isinstance(source, str):
            assert loaded.name == source
        if isinstance(loaded, Stream):
            assert loaded.num_batches is None or loaded.num_batches > 0
            assert isinstance(loaded.source[0], tuple)
        else:
            assert loaded.num_rows > 0
            assert all(
                np.isfinite(leaf).all() for _, leaf in leaves(loaded.x) if leaf.dtype != bool
            )

    def test_it_gives_the_same_again(self, source: Any) -> None:
        """A study that is resumed asks again, and refuses other data."""
        first, second = self._load(source), self._load(source)
        if isinstance(first, Dataset) and isinstance(second, Dataset):
            assert first.fingerprint == second.fingerprint
        elif isinstance(first, Stream) and isinstance(second, Stream):
            assert first.num_batches == second.num_batches
            for one, other in zip(_first_batch(first), _first_batch(second), strict=True):
                np.testing.assert_array_equal(one, other)
        else:
            raise AssertionError(f"{type(first).__name__}, then {type(second).__name__}")

    def test_its_rows_can_be_divided(self, source: Any) -> None:
        """Into a training, a validation and, if it has one, a test part."""
        loaded = self._load(source)
        if isinstance(loaded, Stream):
            pytest.skip("batches are not divided")
        parts = split(loaded, validation=0.2, seed=0)
        assert parts.x_val is not None

    def _load(self, source: Any) -> Dataset | Stream:
        loaded: Dataset | Stream = load(source, **self.options)
        return loaded


def _first_batch(stream: Stream) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(leaf) for part in stream.source[0] for _, leaf in leaves(part)]
