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
    """What `paceline.data.Split` is for arrays.

    Attributes:
        dataset: the stream to train on.
        feed: its batches and those of the validation data.
        test: a PyDataset, ``(x, y)``, or None.
        fingerprint: of class, number of batches and, where validation data are arrays, their
            contents. It is weak: the contents of a dataset can only be known by loading all of it,
            so a study cannot tell that they changed.
        notes: plain sentences for the user.
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
        """For the record."""
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
        x, y, weight = (
            (*self.test, None)[:3] if isinstance(self.test, tuple) else (self.test, None, None)
        )
        # of arrays; a dataset has a size of its own, which Keras wants to be left alone
        size = self.validation_batch_size if isinstance(self.test, tuple) else None
        return dict(
            model.evaluate(x, y, batch_size=size, sample_weight=weight, verbose=0, return_dict=True)
        )


def weights_of_classes(y: Any, class_weight: Mapping[int, float]) -> Any:
    """A weight for each row from its class, as ``fit`` makes it, float32 ``(rows,)``."""
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels.argmax(axis=-1) if labels.shape[-1] != 1 else labels.squeeze(axis=-1)
    return np.array([class_weight.get(round(label), 1.0) for label in labels.tolist()], np.float32)
