"""The versions and settings on which what is kept on disk depends."""

import functools
import hashlib
from pathlib import Path
from typing import Any

import jax
import jaxlib
import keras
import numpy as np

from paceline.train.disk_cache import processor


def environment() -> tuple[str, ...]:
    """The versions and settings on which traced steps depend, besides a model and its batches."""
    device = jax.local_devices()[0]
    options = (jax.config.jax_enable_x64, jax.config.jax_threefry_partitionable)  # type: ignore[attr-defined]
    versions = [module.__version__ for module in (jax, jaxlib, keras, np)]
    client: Any = device.client
    kind = (device.platform, client.platform_version, device.device_kind, processor())
    return (*versions, *kind, *map(str, options), keras.backend.backend(), _sources())


@functools.cache
def _sources() -> str:
    """A hash of the sources of this package: what is kept depends on how steps are traced.

    If they were changed after this process began, it may run the former ones, and what it keeps is
    for itself alone.
    """
    import psutil

    digest, process = hashlib.blake2b(digest_size=16), psutil.Process()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
        if max(path.stat().st_ctime, path.stat().st_mtime) >= process.create_time():
            digest.update(f"{process.pid} {process.create_time()}".encode())
    return digest.hexdigest()
