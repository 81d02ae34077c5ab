"""The only place of the benchmarks that calls `paceline.tune`: a change of its signature is one
change here.
"""

import tempfile
from collections.abc import Mapping
from typing import Any

import jax.monitoring

import paceline
from benchmarks.arrays import read
from benchmarks.builds import SPACES
from paceline.space import Choice


def tune(
    request: Mapping[str, Any], arrays: Mapping[str, Any] | None = None, **changes: Any
) -> Any:
    """A study of one of our spaces.

    Args:
        request: ``space, data, epochs, batch_size, seed``, ``trials`` or ``budget``; optionally
            ``search``, ``schedule``, ``keep``, ``study``.
        arrays: what is in the file ``data``, if it was read already.
        changes: replace entries of the request.
    """
    usual = {"search": "random", "schedule": "full", "study": None, "final": False, "keep": "last"}
    asked = {**usual, **request, **changes}
    space, data = SPACES[asked["space"]], arrays or read(asked["data"])
    training = {
        "epochs": asked["epochs"],
        "batch_size": asked["batch_size"],
        **_choices(space.choices),
    }
    with tempfile.TemporaryDirectory(prefix="study-") as unwanted:
        return paceline.tune(
            space.build,
            data=(data["x"], data["y"], data["x_test"], data["y_test"]),
            validation=(data["x_val"], data["y_val"]),
            objective=space.objective,
            trials=asked.get("trials"),
            budget=asked.get("budget"),
            search=asked["search"],
            schedule=asked["schedule"],
            seed=asked["seed"],
            final=asked["final"],
            keep=asked["keep"],
            study=asked["study"] or unwanted,
            display=False,
            **training,
        )


def _choices(choices: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Training arguments that are hyperparameters: ``batch_size=Choice([32, 64])``."""
    return {name: Choice(list(values)) for name, values in choices.items()}


def configurations(study: Any) -> list[dict[str, Any]]:
    """The configurations of a study's trials."""
    return [dict(trial.config) for trial in study.trials]


class Compilations:
    """Counts what XLA was asked to compile and what the persistent cache answered, by JAX's own
    events.

    An independent check of ``study.programs_compiled``: every small kernel counts here too.
    """

    def __init__(self) -> None:
        self.asked = self.cached = 0
        jax.monitoring.register_event_listener(self._note)

    def _note(self, event: str, **_: Any) -> None:
        self.asked += event == "/jax/compilation_cache/compile_requests_use_cache"
        self.cached += event == "/jax/compilation_cache/cache_hits"
