"""What the tests of the data room share. No test reads the user's cache or environment."""

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WriteIdx = Callable[..., Path]
_GIVEN = os.environ.get("PACELINE_DATA")


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty cache directory, which is returned, no data folder, and no proxy on the way to
    loopback servers.
    """
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.delenv("PACELINE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    return cache / "paceline" / "data"


@pytest.fixture
def real_data() -> Path:
    """A folder with the real data sets, where this machine has one."""
    folder = Path(_GIVEN) if _GIVEN else Path(__file__).resolve().parents[3] / "shared" / "data"
    if not (folder / "mnist").is_dir():
        pytest.skip("no real data on this machine")
    return folder


@pytest.fixture
def write_idx() -> WriteIdx:
    """Writes an array as an idx file, gzipped where the name says so."""

    def write(path: Path, array: Any) -> Path:
        values = np.asarray(array, dtype=np.uint8)
        content = (
            struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
            + values.tobytes()
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path

    return write


@pytest.fixture
def idx_folder(tmp_path: Path, write_idx: WriteIdx) -> Path:
    """A folder named ``tiny`` in a data folder: 40 training and 10 test images of 4 × 5 pixels in 3
    classes.
    """
    random = np.random.default_rng(0)
    folder = tmp_path / "datasets" / "tiny"
    for part, rows in (("train", 40), ("t10k", 10)):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", random.integers(0, 256, (rows, 4, 5)))
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(rows) % 3)
    return folder
