"""Tables: data frames, from files or from memory, and how their columns become numbers.

A table keeps its columns as one matrix, the form in which its rows reach a model that leaves the
study: numbers as they are, dates as days since 1970, categories as their index, NaN where missing.
Which features a column becomes is decided once, from all rows outside the test part, so that every
split of a data set has inputs of the same width. What is *fitted* (the medians that fill gaps,
means and scales) is fitted by `split`, on training rows alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.core import InvalidInput, did_you_mean
from paceline.data import notation
from paceline.data.notation import Decimal, Form
from paceline.data.records import Column
from paceline.data.trees import Array

if TYPE_CHECKING:
    import pandas as pd

OTHER, MISSING = "(other)", "(missing)"
_MAX_CATEGORIES = 30  # features that one categorical column may become
_NEARLY_ALL, _FEW = 0.9, 10  # so great a share of different texts, and so many, name the rows
# Names of keys; a whole number that ends in "index" or "number" may be a quantity (a price index,
# an atomic number).
_KEY = re.compile(
    r"(?i:^(?:index|key|row|rownum|row[_ .-]number|number)$|(?:^|[_ "
    r".-])(?:id|nr|no|idx)\.?$)|[a-z]I[dD]$|^#$"
)
_MOSTLY_NUMBERS = 0.95  # share of parsable texts from which a column counts as numeric


@dataclass(frozen=True, slots=True)
class Writing:
    """How the texts of a table are to be understood.

    Attributes:
        decimal: the decimal mark, where it is known.
        is_semicolon: whether it comes from a file whose columns are separated by semicolons.
        numbering: columns that number the rows.
        as_before: read it as the first version of Paceline did, for studies that were made by it.
    """

    decimal: Decimal | None = None
    is_semicolon: bool = False
    numbering: frozenset[str] = frozenset()
    as_before: bool = False


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learnt of a table.

    Attributes:
        columns: those that its matrix has, in their order.
        became: of every column, its name and what became of it, in a few words.
        notes: sentences on what was left out, gathered, read from texts or is to be filled.
    """

    columns: tuple[Column, ...]
    became: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def named(frame: "pd.DataFrame", what: str) -> "pd.DataFrame":
    """The table with texts as column names.

    Raises:
        InvalidInput: two columns of the same name.
    """
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(
            f"{what} has more than one column named {', '.join(twice)}",
            expected="a name for each column",
        )
    return frame.set_axis(names, axis=1)


def take_target(
    frame: "pd.DataFrame", target: Any, what: str
) -> tuple["pd.DataFrame", "pd.Series[Any]"]:
    """The table without its target column, and that column.

    Raises:
        InvalidInput: no such column, no other column, or no rows.
    """
    frame = named(frame, what)
    columns = ", ".join(repr(column) for column in frame.columns[:60])
    if target is None:
        raise InvalidInput(
            f"target is not given for {what}", expected=f"the name of one of its columns: {columns}"
        )
    if not isinstance(target, str | int) or isinstance(target, bool):
        raise InvalidInput(
            f"target is {target!r}", expected=f"the name of one of the columns: {columns}"
        )
    target = str(target)
    if target not in frame.columns:
        expected, fix = (
            f"a target among its columns: {columns}",
            did_you_mean(target, frame.columns),
        )
        raise InvalidInput(f"{what} has no column {target!r}", expected=expected, fix=fix)
    if len(frame) == 0:
        raise InvalidInput(f"{what} has no rows", expected="a table with rows")
    if frame.shape[1] < 2:
        raise InvalidInput(
            f"{what} has no column besides {target!r}", expected="at least one column of inputs"
        )
    return frame.drop(columns=target), frame[target]


def writing_of(
    frame: "pd.DataFrame",
    decimal: Decimal | None = None,
    *,
    is_semicolon: bool = False,
    as_before: bool = False,
) -> Writing:
    """How the texts of a table are to be understood, by all of its rows in their order.

    Args:
        frame: all rows, without the target.
        decimal: the decimal mark, where the user or the file says it.
        is_semicolon: whether it comes from a file whose columns are separated by semicolons.
        as_before: see `Writing`.
    """
    if as_before:
        return Writing(as_before=True)
    if decimal is None:
        texts = (frame[name] for name in frame.columns if _is_text(frame[name]))
        decimal = notation.table_decimal(texts)
    numbering = frozenset(name for name in frame.columns if _numbers_rows(frame[name]))
    return Writing(decimal, is_semicolon, numbering)


