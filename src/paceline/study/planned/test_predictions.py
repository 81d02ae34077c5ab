"""Predictions of the final model for each row of the test part, stored for the report.

n  rows    c  classes    k  outputs of a regression    w  rows with the worst predictions
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from paceline.store import mirror
from paceline.store.files import remove, replacing
from paceline.store.paths import PREDICTIONS

Array = np.ndarray[Any, Any]

_MOST_ROWS = 20_000
_MOST_PROBABILITIES = 2_000_000  # in half precision, 4 MB
_MOST_OUTPUTS = 16
_WORST = 24
_LARGEST_INPUT = 3 * 128 * 128  # numbers of one row that is kept as it is


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """Truth and predictions for rows of the test part; a fixed subset where there are over 20,000.

    Attributes:
        task: ``"classification"`` or ``"regression"``.
        rows: int32 (n,): indices of these rows in the test part.
        truth: int32 (n,) classes; or float32 (n, k).
        predicted: the same.
        probabilities: float32 (n, c), of each class; None for regression, or where they would take
            too much space.
        worst: int32 (w,): indices into ``rows``, sorted by the probability of the true class
            (lowest first) or by the error (largest first).
        worst_inputs: float32 (w, ...): the inputs of these; None where there are several or they
            are large.
        class_names: name of each class; empty if unknown.
    """

    task: str
    rows: Array
    truth: Array
    predicted: Array
    probabilities: Array | None
    worst: Array
    worst_inputs: Array | None
    class_names: tuple[str, ...] = ()


def write_tested(
    directory: Path,
    model: Any,
    x_test: Any,
    y_test: Any,
    task: str,
    class_names: Sequence[str] = (),
) -> bool:
    """Predicts the test part with a model and stores the predictions; returns whether it could.

    With several outputs, several labels for a row or sequences, nothing is written, and the file of
    an earlier model is removed.
    """
    target = directory / PREDICTIONS
    found = _tested(model, x_test, y_test, task, tuple(class_names))
    if found is None:
        remove(target)
        return False
    tensors = {
        "rows": found.rows,
        "truth": found.truth,
        "predicted": found.predicted,
        "worst": found.worst,
    }
    if found.probabilities is not None:
        tensors["probabilities"] = found.probabilities.astype(np.float16)
    if found.worst_inputs is not None:
        tensors["worst_inputs"] = found.worst_inputs
    meta = {"task": found.task, "class_names": json.dumps(found.class_names)}
    with replacing(target) as new:
        save_file(
            {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, new, meta
        )
    return True


def read_tested(directory: Path) -> Tested | None:
    """Reads what `write_tested` wrote; None where there is nothing readable."""
    path = mirror.fetched(directory / PREDICTIONS)
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is not a mapping
            meta = file.metadata() or {}
        probabilities = tensors.get("probabilities")
        return Tested(
            meta["task"],
            tensors["rows"],
            tensors["truth"],
            tensors["predicted"],
            None if probabilities is None else probabilities.astype(np.float32),
            tensors["worst"],
            tensors.get("worst_inputs"),
            tuple(map(str, json.loads(meta["class_names"]))),
        )
    except (SafetensorError, KeyError, ValueError, OSError):
        return None


def _tested(model: Any, x: Any, y: Any, task: str, class_names: tuple[str, ...]) -> Tested | None:
    """The predictions of a sample of the test rows; None where they are not one array."""
    if not hasattr(y, "shape") or not hasattr(x, "shape") or len(y) == 0:
        return None  # several inputs or targets
    chosen = _chosen(len(y))
    truth, inputs = np.asarray(y)[chosen], x[chosen]
    outputs = model.predict(inputs, batch_size=512, verbose=0)
    if not hasattr(outputs, "shape"):
        return None
    outputs = np.asarray(outputs, np.float32)
    made = _classes(truth, outputs) if task == "classification" else _numbers(truth, outputs)
    if made is None:
        return None
    truth, predicted, probabilities, wrong = made
    worst = np.argsort(-wrong, kind="stable")[:_WORST].astype(np.int32)
    small = inputs[0].size <= _LARGEST_INPUT and np.issubdtype(np.asarray(inputs).dtype, np.number)
    shown = np.asarray(inputs[worst], np.float32) if small else None
    if probabilities is not None and probabilities.size > _MOST_PROBABILITIES:
        probabilities = None
    return Tested(task, chosen, truth, predicted, probabilities, worst, shown, class_names)


def _chosen(num_rows: int) -> Array:
    """All rows, or a subset that is the same each time."""
    if num_rows <= _MOST_ROWS:
        return np.arange(num_rows, dtype=np.int32)
    return np.sort(np.random.default_rng(0).choice(num_rows, _MOST_ROWS, replace=False)).astype(
        np.int32
    )


def _classes(truth: Array, outputs: Array) -> tuple[Array, Array, Array, Array] | None:
    """Truth (n,), predicted classes (n,), probabilities (n, c) and errors; None if not of
    classes.
    """
    if outputs.ndim != 2:
        return None
    probabilities = _binary(outputs[:, 0]) if outputs.shape[1] == 1 else _probabilities(outputs)
    if truth.ndim == 2 and truth.shape[1] > 1:
        one_hot = np.all((truth == 0) | (truth == 1)) and np.all(truth.sum(axis=1) == 1)
        if not one_hot or truth.shape != outputs.shape:
            return None
        truth = truth.argmax(axis=1)
    truth = truth.reshape(len(truth), -1)
    if truth.shape[1] != 1 or not np.all(truth == np.round(truth)):
        return None
    classes = truth[:, 0].astype(np.int32)
    if classes.min() < 0 or classes.max() >= probabilities.shape[1]:
        return None
    predicted = probabilities.argmax(axis=1).astype(np.int32)
    return classes, predicted, probabilities, 1.0 - probabilities[np.arange(len(classes)), classes]


def _binary(outputs: Array) -> Array:
    """One output as the probabilities of two classes; values outside [0, 1] are logits."""
    if outputs.min() < 0 or outputs.max() > 1:
        outputs = 0.5 * (1 + np.tanh(outputs / 2))
    return np.stack([1 - outputs, outputs], axis=1)


def _probabilities(outputs: Array) -> Array:
    """Outputs as probabilities; rows that do not sum to 1 are logits."""
    if outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-2):
        return outputs
    shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _numbers(truth: Array, outputs: Array) -> tuple[Array, Array, None, Array] | None:
    """Truth and predictions (n, k), and errors in standard deviations of the targets."""
    if not np.issubdtype(truth.dtype, np.number) or truth.ndim > 2 or outputs.ndim > 2:
        return None
    truth, outputs = (
        np.asarray(each, np.float32).reshape(len(truth), -1) for each in (truth, outputs)
    )
    if truth.shape != outputs.shape or truth.shape[1] > _MOST_OUTPUTS:
        return None
    spread = np.where(truth.std(axis=0) > 0, truth.std(axis=0), 1)
    off = np.nan_to_num(np.abs(truth - outputs) / spread, nan=np.inf)
    return truth, outputs, None, off.max(axis=1)
