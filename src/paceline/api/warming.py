"""`warm`: compiles the programs of a study that is to come."""

from collections.abc import Callable, Sequence
from typing import Any

from paceline.api.tuning import ARGUMENTS, defined
from paceline.core import InvalidInput, check_argument, process_state
from paceline.execute.warming import WarmProgram
from paceline.execute.warming import warm as compiled

_DEFAULT_TRIALS = 32


@process_state.preserved()
def warm(
    build: Any,
    data: Any,
    *,
    on_program: Callable[[WarmProgram], None] = lambda _: None,
    **arguments: Any,
) -> Sequence[WarmProgram]:
    """Compiles what a study of the same network, data and settings would compile in its search.

    Nothing is trained, and nothing written but the cache of compiled programs, which all studies on
    this machine share.

    Args:
        build: as for `paceline.tune`.
        data: as for `paceline.tune`; its shape matters, not its values.
        on_program: called with each program as soon as it is in the cache.
        arguments: others of `paceline.tune`. Which programs a study has depends on its data,
            epochs, batch size, search, schedule and roughly on its number of trials (32 if neither
            trials nor budget are given).

    Returns:
        All programs, in the order in which they were compiled.

    Raises:
        InvalidInput: as for `paceline.tune`; also if the Keras backend is not JAX.
    """
    # imported here, as they need Keras
    from paceline.study.plan.network_plan import plan_networks

    for name in arguments:
        check_argument("warm", name, ARGUMENTS)
    if "trials" not in arguments and "budget" not in arguments:
        arguments["trials"] = _DEFAULT_TRIALS
    plan = plan_networks(defined({"build": build, "data": data, **arguments}))
    backend = plan.settings.execution.backend
    if backend != "jax":
        raise InvalidInput(
            f"the Keras backend is {backend}",
            expected="jax: networks of other backends train with fit, which compiles by itself",
        )
    programs = []
    for program in compiled(plan.search_work, plan.epochs):
        on_program(program)
        programs.append(program)
    return programs
