"""The executor with several engines on this machine, as users ask for it."""

import math
import os
import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from paceline.core import InvalidInput, process_state
from paceline.execute.base import Executor
from paceline.execute.configured import ConfiguredExecutor
from paceline.execute.process_worker import check_may_spawn
from paceline.execute.work import FunctionWork, Work, registry
from paceline.settings.execution import ExecutionSettings

if TYPE_CHECKING:
    from paceline.execute.engines.process_engine import EnginePlace

_FIELDS = ("workers",)
_CORES = 4  # of an engine on a CPU by default
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_BACKEND = "KERAS_BACKEND"
_PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"


@dataclass(frozen=True, slots=True)
class Processes(ConfiguredExecutor):
    """Trains networks in several processes: ``executor=paceline.execute.Processes(workers=2)``.

    Each process is an engine of its own, which trains many networks at once, with a share of the
    cores or with one GPU. ``executor="processes"`` is the same, with ``workers=`` of the study.

    Attributes:
        workers: how many; None for one on each GPU or, on a CPU, one for each four cores and at
            least two.
    """

    name: ClassVar[str] = "processes"
    fields: ClassVar[tuple[str, ...]] = _FIELDS

    workers: int | None = None

    @classmethod
    def of(cls, settings: ExecutionSettings) -> "Processes":
        """The executor of a study with these settings.

        Raises:
            InvalidInput: this process is an engine itself, since the script has no main guard.
        """
        check_may_spawn()
        if "jax" not in sys.modules and _PREALLOCATE not in os.environ:
            # this process would take the memory of the GPUs, on which it trains nothing
            os.environ[_PREALLOCATE] = "false"
            process_state.restore_at_end(_PREALLOCATE, lambda: os.environ.pop(_PREALLOCATE, None))
        return super(Processes, cls).of(settings)

    def __call__(self, work: Work) -> Executor:
        """Makes the executor.

        Raises:
            InvalidInput: the work is a function, or there are fewer GPUs.
        """
        if isinstance(work, FunctionWork):
            raise no_function()
        from paceline.execute.engines.driver import EngineExecutor
        from paceline.execute.engines.process_engine import ProcessSupply

        return EngineExecutor(work, ProcessSupply(places(self.workers, work.backend)))


def no_function() -> InvalidInput:
    """The error of a study of a function with this executor."""
    return InvalidInput(
        "executor is 'processes', which trains networks, and a function is tuned",
        expected="no executor, and workers=2 or more: processes that call the function",
    )


def places(workers: int | None, backend: str) -> "list[EnginePlace]":
    """Where engines run: each on a share of the cores, on a GPU machine with one GPU.

    Args:
        workers: how many; None for the default number.
        backend: of Keras; set there before the script of this process is run again.

    Raises:
        InvalidInput: more engines than GPUs.
    """
    import jax

    from paceline.execute.engines.process_engine import EnginePlace

    own = list(range(os.cpu_count() or 1))
    if hasattr(os, "sched_getaffinity"):
        own = sorted(os.sched_getaffinity(0))
    environments: list[dict[str, str]] = []
    if jax.default_backend() in ("gpu", "cuda"):
        environments = [{_VISIBLE: name} for name in _gpus(jax.local_device_count())]
    if environments and (workers or 0) > len(environments):
        raise InvalidInput(
            f"workers is {workers}, and this machine has {len(environments)} GPUs",
            expected="at most one process for each GPU",
        )
    count = workers or len(environments) or min(len(own), max(2, math.ceil(len(own) / _CORES)))
    return [
        EnginePlace(cores, {_BACKEND: backend, **(environments[i] if environments else {})})
        for i, cores in enumerate(shares(own, count))
    ]


def shares(cores: list[int], count: int) -> list[tuple[int, ...]]:
    """Divides cores; if there are fewer than shares, some cores are in several of them."""
    if count >= len(cores):
        return [(cores[i % len(cores)],) for i in range(count)]
    ends = [round(i * len(cores) / count) for i in range(count + 1)]
    return [tuple(cores[a:b]) for a, b in pairwise(ends)]


def _gpus(count: int) -> list[str]:
    """The names of the GPUs of this process."""
    named = [name.strip() for name in os.environ.get(_VISIBLE, "").split(",") if name.strip()]
    return named[:count] if named else [str(i) for i in range(count)]


registry.register(Processes(), Processes.name)
