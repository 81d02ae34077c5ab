"""The cache of compiled programs on disk: one for each type of processor."""

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
from paceline.train.cache_files import cache_directory
from paceline.train.internals import set_xla_log_level

_IDENTIFYING_FIELDS = ("model name", "flags", "CPU implementer", "CPU part", "Features")
_FATAL = 3  # log level
_DEFAULT_LEVEL = "1"  # of TF_CPP_MIN_LOG_LEVEL: set by JAX unless the user has set it


def use_disk_cache() -> None:
    """Stores compiled programs in the user's cache directory, unless the user set another one."""
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        directory = cache_directory() / "xla" / processor()
        directory.mkdir(parents=True, exist_ok=True)
        before = _configure(str(directory))
        process_state.restore_at_end(__name__, functools.partial(_restore, before))
        _hide_false_alarms()


def _configure(directory: str) -> dict[str, Any]:
    """Sets JAX's options; returns their previous values."""
    options = {
        "jax_compilation_cache_dir": directory,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in options}
    for name, value in options.items():
        jax.config.update(name, value)
    reset_cache()  # JAX keeps an open cache, whatever its options
    return before


def _restore(before: Mapping[str, Any]) -> None:
    for name, value in before.items():
        jax.config.update(name, value)
    reset_cache()


@functools.cache
def processor() -> str:
    """A short name of the type of processor, for which machine code was compiled.

    JAX's own keys do not include it, code for another processor may crash, and a home directory may
    be shared by several machines.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").split("\n\n")[0].splitlines()
        described = [
            line for line in lines if line.partition("\t")[0].strip() in _IDENTIFYING_FIELDS
        ]
    except OSError:
        described = [platform.processor()]
    text = "\n".join([platform.machine(), *described])
    return f"{platform.machine() or 'cpu'}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _hide_false_alarms() -> None:
    """Hides the messages that XLA logs for each program that it loads from the cache on a CPU.

    On processors with AVX-512 XLA takes two compiler preferences for processor features that are
    missing (openxla/xla issue 44565), and logs two lines of 2 kB as errors for each program. The
    directory guarantees that the program was compiled for this processor. Failures of XLA also
    raise exceptions, so no information is lost. A log level set by the user is kept.
    """
    is_set = os.environ.get("TF_CPP_MIN_LOG_LEVEL", _DEFAULT_LEVEL) != _DEFAULT_LEVEL
    if not is_set and jax.config.jax_logging_level in (None, "NOTSET"):  # type: ignore[attr-defined]
        set_xla_log_level(_FATAL)
        process_state.restore_at_end(
            "XLA's log level", lambda: set_xla_log_level(int(_DEFAULT_LEVEL))
        )
