"""Recognises data of other libraries that arrive in batches, without importing any of them."""

import sys
from collections.abc import Iterator
from typing import Any

from paceline.core import InvalidInput
from paceline.data.batch_sources import BatchSource
from paceline.data.iterables import length_of
from paceline.data.records import Stream
from paceline.data.row_sources import from_rows
from paceline.data.source_registry import register_type


@register_type("tensorflow.DatasetV2")
def tf_dataset(dataset: Any) -> BatchSource:
    """A ``tf.data.Dataset``; one of single rows is recognised by its element's shapes."""
    tf = sys.modules["tensorflow"]
    count = int(dataset.cardinality())
    shapes = [spec.shape for spec in tf.nest.flatten(dataset.element_spec)]
    first = {shape[0] for shape in shapes if shape.rank and shape[0] is not None}
    has_rows = any(shape.rank == 0 for shape in shapes) or len(first) > 1

    def start() -> Iterator[Any]:
        for element in dataset:
            yield tf.nest.map_structure(_dense, element)

    def _dense(tensor: Any) -> Any:
        if isinstance(tensor, tf.SparseTensor):
            return tf.sparse.to_dense(tensor)
        if isinstance(tensor, tf.RaggedTensor):
            raise InvalidInput(
                "a tf.data dataset gives ragged tensors",
                expected="rows of one shape",
                fix="Pad them in the dataset: .map(lambda x, y: (x.to_tensor(shape=...), y)).",
            )
        return tensor

    return BatchSource(
        "tf.data dataset",
        start,
        count if count >= 0 else None,
        has_end=count != -1,  # tf.data.INFINITE_CARDINALITY
        has_rows=has_rows,
    )


@register_type("torch.DataLoader")
def data_loader(loader: Any) -> BatchSource:
    """A ``torch.utils.data.DataLoader``."""
    return BatchSource(type(loader).__name__, lambda: iter(loader), length_of(loader))


@register_type("torch.Dataset")
def torch_dataset(dataset: Any) -> Any:
    """A ``torch.utils.data.Dataset`` of rows ``(x, y)``; a ``TensorDataset`` as arrays."""
    tensors = getattr(dataset, "tensors", None)
    if isinstance(tensors, tuple) and len(tensors) in (2, 3):
        return tuple(tensor.detach().cpu().numpy() for tensor in tensors)
    count, name = length_of(dataset), type(dataset).__name__
    if count is None or hasattr(type(dataset), "__iter__"):
        return BatchSource(name, lambda: iter(dataset), count, has_rows=True)
    return from_rows(name, count, dataset.__getitem__)


@register_type("keras.PyDataset")
def py_dataset(dataset: Any) -> Stream:
    """A ``keras.utils.PyDataset``, which is streamed."""
    note = "Batches come from your PyDataset unchanged: no split, no standardisation."
    return Stream(type(dataset).__name__, dataset, length_of(dataset), (note,))
