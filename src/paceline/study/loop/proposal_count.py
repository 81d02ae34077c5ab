"""How many configurations are proposed at once."""

from paceline.schedule import Full
from paceline.study.planned.protocol import Plan

# Configurations proposed at once by a strategy that does not learn, if the number is known.
_MOST_AHEAD = 4096
_AHEAD = 64  # the same where only time limits the study, or a schedule decides
# More are proposed once this part (1 / _TOGETHER) of the trials that may be in flight is free.
_TOGETHER = 4
# Of functions a free place is an idle worker; see `default_schedule.in_flight_of_function`.
_TOGETHER_OF_FUNCTION, _TOGETHER_AHEAD, _TOGETHER_OF_MANY = 100, 34, 18
_MANY_IN_FLIGHT = 512


def count_without_results(plan: Plan) -> int:
    """How many to propose if results affect neither the proposals nor which trials continue."""
    is_timed = plan.budget.seconds is not None and plan.budget.trials is None
    return _AHEAD if is_timed else _MOST_AHEAD


def count_in_flight(plan: Plan, learns: bool, num_in_flight: int) -> int:
    """How many to propose so that enough trials are in flight; 0 while few of them have arrived.

    Args:
        plan: that of the study.
        learns: whether the strategy learns from results now.
        num_in_flight: trials in flight.
    """
    most = plan.settings.search.in_flight or 1
    window = most if learns or plan.is_define_by_run else max(_AHEAD, most)
    free = window - num_in_flight
    return free if free >= max(1, window // _together(plan, learns, most)) else 0


def _together(plan: Plan, learns: bool, most: int) -> int:
    """Which part of the trials in flight (1 / n) has to be free before more are proposed."""
    if not plan.is_define_by_run:
        return _TOGETHER
    if not (learns and isinstance(plan.schedule, Full)):
        return _TOGETHER_OF_FUNCTION
    ahead = most - (plan.settings.execution.workers or most)
    if most < _MANY_IN_FLIGHT or ahead < most // _TOGETHER_AHEAD:
        return _TOGETHER_AHEAD
    return max(_TOGETHER_OF_MANY, most // (ahead - ahead // 10))
