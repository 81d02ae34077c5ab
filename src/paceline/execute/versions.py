"""The versions that the study's process and its workers have to share."""

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("keras", "jax")


def versions() -> dict[str, str]:
    """The versions of Python, Paceline, Keras and JAX in this process."""
    own = str(sys.modules["paceline"].__version__)
    found = {"Python": ".".join(map(str, sys.version_info[:3])), "paceline": own}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def differences(study: Mapping[str, str], node: Mapping[str, str]) -> str:
    """What a node has of another version than the study, as a text; empty if nothing."""
    return ", ".join(
        f"{name} is {node.get(name, 'not installed')} there and {own} in the study's process"
        for name, own in study.items()
        if node.get(name) != own
    )
