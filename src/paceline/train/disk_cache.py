"""The cache of compiled programs on disk: one for each kind of processor, and without JAX's false
alarms.
"""

import functools
import hashlib
import os
import platform
from pathlib import Path

import jax

from paceline.train.calibration import cache_directory
from paceline.train.internals import hide_messages_of_xla

_IDENTIFIES = ("model name", "flags", "CPU implementer", "CPU part", "Features")
_DEFAULT_LEVEL = "1"  # of TF_CPP_MIN_LOG_LEVEL: JAX sets it where the user has not


def use_disk_cache() -> None:
    """Keeps compiled programs in the user's cache directory, unless the user set another place."""
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        directory = cache_directory() / "xla" / processor()
        directory.mkdir(parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(directory))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        _hide_false_alarms()


@functools.cache
def processor() -> str:
    """A short name of this kind of processor: machine code for another one may crash here.

    JAX's own key of an entry does not hold it, and a home directory may be shared by several
    machines.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").split("\n\n")[0].splitlines()
        described = [line for line in lines if line.partition("\t")[0].strip() in _IDENTIFIES]
    except OSError:
        described = [platform.processor()]
    text = "\n".join([platform.machine(), *described])
    return f"{platform.machine() or 'cpu'}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _hide_false_alarms() -> None:
    """Hides what XLA logs each time it loads a program for a CPU from the cache.

    On processors with AVX-512 it takes two preferences of the compiler for features that the
    processor lacks (openxla/xla issue 44565), and logs two lines of 2 kB as errors for each
    program. That the program was made for this processor is known by the directory. Failures of XLA
    reach Python as exceptions as well, so nothing is lost. Whoever chose a level of logging keeps
    it.
    """
    chosen = os.environ.get("TF_CPP_MIN_LOG_LEVEL", _DEFAULT_LEVEL) != _DEFAULT_LEVEL
    if not chosen and jax.config.jax_logging_level in (None, "NOTSET"):  # type: ignore[attr-defined]
        hide_messages_of_xla()
