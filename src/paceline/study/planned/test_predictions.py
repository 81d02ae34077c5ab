"""Predictions of the final model for each row of the test part, stored for the report.

n  rows    c  classes    k  outputs of a regression    w  rows that were predicted worst
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

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
    """Truth and prediction of rows of the test part; of a fixed choice of them where there are more
    than 20,000.

    Attributes:
        task: ``"classification"`` or ``"regression"``.
        rows: int32 (n,): which rows of the test part these are.
        truth: int32 (n,) classes; or float32 (n, k).
        predicted: the same.
        probabilities: float32 (n, c), of each class; None for regression and where they would take
            too much room.
        worst: int32 (w,): places in ``rows``, those first whose true class got the least
            probability, or that are furthest off.
        worst_inputs: float32 (w, ...): the inputs of these; None where there are several or they
            are large.
        class_names: what each class is called; empty where that is not known.
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
    """Lets a model predict the test part and keeps what it said; whether there was anything of a
    known form to keep.

    Several outputs, several labels for a row, sequences: nothing is written then, and what an
    earlier model left is taken away.
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
    """What `write_tested` kept; None where there is nothing, or nothing that can be read."""
    path = directory / PREDICTIONS
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
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
    if not hasattr(y, "shape") or not hasattr(x, "shape") or len(y) == 0:
        return None  # several inputs or targets
    chosen = _chosen(len(y))
    truth, inputs = np.asarray(y)[chosen], x[chosen]
    said = model.predict(inputs, batch_size=512, verbose=0)
    if not hasattr(said, "shape"):
        return None
    said = np.asarray(said, np.float32)
    made = _classes(truth, said) if task == "classification" else _numbers(truth, said)
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
    """All rows, or a choice of them that is the same each time."""
    if num_rows <= _MOST_ROWS:
        return np.arange(num_rows, dtype=np.int32)
    return np.sort(np.random.default_rng(0).choice(num_rows, _MOST_ROWS, replace=False)).astype(
        np.int32
    )


def _classes(truth: Array, said: Array) -> tuple[Array, Array, Array, Array] | None:
    """Truth and prediction as classes (n,), probabilities (n, c), and how wrong each is; None if it
    is neither.
    """
    if said.ndim != 2:
        return None
    probabilities = _binary(said[:, 0]) if said.shape[1] == 1 else _probabilities(said)
    if truth.ndim == 2 and truth.shape[1] > 1:
        one_hot = np.all((truth == 0) | (truth == 1)) and np.all(truth.sum(axis=1) == 1)
        if not one_hot or truth.shape != said.shape:
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


def _binary(said: Array) -> Array:
    """One output as the probabilities of two classes; what leaves [0, 1] was a logit."""
    if said.min() < 0 or said.max() > 1:
        said = 0.5 * (1 + np.tanh(said / 2))
    return np.stack([1 - said, said], axis=1)


def _probabilities(said: Array) -> Array:
    """Outputs as probabilities; rows that do not add up to 1 were logits."""
    if said.min() >= 0 and np.allclose(said.sum(axis=1), 1, atol=1e-2):
        return said
    shifted = np.exp(said - said.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _numbers(truth: Array, said: Array) -> tuple[Array, Array, None, Array] | None:
    """Truth and prediction as numbers (n, k), and how far off each row is in units of the targets'
    spread.
    """
    if not np.issubdtype(truth.dtype, np.number) or truth.ndim > 2 or said.ndim > 2:
        return None
    truth, said = (np.asarray(each, np.float32).reshape(len(truth), -1) for each in (truth, said))
    if truth.shape != said.shape or truth.shape[1] > _MOST_OUTPUTS:
        return None
    spread = np.where(truth.std(axis=0) > 0, truth.std(axis=0), 1)
    off = np.nan_to_num(np.abs(truth - said) / spread, nan=np.inf)
    return truth, said, None, off.max(axis=1)
