"""The interface of data that arrive in batches, between what reads them and what trains on them."""

from typing import Any, Protocol, cast


class Batches(Protocol):
    """The part of a ``keras.utils.PyDataset`` that training uses.

    Attributes:
        workers: threads that load batches.
        max_queue_size: batches that are loaded in advance, if there are several threads.
    """

    workers: int
    max_queue_size: int

    @property
    def num_batches(self) -> int | None:
        """Number of batches in a pass over the data; None if it has no end."""

    def __getitem__(self, index: int, /) -> Any:
        """A batch: ``(x, y)`` or ``(x, y, sample_weight)``, each a tree of arrays of rows."""

    def on_epoch_begin(self) -> None:
        """Called before the first batch of an epoch is loaded."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of an epoch is loaded."""


class SourceBatches(Batches, Protocol):
    """Batches that Paceline makes of another object, such as a generator or a folder of images.

    Attributes:
        name: what the object is.
        is_iterator: whether batches can be loaded in order only; otherwise in any order.
        has_passes: whether the place of a batch is counted over all epochs of a training.
        has_rows: whether the object gives single rows, so that the size of a batch is free.
    """

    name: str
    is_iterator: bool
    has_passes: bool
    has_rows: bool


def source_batches(batches: Batches) -> SourceBatches | None:
    """The batches, if Paceline makes them; None for those of a user's own dataset."""
    is_ours = all(hasattr(batches, name) for name in SourceBatches.__annotations__)
    return cast(SourceBatches, batches) if is_ours else None
