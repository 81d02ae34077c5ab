"""The form of streamed rows, as built-in networks need it."""

from typing import Any

import numpy as np

from paceline.core import InvalidInput
from paceline.core.events import Json
from paceline.data import Stream
from paceline.data.row_sources import RowBatches
from paceline.data.trees import is_branch

_MOST_CLASSES = 1000  # of whole numbers without names; more of them may be amounts


def stream_form(name: str, stream: Stream) -> dict[str, Json]:
    """The shape of a row, the task and the number of outputs, of data that are streamed.

    Args:
        name: of the built-in network.
        stream: the data.

    Raises:
        InvalidInput: they do not say what they are without being read.
    """
    source = getattr(stream.source, "source", None)
    if not isinstance(stream.source, RowBatches) or source is None:
        raise InvalidInput(
            f"the built-in network {name!r} was requested for the stream {stream.name}",
            expected="arrays, a file, a named data set, or a folder of images",
            fix="The shape of its rows and its classes are not known before it is read: pass a "
            "build function of your own.",
        )
    x, y = source.take(np.arange(1))
    outputs = _outputs(y, source.class_names, source.labels)
    if is_branch(x) or outputs is None:
        why = "rows have several inputs" if is_branch(x) else "classes are not known"
        raise InvalidInput(
            f"the built-in network {name!r} was requested for the stream {stream.name}, whose "
            f"{why}",
            expected="rows with a single input, and as targets floats, or classes that have names "
            f"or are numbered from 0 to less than {_MOST_CLASSES:,}",
            fix="Pass a build function of your own.",
        )
    task, num_outputs = outputs
    return {
        "input_shape": tuple(x.shape[1:]),
        "task": task,
        "num_outputs": num_outputs,
        "one_hot": False,
    }


def _outputs(y: Any, names: tuple[str, ...], labels: Any) -> tuple[str, int] | None:
    """The task and the number of outputs; None if they are not known."""
    if is_branch(y):
        return None
    if names:
        return "classification", len(names)
    if y.dtype.kind == "f" and y.ndim <= 2:
        return "regression", int(np.prod(y.shape[1:], dtype=np.int64))
    if labels is not None and 0 <= np.min(labels) <= np.max(labels) < _MOST_CLASSES:
        return "classification", 1 + int(np.max(labels))
    return None
