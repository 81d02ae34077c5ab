"""Conversion of a table's columns to numbers.

A table is stored as one matrix, the form in which its rows reach an exported model: numbers
unchanged, dates as days since 1970, categories as their index, NaN if missing. The features of a
column are decided once, from all rows outside the test set, so that every split of a data set has
inputs of the same width. Parameters (the medians for missing values, means and scales) are fitted
by `split`, to training rows alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from paceline.core import InvalidInput, did_you_mean
from paceline.data import notation
from paceline.data.notation import Decimal, Form
from paceline.data.records import Column, features_of
from paceline.data.table_values import MISSING, OTHER, is_date, is_text, numbers_of, texts_of
from paceline.data.texts import is_prose, learn_words, width_of
from paceline.data.trees import Array

if TYPE_CHECKING:
    import pandas as pd

_MAX_CATEGORIES = 30  # features of one categorical column
_MAX_CODES = 1000  # categories of one coded column
_NEARLY_ALL, _FEW = 0.9, 10  # fraction and minimum number of different texts of a row's name
# Names of keys; a whole number whose name ends in "index" or "number" may be a quantity (a price
# index, an atomic number).
_KEY = re.compile(
    r"(?i:^(?:index|key|row|rownum|row[_ .-]number|number)$|(?:^|[_ "
    r".-])(?:id|nr|no|idx)\.?$)|[a-z]I[dD]$|^#$"
)


_Use = tuple[Column | None, str, str]
"""A column or None, its use in a few words, and a note or ``""``."""


@dataclass(frozen=True, slots=True)
class TableNotation:
    """How to read the texts of a table.

    Attributes:
        decimal: the decimal mark, if known.
        is_semicolon: whether it comes from a file whose columns are separated by semicolons.
        numbering: columns that number the rows.
        as_before: read it as the first version of Paceline did, for studies of that version.
        coded: whether a category becomes its index, and not a feature of its own.
        texts: what columns of texts become, see `paceline.data.texts`; one mode for all that have
            several words, or a mode by column.
        texts_alone: whether all other columns of a table that has texts are left out.
    """

    decimal: Decimal | None = None
    is_semicolon: bool = False
    numbering: frozenset[str] = frozenset()
    as_before: bool = False
    coded: bool = False
    texts: str | Mapping[str, str] = "off"
    texts_alone: bool = False

    def mode_of(self, series: "pd.Series[Any]") -> str:
        """The encoding of a column of texts; empty for categories."""
        if isinstance(self.texts, Mapping):
            return self.texts.get(str(series.name), "")
        return self.texts if self.texts != "off" and is_prose(series.dropna()) else ""


@dataclass(frozen=True, slots=True)
class Learned:
    """The columns of a table, as fitted.

    Attributes:
        columns: those of its matrix, in order.
        became: each column's name and its use, in a few words.
        notes: sentences on what was left out, merged, converted or filled.
    """

    columns: tuple[Column, ...]
    became: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all features, in order."""
        return features_of(self.columns)


