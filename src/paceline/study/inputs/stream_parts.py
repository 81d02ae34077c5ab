"""Streamed data of a study: its batches, validation and test data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.core.events import Json
from paceline.data import Stream

if TYPE_CHECKING:
    from paceline.train.stream_feed import StreamFeed


@dataclass(frozen=True, eq=False)
class StreamParts:
    """The parts of streamed data; the counterpart of `paceline.data.Split`.

    Attributes:
        dataset: the stream to train on.
        feed: its batches and those of the validation data.
        test: a stream, ``(x, y)``, ``(x, y, sample_weight)``, or None.
        fingerprint: digest of the class, the number of batches and validation data that are arrays.
            It is weak: changes of the contents of a dataset are not detected, since that would
            require loading all of it.
        notes: sentences for the user.
        validation_batch_size: rows of a batch of validation and test data that are arrays; None for
            32.
    """

    dataset: Stream
    feed: "StreamFeed"
    test: Any
    fingerprint: str
    notes: tuple[str, ...]
    validation_batch_size: int | None = None

    def to_json(self) -> Mapping[str, Json]:
        """Description of the data for the record."""
        batches = {
            "train" if kind == "train" else "val": source.count
            for kind, source in self.feed.sources.items()
        }
        return {
            "name": self.dataset.name,
            "fingerprint": self.fingerprint,
            "batches": batches,
            "task": None,
        }

    def evaluate(self, model: Any) -> dict[str, Any]:
        """The model's metrics on the test set, by name; empty where there is none."""
        if self.test is None:
            return {}
        if isinstance(self.test, Stream):
            from paceline.train.stream_feed import DatasetBatches, FitBatches

            batches = FitBatches(DatasetBatches(self.test.source))
            return dict(model.evaluate(batches, verbose=0, return_dict=True))
        x, y, weight = (*self.test, None)[:3]
        size = self.validation_batch_size
        return dict(
            model.evaluate(x, y, batch_size=size, sample_weight=weight, verbose=0, return_dict=True)
        )


def weights_of_classes(y: Any, class_weight: Mapping[int, float]) -> Any:
    """Weight of each row from its class, as in ``fit``, float32 ``(rows,)``."""
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels.argmax(axis=-1) if labels.shape[-1] != 1 else labels.squeeze(axis=-1)
    return np.array([class_weight.get(round(label), 1.0) for label in labels.tolist()], np.float32)
