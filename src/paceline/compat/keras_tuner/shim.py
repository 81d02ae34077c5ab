"""Lets ``import keras_tuner`` and ``import kerastuner`` find this interface."""

import importlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

_HERE = "paceline.compat.keras_tuner"
_NAMES = ("keras_tuner", "kerastuner")

_MOVED: Mapping[str, str] = {
    "tuners.sklearn": "tuners.sklearn_tuner",
    "engine.hyperparameter": "engine.hyperparameters.hyperparameter",
    "engine.hyperparameters.hyperparameters": "engine.hyperparameters.container",
    "engine.hyperparameters.hp_types.boolean_hp": "engine.hyperparameters.categorical",
    "engine.hyperparameters.hp_types.choice_hp": "engine.hyperparameters.categorical",
    "engine.hyperparameters.hp_types.fixed_hp": "engine.hyperparameters.categorical",
    "engine.hyperparameters.hp_types.float_hp": "engine.hyperparameters.numerical",
    "engine.hyperparameters.hp_types.int_hp": "engine.hyperparameters.numerical",
    "hypermodel": "engine.hypermodel",
    "hyperparameters": "engine.hyperparameters",
    "version": "",
}
"""Modules that have another place here; those of earlier versions of KerasTuner among them."""


class Finder(MetaPathFinder):
    """Answers imports of KerasTuner's modules by those of this interface.

    ``keras_tuner.src.engine...`` is the same as ``keras_tuner.engine...``.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The module of this interface that has a name of KerasTuner; None for other names."""
        root, _, rest = fullname.partition(".")
        if root not in _NAMES:
            return None
        own = own_name(rest)
        try:
            known = find_spec(own)
        except ModuleNotFoundError:
            known = None
        if known is None:
            return None
        return ModuleSpec(
            fullname, _Alias(own), is_package=known.submodule_search_locations is not None
        )


class _Alias(Loader):
    """Loads a module under a second name."""

    def __init__(self, own: str) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself, under its own name."""
        if spec.name == "kerastuner":
            warnings.warn(
                "The package `kerastuner` is called `keras_tuner` now; please import that.",
                DeprecationWarning,
                stacklevel=2,
            )
        module = importlib.import_module(self._own)
        self._attributes = {name: getattr(module, name, None) for name in _OF_IMPORT}
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing but to give the module back what the import has changed."""
        for name, value in self._attributes.items():
            setattr(module, name, value)


_OF_IMPORT = ("__spec__", "__loader__", "__package__", "__path__")


def own_name(rest: str) -> str:
    """The name here of a module of KerasTuner, without ``keras_tuner`` before it."""
    rest = rest.removeprefix("src").lstrip(".") if rest.split(".")[0] == "src" else rest
    rest = _MOVED.get(rest, rest)
    return f"{_HERE}.{rest}" if rest else _HERE


def install() -> None:
    """From now on, this process finds this interface as ``keras_tuner`` and ``kerastuner``.

    Modules of KerasTuner that were imported before stay as they are where they are used.
    """
    if any(isinstance(one, Finder) for one in sys.meta_path):
        return
    for name in list(sys.modules):
        if name.split(".")[0] in _NAMES:
            del sys.modules[name]
    sys.meta_path.insert(0, Finder())


def uninstall() -> None:
    """The opposite of `install`."""
    sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, Finder)]
    for name in list(sys.modules):
        if name.split(".")[0] in _NAMES:
            del sys.modules[name]
