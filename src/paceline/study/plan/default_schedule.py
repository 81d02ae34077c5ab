"""The default schedule, and how many trials run at once by default."""

from paceline.core import InvalidInput
from paceline.schedule import Full, Schedule
from paceline.schedule import create as create_schedule
from paceline.study.plan.definition import Definition

_SHORT = 2  # epochs that are not worth dividing
_IN_FLIGHT, _IN_FLIGHT_ACCELERATED = 6, 64


def schedule_of(definition: Definition, streamed: bool) -> Schedule:
    """The schedule asked for; ``"auto"`` is successive halving, or full length where that would
    decide nothing.
    """
    varies = "epochs" in definition.loop
    if isinstance(definition.schedule, str):
        whole = varies or streamed or (definition.settings.training.epochs or 1) <= _SHORT
        return Full() if whole or definition.search.strategy.ends else create_schedule("asha")
    schedule = definition.schedule
    if varies and not isinstance(schedule, Full):
        raise InvalidInput(
            f"schedule is {schedule.name!r} where epochs are a hyperparameter",
            expected="'full' or 'auto'",
            fix="A schedule chooses how long each trial trains; pass a number for epochs.",
        )
    return schedule


def in_flight_of(backend: str) -> int:
    """Trials in flight by default: some for each core of a CPU, as many as an accelerator
    likes elsewhere.
    """
    if backend != "jax":
        return 1
    import jax

    return _IN_FLIGHT if jax.default_backend() == "cpu" else _IN_FLIGHT_ACCELERATED
