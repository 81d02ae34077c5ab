"""The default schedule, and how many trials run at once by default."""

import math

from paceline.core import InvalidInput
from paceline.schedule import Full, Schedule
from paceline.schedule import create as create_schedule
from paceline.settings.description import Settings
from paceline.settings.function import NETWORKS
from paceline.study.plan.definition import Definition

_SHORT = 2  # trainings this short are not divided
# Trials that fill a device where they start and end one at a time: on a CPU one for each of a few
# cores and some that are prepared, elsewhere as many as a cohort has lanes, see
# docs/design/0029-numbers-of-lanes.md. Not of the machine: a seed gives one study on all CPUs.
_IN_FLIGHT, _IN_FLIGHT_ACCELERATED = 6, 64
# Workers of a function for each trial that is proposed ahead, and the same of very many workers: a
# model then has to propose many trials at once, or it would need more time than there is.
_WORKERS_PER_WAITING, _OF_MANY, _MANY_WORKERS = 32, 16, 512
_ROUNDS = 4  # in which a search that learns proposes its trials, at least


def schedule_of(definition: Definition, streamed: bool) -> Schedule:
    """The schedule; ``"auto"`` is successive halving, or full length where that would not help."""
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


def in_flight_of(backend: str, learns: bool, trials: int | None) -> int:
    """Default number of trials in flight for networks: what fills the device.

    If the search learns from the trials, at most a quarter of them, but at least six: a proposal
    that is made before any result is known is no better than a random one.

    Args:
        backend: of Keras.
        learns: whether the search learns from the trials.
        trials: number of trials; None if only time limits them.
    """
    if backend != "jax":
        return 1
    import jax

    if jax.default_backend() == "cpu":
        return _IN_FLIGHT
    return _accelerated(learns, trials)


def _accelerated(learns: bool, trials: int | None) -> int:
    if not learns or trials is None:
        return _IN_FLIGHT_ACCELERATED
    return min(_IN_FLIGHT_ACCELERATED, max(_IN_FLIGHT, math.ceil(trials / _ROUNDS)))


def in_flight_of_function(workers: int, learns: bool, is_full: bool) -> int:
    """Default number of trials in flight for a function: enough that no worker is idle for long.

    In order, a worker waits while an earlier one is slow. With twice as many in flight this is
    rare, but a model or a schedule would then use older results, and trials that wait for the
    schedule would need processes of their own. A model that proposes for many workers proposes a
    few trials ahead: several at once cost little more than one, and no worker waits for them.

    Args:
        workers: number of workers.
        learns: whether the search learns from the trials.
        is_full: whether each trial trains to its end.
    """
    if workers == 1 or not is_full:
        return workers
    per_waiting = _WORKERS_PER_WAITING if workers < _MANY_WORKERS else _OF_MANY
    return workers + workers // per_waiting if learns else 2 * workers


def is_default_in_flight(settings: Settings, learns: bool) -> bool:
    """Whether a study runs the default number of trials at once.

    Args:
        settings: those of the study.
        learns: whether its search learns from the trials.
    """
    number = settings.search.in_flight
    if settings.function.kind == NETWORKS:
        if settings.execution.backend != "jax":
            return number in (None, 1)
        accelerated = _accelerated(learns, settings.search.trials)
        return number in (None, _IN_FLIGHT, _IN_FLIGHT_ACCELERATED, accelerated)
    is_full = (settings.search.schedule or {"schedule": "full"})["schedule"] == Full.name
    workers = settings.execution.workers or 1
    return number in (None, in_flight_of_function(workers, learns, is_full))