def learn_columns(frame: "pd.DataFrame", writing: Writing) -> Learned:
    """How each column of a table becomes numbers.

    Args:
        frame: all rows outside the test part, without the target.
        writing: how its texts are to be understood.

    Raises:
        InvalidInput: a column holds neither numbers, texts nor dates, or no column is of use.
    """
    columns, became, notes = [], [], []
    for name in frame.columns:
        column, told, note = _learn(frame[name], writing)
        columns += [column] if column else []
        became.append((str(name), told))
        notes += [note] if note else []
    if not any(column.features for column in columns):
        raise InvalidInput(
            "no column of the table can be used. " + " ".join(notes),
            expected="numbers or categories",
        )
    return Learned(tuple(columns), tuple(became), tuple(notes))


def _learn(series: "pd.Series[Any]", writing: Writing) -> tuple[Column | None, str, str]:
    """The column or None, what becomes of it, and a note or ``""``."""
    name = str(series.name)
    form = None
    if not writing.as_before and _is_text(series):
        form = notation.recognise(series, writing.decimal, writing.is_semicolon)
    numbers = _numbers(series) if form is None else notation.read(series, form).to_numpy()
    if numbers is None:
        return _learn_texts(series, writing.as_before)
    missing = int((~np.isfinite(numbers)).sum())
    if missing == len(series):
        return _left_out(name, "it has no values")
    if writing.as_before and missing == 0 and _is_unnamed_key(name, numbers):
        return _left_out(name, "it has no name and a number of its own for each row")
    column = Column(name, "numeric", num_missing=missing, form=form)
    if name in writing.numbering:
        _, told, note = _left_out(name, "it numbers the rows")
        return replace(column, kind="unused"), told, note
    if form is None and _is_date(series) and not writing.as_before:
        column = replace(column, form=Form(date=notation.ISO))
        told, note = "a date: days since 1970", ""
    elif form is None:
        told, note = "a number", ""
    else:
        told, note = form.became, f"Column '{name}' holds {form.told}."
    if missing:
        told += f", {_values(missing)} filled with the median"
        note += f" {_values(missing)} in '{name}' filled with the median of the training part."
    return column, told, note.strip()


def _learn_texts(series: "pd.Series[Any]", as_before: bool) -> tuple[Column | None, str, str]:
    name, rows = str(series.name), len(series)
    texts = _texts(series)
    counts = texts.value_counts()
    missing = int(texts.isna().sum())
    if len(counts) == 0:
        return _left_out(name, "it has no values")
    share = len(counts) / (rows - missing)
    nearly_all = not as_before and len(counts) > _FEW and share > _NEARLY_ALL
    if nearly_all or (len(counts) > _MAX_CATEGORIES and share > 0.5):
        column, told, note = _left_out(
            name, f"nearly every row has its own text ({len(counts):,} different ones)"
        )
        return (
            column,
            told,
            f"{note} Free text can be made numbers before: keras.layers.TextVectorization.",
        )
    told = f"{len(counts)} categories" if len(counts) > 1 else "one category"
    note = ""
    if missing:
        told += f" and one for {_values(missing)}"
        note = f"{_values(missing)} in '{name}' kept as a category of their own."
    kept = sorted(counts.index)
    if len(counts) > _MAX_CATEGORIES:
        ranked = sorted(counts.index, key=lambda value: (-counts[value], value))
        kept = [*sorted(ranked[: _MAX_CATEGORIES - 1]), OTHER]
        told += f", all but the {_MAX_CATEGORIES - 1} most frequent in one"
        note += f" '{name}' has {len(counts)} categories: all but the {_MAX_CATEGORIES - 1} most frequent share one."
    column = Column(name, "categorical", (*kept, MISSING) if missing else tuple(kept), missing)
    return column, told, note.strip()


def _left_out(name: str, why: str) -> tuple[None, str, str]:
    return None, f"left out: {why}", f"Column '{name}' is left out: {why}."


def _values(number: int) -> str:
    return f"{number:,} missing value{'s' if number > 1 else ''}"


