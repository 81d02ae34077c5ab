"""Files of tables: CSV with various encodings, separators and decimal marks, and Parquet."""

import codecs
import csv
import gzip
import io
import re
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from paceline.core import InvalidInput, MissingData
from paceline.data import notation
from paceline.data.notation import Decimal

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".pq")
"""File name endings of tables."""

_SEPARATORS = ",;\t|"
_BLOCK = 1 << 20  # bytes
_SAMPLE_ROWS = 2000  # for detecting the decimal mark
# UTF-32's mark begins with that of UTF-16, so it is tested first
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FALLBACK = "cp1252"  # Western European Windows; a superset of printable Latin-1
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_SEP_LINE = re.compile(r'^"?sep=(.)"?\s*$', re.IGNORECASE)  # Excel's first line


@dataclass(frozen=True, slots=True, eq=False)
class TableFile:
    """Content of a file.

    Attributes:
        frame: the table.
        decimal: the decimal mark of its numbers, if the file or the user determines it.
        is_semicolon: whether its columns are separated by semicolons, as with decimal commas.
        notes: what was detected about the file.
    """

    frame: "pd.DataFrame"
    decimal: Decimal | None = None
    is_semicolon: bool = False
    notes: tuple[str, ...] = ()


def read_table(path: Path, decimal: Decimal | None = None, *, as_before: bool = False) -> TableFile:
    """Reads the table of a ``.csv``, ``.csv.gz``, ``.tsv`` or ``.parquet`` file.

    Args:
        path: the file.
        decimal: the decimal mark of a CSV file's numbers; None to detect it.
        as_before: read it as the first version of Paceline did, for studies of that version.

    Raises:
        MissingData: no such file.
        InvalidInput: damaged, empty, duplicate column names, or pyarrow is not installed.
    """
    import pandas as pd

    if not path.is_file():
        raise MissingData(f"{path} does not exist", expected="a CSV or Parquet file")
    try:
        if path.suffix in (".parquet", ".pq"):
            return TableFile(pd.read_parquet(path))
        return _read_csv(path, "." if as_before else decimal, as_before)
    except InvalidInput:
        raise
    except ImportError as error:
        raise InvalidInput(
            f"{path.name} is a Parquet file and pyarrow is not installed",
            expected="pyarrow",
            fix="Install it with: pip install 'paceline[parquet]'",
        ) from error
    except Exception as error:
        raise _damaged(path, f"{type(error).__name__}: {str(error).strip()}") from error


def _read_csv(path: Path, decimal: Decimal | None, as_before: bool) -> TableFile:
    """Reads a CSV file in the encoding, with the separator and the decimal mark that it has."""
    import pandas as pd

    encoding = "utf-8" if as_before else _encoding(path)
    with _open(path) as file, io.TextIOWrapper(file, encoding=encoding, errors="replace") as lines:
        first = lines.readline()
        says = None if as_before else _SEP_LINE.match(first)
        header = lines.readline() if says else first
    separator = (
        says[1] if says else max(_SEPARATORS, key=lambda sep: _num_fields(header, sep, as_before))
    )
    how: dict[str, Any] = {
        "encoding": encoding,
        "sep": separator,
        "na_values": ["?"],
        "skipinitialspace": True,
        "skiprows": 1 if says else 0,
    }
    if not as_before:
        _check_header(path, how)
    if decimal is None:
        sample = pd.read_csv(path, dtype=str, nrows=_SAMPLE_ROWS, **how)
        decimal = notation.table_decimal(sample[name] for name in sample.columns)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(path, low_memory=False, decimal=decimal or ".", **how, **_exact())
    notes: tuple[str, ...] = ()
    if encoding not in ("utf-8", "utf-8-sig"):
        shown = "Windows-1252 (Latin-1)" if encoding == _FALLBACK else encoding.upper()
        notes = (f"{path.name} is not UTF-8 and was read as {shown}.",)
    if decimal == ",":
        notes = (*notes, f"Numbers of {path.name} were read with a decimal comma.")
    return TableFile(frame, decimal, separator == ";", notes)


def _exact() -> dict[str, Any]:
    """Options of pandas for reading each number exactly, so that fingerprints are reproducible.

    pandas 3.1 and later always does, and warns about the option.
    """
    major, minor = map(int, version("pandas").split(".")[:2])
    return {"float_precision": "round_trip"} if (major, minor) < (3, 1) else {}


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _encoding(path: Path) -> str:
    """UTF-8, UTF-16 or UTF-32 according to the bytes, else Windows-1252.

    Raises:
        InvalidInput: the bytes are not text.
    """
    with _open(path) as file:
        start = file.read(_BLOCK)
        marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
        if marked is not None:
            return marked
        zeros = (start[::2].count(0), start[1::2].count(0))
        if max(zeros) > len(start) // 5 and min(zeros) < max(zeros) // 10:
            return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        decoder, block = codecs.getincrementaldecoder("utf-8")(), start
        try:
            while block:
                if _NO_TEXT.search(block):
                    raise _damaged(path, "it contains bytes that are not text")
                decoder.decode(block)
                block = file.read(_BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            _check_fallback(path)
            return _FALLBACK
        return "utf-8"


def _check_fallback(path: Path) -> None:
    """Checks that the file can be Windows-1252.

    Raises:
        InvalidInput: it cannot.
    """
    with _open(path) as file:
        while block := file.read(_BLOCK):
            try:
                found = _NO_TEXT.search(block)
                block.decode(_FALLBACK)
            except UnicodeDecodeError as error:
                raise _damaged(
                    path, f"it is neither UTF-8 nor Windows-1252: {error.reason}"
                ) from error
            if found:
                raise _damaged(path, "it contains bytes that are not text")


def _num_fields(header: str, separator: str, as_before: bool) -> int:
    """Number of columns of the header line with this separator, ignoring quoted separators."""
    if as_before:
        return header.count(separator)
    return len(next(csv.reader([header], delimiter=separator, skipinitialspace=True), []))


def _check_header(path: Path, how: dict[str, Any]) -> None:
    """Checks for duplicate column names: pandas would rename them, and a target could leak.

    Raises:
        InvalidInput: two columns have the same name.
    """
    import pandas as pd

    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, **how)
    names = [str(name).strip() for name in header.iloc[0]]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InvalidInput(
            f"{path.name} has more than one column named {', '.join(map(repr, twice))}",
            expected="a name for each column",
            fix="Rename them, or remove duplicates.",
        )


def _damaged(path: Path, reason: str) -> InvalidInput:
    return InvalidInput(
        f"{path} cannot be read as a table ({reason})",
        expected="a complete file with a header line and rows of equal length",
        fix="It may be incomplete or damaged, or of another format than its name suggests.",
    )
