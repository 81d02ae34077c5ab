"""Texts that are numbers or dates: decimal commas, thousands separators, currencies, date formats.

A text column is read as numbers if at least `ENOUGH` of its values are numbers in one notation.
Whether ``1,234`` is 1234 or 1.234 is decided, in this order, by: the user, the other values of the
column, the notation of the other columns. If none of them decides, the thousands separator is
assumed, except in a file whose columns are separated by semicolons, where it is an error.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from paceline.core import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

Decimal = Literal[".", ","]

ENOUGH = 0.95
"""Fraction of a column's values that must be numbers, or dates, for the column to count as such."""

_SYMBOLS = "$€£¥₹₽₩₺₴₫฿₪₦₱₲₡₸₼₾¢"
_CODES = (
    "EUR|USD|GBP|JPY|CHF|CNY|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|INR|BRL|MXN|ZAR|TRY|KRW|SGD|HKD|ILS"
    "|US\\$|R\\$|kr\\.?|zł|Kč|Ft|Fr\\.|Rs\\.?"
)
_UNIT = f"[{_SYMBOLS}]|{_CODES}|%"
_PARTS = re.compile(
    rf"^\s*(?P<sign>[+\-−–]?)\s*(?P<before>{_UNIT})?\s*(?P<inner>[+\-−]?)"
    rf"(?P<number>[\d.,'’ \u00a0\u202f\u2009]*\d[\d.,]*(?:[eE][+-]?\d+)?)\s*(?P<after>{_UNIT})?\s*$"
)
_GROUP = "[ '’\u00a0\u202f\u2009{}]"
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_NUMBER: dict[str, re.Pattern[str]] = {
    point: re.compile(
        rf"^(?:[1-9]\d{{0,2}}(?:{_GROUP.format(comma)}\d{{3}})+|\d+)?"
        rf"(?:{re.escape(point)}\d*)?{_EXPONENT}$"
    )
    for point, comma in ((".", ","), (",", "."))
}
# Numbers with different values in the two notations: 1,234 or 1.234.
_DOUBTFUL = re.compile(r"^[1-9]\d{0,2}[.,]\d{3}$")

_DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d-%b-%Y",
    "%b %d %Y",
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
ISO = "ISO8601"
"""pandas's name for the format of dates such as 2024-12-31, with or without a time."""
_HAS_DATE = re.compile(r"^\s*(?:\d{1,4}[-/.]\d|\d{1,2}[ -][A-Za-z]{3}|[A-Za-z]{3,9} \d{1,2}\b)")
_GAPS = ("", "-", "–", "—", "?")
_SAMPLE = 1000  # values for a quick test of whether a column contains other texts
_SHOWN = 3  # examples in a message


@dataclass(frozen=True, slots=True)
class Form:
    """The notation of a column's texts.

    Attributes:
        decimal: the decimal mark of numbers; empty for dates.
        unit: the currency or ``%`` of numbers; empty for none.
        date: the format of dates as of ``strptime``, or ``"ISO8601"``; empty for numbers.
    """

    decimal: str = ""
    unit: str = ""
    date: str = ""

    @property
    def described(self) -> str:
        """The notation in a sentence about the column."""
        if self.date:
            shown = "2024-12-31" if self.date == ISO else self.date
            for code, example in _EXAMPLES.items():
                shown = shown.replace(code, example)
            return f"dates such as {shown}, as days since 1970"
        return f"numbers written as texts ({self._marks})"

    @property
    def became(self) -> str:
        """The kind of feature that such a column becomes, in a few words."""
        return "a date: days since 1970" if self.date else f"a number ({self._marks})"

    @property
    def _marks(self) -> str:
        unit = {"": "", "%": ", in percent"}.get(self.unit, f", in {self.unit}")
        return f"decimal {'comma' if self.decimal == ',' else 'point'}{unit}"


_EXAMPLES = {
    "%Y": "2024",
    "%y": "24",
    "%m": "12",
    "%d": "31",
    "%b": "Dec",
    "%B": "December",
    "%H": "23",
    "%I": "11",
    "%M": "59",
    "%S": "59",
    "%p": "PM",
}


def table_decimal(columns: "Iterable[pd.Series[Any]]") -> Decimal | None:
    """The common decimal mark of a table's columns; None if none shows it, or they differ.

    Args:
        columns: texts.
    """
    marks = {
        mark
        for series in columns
        if (mark := _decimal_of(_numbers_in(present(series)))) is not None
    }
    return marks.pop() if len(marks) == 1 else None


