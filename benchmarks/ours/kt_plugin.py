"""A pytest plugin: tests that import keras_tuner are answered by Paceline's interface.

Names that are internal to KerasTuner, and which its test files import all the same, are given as
far as a file needs them to be imported: Keras itself as ``backend``, two functions for JSON, and
empty modules for protocol buffers and for the server of parallel searches.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

from paceline.compat.keras_tuner import shim
from paceline.compat.keras_tuner.engine import stateful


def _module(name: str, **attributes: Any) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(attributes)
    sys.modules[name] = made
    parent, _, last = name.rpartition(".")
    setattr(importlib.import_module(parent), last, made)
    return made


def _not_here(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("internal to KerasTuner")


def _install() -> None:
    import keras

    shim.install()
    importlib.import_module("keras_tuner")
    for name, one in list(sys.modules.items()):
        if name.partition(".")[0] == "keras":
            sys.modules[f"keras_tuner.backend.{name}"] = one
    config = {"backend": keras.config.backend, "multi_backend": lambda: True}
    _module("keras_tuner.backend", keras=keras, __path__=[])
    _module("keras_tuner.backend.config", **config)
    sys.modules["keras_tuner.backend.keras"] = keras
    _module("keras_tuner.utils", load_json=stateful.load_json, save_json=stateful.save_json)
    _module("keras_tuner.protos", get_proto=_not_here)
    _module("keras_tuner.distribute", __path__=[])
    for name in ("oracle_client", "oracle_chief", "utils"):
        _module(f"keras_tuner.distribute.{name}", TIMEOUT=0)
    if importlib.util.find_spec("tensorflow") is None:  # this one needs it; used by a skipped test
        _module("tensorboard.plugins.hparams", __path__=[])
        _module("tensorboard.plugins.hparams.api")
    _module("keras_tuner.test_utils", __path__=[])
    _module("keras_tuner.test_utils.mock_distribute", mock_distribute=_not_here)


_install()
_outcomes: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keeps the outcome of each test."""
    if report.when == "call" or report.outcome != "passed":
        _outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    """Writes the outcomes."""
    Path(os.environ["KT_SUITE_OUTCOMES"]).write_text(json.dumps(_outcomes))
