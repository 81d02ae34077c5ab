"""A trained network with the preparation of its rows, as a fitted estimator keeps it."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paceline.core.events import Json

Array = np.ndarray[Any, Any]

_BATCH = 256  # rows; the same for all calls, so that a row's prediction depends on no other rows


class FittedNetwork:
    """A trained model of a table's rows.

    It is pickled as the bytes of a ``.keras`` file, which is read in safe mode when it is used.

    Args:
        model: the Keras model, with the preparation of numbers.
        preparation: how columns become numbers, as the study recorded it.
    """

    def __init__(self, model: Any, preparation: Mapping[str, Json]) -> None:
        self._model, self._preparation = model, preparation
        self._stored: bytes | None = None

    def predict(self, frame: Any) -> Array:
        """The outputs of the network, float64 (rows, outputs).

        Args:
            frame: a data frame with the columns of the training data.
        """
        from paceline.study.inputs.model_inputs import model_rows

        rows = model_rows(self._preparation, frame)
        model, parts = self._loaded(), []
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            padding = np.repeat(batch[-1:], _BATCH - len(batch), axis=0)
            found = model.predict_on_batch(np.concatenate([batch, padding]))
            parts.append(np.asarray(found)[: len(batch)])
        return np.concatenate(parts).astype(np.float64)

    def _loaded(self) -> Any:
        if self._model is None and self._stored is not None:
            from paceline.train.saving import load

            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.keras"
                path.write_bytes(self._stored)
                self._model = load(path)
        return self._model

    def __getstate__(self) -> dict[str, Any]:
        return {"stored": self._bytes(), "preparation": self._preparation}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._model, self._stored = None, state["stored"]
        self._preparation = state["preparation"]

    def _bytes(self) -> bytes:
        if self._stored is None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.keras"
                self._model.save(path)
                self._stored = path.read_bytes()
        return self._stored
