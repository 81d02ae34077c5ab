"""Numbers, times and configurations as text for people."""

import math
from collections.abc import Mapping, Sequence

from paceline.core import Configuration, Splits, Value
from paceline.core.texts import on_one_line
from paceline.space import Boolean, Float, Hyperparameter, Int, Space


def number(value: float) -> str:
    """A measured number with four significant digits: ``0.9722``, ``12,346``, ``1.5e-7``."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def count(amount: int, noun: str) -> str:
    """``1 trial``, ``1,296 trials``."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def compiled(models: int, from_scratch: int) -> str:
    """How many models the trials shared, and how many of these the study compiled itself."""
    if from_scratch == 0:
        how = "taken from the cache of an earlier study"
    elif from_scratch == models:
        how = "compiled from scratch"
    else:
        how = f"{from_scratch:,} of them compiled from scratch"
    return f"The trials shared {count(models, 'compiled model')}, {how}."


def duration(seconds: float) -> str:
    """A time in at most two units: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    for large, name, small, rest in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= large:
            parts, left = divmod(whole, large)
            return f"{parts} {name} {left // small} {rest}" if left // small else f"{parts} {name}"
    return f"{whole} s"


def value(given: Value) -> str:
    """A hyperparameter's value."""
    if isinstance(given, bool):
        return "yes" if given else "no"
    return number(given) if isinstance(given, float) else on_one_line(str(given))


def configuration(config: Configuration, names: Sequence[str] | None = None) -> str:
    """``learning_rate 0.001, layers 2, activation relu``; only these names, if they are given."""
    chosen = config if names is None else {name: config[name] for name in names if name in config}
    return ", ".join(f"{on_one_line(name)} {value(given)}" for name, given in chosen.items())


def varying(space: Space) -> list[str]:
    """Names of the hyperparameters that have more than one value."""
    return [name for name in space.names if any(h.num_values != 1 for h in space.variants(name))]


def pairs(splits: Splits) -> str:
    """How the pairs of fresh trainings differ: ``fresh seeds and splits``."""
    return {
        Splits.ROWS: "fresh seeds and splits",
        Splits.FOLDS: "fresh seeds and folds",
        Splits.SAME_FOLDS: "fresh seeds, on the folds of the search",
        Splits.SAME: "fresh seeds, on the split of the search",
    }[splits]


def metrics(measured: Mapping[str, float]) -> str:
    """``accuracy 0.9722, loss 0.1034``."""
    return ", ".join(
        f"{on_one_line(name)} {number(score)}" for name, score in sorted(measured.items())
    )


def possible(hyperparameter: Hyperparameter) -> str:
    """The range of a hyperparameter: ``1 to 3``, ``relu, tanh or gelu``, ``yes or no``."""
    if isinstance(hyperparameter, Int | Float):
        low, high, step = hyperparameter.min_value, hyperparameter.max_value, hyperparameter.step
        times = "" if hyperparameter.sampling == "linear" else "times "
        steps = "" if step in (None, 1) else f" in steps of {times}{value(step or 1)}"
        return f"{value(low)} to {value(high)}{steps}"
    values = [
        value(hyperparameter.value_at(index)) for index in range(hyperparameter.num_values or 0)
    ]
    if isinstance(hyperparameter, Boolean):
        values.reverse()
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"
