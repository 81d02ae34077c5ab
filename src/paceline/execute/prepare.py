"""Builds and traces the networks of jobs, and finds jobs that can share a training."""

import hashlib
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import keras
import numpy as np
from keras.callbacks import Callback

from paceline.core import Configuration, InvalidInput, TrialState
from paceline.core.events import Event, TrialEnded
from paceline.execute.base import Job, TrainingConfig
from paceline.execute.found_in_build import FoundInBuild, learner_of
from paceline.execute.grouping import ProgramHint
from paceline.execute.measured_objective import check_objective
from paceline.execute.withdrawn import REASON
from paceline.space import Discovery, HyperParameters, Learner, Observation, Space
from paceline.train import keras_callbacks
from paceline.train.array_feed import PooledData, TrainingData
from paceline.train.build import Build, build_model
from paceline.train.fit_callbacks import FitCallbacks
from paceline.train.fit_only import fit_only_reason
from paceline.train.keras_callbacks import CallbackCopies
from paceline.train.lane_callbacks import LaneCallbacks
from paceline.train.program import is_always_lifted
from paceline.train.stream_feed import AnyFeed, StreamFeed, feed_of
from paceline.train.trace import trace
from paceline.train.trace_cache import TraceCache
from paceline.train.traced_model import CannotTrace, TracedModel
from paceline.train.variables import rate_leaf_of

Data = TrainingData | PooledData | StreamFeed


@dataclass(frozen=True, slots=True)
class PreparedNetwork:
    """A network that is ready to train, for jobs that differ only in their number of epochs.

    Attributes:
        jobs: the jobs, shortest first.
        config: the longest job's configuration, as ``build`` used it.
        feed: its batches.
        traced: the traced network; None if it needs ``fit``.
        model: the Keras model; only if it needs ``fit``.
        fit_reason: why it cannot train in a cohort; empty if it can.
        callbacks: Keras callbacks, of which its training has copies.
        rate_leaf: which of its variables is the learning rate; None if no callback changes it.
    """

    jobs: tuple[Job, ...]
    config: Configuration
    feed: AnyFeed
    traced: TracedModel | None = None
    model: keras.Model | None = field(default=None, repr=False)
    fit_reason: str = ""
    callbacks: Sequence[Callback] = ()
    rate_leaf: int | None = None

    @property
    def leader(self) -> Job:
        """The longest job."""
        return self.jobs[-1]

    @property
    def parameters(self) -> int | None:
        """Number of trainable parameters; None if it is not traced."""
        if self.traced is None:
            return None
        return sum(leaf.size for leaf in self.traced.state[: self.traced.layout.trainable])

    def new_callbacks(self) -> CallbackCopies | None:
        """Copies of its callbacks for a training; None if there are none."""
        if not self.callbacks:
            return None
        return (FitCallbacks if self.traced is None else LaneCallbacks)(self.callbacks)

    @property
    def num_bytes(self) -> int:
        """Bytes of its variables and constants; 0 if it is not traced."""
        return 0 if self.traced is None else self.traced.num_bytes


@dataclass(frozen=True, slots=True)
class FailedBuild:
    """Jobs whose configuration cannot be built, with the traceback."""

    jobs: tuple[Job, ...]
    error: str

    @property
    def events(self) -> list[Event]:
        """The ends of their trials."""
        return [
            TrialEnded(job.trial, TrialState.FAILED, None, None, self.error) for job in self.jobs
        ]


_DRAWS = 8  # of which one differs in each value of a probe, most likely


