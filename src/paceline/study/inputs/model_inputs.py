"""Preparation of data for a study's models: scaled targets, prepared rows."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from paceline.core import InvalidInput, StudyWarning
from paceline.core.deprecation import depth_of_caller
from paceline.core.events import Json
from paceline.data import arrays, table_columns, table_values
from paceline.data.foreign import known_form
from paceline.data.preparation import from_json
from paceline.data.records import Column
from paceline.data.targets import TargetScale
from paceline.space import HyperParameters

Build = Callable[[HyperParameters], Any]
"""A user's function that takes hyperparameters and returns a compiled model."""


def build_for_target(build: Build, preparation: Mapping[str, Json] | None) -> Build:
    """The build function whose models learn the target as the study does, scaled or not.

    Args:
        build: the user's function, or a return value of this one.
        preparation: as the study recorded it.
    """
    target = None if preparation is None else preparation.get("target")
    if target is None:
        return build
    from paceline.train.target_scaling import AffineScale, build_scaled_models

    scale = TargetScale.from_json(target)
    return build_scaled_models(
        build, AffineScale(scale.shift, scale.scale), always=target["always"]
    )


def model_rows(preparation: Mapping[str, Json] | None, x: Any) -> Any:
    """Prepares rows for a study's models.

    Args:
        preparation: as the study recorded it.
        x: rows as they were passed to the study: a data frame of the table's columns, or arrays.

    Texts in a column of numbers, and anything but dates in a column of dates, are treated as
    missing, with a `StudyWarning`.

    Raises:
        InvalidInput: they do not fit the study's data, or the study did not record their
            preparation.
    """
    if preparation is None:
        raise InvalidInput(
            "the study did not record how its data were prepared",
            expected="one of data in memory or in files",
            fix="Of a study written by an earlier version: "
            "paceline.data.prepare(paceline.data.split(...), x).",
        )
    x = known_form(x)
    columns = [Column.from_json(column) for column in preparation["columns"]]
    if columns and not arrays.is_frame(x):
        raise InvalidInput(
            "the study's data are a table and x is not", expected="a data frame of its columns"
        )
    if columns:
        frame = table_columns.named(x, "x")
        matrix = table_values.to_matrix(frame, columns, "x")
        if text := table_values.unreadable(frame, columns, matrix):
            warnings.warn(text, StudyWarning, stacklevel=depth_of_caller())
        rows: Any = matrix.astype(np.float32)
    else:
        rows = arrays.inputs(x)
    inputs = from_json(preparation["inputs"])
    return rows if preparation["in_model"] or inputs is None else inputs.apply(rows)


def about_model(preparation: Mapping[str, Json]) -> dict[str, Json]:
    """Describes the inputs and outputs of a study's model, for users who have only the file.

    ``row`` has an entry for each number of a table's row, in their order; ``classes`` one for each
    output.
    """
    row: list[Json] = []
    for column in map(Column.from_json, preparation["columns"]):
        if column.has_texts:
            row += ({"column": column.name, "word": n} for n in range(1, column.width + 1))
        elif column.has_categories:
            row.append({"column": column.name, "number of": list(column.categories)})
        else:
            is_date = column.form is not None and column.form.date
            row.append(
                {"column": column.name, "number": "days since 1970" if is_date else "as it is"}
            )
    prepared = (
        {} if preparation["in_model"] else {"note": "rows have to be prepared: study.prepare(x)"}
    )
    texts = {
        column.name: list(column.categories)
        for column in map(Column.from_json, preparation["columns"])
        if column.has_texts
    }
    words = {"words, from number 2 on": texts} if texts else {}
    return {"row": row or None, "classes": preparation["classes"], **words, **prepared}
