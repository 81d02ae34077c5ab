"""The data that all sides of a benchmark train on: made once, as one ``.npz`` file that every
process reads.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Split = tuple[Array, Array]

NAMES = ("x", "y", "x_val", "y_val", "x_test", "y_test")


def read(path: str | Path) -> dict[str, Array]:
    """The arrays of a file, under `NAMES`."""
    with np.load(path) as file:
        return {name: file[name] for name in NAMES}


def write(path: Path, train: Split, validation: Split, test: Split) -> Path:
    """Saves three splits; returns the path."""
    named: dict[str, Any] = dict(zip(NAMES, (*train, *validation, *test), strict=True))
    np.savez(path, **named)
    return path


def made_up(shape: tuple[int, ...], rows: int, *, classes: int | None) -> Split:
    """Random inputs with learnable targets: class numbers, or one real number where ``classes`` is
    None.
    """
    rng = np.random.default_rng(1)
    x = rng.random((rows, *shape), dtype=np.float32)
    score = x.reshape(rows, -1) @ rng.normal(size=(int(np.prod(shape)), classes or 1)).astype(
        "float32"
    )
    return (x, score.argmax(1).astype("int32")) if classes else (x, score.astype("float32"))


def write_made_up(
    path: Path, shape: tuple[int, ...], rows: int, *, classes: int | None, held_out: int = 64
) -> Path:
    """Random data of ``rows`` training rows and little to evaluate on, for benchmarks that measure
    training only.
    """
    x, y = made_up(shape, rows + 2 * held_out, classes=classes)
    cuts = (slice(rows), slice(rows, rows + held_out), slice(rows + held_out, None))
    train, validation, test = ((x[cut], y[cut]) for cut in cuts)
    return write(path, train, validation, test)


def write_mnist(path: Path, *, quick: bool) -> int:
    """MNIST with 54,000 training rows, or made-up rows of its shape; returns the number of training
    rows.
    """
    if quick:
        write_made_up(path, (784,), 640, classes=10)
    else:
        write_named("mnist", path, rows=54_000)
    return len(read(path)["x"])


def write_named(name: str, path: Path, *, rows: int, test: Any = "auto") -> Path:
    """A real data set, flattened and split by a fixed seed, so that all sides see the same numbers.

    Args:
        name: as `paceline.data.load` knows it; looked for in ``PACELINE_DATA`` first.
        path: where to write it.
        rows: how many rows are trained on; what the test part leaves beside them is for validation.
        test: the test part, as `paceline.data.load` takes it.
    """
    from paceline import data  # here, because the peers read this module too

    loaded = data.load(name, test=test)
    x, y, x_test, y_test = (
        np.asarray(part) for part in (loaded.x, loaded.y, loaded.x_test, loaded.y_test)
    )
    order = np.random.default_rng(1).permutation(len(x))
    train, held_out = order[:rows], order[rows:]
    prepare = _preparation(x[train], standardise=loaded.task == "regression")
    return write(
        path,
        (prepare(x[train]), y[train]),
        (prepare(x[held_out]), y[held_out]),
        (prepare(x_test), y_test),
    )


def _preparation(x: Array, *, standardise: bool) -> Callable[[Array], Array]:
    """Flattens rows; on request also shifts and scales them as the training rows ``x`` say. Images
    come as 0-1.
    """
    flat = x.reshape(len(x), -1).astype("float32")
    mean, deviation = (
        (flat.mean(0), flat.std(0) + 1e-7) if standardise else (np.float32(0), np.float32(1))
    )
    return lambda rows: np.asarray(
        (rows.reshape(len(rows), -1) - mean) / deviation, dtype="float32"
    )
