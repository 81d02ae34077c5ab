"""From jobs to networks: building, tracing, and finding out which jobs are one and the same
training.
"""

import hashlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import keras
import numpy as np

from paceline.core import Configuration, InvalidInput, closest
from paceline.execute.base import Job, TrainingOptions
from paceline.space import Discovery, HyperParameters, Learner, Observation, Space
from paceline.train.build import Build, build_model
from paceline.train.feed import Feed, PooledData, TrainingData
from paceline.train.overrides import alone_because
from paceline.train.program import is_surely_lifted
from paceline.train.stream import StreamFeed, feed_of
from paceline.train.trace import CannotTrace, Traced, trace
from paceline.train.twins import description

Data = TrainingData | PooledData | StreamFeed


@dataclass(frozen=True, slots=True)
class PreparedNetwork:
    """A network ready to train, for one or more jobs that differ only in how many epochs they
    train.

    Attributes:
        jobs: shortest first.
        config: the longest job's configuration, as ``build`` used it.
        feed: its batches.
        traced: the network; None where it must run alone.
        model: the Keras model; only where it must run alone.
        alone: why it must run alone.
    """

    jobs: tuple[Job, ...]
    config: Configuration
    feed: Feed | StreamFeed
    traced: Traced | None = None
    model: keras.Model | None = field(default=None, repr=False)
    alone: str = ""

    @property
    def leader(self) -> Job:
        """The longest job."""
        return self.jobs[-1]

    @property
    def parameters(self) -> int | None:
        """How many numbers the network learns."""
        if self.traced is None:
            return None
        return sum(leaf.size for leaf in self.traced.state[: self.traced.layout.trainable])


@dataclass(frozen=True, slots=True)
class FailedBuild:
    """Jobs whose configuration cannot be built: the traceback says why."""

    jobs: tuple[Job, ...]
    error: str


# networks whose steps are kept: a final has seldom more configurations, folds come one after
# another
_MOST_KNOWN = 16


