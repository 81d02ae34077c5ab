"""The work of an executor: the networks or the function of a study, and how to run them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paceline.core import Registry, Value
from paceline.execute.base import Executor, TrainingConfig
from paceline.execute.worker_slot import TrialLimits
from paceline.space import Discovery, Hyperparameter, Space

if TYPE_CHECKING:
    from keras.callbacks import Callback

    from paceline.execute.function_call import Function
    from paceline.execute.prepare import Data
    from paceline.execute.process_worker import Load
    from paceline.train.build import Build

LOCAL = "local"
"""The name of Paceline's own executor."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkWork:
    """Networks to train on data.

    Attributes:
        build: returns the network of a configuration.
        data: what to train on; several, if jobs have different splits, by number.
        options: how each is trained.
        space: the space as known so far.
        loop_names: hyperparameters of the training loop, which ``build`` may not define.
        backend: of Keras.
        structural: for each hyperparameter, whether it is known to change the compiled program.
        discovery: how the space was found.
        one_by_one: whether jobs arrive one at a time, because a model or a schedule chooses them.
        num_configs: configurations that are expected; None if that is not known.
        num_repeats: networks of each configuration.
        study: the name of the study; empty if there is none.
        callbacks: Keras callbacks, of which each training has copies.
    """

    build: "Build"
    data: "Data | Sequence[Data]"
    options: TrainingConfig
    space: Space
    loop_names: frozenset[str] = frozenset()
    backend: str = "jax"
    structural: Mapping[str, bool] = field(default_factory=dict)
    discovery: Discovery | None = None
    one_by_one: bool = False
    num_configs: int | None = None
    num_repeats: int = 1
    study: str = ""
    callbacks: "Sequence[Callback]" = ()

    @property
    def is_streamed(self) -> bool:
        """Whether the data arrive in batches, and are not in memory."""
        from paceline.train.stream_feed import StreamFeed

        return isinstance(self.data, StreamFeed)


@dataclass(frozen=True, slots=True, eq=False)
class FunctionWork:
    """A function to call.

    Attributes:
        function: the function; a network of its own it trains itself.
        metric: the metric that a bare number, which it returns or reports, stands for.
        space: the space as known so far. The function may show more of it.
        num_workers: processes to call it in; None for the process of the study.
        load: returns the function in another process; None if there are no such processes.
        limits: what one call may take.
        fixed: values of hyperparameters that are not tuned.
        expected_names: names that the function should ask for, each with the argument of the user
            that mentions it.
        overrides: hyperparameters used in place of those that the function defines under the same
            names.
        may_change: whether the function may ask for other hyperparameters than in earlier sessions.
        epochs: steps that count in a call; None for as many as the function reports.
        study: the name of the study; empty if there is none.
    """

    function: "Function"
    metric: str
    space: Space
    num_workers: int | None = None
    load: "Load | None" = None
    limits: TrialLimits = field(default_factory=TrialLimits)
    fixed: Mapping[str, Value] = field(default_factory=dict)
    expected_names: Mapping[str, str] = field(default_factory=dict)
    overrides: Sequence[Hyperparameter] = ()
    may_change: bool = False
    epochs: int | None = None
    study: str = ""


Work = NetworkWork | FunctionWork
ExecutorFactory = Callable[[Work], Executor]
"""Makes an executor; usually its class."""

registry: Registry[ExecutorFactory] = Registry(
    "executor",
    "executor",
    "paceline.executors",
    "paceline.execute",
    "a class whose constructor takes the work, or another function of it",
    callable,
)
"""The executors by name.

They are registered by the class decorator ``register``, or provided by a package with an entry
point of the group ``paceline.executors``.
"""
