"""Trees of arrays, for networks with several inputs or outputs: arrays, or containers of trees.

Containers are those of Keras and JAX (dicts, lists and tuples), without importing either. The order
of dicts is that of their sorted keys, as in JAX.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
"""A NumPy array of any shape and type."""

Tree = Any
"""An array, or a dict, list or tuple of trees."""


def is_branch(tree: Tree) -> bool:
    """Whether ``tree`` is a container of arrays: a dict, or a list or tuple of array-like objects.

    A nested list of plain numbers is one array, not a tree.
    """
    if isinstance(tree, dict):
        return True
    return (
        isinstance(tree, list | tuple)
        and len(tree) > 0
        and all(_array_like(part) or is_branch(part) for part in tree)
    )


def _array_like(part: object) -> bool:
    return hasattr(part, "shape") or hasattr(part, "__array__")


def leaves(tree: Tree, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each leaf with its path, such as ``"['image']"`` or ``"[0]"`` (``""`` for a single array)."""
    if isinstance(tree, dict):
        for key in sorted(tree):
            yield from leaves(tree[key], f"{path}[{key!r}]")
    elif is_branch(tree):
        for index, part in enumerate(tree):
            yield from leaves(part, f"{path}[{index}]")
    else:
        yield path, tree


def map_leaves(function: Callable[[str, Any], Any], tree: Tree, path: str = "") -> Tree:
    """The tree with each leaf replaced by ``function(path, leaf)``."""
    if isinstance(tree, dict):
        return {key: map_leaves(function, tree[key], f"{path}[{key!r}]") for key in sorted(tree)}
    if is_branch(tree):
        parts = [map_leaves(function, part, f"{path}[{index}]") for index, part in enumerate(tree)]
        return tuple(parts) if isinstance(tree, tuple) else parts
    return function(path, tree)


def num_rows(tree: Tree) -> int:
    """Length of the first axis, which is equal for all leaves of a validated tree."""
    return next((len(leaf) for _, leaf in leaves(tree)), 0)


def take(tree: Tree, rows: Array) -> Tree:
    """The given rows of every leaf, copied."""
    return map_leaves(lambda _, leaf: leaf[rows], tree)