class Preparation:
    """Builds and traces; remembers the space as the builds reveal it."""

    def __init__(
        self,
        build: Build,
        data: Data | Sequence[Data],
        training: TrainingOptions,
        space: Space,
        names: frozenset[str],
        fused: bool,
        discovery: Discovery | None = None,
    ) -> None:
        """``names`` are hyperparameters of the training loop, such as batch_size, that ``build``
        may not ask for.

        ``discovery`` is how the space was found: what a build adds to it is judged together with
            those runs.

        Of ``data``, several are those of the splits, by number; where one pool serves several of
        them, it is there several times.
        """
        self.space = space
        self._discovery = discovery
        self._learner: Learner | None = None  # made when a build shows something new
        self._build, self._training, self._loop_names, self._fused = build, training, names, fused
        self._data: Sequence[Data] = data if isinstance(data, Sequence) else (data,)
        self._feeds: dict[tuple[int, int], Feed | StreamFeed] = {}
        self._known: dict[
            tuple[object, ...], Traced
        ] = {}  # whose steps may be those of the next, the last last
        self._codes: dict[
            str, Traced
        ] = {}  # the first network of each program: a jaxpr is larger than many a network

    @property
    def is_streamed(self) -> bool:
        """Whether all networks share one dataset, that only one of them at a time may ask for
        batches.
        """
        return isinstance(self._data[0], StreamFeed)

    def feed(self, config: Configuration, split: int = 0) -> Feed | StreamFeed:
        """The batches that a configuration trains on; one object for each batch size, and pool of
        data.
        """
        size = int(config.get("batch_size", self._training.batch_size))
        data = self._data[split if len(self._data) > 1 else 0]
        return self._feeds.setdefault(
            (size, id(data)), feed_of(data, size, self._training.validation_batch_size)
        )

    def prepare(self, jobs: Sequence[Job]) -> list[PreparedNetwork | FailedBuild]:
        """Prepares jobs whose configurations differ at most in ``epochs``."""
        ordered = tuple(sorted(jobs, key=lambda job: job.epochs))
        longest, depends = self._prepare_one(ordered[-1])
        if not depends or isinstance(longest, FailedBuild):
            return [replace(longest, jobs=ordered)]
        # build itself reads the number of epochs (for a learning-rate schedule, say): only equal
        # programs share
        merged: list[PreparedNetwork | FailedBuild] = []
        for job in ordered:
            one = longest if job is ordered[-1] else self._prepare_one(job)[0]
            twin = next((i for i, other in enumerate(merged) if _is_same(other, one)), None)
            if twin is None:
                merged.append(one)
            else:
                merged[twin] = replace(one, jobs=(*merged[twin].jobs, job))
        return merged

    def sibling(self, prepared: PreparedNetwork, hint: "ProgramHint") -> Traced | None:
        """A network of the same program with other numbers wherever they may differ.

        What differs between the two is what the program has to take as its input; so that a network
        which comes later finds it compiled. None where no such network was found, or none is needed
        to see that.
        """
        config = prepared.config
        # a stream of its own: the same program has the same sibling in every session
        seed = int.from_bytes(hashlib.sha256(repr(hint(config)).encode()).digest()[:8], "little")
        drawn = self.space.sample(np.random.default_rng(seed))
        numbers = [
            name
            for name in self.space.names
            if name in config
            and drawn.get(name, config[name]) != config[name]
            and hint({**config, name: drawn[name]}) == hint(config)
        ]
        if all(is_surely_lifted(config[name]) for name in numbers):
            return None
        other = dict(config) | {name: drawn[name] for name in numbers}
        try:
            model = self._build_again(other, prepared)
            traced = trace(model, prepared.feed)
        except Exception:  # it is only a help; the network itself was built
            return None
        return traced if prepared.traced is not None and traced.key == prepared.traced.key else None

    def rebuild(self, prepared: PreparedNetwork, reason: str) -> PreparedNetwork | FailedBuild:
        """The same network as a Keras model, to run alone because of ``reason``."""
        try:
            model = self._build_again(prepared.leader.config, prepared)
        except Exception:
            return FailedBuild(prepared.jobs, traceback.format_exc())
        return PreparedNetwork(prepared.jobs, prepared.config, prepared.feed, None, model, reason)

    def _build_again(self, config: Configuration, prepared: PreparedNetwork) -> keras.Model:
        """A model of a configuration that trains on the batches of a network prepared before."""
        hp = HyperParameters(self.space, config)
        return build_model(
            self._build, hp, prepared.leader.seed, lambda: prepared.feed.batch_spec("train")
        )

    def _prepare_one(self, job: Job) -> tuple[PreparedNetwork | FailedBuild, bool]:
        hp = HyperParameters(self.space, job.config)

        def used() -> Configuration:
            return {
                name: value for name, value in job.config.items() if name in self._loop_names
            } | hp.config

        def feed() -> Feed | StreamFeed:
            return self.feed(used(), job.split)

        try:
            model = build_model(self._build, hp, job.seed, lambda: feed().batch_spec("train"))
            self._learn(hp, job.trial)
            return self._trace(job, used(), model, feed()), "epochs" in hp.used
        except (
            InvalidInput
        ) as error:  # what is wrong with one configuration need not be wrong with others
            return FailedBuild((job,), str(error)), False
        except Exception:
            return FailedBuild((job,), traceback.format_exc()), False

    def _learn(self, hp: HyperParameters, run: int) -> None:
        """Takes up what a build has added to the space."""
        changed = tuple(h for h in hp.known if h not in self.space.hyperparameters)
        if not changed:
            return
        if self._learner is None:
            found = self._discovery
            self._learner = (
                Learner(self.space)
                if found is None
                else Learner(found.declared, found.observations)
            )
        self._learner.learn(run, changed, Observation(hp.config, None, hp.asked))
        self.space = self._learner.space

    def _trace(
        self, job: Job, used: Configuration, model: keras.Model, feed: Feed | StreamFeed
    ) -> PreparedNetwork | FailedBuild:
        reason = f"Keras runs on {keras.backend.backend()}, cohorts need its JAX backend"
        if self._fused:
            reason = alone_because(model) or ""
        if reason:
            return PreparedNetwork((job,), used, feed, None, model, reason)
        try:
            traced = self._traced(model, used, feed)
        except CannotTrace as error:
            # another model: tracing has run code of this one, which may remember it
            return self.rebuild(PreparedNetwork((job,), used, feed), str(error))
        check_objective(self._training.objective.metric, traced.log_shapes)
        return PreparedNetwork((job,), used, traced.feed, traced)

    def _traced(self, model: keras.Model, used: Configuration, feed: Feed | StreamFeed) -> Traced:
        """The model traced; with the steps of one before it that had another seed, where they are
        the same.
        """
        described = None if isinstance(feed, StreamFeed) else description(model)
        if described is None:
            return trace(model, feed)
        key = (
            *sorted((name, repr(value)) for name, value in used.items()),
            described,
            feed.identity,
        )
        traced = trace(model, feed, self._known.pop(key, None))
        code = self._codes.setdefault(traced.key, replace(traced, state=()))
        self._known[key] = replace(traced.with_code_of(code), state=())
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return traced