class Preparation:
    """Builds and traces networks; adds hyperparameters that builds define to the space."""

    def __init__(
        self,
        build: Build,
        data: Data | Sequence[Data],
        options: TrainingConfig,
        space: Space,
        names: frozenset[str],
        fused: bool,
        discovery: Discovery | None = None,
        traces: TraceCache[Job] | None = None,
        callbacks: Sequence[Callback] = (),
        num_repeats: int = 1,
    ) -> None:
        """Nothing is built yet.

        Args:
            build: the user's function.
            data: the data, or a sequence with that of each split; splits of one pool share it.
            options: training options of the study.
            space: the space as known so far.
            names: hyperparameters of the training loop, such as batch_size, which ``build`` may
                not ask for.
            fused: whether networks may train in cohorts.
            discovery: how the space was found; later builds are added to its observations.
            traces: traces the networks; None for a cache that keeps nothing on disk.
            callbacks: Keras callbacks, of which each training has copies.
            num_repeats: trainings of each trial; job ``k`` is one of trial ``k // num_repeats``.
        """
        self.space = space
        self._discovery = discovery
        self._learner: Learner | None = None  # created when a build defines something new
        self._build, self._options, self.loop_names, self._fused = build, options, names, fused
        self._data: Sequence[Data] = data if isinstance(data, Sequence) else (data,)
        self._feeds: dict[tuple[int, int], AnyFeed] = {}
        self.traces: TraceCache[Job] = TraceCache() if traces is None else traces
        # shorter trials of a training that several trials share, by the number of the longest
        self._shorter: dict[int, list[int]] = {}
        self._refused: set[int] = set()
        self._callbacks, self._num_repeats = callbacks, num_repeats
        self._of_fit = keras_callbacks.fit_reason(callbacks)
        self.learned: list[FoundInBuild] = []

    @property
    def is_streamed(self) -> bool:
        """Whether all networks read batches from one dataset, which has one reader at a time."""
        return isinstance(self._data[0], StreamFeed)

    def feed(self, config: Configuration, split: int = 0) -> AnyFeed:
        """The batches that a configuration trains on; one object per batch size and data."""
        size = int(config.get("batch_size", self._options.batch_size))
        data = self._data[split if len(self._data) > 1 else 0]
        return self._feeds.setdefault(
            (size, id(data)),
            feed_of(data, size, self._options.validation_batch_size, self._options.steps),
        )

    def prepare(self, jobs: Sequence[Job]) -> list[PreparedNetwork | FailedBuild]:
        """Prepares jobs whose configurations differ at most in ``epochs``.

        Those of refused trials fail, see `refuse`.
        """
        ordered = tuple(sorted(jobs, key=lambda job: job.epochs))
        if ordered[-1].trial in self._refused:
            return [FailedBuild(ordered, REASON)]
        longest, depends = self._prepare_one(ordered[-1])
        depends |= bool(self._of_fit)  # callbacks see the number of epochs
        if not depends or isinstance(longest, FailedBuild):
            if len(ordered) > 1:
                self._shorter[ordered[-1].trial] = [job.trial for job in ordered[:-1]]
            return [replace(longest, jobs=ordered)]
        # build reads the number of epochs, for a learning-rate schedule for example, so only
        # networks that are equal share a training
        merged: list[PreparedNetwork | FailedBuild] = []
        for job in ordered:
            network = longest if job is ordered[-1] else self._prepare_one(job)[0]
            equal = next((i for i, other in enumerate(merged) if _are_equal(other, network)), None)
            if equal is None:
                merged.append(network)
            else:
                merged[equal] = replace(network, jobs=(*merged[equal].jobs, job))
        return merged

    def probe(
        self,
        prepared: PreparedNetwork,
        hint: ProgramHint,
        of_all_sizes: bool = False,
        of_floats: bool = False,
    ) -> TracedModel | None:
        """Traces a probe configuration: the same program with other numbers where possible.

        Constants that differ between the two become inputs of the program, so that later networks
        find it compiled. Returns None if no probe was found or none is needed.

        Args:
            prepared: a network.
            hint: expects which configurations share a program.
            of_all_sizes: whether the program is one for several sizes.
            of_floats: whether only floats may need a probe.
        """
        config = prepared.config
        # seeded by the program, so that every session finds the same probe
        seed = int.from_bytes(hashlib.sha256(repr(hint(config)).encode()).digest()[:8], "little")
        rng = np.random.default_rng(seed)
        draws = [self.space.sample(rng) for _ in range(_DRAWS)]
        other = dict(config)
        for name in config:
            values = [drawn[name] for drawn in draws if name in drawn]
            differing = [value for value in values if value != config[name]]
            if differing and hint({**config, name: differing[0]}) == hint(config):
                other[name] = differing[0]
        numbers = [name for name in config if other[name] != config[name]]
        if of_floats:
            numbers = [name for name in numbers if isinstance(config[name], float)]
        # whether an array depends on a number is not known
        has_arrays = prepared.traced is not None and prepared.traced.has_arrays
        if not numbers or (not has_arrays and all(is_always_lifted(config[n]) for n in numbers)):
            return None
        try:
            hp = HyperParameters(self.space, other)
            model = self._built(hp, prepared)
            # not the feed of the network, whose validation batches may be larger ones
            feed = self.feed(config, prepared.leader.split)
            traced = self.traces.probe(model, hp.config, feed)
        except Exception:  # optional: the network itself was built
            return None
        if prepared.traced is None:
            return None
        is_equal = traced.key == prepared.traced.key
        return traced if is_equal or (of_all_sizes and _is_alike(traced, prepared.traced)) else None

    def take_wrong(self) -> list[int]:
        """Trials found to train with wrong constants since the last call.

        Their constants were predicted, and a later trace has shown that they cannot be: each is
        now built again and traced.
        """
        doubtful, self.traces.doubtful = self.traces.doubtful, []
        wrong = []
        for predicted in doubtful:
            job = predicted.network
            feed = self.feed(job.config, job.split)
            try:
                model = self.build_again(job.config, PreparedNetwork((job,), job.config, feed))
                is_right = predicted.agrees(trace(model, feed))
            except Exception:  # it was built before; what it trains with is not known
                is_right = False
            if not is_right:
                wrong += [job.trial, *self._shorter.get(job.trial, ())]
        return wrong

    def trace_again(self, prepared: PreparedNetwork) -> PreparedNetwork | FailedBuild:
        """The same network with its own steps, in place of those of a network of other sizes."""
        try:
            model = self.build_again(prepared.leader.config, prepared)
            return replace(prepared, traced=trace(model, prepared.feed))
        except CannotTrace as error:
            return self.rebuild(prepared, str(error))
        except Exception:
            return FailedBuild(prepared.jobs, traceback.format_exc())

    def refuse(self, trials: Iterable[int]) -> None:
        """Lets trials fail when they are prepared again: their results are in doubt."""
        self._refused.update(trials)

    def rebuild(self, prepared: PreparedNetwork, reason: str) -> PreparedNetwork | FailedBuild:
        """Builds the network again as a Keras model, to train with ``fit`` for ``reason``."""
        try:
            model = self.build_again(prepared.leader.config, prepared)
        except Exception:
            return FailedBuild(prepared.jobs, traceback.format_exc())
        callbacks = self._callbacks_of(prepared.leader)
        return PreparedNetwork(
            prepared.jobs, prepared.config, prepared.feed, None, model, reason, callbacks
        )

    def _callbacks_of(self, job: Job) -> Sequence[Callback]:
        """The callbacks of a job; the files that they write are in a folder of its trial."""
        trial, training = divmod(job.trial, self._num_repeats)
        folders = [f"trial-{trial}"] + [f"training-{training}"] * (self._num_repeats > 1)
        return keras_callbacks.placed(self._callbacks, folders)

    def build_again(self, config: Configuration, prepared: PreparedNetwork) -> keras.Model:
        """Builds the model of a configuration for the batches of a prepared network."""
        return self._built(HyperParameters(self.space, config), prepared)

    def _built(self, hp: HyperParameters, prepared: PreparedNetwork) -> keras.Model:
        return build_model(
            self._build, hp, prepared.leader.seed, lambda: prepared.feed.batch_spec("train")
        )

    def _prepare_one(self, job: Job) -> tuple[PreparedNetwork | FailedBuild, bool]:
        """Builds and traces a network; tells besides whether its build has used ``epochs``."""
        hp = HyperParameters(self.space, job.config)

        def used() -> Configuration:
            return {
                name: value for name, value in job.config.items() if name in self.loop_names
            } | hp.config

        def feed() -> AnyFeed:
            return self.feed(used(), job.split)

        try:
            model = build_model(self._build, hp, job.seed, lambda: feed().batch_spec("train"))
            self._learn(hp, job.trial)
            return self._trace(job, hp.config, used(), model, feed()), "epochs" in hp.used
        except InvalidInput as error:  # other configurations may be valid
            return FailedBuild((job,), str(error)), False
        except Exception:
            return FailedBuild((job,), traceback.format_exc()), False

    def _learn(self, hp: HyperParameters, run: int) -> None:
        """Adds what a build has defined to the space."""
        changed = tuple(h for h in hp.known if h not in self.space.hyperparameters)
        if not changed:
            return
        learned = FoundInBuild(run, changed, Observation(hp.config, None, hp.asked))
        self.learned.append(learned)
        self.learn(learned)

    def learn(self, learned: FoundInBuild) -> None:
        """Adds to the space what a build has shown, here or elsewhere."""
        if self._learner is None:
            self._learner = learner_of(self.space, self._discovery)
        self._learner.learn(learned.trial, learned.new, learned.observation)
        self.space = self._learner.space

    def _trace(
        self,
        job: Job,
        built_with: Configuration,
        used: Configuration,
        model: keras.Model,
        feed: AnyFeed,
    ) -> PreparedNetwork | FailedBuild:
        """Traces a built network, or says why it needs ``fit``."""
        reason = f"the Keras backend is {keras.backend.backend()}; cohorts need the JAX backend"
        callbacks, rate_leaf = self._callbacks_of(job), None
        if self._fused:
            reason = fit_only_reason(model) or self._of_fit
        if not reason and keras_callbacks.changes_rate(callbacks):
            rate_leaf = rate_leaf_of(model)
            reason = "" if rate_leaf is not None else _NO_RATE
        if reason:
            return PreparedNetwork((job,), used, feed, None, model, reason, callbacks)
        try:
            traced = self.traces.trace(model, built_with, feed, job)
        except CannotTrace as error:
            # another model: tracing has run code of this one, which may have changed its state
            return self.rebuild(PreparedNetwork((job,), used, feed), str(error))
        check_objective(self._options.objective.metric, traced.log_shapes)
        return PreparedNetwork(
            (job,), used, traced.feed, traced, callbacks=callbacks, rate_leaf=rate_leaf
        )


_NO_RATE = "a callback changes its learning rate, which is not a variable of its optimizer"


def _is_alike(a: TracedModel, b: TracedModel) -> bool:
    return bool(a.structure_key) and a.structure_key == b.structure_key


def _are_equal(a: PreparedNetwork | FailedBuild, b: PreparedNetwork | FailedBuild) -> bool:
    """Whether two networks have the same program, constants and initial state."""
    if isinstance(a, FailedBuild) or isinstance(b, FailedBuild) or not a.traced or not b.traced:
        return False
    if (a.traced.key, a.traced.arrays_hash) != (b.traced.key, b.traced.arrays_hash):
        return False
    pairs = [(a.traced.constants(part), b.traced.constants(part)) for part in a.traced.parts]
    pairs += zip(a.traced.state, b.traced.state, strict=True)
    # bitwise: 0.0 == -0.0, but the results may differ
    return all(x.tobytes() == y.tobytes() for x, y in pairs)
