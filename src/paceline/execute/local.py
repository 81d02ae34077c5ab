"""Paceline's own executor: networks in cohorts, functions in threads or processes."""

from collections.abc import Callable
from functools import partial

from paceline.execute.base import Executor
from paceline.execute.work import LOCAL, FunctionWork, NetworkWork, Work, registry


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
    from paceline.execute.expected_networks import ExpectedNetworks
    from paceline.execute.fused import FusedExecutor
    from paceline.execute.prepare import Preparation, structural_hint
    from paceline.train.calibration import capacity
    from paceline.train.device_facts import DeviceFacts
    from paceline.train.lane_count import LaneCount

    fused = work.backend == "jax"
    preparation = Preparation(
        work.build, work.data, work.options, work.space, work.loop_names, fused, work.discovery
    )
    device = DeviceFacts.of_machine()
    lane_count = LaneCount(
        device,
        capacity() if fused else None,
        work.options.memory or device.memory,
        work.one_by_one,
    )
    hint = structural_hint(work.structural, work.space)
    expected = ExpectedNetworks(work.space, hint, work.num_configs, work.num_repeats)
    return FusedExecutor(preparation, work.options, hint, lane_count, expected)


registry.register(local, LOCAL)