def check_objective(metric: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Makes sure that an epoch measures the objective, as one number.

    Args:
        metric: the objective's.
        shapes: what an epoch measures, and the shape of each.

    Raises:
        InvalidInput: it does not.
    """
    if metric not in shapes:
        close = closest(metric, shapes, 0.7)
        fix = "" if not metric.startswith("val_") and f"val_{metric}" in shapes else _ADD
        if close is not None:  # another case alone is no other metric
            fix = f"Did you mean {close!r}?" + (
                f" If not: {_ADD}" if close.casefold() != metric.casefold() else ""
            )
        raise InvalidInput(
            f"objective is {metric!r}",
            expected=f"one of the model's metrics: {', '.join(sorted(shapes))}",
            fix=fix,
        )
    if shapes[metric] != ():
        size = "x".join(map(str, shapes[metric]))
        raise InvalidInput(
            f"objective is {metric!r}, which is {size} numbers, such as one for each class",
            expected="a metric that gives one number",
            fix="Let it give an average, as keras.metrics.F1Score(average='macro') does.",
        )


_ADD = "Add it to metrics=[...] in model.compile."


def _is_same(one: PreparedNetwork | FailedBuild, other: PreparedNetwork | FailedBuild) -> bool:
    if (
        isinstance(one, FailedBuild)
        or isinstance(other, FailedBuild)
        or not one.traced
        or not other.traced
    ):
        return False
    if one.traced.key != other.traced.key:
        return False
    pairs = [
        (one.traced.constants(part), other.traced.constants(part)) for part in one.traced.parts
    ]
    # bit by bit: 0.0 equals -0.0 and is another number
    return all(
        a.tobytes() == b.tobytes()
        for a, b in [*pairs, *zip(one.traced.state, other.traced.state, strict=True)]
    )


def group_by_training(jobs: Sequence[Job]) -> list[list[Job]]:
    """Jobs whose configurations differ at most in ``epochs``, together; groups in the order of
    their first job.
    """
    groups: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        rest = tuple(
            sorted((name, repr(value)) for name, value in job.config.items() if name != "epochs")
        )
        groups.setdefault((job.seed, job.split, *rest), []).append(job)
    return list(groups.values())


ProgramHint = Callable[[Configuration], object]
"""A guess which configurations are one program, before any is built: equal answers, probably the
same.
"""


def group_by_hint(groups: Sequence[list[Job]], hint: ProgramHint) -> list[list[list[Job]]]:
    """Blocks of groups with the same hint, in the order of their first group."""
    blocks: dict[object, list[list[Job]]] = {}
    for group in groups:
        blocks.setdefault(hint(group[0].config), []).append(group)
    return list(blocks.values())


def structural_hint(structural: Mapping[str, bool], space: Space) -> ProgramHint:
    """Guesses by the hyperparameters that change the program; those not tried count unless they are
    floats.

    Of a float that changes it, such as a dropout rate, it is zero that does: the layer is then left
    out.
    """

    def hint(config: Configuration) -> object:
        return tuple(
            (name, bool(value) if isinstance(value, float) else value)
            for name, value in ((name, config[name]) for name in space.names if name in config)
            if structural.get(name, not isinstance(value, float))
        )

    return hint
