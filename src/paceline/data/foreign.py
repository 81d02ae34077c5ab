"""Tables and matrices of other libraries in forms that the rest of the package knows.

Nothing is imported to recognise them: their classes name their packages.
"""

from typing import Any

import numpy as np

from paceline.data.memory import in_mib
from paceline.data.row_sources import RowSource
from paceline.data.source_registry import register_type
from paceline.data.trees import Array, Tree


def package_of(value: Any) -> str:
    """The package that defines the class of an object."""
    return type(value).__module__.partition(".")[0]


def is_sparse(value: Any) -> bool:
    """Whether an object is a sparse matrix or array of SciPy."""
    return package_of(value) == "scipy" and hasattr(value, "tocsr")


def is_foreign_table(value: Any) -> bool:
    """Whether an object is a table of polars or Arrow."""
    name = type(value).__name__
    if package_of(value) == "polars":
        return name in ("DataFrame", "LazyFrame")
    return package_of(value) == "pyarrow" and name in ("Table", "RecordBatch")


def known_form(value: Any) -> Any:
    """Tables of polars and Arrow as data frames, sparse matrices as arrays; others unchanged."""
    if is_foreign_table(value):
        return to_frame(value)
    return value.toarray() if is_sparse(value) else value


@register_type("polars.DataFrame")
@register_type("polars.LazyFrame")
@register_type("pyarrow.Table")
@register_type("pyarrow.RecordBatch")
def to_frame(table: Any) -> Any:
    """A table of polars or Arrow as a pandas data frame."""
    if package_of(table) == "pyarrow":
        return table.to_pandas()
    if hasattr(table, "collect"):
        table = table.collect()
    try:
        return table.to_pandas()
    except ImportError:  # without pyarrow
        import pandas as pd

        return pd.DataFrame({name: pd.Series(table[name].to_list()) for name in table.columns})


def sparse_rows(x: Any, y: Any) -> RowSource:
    """The rows of a sparse matrix and their targets."""
    rows, targets = x.tocsr(), np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)

    def take(numbers: Array) -> tuple[Tree, Tree]:
        return rows[numbers].toarray(), targets[numbers]

    whole = targets.ndim == 1 and targets.dtype.kind in "iu"
    labels = targets if whole else None
    note = f"The sparse matrix has {in_mib(rows.data.nbytes)} of values that are not 0."
    return RowSource("sparse matrix", rows.shape[0], take, labels, notes=(note,))
