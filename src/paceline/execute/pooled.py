"""The executor of function objectives in a pool, which is any `concurrent.futures.Executor`."""

from concurrent.futures import Executor as Pool
from functools import partial

from paceline.execute.base import Executor
from paceline.execute.function_executor import FunctionExecutor
from paceline.execute.pool_worker import PoolWorker, RenewablePool
from paceline.execute.pools import check_memory_limit, for_functions_only, loader, num_calls
from paceline.execute.work import FunctionWork, Work
from paceline.execute.worker_supply import Workers


def pooled(pool: Pool, work: Work) -> Executor:
    """Makes the executor that calls the work's function in a pool.

    Raises:
        InvalidInput: the work is of networks, or the pool cannot do what was asked for.
    """
    if not isinstance(work, FunctionWork):
        raise for_functions_only(pool)
    check_memory_limit(pool, work.limits.memory)
    calls = RenewablePool(pool)
    make_worker = partial(PoolWorker, calls, work.load or loader(pool, work.function), work.metric)
    limit = num_calls(pool, work.num_workers)
    return FunctionExecutor.of(work, Workers(make_worker, limit, is_strict=True, close=calls.close))
