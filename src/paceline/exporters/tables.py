"""Exports trials and epochs as tables: CSV, JSON or Parquet files."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from paceline.core import InvalidInput, shown
from paceline.exporters.base import ExportedStudy, Exporter, claim, directory_of, require
from paceline.report.show import Summary
from paceline.store.files import replacing

if TYPE_CHECKING:
    import pandas as pd

FileType = Literal["csv", "json", "parquet"]


class Tables(Exporter):
    """Writes two tables when the study ends.

    ``trials`` has a row for each trial, ``epochs`` a row for each epoch of each trial.

    Args:
        directory: where to; None for ``tables`` in the study's directory.
        file_type: ``"csv"``, ``"json"`` (a list of objects) or ``"parquet"``.

    Raises:
        InvalidInput: another format, or pyarrow is not installed.
    """

    name = "tables"

    def __init__(
        self, directory: str | os.PathLike[str] | None = None, file_type: FileType = "csv"
    ) -> None:
        if file_type not in get_args(FileType):
            known = ", ".join(map(repr, get_args(FileType)))
            raise InvalidInput(f"file_type is {shown(file_type)}", expected=f"one of {known}")
        if file_type == "parquet":
            require("pyarrow", "pyarrow", "parquet")
        self._directory = directory_of(directory)
        self._file_type = file_type

    def begin(self, study: ExportedStudy) -> None:
        """Makes the directory.

        Raises:
            InvalidInput: it cannot be made, or has the tables of another study.
        """
        self._target = self._directory or study.directory / "tables"
        self.place = str(self._target)
        claim(self._target, study)

    def end(self, summary: Summary) -> None:
        """Writes both files; each replaces an earlier one as a whole.

        Raises:
            PacelineError: a file cannot be written.
        """
        from paceline.study.record.dataframe import epochs_dataframe, trials_dataframe

        target = self._target
        for name, frame in (
            ("trials", trials_dataframe(summary.record)),
            ("epochs", epochs_dataframe(summary.record)),
        ):
            with replacing(target / f"{name}.{self._file_type}") as path:
                _write(frame, path, self._file_type)


def _write(frame: "pd.DataFrame", path: Path, file_type: FileType) -> None:
    if file_type == "csv":
        frame.to_csv(path, index=False)
    elif file_type == "json":
        rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
        path.write_text(json.dumps(rows, indent=1), "utf-8")
    else:
        _of_one_type(frame).to_parquet(path, index=False)


def _of_one_type(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The frame with columns of mixed types, such as those of a choice of 1 or "auto", as text."""
    frame = frame.copy()
    for name, column in frame.items():
        kinds = {type(value) for value in column.dropna()}
        if len(kinds) > 1 and kinds != {int, float}:
            frame[name] = [None if value is None else str(value) for value in column]
    return frame
