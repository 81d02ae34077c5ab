"""A made-up conditional space whose optimum is known: three branches of different depth. Needs only
Python.

The deepest branch holds the optimum, behind two more choices, and looks worse than the others until
it is tuned. The learning rate matters in the same way everywhere: what is learnt of it in one
branch holds in the others.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

OPTIMUM = 0.0


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter.

    Attributes:
        choices: categories; none for a number from 0 to 1, or on a log scale from 1e-5 to 1.
        is_log: whether it is on a log scale.
        when: name and value of the parameter that it depends on.
    """

    name: str
    choices: tuple[str, ...] = ()
    is_log: bool = False
    when: tuple[str, str] | None = None


PARAMETERS = (
    Parameter("branch", ("shallow", "middle", "deep")),
    Parameter("rate", is_log=True),
    Parameter("width", when=("branch", "shallow")),
    Parameter("middle_kind", ("a", "b", "c"), when=("branch", "middle")),
    Parameter("middle_x", when=("branch", "middle")),
    Parameter("middle_y", when=("middle_kind", "b")),
    Parameter("deep_kind", ("p", "q"), when=("branch", "deep")),
    Parameter("deep_x", when=("branch", "deep")),
    Parameter("q_x", when=("deep_kind", "q")),
    Parameter("q_mode", ("m", "n"), when=("deep_kind", "q")),
    Parameter("n_x", when=("q_mode", "n")),
)


def draw(suggest: Callable[[Parameter], Any]) -> dict[str, Any]:
    """A configuration, of what is suggested for each parameter whose condition holds."""
    config: dict[str, Any] = {}
    for parameter in PARAMETERS:
        if parameter.when is None or config.get(parameter.when[0]) == parameter.when[1]:
            config[parameter.name] = suggest(parameter)
    return config


def loss(config: Mapping[str, Any]) -> float:
    """To be minimised; `OPTIMUM` at deep, q, n, rate 1e-3, deep_x 0.8, q_x 0.3, n_x 0.5."""
    shared = 4 * ((math.log10(config["rate"]) + 3) / 5) ** 2
    if config["branch"] == "shallow":
        return float(0.3 + shared + (config["width"] - 0.7) ** 2)
    if config["branch"] == "middle":
        own = 0.2 + (config["middle_y"] - 0.6) ** 2 if config["middle_kind"] == "b" else 0.35
        return float(own + shared + (config["middle_x"] - 0.2) ** 2)
    x = config["deep_x"] - 0.8
    if config["deep_kind"] == "p":
        own = 0.4
    else:
        own = (config["q_x"] - 0.3) ** 2
        own += 0.25 if config["q_mode"] == "m" else 2 * (config["n_x"] - 0.5 - 0.3 * x) ** 2
    return float(own + shared + 1.5 * x**2)
