"""The messages between the driver of a study and its engines, and their form as bytes.

A message is a kind, a JSON object and a list of arrays. As bytes it is the length of the JSON (8
bytes, little endian), the JSON, and the arrays in the safetensors format. Nothing is pickled.

| to an engine | content |
| --- | --- |
| ``start`` | the work, and the facts from which numbers of lanes are chosen |
| ``jobs`` | jobs, with the snapshots and scores of those that continue; a running number |
| ``forget`` | trials whose paused networks may be freed |
| ``learned`` | what builds in other engines have shown of the space |
| ``stop`` | end training, with a snapshot of each running trial |

| from an engine | content |
| --- | --- |
| ``hello`` | versions, and the facts of its devices |
| ``ready``, ``refused`` | it takes jobs now, or the error why it cannot |
| ``update`` | an `ExecutorUpdate` |
| ``learned`` | what a build has shown of the space |
| ``state`` | the last ``jobs`` that it has seen, and how many of its jobs wait to be built |
| ``stopped`` | its last update was sent |
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

_LENGTH = 8  # bytes
_NATIVE = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
    | {"float16", "float32", "float64"}
)  # types that safetensors has; others, such as bfloat16, travel as their bytes


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A message.

    Attributes:
        kind: what it says.
        content: JSON types.
        arrays: arrays that the content refers to by their places.
    """

    kind: str
    content: Mapping[str, Any] = field(default_factory=dict)
    arrays: Sequence[Array] = ()


class ArrayList:
    """The arrays of a message, each of them once."""

    def __init__(self) -> None:
        """No arrays."""
        self.all: list[Array] = []
        self._places: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no other object gets the id of one of them

    def add(self, array: Any) -> int:
        """Adds an array, unless that very object is known; returns its place."""
        if id(array) not in self._places:
            self._places[id(array)] = len(self.all)
            self.all.append(np.asarray(array))
            self._kept.append(array)
        return self._places[id(array)]

    def add_all(self, arrays: Sequence[Any]) -> list[int]:
        """The places of several arrays."""
        return [self.add(array) for array in arrays]


def encoded(message: Message) -> bytes:
    """A message as bytes."""
    from safetensors.numpy import save

    tensors: dict[str, Array] = {}
    others: dict[str, Any] = {}
    for i, array in enumerate(message.arrays):
        own = np.asarray(array, order="C")
        if own.dtype.name not in _NATIVE or not own.dtype.isnative:
            is_of_numpy = np.dtype(own.dtype.str) == own.dtype
            others[str(i)] = [own.dtype.str if is_of_numpy else own.dtype.name, own.shape]
            own = np.frombuffer(own.tobytes(), np.uint8)
        tensors[str(i)] = own
    head: dict[str, Any] = {"kind": message.kind, "content": message.content}
    head |= {"arrays": len(tensors)} if tensors else {}
    head |= {"types": others} if others else {}
    text = json.dumps(head, allow_nan=False, separators=(",", ":")).encode()
    return b"".join(
        (len(text).to_bytes(_LENGTH, "little"), text, save(tensors) if tensors else b"")
    )


def decoded(data: bytes) -> Message:
    """The message of these bytes.

    Raises:
        ValueError: they are none.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    end = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    try:
        head = json.loads(data[_LENGTH:end])
        tensors = load(data[end:]) if len(data) > end else {}
        arrays = [tensors[str(i)] for i in range(head.get("arrays", 0))]
        for number, (name, shape) in head.get("types", {}).items():
            whole = arrays[int(number)].tobytes()
            arrays[int(number)] = np.frombuffer(whole, _dtype(name)).reshape(shape).copy()
        return Message(head["kind"], head["content"], arrays)
    except (SafetensorError, LookupError, TypeError) as error:
        raise ValueError(f"no message of an engine: {type(error).__name__}: {error}") from error


def _dtype(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name)
    except TypeError:  # a type that JAX adds to NumPy
        import ml_dtypes

        found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return found
