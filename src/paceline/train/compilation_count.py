"""Counts XLA compilations and hits of the compilation cache on disk."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax

from paceline.core import process_state

_HIT_EVENT = "/jax/compilation_cache/cache_hits"
_COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"


class CompilationCount(threading.local):
    """Counts for the current thread.

    Attributes:
        compilations: XLA compilations, including hits.
        hits: those that were read from the cache on disk.
    """

    compilations = 0
    hits = 0


_count = CompilationCount()
_is_listening = threading.Event()


def _listen() -> None:
    """Begins to count, once in a process."""
    if _is_listening.is_set():
        return
    _is_listening.set()

    def on_hit(event: str, **_: Any) -> None:
        if event == _HIT_EVENT:
            _count.hits += 1

    def on_compile(event: str, duration_secs: float, **_: Any) -> None:  # noqa: ARG001 - passed by name
        if event == _COMPILE_EVENT:
            _count.compilations += 1

    def stop() -> None:
        _is_listening.clear()
        jax.monitoring.unregister_event_listener(on_hit)
        jax.monitoring.unregister_event_duration_listener(on_compile)

    jax.monitoring.register_event_listener(on_hit)
    jax.monitoring.register_event_duration_secs_listener(on_compile)
    if hasattr(jax.monitoring, "unregister_event_listener"):  # not in JAX 0.8
        process_state.restore_at_end(__name__, stop)


@contextmanager
def count_compilations() -> Iterator[CompilationCount]:
    """Counts the compilations of this thread in the context; final when it ends."""
    _listen()
    before = (_count.compilations, _count.hits)
    result = CompilationCount()
    yield result
    result.compilations = _count.compilations - before[0]
    result.hits = _count.hits - before[1]
