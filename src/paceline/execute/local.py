"""Paceline's own executor: networks in cohorts, functions in threads or processes."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from paceline.execute.base import Executor
from paceline.execute.work import LOCAL, FunctionWork, NetworkWork, Work, registry

if TYPE_CHECKING:
    from paceline.execute.network_parts import NetworkParts


def local(work: Work) -> Executor:
    """Makes an executor of this machine.

    An executor with several machines makes one on each of them.
    """
    return _of_function(work) if isinstance(work, FunctionWork) else _of_networks(work)


def _of_function(work: FunctionWork) -> Executor:
    from paceline.execute.function_executor import FunctionExecutor
    from paceline.execute.process_worker import ProcessWorker
    from paceline.execute.thread_worker import ThreadWorker
    from paceline.execute.worker_slot import FunctionWorker
    from paceline.execute.worker_supply import Workers

    make_worker: Callable[[], FunctionWorker] = partial(ThreadWorker, work.function, work.metric)
    if work.load is not None:
        make_worker = partial(ProcessWorker, work.load, work.metric)
    return FunctionExecutor.of(work, Workers(make_worker, work.num_workers or 1))


def _of_networks(work: NetworkWork) -> Executor:
    from paceline.execute.network_parts import NetworkParts

    return executor_of(work, NetworkParts.of(work))


def executor_of(work: NetworkWork, parts: "NetworkParts") -> Executor:
    """Makes the executor of networks from its parts."""
    from paceline.execute.fused import FusedExecutor

    return FusedExecutor(
        parts.preparation, work.options, parts.hint, parts.lane_count, parts.expected
    )


registry.register(local, LOCAL)
