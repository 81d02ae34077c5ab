"""Runs Python files of the user, each with its folder on ``sys.path``."""

import hashlib
import importlib.util
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType

from paceline.core import InvalidInput, process_state
from paceline.execute.process_worker import USER_FILE

_neighbours: dict[str, dict[str, ModuleType]] = {}
"""Modules that files of a folder imported from it, by folder and name."""


def run_file(path: Path, expected: str) -> ModuleType:
    """The module of a file; it is run once per process with its folder first on ``sys.path``.

    The folder stays there until the call of Paceline ends, since functions of the file may import
    from it. Modules of the same name in folders of other files are kept apart.

    Args:
        path: absolute path of the file.
        expected: what should have been passed, for the message.

    Raises:
        InvalidInput: it cannot be run.
    """
    _enter(str(path.parent))
    name = f"{USER_FILE}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InvalidInput(f"{path} is not a Python file", expected=expected)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        line = error.__traceback__
        while line is not None and line.tb_next is not None:
            line = line.tb_next
        raise InvalidInput(
            f"{path} cannot be run ({type(error).__name__}: {error})",
            expected="a Python file that can be imported",
            fix=f"Try it alone: python {path}",
        ) from error
    return module


def _enter(folder: str) -> None:
    """Puts a folder on ``sys.path``, and sets the modules of other files' folders aside."""
    if folder in sys.path:
        return
    for other, modules in _neighbours.items():
        for name, module in modules.items():
            if other != folder and sys.modules.get(name) is module:
                del sys.modules[name]
    for name, module in _neighbours.get(folder, {}).items():
        sys.modules.setdefault(name, module)
    process_state.restore_at_end(("sys.path", folder), partial(_leave, folder, set(sys.modules)))
    sys.path.insert(0, folder)


def _leave(folder: str, before: set[str]) -> None:
    """Removes a folder from ``sys.path``; modules imported from it stay loaded."""
    with suppress(ValueError):  # the user's code has removed it
        sys.path.remove(folder)
    found = {
        name: module
        for name, module in list(sys.modules.items())
        if name not in before and _is_in(folder, name)
    }
    _neighbours.setdefault(folder, {}).update(found)


def _is_in(folder: str, name: str) -> bool:
    """Whether a module, or its top-level package, is in the folder itself."""
    file = getattr(sys.modules.get(name.partition(".")[0]), "__file__", None)
    if file is None or name.startswith(USER_FILE):
        return False
    place = Path(file)
    return str((place.parent if place.stem == "__init__" else place).parent) == folder
