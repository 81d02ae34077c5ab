"""Executors train the trials of a study: in cohorts, with Keras fit, or by calling a function.

`create` makes an executor by its name; `Executor` is the protocol, and `register` makes another
class of executors known.
"""

from paceline.execute.base import (
    Executor,
    ExecutorUpdate,
    Job,
    Leaves,
    Resources,
    SnapshotReference,
    TrainingConfig,
    TrialSnapshot,
)
from paceline.execute.creation import create, factory_of, name_of, register
from paceline.execute.engines.options import Processes
from paceline.execute.local import local
from paceline.execute.ray.options import Ray
from paceline.execute.remote.options import WorkerServer
from paceline.execute.work import ExecutorFactory, FunctionWork, NetworkWork, Work

__all__ = [
    "Executor",
    "ExecutorFactory",
    "ExecutorUpdate",
    "FunctionWork",
    "Job",
    "Leaves",
    "NetworkWork",
    "Processes",
    "Ray",
    "Resources",
    "SnapshotReference",
    "TrainingConfig",
    "TrialSnapshot",
    "Work",
    "WorkerServer",
    "create",
    "factory_of",
    "local",
    "name_of",
    "register",
]
