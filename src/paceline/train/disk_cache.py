"""The cache of compiled programs on disk: one for each kind of processor, and without JAX's false
alarms.
"""

import functools
import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from paceline.core import process_state
from paceline.train.calibration import cache_directory
from paceline.train.internals import set_log_level_of_xla

_IDENTIFIES = ("model name", "flags", "CPU implementer", "CPU part", "Features")
_DEFAULT_LEVEL = "1"  # of TF_CPP_MIN_LOG_LEVEL: JAX sets it where the user has not
_ONLY_FATAL = 3


def use_disk_cache() -> None:
    """Keeps compiled programs in the user's cache directory, unless the user set another place."""
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        directory = cache_directory() / "xla" / processor()
        directory.mkdir(parents=True, exist_ok=True)
        process_state.restore_at_end(
            __name__, functools.partial(_restore, _configure(str(directory)))
        )
        _hide_false_alarms()


def _configure(directory: str) -> dict[str, Any]:
    """Sets JAX's options; returns what they were before."""
    options = {
        "jax_compilation_cache_dir": directory,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in options}
    for name, value in options.items():
        jax.config.update(name, value)
    reset_cache()  # JAX keeps what it has opened, whatever the options say
    return before


def _restore(before: Mapping[str, Any]) -> None:
    for name, value in before.items():
        jax.config.update(name, value)
    reset_cache()


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
        set_log_level_of_xla(_ONLY_FATAL)
        process_state.restore_at_end(
            "XLA's messages", lambda: set_log_level_of_xla(int(_DEFAULT_LEVEL))
        )
