"""Reading of data sources: names, paths, data frames and arrays."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from paceline.core import InvalidInput, MissingData, did_you_mean, shown
from paceline.data import (
    array_files,
    arrays,
    california,
    data_folders,
    download,
    idx,
    source_registry,
    table_columns,
)
from paceline.data.array_files import pixels
from paceline.data.named_sets import NAMED_SETS, NamedSet
from paceline.data.notation import Decimal
from paceline.data.table_files import ENDINGS, read_table
from paceline.data.trees import is_branch
from paceline.data.wrong_forms import instead_of, no_data_file, no_data_folder

_ARRAYS = "arrays"  # the name of a data set passed as arrays
_TUPLES = "(x, y), (x, y, sample_weight), (x, y, x_test, y_test) or ((x, y), (x_test, y_test))"
_ALONE_TEST = "For a model of x alone, pass (x_test, x_test)."
_ALONE = "For an autoencoder or another model of x alone, pass (x, x)."


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """Data as read from their source.

    Attributes:
        x, y, x_test, y_test: unprepared; x and x_test may be data frames; the last two are None
            without a test set.
        name, target_name, class_names, feature_names, has_pixels, notes: as in `Dataset`.
        from_file: whether it came from a file or a name, not from memory.
        decimal: the decimal mark of a table's numbers, if known.
        is_semicolon: whether it comes from a file whose columns are separated by semicolons.
        sample_weight: one number for each row of x, or None.
        groups: of each row of x, or None.
        batch_size: rows of a batch of the source, if it gives batches.
    """

    name: str
    x: Any
    y: Any
    x_test: Any = None
    y_test: Any = None
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    target_name: str = "y"
    from_file: bool = True
    has_pixels: bool = False
    decimal: Decimal | None = None
    is_semicolon: bool = False
    notes: tuple[str, ...] = ()
    sample_weight: Any = None
    groups: Any = None
    batch_size: int | None = None


@dataclass(frozen=True, slots=True)
class SourceReader:
    """Reads sources.

    Attributes:
        target: the column to predict, for tables.
        data_dir: where to look for named data sets first.
        known: further named data sets.
        decimal: the decimal mark of a table's numbers, if the user passed it.
        as_before: whether to read files as the first version of Paceline did.
    """

    target: Any
    data_dir: str | os.PathLike[str] | None
    known: Mapping[str, NamedSet]
    decimal: Decimal | None = None
    as_before: bool = False

    def read(self, source: Any, named: str | None = None) -> Raw:
        """Reads a path, a data frame, a tuple of arrays, or the result of a data source.

        Args:
            source: the data.
            named: the name of the data source that returned them, such as ``"digits"``.

        Raises:
            MissingData, InvalidInput: see `paceline.data.load`.
        """
        if named is None:
            return self._read(source)
        try:
            raw = self._read(source)
        except MissingData:
            raise
        except InvalidInput as error:
            raise InvalidInput(
                f"data source {named!r}: {error.passed}", expected=error.expected, fix=error.fix
            ) from error
        return replace(raw, name=named, from_file=True)

    def _read(self, source: Any) -> Raw:
        """Reads a source by its type."""
        target = self.target
        if arrays.is_frame(source):
            x, y = table_columns.take_target(source, target, "the data frame")
            return Raw(
                "data frame", x, y, target_name=str(target), from_file=False, decimal=self.decimal
            )
        if isinstance(source, Raw):
            raw = source
        elif isinstance(source, str) and source in self.known:
            raw = _named(self.known[source], self.data_dir)
        elif isinstance(source, str | os.PathLike):
            raw = self._from_path(source)
        elif isinstance(source, tuple):
            raw = replace(_from_tuple(source), decimal=self.decimal)
        else:
            is_plain = isinstance(source, int | float | bytes)
            raise InvalidInput(
                f"data is {shown(source) if is_plain else type(source).__name__}",
                expected=f"a name, a path, {_TUPLES}, a data frame with target=..., or batches "
                "(x, y): a tf.data.Dataset, DataLoader, PyDataset, or a function that returns an "
                "iterator",
                fix=_instead(source),
            )
        if target is not None and (isinstance(source, tuple) or not arrays.is_frame(raw.x)):
            raise InvalidInput(
                f"target is {target!r} and {_called(raw)} has a separate target",
                expected="target=None",
            )
        return raw

    def with_test(self, raw: Raw, test: Any) -> Raw:
        """Adds the test set that the user passed, unless it is to be drawn.

        Raises:
            InvalidInput: see `paceline.data.load`.
        """
        if test is None:
            return replace(raw, x_test=None, y_test=None)
        if hasattr(test, "ndim") and test.ndim:
            raise InvalidInput(
                f"test is {type(test).__name__}", expected="(x_test, y_test)", fix=_ALONE_TEST
            )
        if isinstance(test, tuple):
            if len(test) != 2:
                raise InvalidInput(f"test is a tuple of {len(test)}", expected="(x_test, y_test)")
            return replace(raw, x_test=test[0], y_test=test[1])
        if isinstance(test, os.PathLike) or (isinstance(test, str) and test != "auto"):
            if not arrays.is_frame(raw.x):
                raise InvalidInput(
                    f"test is {str(test)!r} and {_called(raw)} is not a table",
                    expected="(x_test, y_test)",
                )
            path = Path(test).expanduser()
            held_out = read_table(path, raw.decimal, as_before=self.as_before)
            x, y = table_columns.take_target(held_out.frame, self.target, str(test))
            return replace(raw, x_test=x, y_test=y)
        if test != "auto" and raw.y_test is not None:
            raise InvalidInput(
                f"test is {test!r} and {_called(raw)} has its own test set",
                expected="test='auto' or None",
            )
        return raw

    def _from_path(self, source: str | os.PathLike[str]) -> Raw:
        """Reads a file or a folder, or a folder of idx files by its name."""
        path = Path(source).expanduser()
        if isinstance(source, str) and not path.exists():
            for place in data_folders.idx_folders(self.data_dir):
                if place.name == source:
                    return Raw(place.name, *array_files.read_idx_folder(place), target_name="class")
            if not path.suffix and len(path.parts) == 1:
                raise _unknown(source, self.data_dir)
        if not path.exists():
            raise MissingData(
                f"{path} does not exist",
                expected="a folder of idx files, or an .npz, .csv, .tsv or .parquet file",
            )
        if path.is_dir() and not idx.find(path):
            raise no_data_folder(path)
        if path.is_dir():
            return Raw(path.name, *array_files.read_idx_folder(path), target_name="class")
        if path.name.lower().endswith(ENDINGS):
            return self._from_table(path)
        if path.suffix.lower() == ".npz":
            parts, has_pixels = array_files.read_npz(path)
            if has_pixels and self.as_before:
                x, y, x_test, y_test = parts
                parts, has_pixels = (
                    (pixels(x), y, None if x_test is None else pixels(x_test), y_test),
                    False,
                )
            return Raw(path.name, *parts, has_pixels=has_pixels)
        raise no_data_file(path)

    def _from_table(self, path: Path) -> Raw:
        table = read_table(path, self.decimal, as_before=self.as_before)
        x, y = table_columns.take_target(table.frame, self.target, path.name)
        return Raw(
            path.name,
            x,
            y,
            target_name=str(self.target),
            decimal=table.decimal,
            is_semicolon=table.is_semicolon,
            notes=table.notes,
        )


def _from_registry(source: NamedSet, request: source_registry.DataRequest) -> Raw:
    """A named data set as a data source."""
    if request.argument:
        raise InvalidInput(
            f"data is {f'{source.name}:{request.argument}'!r}",
            expected=f"{source.name!r}, which has no parts",
        )
    return _named(source, request.data_dir)


def _named(source: NamedSet, data_dir: str | os.PathLike[str] | None) -> Raw:
    """Reads a data set that Paceline knows by name; downloads it if it is not on this machine."""
    if source.form == "bundled":
        from sklearn.datasets import load_digits

        digits = load_digits()
        return Raw(
            source.name, (digits.images / 16).astype(np.float32), digits.target, target_name="digit"
        )
    folder = data_folders.find(source, data_dir) or download.fetch(source)
    if source.form == "california":
        x, y = california.read(data_folders.california_file(folder))
        return Raw(
            source.name, x, y, feature_names=california.FEATURES, target_name=california.TARGET
        )
    return Raw(
        source.name,
        *array_files.read_idx_folder(folder),
        class_names=source.class_names,
        target_name="class",
    )


for _source in NAMED_SETS.values():
    source_registry.sources.register(partial(_from_registry, _source), _source.name)


def _unknown(name: str, data_dir: str | os.PathLike[str] | None) -> MissingData:
    known = source_registry.sources.names()
    folders = [
        place.name for place in data_folders.idx_folders(data_dir) if place.name not in known
    ]
    every = [*known, *folders]
    return MissingData(
        f"there is no data set named {name!r}, and no such file",
        expected=f"one of {', '.join(every)}, or a path",
        fix=did_you_mean(name.partition(":")[0].replace("-", "_"), every)
        or "If a package provides it, install that package.",
    )


def _called(raw: Raw) -> str:
    """The name of a source in messages."""
    return "the data" if raw.name == _ARRAYS else raw.name


def _instead(source: object) -> str:
    """Advice for data of an unsupported type."""
    if isinstance(source, Mapping) and (fix := instead_of(source)):
        return fix
    if isinstance(source, list) and source and all(isinstance(one, tuple) for one in source):
        return "Pass batches (x, y) in a list as a function: lambda: batches."
    if hasattr(source, "shape") or is_branch(source):
        return f"Pass x and y as a tuple. {_ALONE}" if isinstance(source, list) else _ALONE
    return "For data of other kinds pass a function that returns an iterator of batches (x, y)."


def _from_tuple(source: tuple[Any, ...]) -> Raw:
    """Takes ``(x, y)``, with weights or a test set, as Keras does."""
    if len(source) == 2 and all(isinstance(part, tuple) and len(part) == 2 for part in source):
        source = (*source[0], *source[1])
    if len(source) not in (2, 3, 4):
        fix = _ALONE if len(source) == 1 else ""
        raise InvalidInput(f"data is a tuple of {len(source)}", expected=_TUPLES, fix=fix)
    weight, source = (source[2], source[:2]) if len(source) == 3 else (None, source)
    x, y, x_test, y_test = (*source, None, None)[:4]
    if isinstance(y, str) and arrays.is_frame(x):
        raise InvalidInput(
            f"data is (a data frame, {y!r})",
            expected="the data frame, with target=",
            fix=f"Pass the frame alone and target={y!r}.",
        )
    if x is None or y is None:
        missing = "x" if x is None else "y"
        raise InvalidInput(f"data is a tuple whose {missing} is None", expected=_TUPLES, fix=_ALONE)
    name = getattr(y, "name", None)
    return Raw(
        _ARRAYS,
        x,
        y,
        x_test,
        y_test,
        target_name=name if isinstance(name, str) else "y",
        from_file=False,
        sample_weight=weight,
    )


def take_column(raw: Raw, column: str, what: str) -> tuple[Raw, Any]:
    """Removes a column that is not an input, and returns it; ``what`` is its use.

    Raises:
        InvalidInput: not a table, or no such column.
    """
    if not arrays.is_frame(raw.x):
        raise InvalidInput(
            f"{what} is {column!r} and {_called(raw)} is not a table", expected="an array"
        )
    x, taken = table_columns.take_target(raw.x, column, raw.name)
    return replace(raw, x=x), taken
