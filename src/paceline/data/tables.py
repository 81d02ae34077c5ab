"""Tables: CSV and Parquet files and data frames, and how their columns become numbers.

A table keeps its columns as one float64 matrix: numbers as they are, categories as their index, NaN where missing.
Which features a column becomes is decided once, from all rows outside the test part, so that every split of a data set
has inputs of the same width. What is *fitted* (the medians that fill gaps, means and scales) is fitted by `split`, on
training rows alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.core import InvalidInput, MissingData
from paceline.data.records import Column
from paceline.data.trees import Array

if TYPE_CHECKING:
    import pandas as pd

OTHER, MISSING = "(other)", "(missing)"
_MAX_CATEGORIES = 30  # features that one categorical column may become
_MOSTLY_NUMBERS = 0.95  # share of parsable texts from which a column counts as numeric


def read_file(path: Path) -> "pd.DataFrame":
    """The table of a ``.csv``, ``.csv.gz`` or ``.parquet`` file.

    Raises:
        MissingData: no such file.
        InvalidInput: damaged, empty, or pyarrow is not installed.
    """
    import pandas as pd

    if not path.is_file():
        raise MissingData(f"{path} is not there", expected="a CSV or Parquet file")
    try:
        if path.suffix in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, na_values=["?"], low_memory=False, sep=_separator(path), skipinitialspace=True)
    except ImportError as error:
        raise InvalidInput(
            f"{path.name} is a Parquet file and pyarrow is not installed",
            expected="pyarrow",
            fix="Install it with: pip install 'paceline[parquet]'",
        ) from error
    except Exception as error:
        raise InvalidInput(
            f"{path} cannot be read as a table ({type(error).__name__}: {str(error).strip()})",
            expected="a complete file with a header line and rows of equal length",
            fix="It may be cut off or damaged, or of another format than its name says.",
        ) from error
    return frame


def _separator(path: Path) -> str:
    """The most frequent of the usual separators in the header line."""
    import gzip

    with gzip.open(path, "rt", errors="replace") if path.suffix == ".gz" else path.open(errors="replace") as lines:
        header = lines.readline()
    return max(",;\t|", key=header.count)


def named(frame: "pd.DataFrame", what: str) -> "pd.DataFrame":
    """The table with texts as column names.

    Raises:
        InvalidInput: two columns of the same name.
    """
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(
            f"{what} has more than one column named {', '.join(twice)}", expected="a name for each column"
        )
    return frame.set_axis(names, axis=1)


def take_target(frame: "pd.DataFrame", target: str | None, what: str) -> tuple["pd.DataFrame", "pd.Series[Any]"]:
    """The table without its target column, and that column.

    Raises:
        InvalidInput: no such column, no other column, or no rows.
    """
    frame = named(frame, what)
    columns = ", ".join(repr(column) for column in frame.columns[:60])
    if target is None:
        raise InvalidInput(f"target is not given for {what}", expected=f"the name of one of its columns: {columns}")
    if target not in frame.columns:
        raise InvalidInput(f"{what} has no column {target!r}", expected=f"a target among its columns: {columns}")
    if len(frame) == 0:
        raise InvalidInput(f"{what} has no rows", expected="a table with rows")
    if frame.shape[1] < 2:
        raise InvalidInput(f"{what} has no column besides {target!r}", expected="at least one column of inputs")
    return frame.drop(columns=target), frame[target]


def learn_columns(frame: "pd.DataFrame") -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """How each column of a table becomes numbers, and notes on what was dropped, gathered or to be filled.

    Args:
        frame: all rows outside the test part, without the target.

    Raises:
        InvalidInput: a column holds neither numbers, texts nor dates, or no column is of use.
    """
    columns, notes = [], []
    for name in frame.columns:
        column, note = _learn(frame[name])
        columns += [column] if column else []
        notes += [note] if note else []
    if not columns:
        raise InvalidInput("no column of the table can be used. " + " ".join(notes), expected="numbers or categories")
    return tuple(columns), tuple(notes)


def _learn(series: "pd.Series[Any]") -> tuple[Column | None, str]:
    name, rows = str(series.name), len(series)
    numbers = _numbers(series)
    if numbers is not None:
        missing = int((~np.isfinite(numbers)).sum())
        if missing == rows:
            return None, f"Column '{name}' is left out: it has no values."
        if name.startswith("Unnamed: ") and missing == 0 and np.all(np.diff(np.sort(numbers)) >= 1):
            return None, f"Column '{name}' is left out: it has no name and a number of its own for each row."
        note = f"{_values(missing)} in '{name}' filled with the median of the training part." if missing else ""
        return Column(name, "numeric", num_missing=missing), note
    texts = _texts(series)
    counts = texts.value_counts()
    missing = int(texts.isna().sum())
    if len(counts) == 0:
        return None, f"Column '{name}' is left out: it has no values."
    if len(counts) > _MAX_CATEGORIES and len(counts) > 0.5 * (rows - missing):
        return None, f"Column '{name}' is left out: nearly every row has its own text ({len(counts):,} different ones)."
    note = f"{_values(missing)} in '{name}' kept as a category of their own." if missing else ""
    kept = sorted(counts.index)
    if len(counts) > _MAX_CATEGORIES:
        ranked = sorted(counts.index, key=lambda value: (-counts[value], value))
        kept = [*sorted(ranked[: _MAX_CATEGORIES - 1]), OTHER]
        note += f" '{name}' has {len(counts)} categories: all but the {_MAX_CATEGORIES - 1} most frequent share one."
    return Column(name, "categorical", (*kept, MISSING) if missing else tuple(kept), missing), note.strip()


def _values(number: int) -> str:
    return f"{number:,} missing value{'s' if number > 1 else ''}"


def to_matrix(frame: "pd.DataFrame", columns: Sequence[Column], what: str) -> Array:
    """The table as float64 (rows, columns): numbers, category indices, NaN where missing.

    A category without a feature of its own counts as `OTHER` where the column has that, and is missing where not.

    Raises:
        InvalidInput: a column is missing from the table.
    """
    absent = [column.name for column in columns if column.name not in frame.columns]
    if absent:
        raise InvalidInput(f"{what} lacks the columns {', '.join(absent)}", expected="the training table's columns")
    matrix = np.empty((len(frame), len(columns)))
    for index, column in enumerate(columns):
        matrix[:, index] = _column(frame[column.name], column)
    return matrix


def _column(series: "pd.Series[Any]", column: Column) -> Array:
    if column.kind == "numeric":
        numbers = _numbers(series, force=True)
        return np.where(np.isfinite(numbers), numbers, np.nan)
    codes = {value: float(code) for code, value in enumerate(column.categories)}
    other, missing = codes.get(OTHER, np.nan), codes.get(MISSING, np.nan)
    texts = _texts(series)
    pairs = zip(texts, texts.isna(), strict=True)
    return np.asarray([missing if gap else codes.get(text, other) for text, gap in pairs])


def _numbers(series: "pd.Series[Any]", *, force: bool = False) -> Any:
    """The column as float64 with NaN for gaps; None where it is not a column of numbers (unless forced)."""
    import pandas as pd

    kinds = pd.api.types
    if kinds.is_datetime64_any_dtype(series.dtype):
        naive = series.dt.tz_convert(None) if getattr(series.dtype, "tz", None) else series
        return ((naive - pd.Timestamp(0)) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64, na_value=np.nan)
    if kinds.is_timedelta64_dtype(series.dtype):
        return series.dt.total_seconds().to_numpy(dtype=np.float64, na_value=np.nan)
    if kinds.is_numeric_dtype(series.dtype) and not kinds.is_complex_dtype(series.dtype):
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    if isinstance(series.dtype, pd.CategoricalDtype) and not force:
        return None
    parsed = pd.to_numeric(series.astype(object), errors="coerce")
    if force or parsed.notna().sum() >= _MOSTLY_NUMBERS * max(1, series.notna().sum()):
        return parsed.to_numpy(dtype=np.float64, na_value=np.nan)
    return None


def _texts(series: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column as texts, gaps staying gaps."""
    present = series[series.notna()]
    odd = next((value for value in present if not isinstance(value, str | int | float | bool | np.generic)), None)
    if odd is not None and not hasattr(odd, "isoformat"):
        raise InvalidInput(
            f"column {series.name!r} holds values of type {type(odd).__name__}", expected="numbers, texts or dates"
        )
    return series.astype(object).where(series.isna(), series.astype(str))


def to_features(matrix: Array, columns: Sequence[Column], medians: Array) -> Array:
    """The features of a table's matrix, float64 (rows, features): gaps filled, categories one-hot.

    Args:
        matrix: float64 (rows, columns), as `to_matrix` makes it.
        columns: what they are.
        medians: float64 (columns,), what fills the gaps of numeric columns.
    """
    parts = []
    for index, column in enumerate(columns):
        values = matrix[:, index, np.newaxis]
        if column.kind == "numeric":
            parts.append(np.where(np.isnan(values), medians[index], values))
        else:
            parts.append((values == np.arange(len(column.categories))).astype(np.float64))
    return np.concatenate(parts, axis=1)


def fit_medians(matrix: Array, columns: Sequence[Column]) -> Array:
    """What fills the gaps: the median of each numeric column, 0 where it has no values; NaN for categories."""
    medians = np.full(len(columns), np.nan)
    for index, column in enumerate(columns):
        if column.kind == "numeric":
            present = matrix[~np.isnan(matrix[:, index]), index]
            medians[index] = np.median(present) if len(present) else 0.0
    return medians
