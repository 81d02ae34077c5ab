"""Traces networks, and finds the steps of a network without a trace where they are known.

They are known in three cases, all for models that consist of Keras's own classes only:

- A recent network had the same configuration, with another seed or split.
- Networks of the same structure were traced, and their constants are functions of the numbers of
  their configurations, see `paceline.train.known_constants`.
- The same, with networks of other sizes, where the network trains in a program for several sizes.

In the last two every sixteenth network of a structure is traced all the same. If its constants are
not as predicted, the structure is traced from then on.

What traces have shown is kept on disk for other sessions, see `paceline.train.example_files`. There
a structure is known as soon as one network was traced and agrees: its steps are needed anyway.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Self, TypeVar

import keras

from paceline.core import Value
from paceline.core.logs import logger
from paceline.train.array_feed import ArrayFeed
from paceline.train.example_files import ExampleFiles, KeptStructure
from paceline.train.known_constants import KnownConstants
from paceline.train.model_config import ModelConfig, model_config
from paceline.train.stream_feed import AnyFeed, StreamFeed
from paceline.train.trace import has_known_batches, trace
from paceline.train.traced_model import TracedModel

N = TypeVar("N")

_LOG = logger("train")
_MAX_RECENT = 16  # a final rarely has more configurations
_MAX_STRUCTURES = 64
_MAX_NUMBERS = 500  # of a configuration; one with more contains whole arrays
_CONTROL_INTERVAL = 16
_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class PredictedNetwork(Generic[N]):
    """A network that trains with constants that were predicted.

    Attributes:
        network: as named by the caller.
        of_other_sizes: see `TracedModel`.
        constants: a hash of them.
    """

    network: N
    of_other_sizes: bool
    constants: str

    @classmethod
    def of(cls, network: N, traced: TracedModel) -> Self:
        """Of a network with the steps found for it."""
        is_merged = traced.of_other_sizes
        return cls(network, is_merged, _constants_hash(traced, across_sizes=is_merged))

    def agrees(self, traced: TracedModel) -> bool:
        """Whether the network's trace gives the same."""
        return self.constants == _constants_hash(traced, across_sizes=self.of_other_sizes)


@dataclass(eq=False)
class _Structure(Generic[N]):
    """Networks whose configurations differ in the values of floats only, or also in sizes.

    Attributes:
        like: the first that was traced, without its state.
        across_sizes: whether they differ in sizes, too.
        constants: learned from those traced.
        predicted: those not traced.
        since_trace: how many were predicted since the last one was traced.
        is_predictable: False once they were found to have several programs, or a prediction was
            wrong.
        follows_sizes: whether a comparison has shown that the steps of some network follow from its
            sizes; others of other sizes are predicted only then.
    """

    like: TracedModel
    across_sizes: bool
    constants: KnownConstants = field(default_factory=KnownConstants)
    predicted: list[PredictedNetwork[N]] = field(default_factory=list)
    since_trace: int = 0
    is_predictable: bool = True
    follows_sizes: bool = False

    def predict(
        self, model: keras.Model, numbers: Mapping[str, float], feed: ArrayFeed
    ) -> TracedModel | None:
        """The network with predicted constants; None if they are not known."""
        constants = self.constants.predict(numbers) if self.is_predictable else None
        if constants is None:
            return None
        like = replace(self.like.with_constants(constants), of_other_sizes=self.across_sizes)
        if not has_known_batches(like, feed):
            return None
        found = trace(model, feed, like)
        if found.key == self.like.key and _integers(found) == _integers(self.like):
            found = replace(found, of_other_sizes=False)  # the steps are its own
        elif not self.follows_sizes:
            return None
        return found if self._is_of(found) else None

    def learn(self, traced: TracedModel, numbers: Mapping[str, float]) -> bool:
        """Learns from a network that was traced; returns whether what is to be kept has changed."""
        was_predictable, is_new = self.is_predictable, False
        if not self._is_of(traced) or not _are_exact(traced):
            self.is_predictable = False
        if self.is_predictable:
            try:
                is_new = self.constants.add(numbers, traced.all_constants)
            except ValueError:  # it has another number of constants
                self.is_predictable = False
            else:
                self.is_predictable = not self.constants.is_unpredictable
        return is_new or self.is_predictable != was_predictable

    def recall(self, kept: KeptStructure) -> None:
        """Learns from networks that were traced in other sessions.

        Raises:
            ValueError: they have different numbers of constants.
        """
        self.follows_sizes = kept.follows_sizes
        for example in kept.examples:
            numbers = dict(zip(kept.names, example.numbers, strict=True))
            self.constants.add(numbers, example.constants)

    @property
    def program(self) -> str:
        """The key of its networks' program."""
        return _program_key(self.like, self.across_sizes)

    @property
    def kept(self) -> KeptStructure:
        """What to keep of it: no examples if its constants cannot be predicted."""
        examples = self.constants.examples if self.is_predictable else ()
        return KeptStructure(self.program, self.constants.names, examples, self.follows_sizes)

    def _is_of(self, traced: TracedModel) -> bool:
        return _program_key(traced, self.across_sizes) == self.program


