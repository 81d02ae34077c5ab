"""Values of a table's columns as numbers and texts, and the matrix of a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.core import InvalidInput
from paceline.data import notation
from paceline.data.records import Column, starts_of
from paceline.data.texts import word_numbers
from paceline.data.trees import Array

if TYPE_CHECKING:
    import pandas as pd

OTHER, MISSING = "(other)", "(missing)"
"""Categories of rare or unknown values, and of missing ones."""

_MOSTLY_NUMBERS = 0.95  # fraction of numbers among the texts of a numeric column


def to_matrix(frame: "pd.DataFrame", columns: Sequence[Column], what: str) -> Array:
    """The table as float64 (rows, C): numbers, days, category indices, NaN if missing.

    C is the sum of the widths of the columns: a text has a number for each of its first words.

    A category without a feature of its own becomes `OTHER` if the column has that, else missing.

    Raises:
        InvalidInput: a column is missing from the table.
    """
    absent = [
        column.name for column in columns if column.name not in frame.columns and column.features
    ]
    if absent:
        raise InvalidInput(
            f"{what} lacks the columns {', '.join(absent)}", expected="the training table's columns"
        )
    matrix = np.full((len(frame), sum(column.width for column in columns)), np.nan)
    for start, column in zip(starts_of(columns), columns, strict=True):
        if column.name not in frame.columns:
            continue
        if column.has_texts:
            numbers = word_numbers(frame[column.name], column.categories, column.width)
            matrix[:, start : start + column.width] = numbers
        else:
            matrix[:, start] = _column(frame[column.name], column)
    return matrix


def _column(series: "pd.Series[Any]", column: Column) -> Array:
    if not column.has_categories:
        has_texts = column.form is not None and is_text(series)
        numbers = (
            notation.read(series, column.form).to_numpy() if has_texts and column.form else None
        )
        numbers = numbers_of(series, force=True) if numbers is None else numbers
        return np.where(np.isfinite(numbers), numbers, np.nan)
    codes = {value: float(code) for code, value in enumerate(column.categories)}
    other, missing = codes.get(OTHER, np.nan), codes.get(MISSING, np.nan)
    texts = texts_of(series)
    pairs = zip(texts, texts.isna(), strict=True)
    return np.asarray([missing if gap else codes.get(text, other) for text, gap in pairs])


def unreadable(frame: "pd.DataFrame", columns: Sequence[Column], matrix: Array) -> str:
    """Says which values were neither missing nor of their column's kind; empty if there are none.

    Args:
        frame: a table.
        columns: how its columns became numbers.
        matrix: the numbers, from `to_matrix`.
    """
    found = []
    for start, column in zip(starts_of(columns), columns, strict=True):
        if column.has_categories or column.has_texts or not column.features:
            continue
        count = len(notation.present(frame[column.name][np.isnan(matrix[:, start])]))
        if count:
            is_date = column.form is not None and column.form.date
            kind = "date" if is_date else "finite number"
            are = f"value of {column.name!r} is not a {kind}"
            if count > 1:
                are = f"values of {column.name!r} are not {kind}s"
            found.append(f"{count:,} {are}")
    return f"{'; '.join(found)}: treated as missing." if found else ""


def is_text(series: "pd.Series[Any]") -> bool:
    """Whether a column contains texts or dates as Python objects, beside missing values."""
    import pandas as pd

    if not (
        pd.api.types.is_object_dtype(series.dtype) or pd.api.types.is_string_dtype(series.dtype)
    ):
        return False
    present = series[series.notna()]
    return any(isinstance(value, str) or hasattr(value, "isoformat") for value in present)


def is_date(series: "pd.Series[Any]") -> bool:
    """Whether a column contains timestamps."""
    import pandas as pd

    return bool(pd.api.types.is_datetime64_any_dtype(series.dtype))


def numbers_of(series: "pd.Series[Any]", *, force: bool = False) -> Any:
    """The column as float64 with NaN; None if it is not numeric (unless forced)."""
    import pandas as pd

    kinds = pd.api.types
    if kinds.is_datetime64_any_dtype(series.dtype):
        return notation.days(series).to_numpy(dtype=np.float64, na_value=np.nan)
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


def texts_of(series: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column as texts; missing values stay missing."""
    present = series[series.notna()]
    odd = next(
        (
            value
            for value in present
            if not isinstance(value, str | int | float | bool | np.generic)
        ),
        None,
    )
    if odd is not None and not hasattr(odd, "isoformat"):
        raise InvalidInput(
            f"column {series.name!r} contains values of type {type(odd).__name__}",
            expected="numbers, texts or dates",
        )
    return series.astype(object).where(series.isna(), series.astype(str))
