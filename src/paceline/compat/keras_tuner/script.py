"""Runs a script that was written for KerasTuner, unchanged."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType

from paceline.compat.keras_tuner import shim
from paceline.core import InvalidInput

FAILED = 1
"""The exit code after an exception, as of ``python script.py``."""


def run_script(path: str | os.PathLike[str], arguments: Sequence[str] = ()) -> int:
    """Runs a script as ``python script.py arguments`` does, with this interface as KerasTuner.

    Keras runs on JAX, unless the environment variable KERAS_BACKEND says otherwise. The script
    takes the place of ``__main__`` for the rest of the process.

    Args:
        path: of the script.
        arguments: of the script, ``sys.argv[1:]`` in it.

    Returns:
        The exit code: 0, or 1 if the script has raised an exception, whose traceback is printed.

    Raises:
        InvalidInput: there is no such file.
        SystemExit: the script has ended with it.
        KeyboardInterrupt: it was interrupted.
    """
    script = Path(path)
    if not script.is_file():
        raise InvalidInput(f"there is no file {script}", expected="the path of a Python script")
    os.environ.setdefault("KERAS_BACKEND", "jax")
    shim.install()
    main = ModuleType("__main__")
    main.__file__, main.__builtins__ = str(script), __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = main
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(script.resolve().parent))
    try:
        exec(compile(script.read_bytes(), str(script), "exec"), main.__dict__)
    except Exception as error:
        shown = error.with_traceback(_within(error.__traceback__, str(script)))
        sys.stdout.flush()
        sys.excepthook(type(error), shown, shown.__traceback__)
        return FAILED
    return 0


def _within(trace: TracebackType | None, script: str) -> TracebackType | None:
    """The part of a traceback that begins in the script; of a syntax error there is none."""
    while trace is not None and trace.tb_frame.f_code.co_filename != script:
        trace = trace.tb_next
    return trace