def _integers(traced: TracedModel) -> list[list[int]]:
    return [traced.integers(name).tolist() for name in traced.parts]


def _are_exact(traced: TracedModel) -> bool:
    """Whether all integers are exact as floats."""
    return all((abs(traced.integers(name)) < 2**53).all() for name in traced.parts)


def _program_key(traced: TracedModel, across_sizes: bool) -> str:
    """The same for all networks whose constants are learned together."""
    key = traced.structure_key if across_sizes else traced.key
    return f"{key} {traced.arrays_hash}"


class TraceCache(Generic[N]):
    """Traces the networks of a study.

    Args:
        files: keep what traces show for other sessions; None to keep nothing.

    Attributes:
        num_traced: how many networks were traced.
        is_merged: whether a network certainly trains in a program for several sizes, given its
            structure's key and the shapes of its state; None if there are no such programs.
        doubtful: networks that rest on predictions of a structure for which one was wrong.
    """

    def __init__(self, files: ExampleFiles | None = None) -> None:
        self._files = files
        self.num_traced = 0
        self.is_merged: Callable[[str, Sequence[tuple[int, ...]]], bool] | None = None
        self.doubtful: list[PredictedNetwork[N]] = []
        # both most recent last
        self._recent: dict[_Key, tuple[TracedModel, _Structure[N] | None]] = {}
        self._structures: dict[_Key, _Structure[N]] = {}
        # keys of structures of which some network has other steps than its sizes lead to
        self._irregular: set[str] = set()
        # the first network of each program: a jaxpr can be larger than the network
        self._first_of_program: dict[str, TracedModel] = {}

    def trace(
        self,
        model: keras.Model,
        config: Mapping[str, Value],
        feed: AnyFeed,
        network: N,
    ) -> TracedModel:
        """Traces a model, or returns what a trace would give.

        Args:
            model: compiled, with all its variables.
            config: the hyperparameters with which it was built.
            feed: its batches.
            network: stands for it in `doubtful`.

        Raises:
            CannotTrace: see `paceline.train.trace.trace`.
        """
        described = model_config(model) if isinstance(feed, ArrayFeed) else None
        if described is None or isinstance(feed, StreamFeed):
            return self._trace(model, feed)
        values = sorted((name, repr(value)) for name, value in config.items())
        key = (*values, described.exact, described.structure, feed.identity)
        like, structure = self._recent.pop(key, (None, None))
        if like is not None:
            traced = trace(model, feed, like)
        else:
            traced, structure = self._trace_or_predict(model, config, described, feed)
        if structure is not None:
            structure.predicted.append(PredictedNetwork.of(network, traced))
        self._recent[key] = replace(self._with_shared_code(traced), state=()), structure
        if len(self._recent) > _MAX_RECENT:
            del self._recent[next(iter(self._recent))]
        return traced

    def probe(self, model: keras.Model, config: Mapping[str, Value], feed: AnyFeed) -> TracedModel:
        """The same for a network that is not to be trained."""
        described = model_config(model) if isinstance(feed, ArrayFeed) else None
        if described is None or isinstance(feed, StreamFeed):
            return self._trace(model, feed)
        return self._trace_or_predict(model, config, described, feed)[0]

    def compared_sizes(self, structure_key: str, are_right: bool) -> None:
        """Takes note of a comparison of a network's steps with those that its sizes lead to.

        If they differ, no network of its structure has the steps of one of other sizes any more.
        """
        if not are_right:
            self._irregular.add(structure_key)
        for key, structure in self._structures.items():
            if structure.across_sizes and structure.like.structure_key == structure_key:
                before = structure.is_predictable, structure.follows_sizes
                structure.is_predictable &= are_right
                structure.follows_sizes = are_right
                if (structure.is_predictable, structure.follows_sizes) != before:
                    self._keep(key, structure)

    def doubt_other_sizes(self, structure_key: str) -> None:
        """Puts networks in doubt that have the steps of one of other sizes, whatever a trace gives.

        The steps of another network of their structure do not follow from its sizes.
        """
        for structure in self._structures.values():
            if structure.like.structure_key == structure_key:
                other = [one for one in structure.predicted if one.of_other_sizes]
                self.doubtful += [replace(one, constants="") for one in other]
                structure.predicted = [one for one in structure.predicted if one not in other]

    def _trace_or_predict(
        self,
        model: keras.Model,
        config: Mapping[str, Value],
        described: ModelConfig,
        feed: ArrayFeed,
    ) -> tuple[TracedModel, _Structure[N] | None]:
        """The traced network, and the structure by which it was predicted; None if it was not."""
        values = {f"hp.{n}": float(v) for n, v in config.items() if type(v) in (int, float)}
        numbers = {**described.numbers, **described.sizes, **values}
        if len(numbers) > _MAX_NUMBERS:
            return self._trace(model, feed), None
        keys = {
            across_sizes: (
                across_sizes,
                *sorted((n, repr(v)) for n, v in config.items() if type(v) not in varying),
                described.family if across_sizes else described.structure,
                # a layer may have other operations for an axis of length 1
                *(name for name, size in described.sizes.items() if across_sizes and size == 1),
                " ".join(numbers),
                feed.identity,
            )
            for across_sizes, varying in ((False, (float,)), (True, (int, float)))
        }
        for key in keys.values():
            structure = self._structure(key)
            if structure is None:
                continue
            found = structure.predict(model, numbers, feed)
            if found is None or (found.of_other_sizes and not self._trains_merged(found)):
                continue
            structure.since_trace += 1
            if structure.since_trace < _CONTROL_INTERVAL:
                return found, structure
            break
        traced = self._trace(model, feed)
        for across_sizes, key in keys.items():
            self._learn(key, across_sizes, traced, numbers)
        return traced, None

    def _trains_merged(self, found: TracedModel) -> bool:
        shapes = found.shapes
        return self.is_merged is not None and self.is_merged(found.structure_key, shapes)

    def _learn(
        self, key: _Key, across_sizes: bool, traced: TracedModel, numbers: Mapping[str, float]
    ) -> None:
        """Learns from a traced network which numbers of its configuration its constants are."""
        if across_sizes and (
            self.is_merged is None or traced.structure_key in {"", *self._irregular}
        ):
            return
        structure = self._structures.get(key)
        if structure is None:
            structure, is_new = self._new_structure(key, across_sizes, traced, numbers)
            self._structures[key] = structure
        else:
            is_new = structure.learn(traced, numbers)
        structure.since_trace = 0
        if is_new:
            self._keep(key, structure)
        if structure.predicted and not structure.is_predictable:
            self._doubt(structure)
        if len(self._structures) > _MAX_STRUCTURES:
            del self._structures[next(iter(self._structures))]

    def _new_structure(
        self, key: _Key, across_sizes: bool, traced: TracedModel, numbers: Mapping[str, float]
    ) -> tuple[_Structure[N], bool]:
        """The structure of a network that was traced, and whether what is kept of it has changed.

        What other sessions have kept is used if this network agrees.
        """
        like = replace(self._with_shared_code(traced), state=())
        names = tuple(numbers)
        known = _Structure[N](like, across_sizes)
        kept = self._files.read(key, known.program, names) if self._files is not None else None
        if kept is not None:
            try:
                known.recall(kept)
                is_new = known.learn(traced, numbers)
            except ValueError:  # the file is damaged
                known.is_predictable = False
            if known.is_predictable:
                return known, is_new
        structure = _Structure[N](like, across_sizes)
        structure.learn(traced, numbers)
        return structure, True

    def _keep(self, key: _Key, structure: _Structure[N]) -> None:
        """Keeps what is known of a structure on disk, or removes what is not known any more."""
        if self._files is not None:
            self._files.write(key, structure.kept)

    def _structure(self, key: _Key) -> _Structure[N] | None:
        """The structure of a key, which becomes the most recent one."""
        structure = self._structures.pop(key, None)
        if structure is not None:
            self._structures[key] = structure
        return structure

    def _doubt(self, structure: _Structure[N]) -> None:
        """Stops using a structure, after a trace has refuted what predictions were based on."""
        _LOG.error(
            "a network has other constants than its configuration led to expect; networks of its "
            "structure are traced from now on, and %d earlier ones are checked",
            len(structure.predicted),
        )
        self.doubtful += structure.predicted
        structure.predicted = []
        self._recent = {key: own for key, own in self._recent.items() if own[1] is not structure}

    def _trace(self, model: keras.Model, feed: AnyFeed) -> TracedModel:
        self.num_traced += 1
        return trace(model, feed)

    def _with_shared_code(self, traced: TracedModel) -> TracedModel:
        if traced.of_other_sizes:  # it has that of another network already
            return traced
        first = self._first_of_program.setdefault(traced.key, replace(traced, state=()))
        return traced.with_code_of(first)


def _constants_hash(traced: TracedModel, across_sizes: bool) -> str:
    """A hash of a network's program, or of its structure, and of its constants."""
    digest = hashlib.blake2b(_program_key(traced, across_sizes).encode(), digest_size=8)
    for name in traced.parts:
        digest.update(traced.constants(name).tobytes())
        digest.update(traced.integers(name).tobytes())
    return digest.hexdigest()