def _numbers_rows(series: "pd.Series[Any]") -> bool:
    """Whether a column counts the rows in their order, from 0 or from 1.

    Where its name says that it is a key, or where it has none, any whole numbers that are all
    different will do.
    """
    import pandas as pd

    kinds = pd.api.types
    is_number = kinds.is_numeric_dtype(series.dtype) and not kinds.is_complex_dtype(series.dtype)
    if not is_number or kinds.is_bool_dtype(series.dtype) or len(series) < 3 or series.isna().any():
        return False
    numbers = series.to_numpy(dtype=np.float64)
    name = str(series.name)
    is_named = (
        _KEY.search(name) is not None
        and len(numbers) > _FEW
        and bool(np.all(numbers == np.round(numbers)))
    )
    if _is_unnamed_key(name, numbers) or (is_named and len(np.unique(numbers)) == len(numbers)):
        return True
    return bool(
        numbers[0] in (0, 1) and np.array_equal(numbers - numbers[0], np.arange(len(numbers)))
    )


def _is_unnamed_key(name: str, numbers: Array) -> bool:
    """Whether a column without a name has another whole number in each row, as where a frame's
    index was written.
    """
    return name.startswith("Unnamed: ") and bool(np.all(np.diff(np.sort(numbers)) >= 1))


def to_matrix(frame: "pd.DataFrame", columns: Sequence[Column], what: str) -> Array:
    """The table as float64 (rows, columns): numbers, days, category indices, NaN where missing.

    A category without a feature of its own counts as `OTHER` where the column has that, and is
    missing where not.

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
    matrix = np.full((len(frame), len(columns)), np.nan)
    for index, column in enumerate(columns):
        if column.name in frame.columns:
            matrix[:, index] = _column(frame[column.name], column)
    return matrix


def _column(series: "pd.Series[Any]", column: Column) -> Array:
    if column.kind != "categorical":
        is_text = column.form is not None and _is_text(series)
        numbers = notation.read(series, column.form).to_numpy() if is_text and column.form else None
        numbers = _numbers(series, force=True) if numbers is None else numbers
        return np.where(np.isfinite(numbers), numbers, np.nan)
    codes = {value: float(code) for code, value in enumerate(column.categories)}
    other, missing = codes.get(OTHER, np.nan), codes.get(MISSING, np.nan)
    texts = _texts(series)
    pairs = zip(texts, texts.isna(), strict=True)
    return np.asarray([missing if gap else codes.get(text, other) for text, gap in pairs])


def _is_text(series: "pd.Series[Any]") -> bool:
    """Whether a column holds texts or dates as Python objects, beside gaps."""
    import pandas as pd

    if not (
        pd.api.types.is_object_dtype(series.dtype) or pd.api.types.is_string_dtype(series.dtype)
    ):
        return False
    present = series[series.notna()]
    return any(isinstance(value, str) or hasattr(value, "isoformat") for value in present)


def _is_date(series: "pd.Series[Any]") -> bool:
    import pandas as pd

    return bool(pd.api.types.is_datetime64_any_dtype(series.dtype))


def _numbers(series: "pd.Series[Any]", *, force: bool = False) -> Any:
    """The column as float64 with NaN for gaps; None where it is not a column of numbers (unless
    forced).
    """
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


def _texts(series: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column as texts, gaps staying gaps."""
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
            f"column {series.name!r} holds values of type {type(odd).__name__}",
            expected="numbers, texts or dates",
        )
    return series.astype(object).where(series.isna(), series.astype(str))


def target_numbers(y: Any, name: str, writing: Writing) -> tuple[Any, Form | None]:
    """A target that is written as texts, as numbers, and its form; as it is where it is none.

    Args:
        y: a target of one axis.
        name: its name.
        writing: how the texts of its table are to be understood.

    Raises:
        InvalidInput: most of its values are numbers, and some are not.
    """
    import pandas as pd

    if not isinstance(y, pd.Series) and getattr(y, "dtype", np.dtype(object)).kind not in "OUS":
        return y, None
    series = pd.Series(y, name=name)
    if (
        series.isna().any()
        or not _is_text(series)
        or not pd.to_numeric(series, errors="coerce").isna().any()
    ):
        return y, None
    form = notation.recognise(series, writing.decimal, writing.is_semicolon)
    if form is None or form.date:
        return y, None
    numbers = notation.read(series, form)
    odd = series[numbers.isna()]
    if len(odd):
        raise InvalidInput(
            f"the target {name} holds {odd.iloc[0]!r} in {len(odd):,} of {len(series):,} rows",
            expected=form.told,
            fix="Drop these rows, or pass task='classification' if they are classes.",
        )
    return numbers, form
