"""The functions that users call."""

import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from paceline.search import Strategy
from paceline.space import HyperParameters, Hyperparameter
from paceline.study import Request, Study, run


def tune(
    build: Callable[[HyperParameters], Any],
    data: Any,
    *,
    objective: Any,
    epochs: int | Hyperparameter = 10,
    batch_size: int | Hyperparameter = 32,
    trials: int | None = None,
    budget: float | str | None = None,
    search: str | Strategy = "random",
    seed: int | None = None,
    study: str | os.PathLike[str] | None = None,
    validation: Any = 0.1,
    patience: int | None = None,
    keep: str = "last",
    class_weight: Mapping[int, float] | None = None,
    memory: int | str | None = None,
    display: bool = False,
    **data_options: Any,
) -> Study:
    """Searches for the best configuration of ``build(hp)`` and gives back the study."""
    directory = tempfile.mkdtemp(prefix="paceline-") if study is None else study
    request = Request.of(
        build, data, objective=objective, study=directory, epochs=epochs, batch_size=batch_size, trials=trials,
        budget=budget, search=search, seed=seed, validation=validation, data_options=data_options,
        class_weight=class_weight, patience=patience, keep=keep, memory=memory,
    )  # fmt: skip
    return run(request)
