"""From whatever the user has to unprepared arrays or tables: one reader for each kind of source."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from paceline.core import InvalidInput, MissingData, did_you_mean, shown
from paceline.data import added, arrays, california, download, files, places, tables
from paceline.data.files import pixels
from paceline.data.notation import Decimal
from paceline.data.reading import ENDINGS, read_table
from paceline.data.registry import SOURCES, Source
from paceline.data.trees import is_branch

_ARRAYS = "arrays"  # the name of a data set that was passed as arrays
_TUPLES = "(x, y), (x, y, x_test, y_test) or ((x, y), (x_test, y_test))"
_ALONE_TEST = "For a model of x alone, pass (x_test, x_test)."
_ALONE = "For an autoencoder or another model of x alone, pass (x, x)."


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """What a reader hands over.

    Attributes:
        x, y, x_test, y_test: unprepared; x and x_test may be data frames; the last two None without
        a test part. name, target_name, class_names, feature_names, has_pixels, notes: as in
        `Dataset`.
        from_file: whether it came from a file or a name, as opposed to memory.
        decimal: of a table, the decimal mark of its numbers where that is known.
        is_semicolon: whether it comes from a file whose columns are separated by semicolons.
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


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads sources.

    Attributes:
        target: the column to predict, for tables.
        data_dir: where to look for named data sets first.
        known: further named data sets.
        decimal: the decimal mark of a table's numbers, where the user says it.
        as_before: whether files are read as the first version of Paceline did.
    """

    target: Any
    data_dir: str | os.PathLike[str] | None
    known: Mapping[str, Source]
    decimal: Decimal | None = None
    as_before: bool = False

    def read(self, source: Any, named: str | None = None) -> Raw:
        """The contents of a path, a data frame, a tuple of arrays, or what a data source returned.

        Args:
            source: the data.
            named: the name for which a data source returned them, such as ``"digits"``.

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
        target = self.target
        if arrays.is_frame(source):
            x, y = tables.take_target(source, target, "the data frame")
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
            raise InvalidInput(
                f"data is {shown(source) if isinstance(source, int | float | bytes) else type(source).__name__}",
                expected=f"a name, a path, {_TUPLES}, a pandas data frame with target=..., or a "
                f"keras.utils.PyDataset",
                fix=_instead(source),
            )
        if target is not None and (isinstance(source, tuple) or not arrays.is_frame(raw.x)):
            raise InvalidInput(
                f"target is {target!r} and {_called(raw)} has its target apart",
                expected="target=None",
            )
        return raw

    def with_test(self, raw: Raw, test: Any) -> Raw:
        """The source with the test part that the user wants, as far as it is not to be drawn from
        its rows.

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
                    f"test is {str(test)!r} and {_called(raw)} is no table",
                    expected="(x_test, y_test)",
                )
            path = Path(test).expanduser()
            held_out = read_table(path, raw.decimal, as_before=self.as_before)
            x, y = tables.take_target(held_out.frame, self.target, str(test))
            return replace(raw, x_test=x, y_test=y)
        if test != "auto" and raw.y_test is not None:
            raise InvalidInput(
                f"test is {test!r} and {_called(raw)} has its own test part",
                expected="test='auto' or None",
            )
        return raw

    def _from_path(self, source: str | os.PathLike[str]) -> Raw:
        path = Path(source).expanduser()
        if isinstance(source, str) and not path.exists():
            for place in places.idx_folders(self.data_dir):
                if place.name == source:
                    return Raw(place.name, *files.read_idx_folder(place), target_name="class")
            if not path.suffix and len(path.parts) == 1:
                raise _unknown(source, self.data_dir)
        if not path.exists():
            raise MissingData(
                f"{path} is not there",
                expected="a folder of idx files, or an .npz, .csv or .parquet file",
            )
        if path.is_dir():
            return Raw(path.name, *files.read_idx_folder(path), target_name="class")
        if path.name.lower().endswith(ENDINGS):
            return self._from_table(path)
        if path.suffix.lower() == ".npz":
            parts, has_pixels = files.read_npz(path)
            if has_pixels and self.as_before:
                x, y, x_test, y_test = parts
                parts, has_pixels = (
                    (pixels(x), y, None if x_test is None else pixels(x_test), y_test),
                    False,
                )
            return Raw(path.name, *parts, has_pixels=has_pixels)
        raise InvalidInput(
            f"data is the file {path}",
            expected="a name that ends in .npz, .csv, .csv.gz or .parquet",
        )

    def _from_table(self, path: Path) -> Raw:
        table = read_table(path, self.decimal, as_before=self.as_before)
        x, y = tables.take_target(table.frame, self.target, path.name)
        return Raw(
            path.name,
            x,
            y,
            target_name=str(self.target),
            decimal=table.decimal,
            is_semicolon=table.is_semicolon,
            notes=table.notes,
        )


def _from_registry(source: Source, request: added.DataRequest) -> Raw:
    """A named data set, as a data source."""
    if request.argument:
        raise InvalidInput(
            f"data is {f'{source.name}:{request.argument}'!r}",
            expected=f"{source.name!r}, which has no parts",
        )
    return _named(source, request.data_dir)


def _named(source: Source, data_dir: str | os.PathLike[str] | None) -> Raw:
    if source.form == "bundled":
        from sklearn.datasets import load_digits

        digits = load_digits()
        return Raw(
            source.name, (digits.images / 16).astype(np.float32), digits.target, target_name="digit"
        )
    folder = places.find(source, data_dir) or download.fetch(source)
    if source.form == "california":
        x, y = california.read(places.california_file(folder))
        return Raw(
            source.name, x, y, feature_names=california.FEATURES, target_name=california.TARGET
        )
    return Raw(
        source.name,
        *files.read_idx_folder(folder),
        class_names=source.class_names,
        target_name="class",
    )


for _source in SOURCES.values():
    added.sources.register(partial(_from_registry, _source), _source.name)


def _unknown(name: str, data_dir: str | os.PathLike[str] | None) -> MissingData:
    known = added.sources.names()
    folders = [place.name for place in places.idx_folders(data_dir) if place.name not in known]
    every = [*known, *folders]
    return MissingData(
        f"there is no data set named {name!r}, and no such file",
        expected=f"one of {', '.join(every)}, or a path",
        fix=did_you_mean(name.partition(":")[0].replace("-", "_"), every)
        or "If a package provides it, install that package.",
    )


def _called(raw: Raw) -> str:
    """What a source is called in a message."""
    return "the data" if raw.name == _ARRAYS else raw.name


def _instead(source: object) -> str:
    """What to do with data of a type that is not taken."""
    if hasattr(source, "shape") or is_branch(source):
        return f"Pass x and y as a tuple. {_ALONE}" if isinstance(source, list) else _ALONE
    return "Wrap generators and loaders of other libraries in a keras.utils.PyDataset."


def _from_tuple(source: tuple[Any, ...]) -> Raw:
    if len(source) == 2 and all(isinstance(part, tuple) and len(part) == 2 for part in source):
        source = (*source[0], *source[1])
    if len(source) not in (2, 4):
        fix = {1: _ALONE, 3: "Pass sample weights as sample_weight=..."}.get(len(source), "")
        raise InvalidInput(f"data is a tuple of {len(source)}", expected=_TUPLES, fix=fix)
    x, y, x_test, y_test = (*source, None, None)[:4]
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
    )


def take_column(raw: Raw, column: str, what: str) -> tuple[Raw, Any]:
    """The source without a column that is no input, and that column; ``what`` it is:
    ``"sample_weight"``.

    Raises:
        InvalidInput: no table, or no such column.
    """
    if not arrays.is_frame(raw.x):
        raise InvalidInput(
            f"{what} is {column!r} and {_called(raw)} is no table", expected="an array"
        )
    x, taken = tables.take_target(raw.x, column, raw.name)
    return replace(raw, x=x), taken
