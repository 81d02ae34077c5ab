"""What is known of a pool, which is any `concurrent.futures.Executor`, and what it cannot do."""

import socket
import sys
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from paceline.core import InvalidInput
from paceline.execute.process_worker import Load, importable

if TYPE_CHECKING:
    from paceline.execute.function_call import Function

_LOCALHOST = "127.0.0.1"


def check_runs_engines(pool: Executor) -> None:
    """Checks that networks can train in the pool's processes.

    Raises:
        InvalidInput: it has threads, or processes that are forked from this one.
    """
    if isinstance(pool, ThreadPoolExecutor):
        raise InvalidInput(
            "executor is a ThreadPoolExecutor, and networks are tuned",
            expected="executor=None: networks train together as compiled programs of this process",
            fix="To use several processes: executor='processes', or a pool of processes.",
        )
    context: Any = getattr(pool, "_mp_context", None)
    if type(pool) is ProcessPoolExecutor and context.get_start_method() == "fork":
        raise InvalidInput(
            "executor is a ProcessPoolExecutor whose processes are forked, which JAX does not "
            "survive",
            expected="processes that are spawned",
            fix="Make it with mp_context=multiprocessing.get_context('spawn').",
        )


def check_memory_limit(pool: Executor, memory: int | None) -> None:
    """Checks that no limit is asked for that a pool cannot keep.

    Raises:
        InvalidInput: there is a limit on memory.
    """
    if memory is not None:
        raise InvalidInput(
            f"memory_limit was given, and executor is a {name_of_pool(pool)}",
            expected="no memory_limit: one call of a pool cannot be ended without the others",
            fix="workers=4, without executor, calls the function in processes of Paceline, which "
            "have limits on memory.",
        )


def num_calls(pool: Executor, workers: int | None) -> int:
    """How many calls run at once: ``workers``, or as many as the pool has workers.

    More than those would only wait in the pool's queue. Dask's clusters can grow, so there they
    may be more.

    Raises:
        InvalidInput: not given, and the pool does not say.
    """
    known = getattr(pool, "_max_workers", None)
    if workers is not None:
        return min(workers, known) if isinstance(known, int) else workers
    if known is None and (client := _dask_client(pool)) is not None:
        known = sum(client.nthreads().values())
    if not isinstance(known, int) or known < 1:
        raise InvalidInput(
            f"executor is a {name_of_pool(pool)} that does not say how many workers it has",
            expected="workers=4 or the like: how many calls at once",
        )
    return known


def loader(pool: Executor, function: "Function") -> Load:
    """How a call in the pool gets the function: as it is in threads of this process.

    Raises:
        InvalidInput: it cannot be copied to another process.
    """
    if isinstance(pool, ThreadPoolExecutor):
        return lambda: function
    return importable(function, has_same_main=False)


def host_of(pool: Executor) -> str:
    """The address of this machine as the pool's processes see it.

    Dask's are on other machines: the address is that from which its scheduler is reached.
    """
    client = _dask_client(pool)
    scheduler = None if client is None else urlsplit(client.scheduler.address).hostname
    if scheduler is None:
        return _LOCALHOST
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((scheduler, 9))  # sends nothing; chooses the network interface
        return str(probe.getsockname()[0])


def repeats_lost_calls(pool: Executor) -> bool:
    """Whether the pool itself calls again what was lost with a worker."""
    return _dask_client(pool) is not None


def is_of_this_machine(pool: Executor) -> bool:
    """Whether all its processes are known to be on this machine."""
    return type(pool) is ProcessPoolExecutor or type(pool).__module__.startswith("loky.")


def renewed(pool: Executor, error: BrokenExecutor) -> Executor:
    """A new pool in place of one that broke, with the same arguments.

    Raises:
        InvalidInput: it is of a kind whose arguments are not known.
    """
    known: Any = pool  # what follows is not public, and the same in Python 3.11 to 3.14
    if type(pool) is ProcessPoolExecutor:
        return ProcessPoolExecutor(
            known._max_workers,
            known._mp_context,
            known._initializer,
            known._initargs,
            max_tasks_per_child=known._max_tasks_per_child,
        )
    if is_of_this_machine(pool):
        return sys.modules["loky"].ProcessPoolExecutor(  # type: ignore[no-any-return]
            known._max_workers,
            timeout=known._timeout,
            context=known._context,
            initializer=known._initializer,
            initargs=known._initargs,
            env=known._env,
        )
    raise InvalidInput(
        f"executor is a {name_of_pool(pool)} that is broken ({error})",
        expected="one that works: resume the study with a new one",
    ) from error


def name_of_pool(pool: Executor) -> str:
    """The name of its class, for messages."""
    return type(pool).__name__


def _dask_client(pool: Executor) -> Any:
    """The client of ``Client.get_executor()``; None of another pool."""
    is_dask = type(pool).__module__.startswith("distributed.")
    return getattr(pool, "_client", None) if is_dask else None
