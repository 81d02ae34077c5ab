"""Keeps Python's garbage collector away from Keras and JAX.

Importing them makes 300,000 objects, nearly none of which ever goes. The collector walks over all
of them several times while they are imported, and four times when the process ends: together a
second. So it is paused for the import, and the objects are frozen: later collections skip them.
"""

import gc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_LARGE = ("jax", "keras")
_MOST_OTHERS = 200_000  # objects: those of other imported packages and of a notebook
_FROZEN_BY_PYTHON = 2_000  # at most: 375 in Python 3.12, which ``gc.unfreeze`` leaves frozen
_num_frozen = 0  # objects that were frozen after the last import of these packages


class LargeImports:
    """Finds Keras and JAX where Python's other finders find them, and keeps the collector away."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a large package; None for all others, which Python finds itself."""
        if name not in _LARGE:
            return None
        # as Python does, which skips finders of an earlier protocol
        others = [one for one in sys.meta_path if one is not self and hasattr(one, "find_spec")]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((one for one in found if one is not None), None)
        if spec is not None:
            _keep_collector_away(spec.loader)
        return spec


def _keep_collector_away(loader: object) -> None:
    """Lets a loader execute its module without garbage collections, and freezes what was made."""
    execute = getattr(loader, "exec_module", None)
    if execute is None or not hasattr(loader, "__dict__"):
        return

    def exec_module(module: ModuleType) -> None:
        vars(loader).pop("exec_module", None)
        if not gc.isenabled():  # by the user, or in the import of another large package
            execute(module)
            return
        may_freeze = _may_freeze()
        if may_freeze:
            gc.collect()  # what is garbage now would never be collected
        gc.disable()
        try:
            execute(module)
            if may_freeze:
                _freeze()
        finally:
            gc.enable()

    vars(loader)["exec_module"] = exec_module


def _freeze() -> None:
    global _num_frozen
    gc.freeze()
    _num_frozen = gc.get_freeze_count()


def _may_freeze() -> bool:
    """Whether all objects may be frozen, so that they are never collected.

    Not those of a process that has run for a while; not in a call of Paceline, which leaves the
    process as it was; not beside objects that the user froze, since ``gc.unfreeze`` knows only all
    or nothing.
    """
    state = sys.modules.get("paceline.core.process_state")
    is_in_call = state is not None and state.is_preserving()
    by_others = gc.get_freeze_count() - _num_frozen
    return (
        not is_in_call and by_others <= _FROZEN_BY_PYTHON and len(gc.get_objects()) <= _MOST_OTHERS
    )
