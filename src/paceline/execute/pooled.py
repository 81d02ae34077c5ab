"""The executor in a pool, which is any `concurrent.futures.Executor`."""

from concurrent.futures import Executor as Pool
from functools import partial

from paceline.execute.base import Executor
from paceline.execute.function_executor import FunctionExecutor
from paceline.execute.pool_worker import PoolWorker, RenewablePool
from paceline.execute.pools import (
    check_memory_limit,
    check_runs_engines,
    is_of_this_machine,
    loader,
    num_calls,
)
from paceline.execute.work import FunctionWork, Work
from paceline.execute.worker_supply import Workers


def pooled(pool: Pool, work: Work) -> Executor:
    """Makes the executor that calls the work's function, or trains its networks, in a pool.

    Raises:
        InvalidInput: the pool cannot do what was asked for.
    """
    calls = RenewablePool(pool)
    if not isinstance(work, FunctionWork):
        from paceline.execute.engines.driver import EngineExecutor
        from paceline.execute.engines.pool_engines import PoolEngines

        check_runs_engines(pool)
        engines = PoolEngines(calls, num_calls(pool, None), is_of_this_machine(pool))
        return EngineExecutor(work, engines)
    check_memory_limit(pool, work.limits.memory)
    make_worker = partial(PoolWorker, calls, work.load or loader(pool, work.function), work.metric)
    limit = num_calls(pool, work.num_workers)
    return FunctionExecutor.of(work, Workers(make_worker, limit, is_strict=True, close=calls.close))