def recognise(
    series: "pd.Series[Any]", decimal: Decimal | None, is_semicolon: bool = False
) -> Form | None:
    """The notation of a column of texts as numbers or dates; None if it is neither.

    Args:
        series: texts, with or without missing values.
        decimal: the decimal mark, if the user or the other columns determine it.
        is_semicolon: whether it comes from a file whose columns are separated by semicolons.

    Raises:
        InvalidInput: ambiguous numbers or dates, or several currencies.
    """
    texts = present(series)
    sample = texts.iloc[:: max(1, len(texts) // _SAMPLE)]
    if len(_numbers_in(sample)) + sample.str.contains(_HAS_DATE).sum() < ENOUGH / 2 * max(
        1, len(sample)
    ):
        return None
    found = _numbers_in(texts)
    if len(found) >= ENOUGH * len(texts):
        return _number_form(str(series.name), found, decimal, is_semicolon)
    return _date_form(str(series.name), texts)


def read(series: "pd.Series[Any]", form: Form) -> "pd.Series[Any]":
    """The column as float64 numbers, or days since 1970; NaN for other or missing values."""
    import pandas as pd

    texts = series.astype(object).where(series.notna(), "").astype(str)
    if form.date:
        return days(_dates(texts, form.date))
    numbers = texts.str.extract(_PARTS)
    fits = numbers["number"].fillna("").str.fullmatch(_NUMBER[form.decimal].pattern)
    plain = numbers["number"].str.replace(
        _GROUP.format("," if form.decimal == "." else "."), "", regex=True
    )
    values = pd.to_numeric(
        plain.str.replace(form.decimal, ".").where(fits), errors="coerce"
    ).astype(float)
    negative = (numbers["sign"].fillna("") + numbers["inner"].fillna("")).str.contains(
        "[-−–]", regex=True
    )
    return values.where(~negative, -values)


def days(dates: "pd.Series[Any]") -> "pd.Series[Any]":
    """Days since 1970-01-01 (UTC for time zones) of a column of timestamps, float64, with NaN."""
    import pandas as pd

    naive = dates.dt.tz_convert(None) if getattr(dates.dtype, "tz", None) else dates
    return ((naive - pd.Timestamp(0)) / pd.Timedelta(days=1)).astype(float)


def present(series: "pd.Series[Any]") -> "pd.Series[Any]":
    """The values that are not missing, as texts; a single dash counts as missing."""
    texts = series[series.notna()].astype(str).str.strip()
    return texts[~texts.isin(_GAPS)]


def _numbers_in(texts: "pd.Series[Any]") -> "pd.DataFrame":
    """The parts of those texts that are numbers in either notation."""
    parts = texts.str.extract(_PARTS).dropna(subset="number")
    either = "|".join(f"(?:{pattern.pattern})" for pattern in _NUMBER.values())
    return parts[parts["number"].str.fullmatch(either)]


def _decimal_of(found: "pd.DataFrame") -> Decimal | None:
    """The only decimal mark with which all of these are valid, if their values depend on it."""
    fits = {
        mark: bool(found["number"].str.fullmatch(_NUMBER[mark].pattern).all())
        for mark in (".", ",")
    }
    if len(found) == 0 or fits["."] == fits[","]:
        return None
    return "." if fits["."] else ","


def _number_form(
    name: str, found: "pd.DataFrame", decimal: Decimal | None, is_semicolon: bool
) -> Form | None:
    """The notation of a column of numbers with units and one decimal mark; None if it has none."""
    units = sorted(set(found["before"].dropna()) | set(found["after"].dropna()))
    if len(units) > 1:
        raise InvalidInput(
            f"column {name!r} contains amounts in {' and in '.join(units)}",
            expected="one currency or unit",
            fix="Convert them to one, or leave the column out.",
        )
    numbers = found["number"]
    bare = found[found["before"].isna() & found["after"].isna()]["number"]
    if units == ["%"] and len(bare) and not bare.str.fullmatch("0+").all():
        raise InvalidInput(
            f"column {name!r} contains percentages and plain numbers, such as {bare.iloc[0]!r}",
            expected="one of them",
        )
    mark = _decimal_of(found)
    other = numbers[~numbers.str.fullmatch(_NUMBER["."].pattern)]
    if mark is None and len(other):
        point = numbers[~numbers.str.fullmatch(_NUMBER[","].pattern)]
        raise InvalidInput(
            f"column {name!r} contains {other.iloc[0]!r} and {point.iloc[0]!r}",
            expected="one decimal mark in all of its numbers",
        )
    doubtful = numbers[numbers.str.fullmatch(_DOUBTFUL.pattern)]
    if mark is None and len(doubtful) and decimal is None and is_semicolon:
        raise InvalidInput(
            f"column {name!r} contains {doubtful.iloc[0]!r}, which is ambiguous",
            expected="an unambiguous notation",
            fix="Pass decimal=',' or decimal='.' (on the terminal --decimal), the mark before the "
            "fraction.",
        )
    return Form(mark or decimal or ".", units[0] if units else "")


def _date_form(name: str, texts: "pd.Series[Any]") -> Form | None:
    """The notation that fits most texts of a column; None if they are not dates."""
    enough = ENOUGH * len(texts)
    if texts.str.contains(_HAS_DATE).sum() < enough:
        return None
    if _dates(texts, ISO).notna().sum() >= enough:
        return Form(date=ISO)
    head = texts.head(_SAMPLE)
    likely = [
        date + time
        for date in _DATES
        for time in _TIMES
        if _dates(head, date + time).notna().sum() >= ENOUGH * len(head)
    ]
    fitting = [(int(_dates(texts, format_).notna().sum()), format_) for format_ in likely]
    best = max((count for count, _ in fitting), default=0)
    if best < enough or best == 0:
        return None
    winners = [format_ for count, format_ in fitting if count == best]
    if len({_dates(texts, format_).to_numpy().tobytes() for format_ in winners}) > 1:
        examples = ", ".join(map(repr, texts.unique()[:_SHOWN]))
        raise InvalidInput(
            f"column {name!r} contains dates that may have the day or the month first ({examples})",
            expected="unambiguous dates, such as 2024-12-31",
        )
    return Form(date=winners[0])


def _dates(texts: "pd.Series[Any]", format_: str) -> "pd.Series[Any]":
    import pandas as pd

    return pd.to_datetime(texts, format=format_, errors="coerce", utc=format_ == ISO)
