"""The executor of function objectives in a pool, which is any `concurrent.futures.Executor`."""

from concurrent.futures import Executor as Pool
from functools import partial

from paceline.execute.base import Executor
from paceline.execute.function_executor import FunctionExecutor
from paceline.execute.pool_worker import PoolWorker, RenewablePool
from paceline.execute.pools import check_memory_limit, for_functions_only, loader, num_calls
from paceline.execute.work import FunctionWork, Work


class PooledFunctionExecutor(FunctionExecutor):
    """Calls the function in a pool.

    Attributes:
        pool: where; it is closed with this executor.
    """

    pool: RenewablePool

    def close(self) -> None:
        """Ends all calls."""
        super().close()
        self.pool.close()


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
    executor = PooledFunctionExecutor.of(work, make_worker, num_calls(pool, work.num_workers))
    executor.pool = calls
    return executor
