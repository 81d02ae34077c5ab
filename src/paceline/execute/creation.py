"""Makes executors by their name, their class, or from a pool.

An executor is made by a function of one argument, the work; a class whose constructor takes the
work is such a function. ``create("local", work)`` makes the executor of Paceline itself, `register`
makes others known by name.
"""

from concurrent.futures import Executor as Pool
from functools import partial

from paceline.core import InvalidInput, shown
from paceline.execute.base import Executor
from paceline.execute.configured import ConfiguredExecutor
from paceline.execute.work import LOCAL, ExecutorFactory, Work, registry

register = registry.register


def factory_of(executor: str | ExecutorFactory | Pool | None) -> ExecutorFactory:
    """Returns the factory of an executor, given its name or itself; None for Paceline's own.

    That of a pool, which is any `concurrent.futures.Executor`, makes executors that call the
    function there.

    Raises:
        InvalidInput: no executor of this name, or an object that does not make any.
    """
    if executor is None or isinstance(executor, str):
        return registry.get(LOCAL if executor is None else executor)
    if isinstance(executor, Pool):
        from paceline.execute.pooled import pooled

        return partial(pooled, executor)
    given: object = executor
    if isinstance(given, type) and issubclass(given, Pool):
        raise InvalidInput(
            f"executor is the class {given.__name__}",
            expected=f"a pool that was made, such as {given.__name__}(4)",
        )
    if not callable(executor):
        raise InvalidInput(
            f"executor is {shown(executor)}",
            expected=f"one of {', '.join(map(repr, registry.names()))}, or a function that makes "
            f"an executor for the work that it gets, or a concurrent.futures.Executor",
            fix="Pass the class of the executor, not an object of it.",
        )
    return executor


def name_of(executor: str | ExecutorFactory | Pool | None) -> str | None:
    """The name by which an executor is found again; None if it is not registered."""
    if executor is None or isinstance(executor, str):
        return LOCAL if executor is None else executor.strip().lower()
    if isinstance(executor, ConfiguredExecutor):
        return executor.name
    name = getattr(executor, "name", None)
    known = isinstance(name, str) and registry.find(name) is executor
    return name if known else None


def create(executor: str | ExecutorFactory | Pool | None, work: Work) -> Executor:
    """Makes an executor for some work.

    Args:
        executor: its name, or what makes it, such as its class; None for Paceline's own.
        work: what it is to run.

    Raises:
        InvalidInput: see `factory_of`.
    """
    return factory_of(executor)(work)