def named(frame: "pd.DataFrame", what: str) -> "pd.DataFrame":
    """The table with strings as column names.

    Raises:
        InvalidInput: duplicate column names.
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


def table_notation(
    frame: "pd.DataFrame",
    decimal: Decimal | None = None,
    *,
    is_semicolon: bool = False,
    as_before: bool = False,
    coded: bool = False,
    texts: str | Mapping[str, str] = "off",
    texts_alone: bool = False,
) -> TableNotation:
    """How to read the texts of a table, from all of its rows in order.

    Args:
        frame: all rows, without the target.
        decimal: the decimal mark, if the user or the file determines it.
        is_semicolon: whether it comes from a file whose columns are separated by semicolons.
        as_before, coded, texts, texts_alone: see `TableNotation`.

    Raises:
        InvalidInput: ``texts`` names a column that the table does not have.
    """
    if as_before:
        return TableNotation(as_before=True)
    if decimal is None:
        written = (frame[name] for name in frame.columns if is_text(frame[name]))
        decimal = notation.table_decimal(written)
    numbering = frozenset(name for name in frame.columns if _numbers_rows(frame[name]))
    if isinstance(texts, Mapping):
        _check_names(texts, frame)
    return TableNotation(
        decimal, is_semicolon, numbering, coded=coded, texts=texts, texts_alone=texts_alone
    )


def _check_names(texts: Mapping[str, str], frame: "pd.DataFrame") -> None:
    names = [str(name) for name in frame.columns]
    for name in texts:
        if name not in names:
            raise InvalidInput(
                f"texts names the column {name!r}, which the table does not have",
                expected=f"columns among {', '.join(map(repr, names[:60]))}",
                fix=did_you_mean(name, names),
            )


def learn_columns(frame: "pd.DataFrame", writing: TableNotation) -> Learned:
    """Decides how each column of a table becomes numbers.

    Args:
        frame: all rows outside the test set, without the target.
        writing: how to read its texts.

    Raises:
        InvalidInput: a column contains neither numbers, texts nor dates, or no column is usable.
    """
    learned = {str(name): _learn(frame[name], writing) for name in frame.columns}
    if writing.texts_alone:
        learned = _texts_alone(learned)
    columns = [column for column, _, _ in learned.values() if column]
    became = [(name, use) for name, (_, use, _) in learned.items()]
    notes = [note for _, _, note in learned.values() if note]
    if not any(column.features for column in columns):
        raise InvalidInput(
            "no column of the table can be used. " + " ".join(notes),
            expected="numbers or categories",
        )
    return Learned(tuple(columns), tuple(became), tuple(notes))


def _texts_alone(learned: Mapping[str, _Use]) -> dict[str, _Use]:
    """Leaves out all columns but those of texts, if there are any."""
    if not any(column and column.has_texts for column, _, _ in learned.values()):
        return dict(learned)
    others = [name for name, (column, *_) in learned.items() if column and not column.has_texts]
    named = ", ".join(map(repr, others))
    note = f"The network reads texts alone: {named} left out. 'tabular' takes all columns."
    left_out: dict[str, _Use] = {
        name: (None, "left out: the network reads texts alone", "" if place else note)
        for place, name in enumerate(others)
    }
    return {**learned, **left_out}


def _learn(series: "pd.Series[Any]", writing: TableNotation) -> _Use:
    """How a column is used."""
    name = str(series.name)
    form = None
    if not writing.as_before and is_text(series):
        form = notation.recognise(series, writing.decimal, writing.is_semicolon)
    numbers = numbers_of(series) if form is None else notation.read(series, form).to_numpy()
    if numbers is None:
        return _learn_texts(series, writing)
    missing = int((~np.isfinite(numbers)).sum())
    if missing == len(series):
        return _left_out(name, "it has no values")
    if writing.as_before and missing == 0 and _is_unnamed_key(name, numbers):
        return _left_out(name, "it has no name and a number of its own for each row")
    column = Column(name, "numeric", num_missing=missing, form=form)
    if name in writing.numbering:
        _, use, note = _left_out(name, "it numbers the rows")
        return replace(column, kind="unused"), use, note
    if form is None and is_date(series) and not writing.as_before:
        column = replace(column, form=Form(date=notation.ISO))
        use, note = "a date: days since 1970", ""
    elif form is None:
        use, note = "a number", ""
    else:
        use, note = form.became, f"Column '{name}' contains {form.described}."
    if missing:
        use += f", {_values(missing)} filled with the median"
        note += f" {_values(missing)} in '{name}' filled with the median of the training rows."
    return column, use, note.strip()


def _learn_texts(series: "pd.Series[Any]", writing: TableNotation) -> _Use:
    """A column of texts: its categories, its words, or nothing of it."""
    name, rows = str(series.name), len(series)
    texts = texts_of(series)
    counts = texts.value_counts()
    missing = int(texts.isna().sum())
    if len(counts) == 0:
        return _left_out(name, "it has no values")
    share = len(counts) / (rows - missing)
    nearly_all = not writing.as_before and len(counts) > _FEW and share > _NEARLY_ALL
    has_many = nearly_all or (len(counts) > _MAX_CATEGORIES and share > 0.5)
    mode = writing.mode_of(texts) if has_many or isinstance(writing.texts, Mapping) else ""
    if mode == "off":
        return _left_out(name, "texts is 'off'")
    if mode:
        return _learn_prose(texts, mode, missing)
    if has_many:
        column, use, note = _left_out(
            name, f"nearly every row has its own text ({len(counts):,} different ones)"
        )
        return column, use, f"{note} To use its words pass texts={{{name!r}: 'tfidf'}}."
    return _learn_categories(name, counts, missing, writing)


def _learn_categories(
    name: str, counts: "pd.Series[int]", missing: int, writing: TableNotation
) -> _Use:
    """A column of categories, of which rare ones share one if there are too many.

    Args:
        name: of the column.
        counts: number of rows of each category.
        missing: number of rows without one.
        writing: how categories are encoded.
    """
    use = f"{len(counts)} categories" if len(counts) > 1 else "one category"
    note = ""
    if missing:
        use += f" and one for {_values(missing)}"
        note = f"{_values(missing)} in '{name}' kept as a category."
    kept = sorted(counts.index)
    most = _MAX_CODES if writing.coded else _MAX_CATEGORIES
    if len(counts) > most:
        ranked = sorted(counts.index, key=lambda value: (-counts[value], value))
        kept = [*sorted(ranked[: most - 1]), OTHER]
        use += f", with one for all but the {most - 1} most frequent"
        note += (
            f" '{name}' has {len(counts)} categories: all but the {most - 1} most frequent share "
            "one."
        )
    kind: Literal["coded", "categorical"] = "coded" if writing.coded else "categorical"
    column = Column(name, kind, (*kept, MISSING) if missing else tuple(kept), missing)
    return column, use, note.strip()


def _learn_prose(texts: "pd.Series[Any]", mode: str, missing: int) -> _Use:
    """A column of texts whose words are used."""
    name = str(texts.name)
    words, width, num_cut = learn_words(texts)
    if not words:
        return _left_out(name, "its texts have no words")
    kind: Literal["tfidf", "sequences"] = "tfidf" if mode == "tfidf" else "sequences"
    column = Column(name, kind, words, missing, width=width)
    size = width_of(kind, width, len(words))
    what = "tf-idf of its words" if kind == "tfidf" else "sequences of its words"
    use = f"text: {what}, {size:,} numbers"
    note = f"Column '{name}' contains texts of {len(words):,} different words: {what}."
    if num_cut:
        note += f" Of {num_cut:,} texts only the first {width} words are used."
    return column, use, note


def _left_out(name: str, why: str) -> tuple[None, str, str]:
    return None, f"left out: {why}", f"Column '{name}' is left out: {why}."


def _values(number: int) -> str:
    return f"{number:,} missing value{'s' if number > 1 else ''}"


def _numbers_rows(series: "pd.Series[Any]") -> bool:
    """Whether a column numbers the rows in order, from 0 or from 1.

    If its name is that of a key, or if it has none, any distinct whole numbers count.
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
    """Whether a column without name has distinct whole numbers, such as a frame's stored index."""
    return name.startswith("Unnamed: ") and bool(np.all(np.diff(np.sort(numbers)) >= 1))


def target_numbers(y: Any, name: str, writing: TableNotation) -> tuple[Any, Form | None]:
    """Converts a target of texts to numbers, and returns its notation; others are unchanged.

    Args:
        y: a target of one axis.
        name: its name.
        writing: how to read the texts of its table.

    Raises:
        InvalidInput: most of its values are numbers, and some are not.
    """
    import pandas as pd

    if not isinstance(y, pd.Series) and getattr(y, "dtype", np.dtype(object)).kind not in "OUS":
        return y, None
    series = pd.Series(y, name=name)
    if (
        series.isna().any()
        or not is_text(series)
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
            f"the target {name} contains {odd.iloc[0]!r} in {len(odd):,} of {len(series):,} rows",
            expected=form.described,
            fix="Drop these rows, or pass task='classification' if they are classes.",
        )
    return numbers, form
