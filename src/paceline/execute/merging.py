"""Decides which networks share a program with networks of other sizes."""

import logging
from dataclasses import dataclass, field, replace

import jax

from paceline.core import Configuration
from paceline.execute.changed_steps import may_differ_by_sizes, why_steps_differ
from paceline.execute.expected_networks import ExpectedNetworks
from paceline.execute.prepare import FailedBuild, Preparation, PreparedNetwork
from paceline.execute.size_range import Shapes, SizeRange, fitting_sizes
from paceline.train.lane_count import lane_bytes
from paceline.train.merged_lanes import program_key
from paceline.train.merged_program import merge
from paceline.train.merging.buckets import Buckets, SizeSpread, choose_buckets
from paceline.train.merging.structure import CannotMerge, Sizes, Structure
from paceline.train.merging.verification import ComparedSizes
from paceline.train.traced_model import TracedModel

logger = logging.getLogger("paceline.execute")

_EXPECTED = 8  # networks of a structure, if nothing is known
_MOST_TRACED = 16  # programs that are kept for comparisons
_MOST_RETRACED = 2  # networks that are traced to find out why their structures differ


@dataclass(frozen=True, slots=True)
class Bucket:
    """What the networks of a merged program have in common: a structure, and sizes that suffice."""

    structure: Structure
    largest: Sizes
    ragged: tuple[int, ...]


@dataclass(eq=False)
class _Known:
    """A structure whose sizes that may not differ have the same values.

    Attributes:
        structure: the structure.
        buckets: of its programs; None if its networks are not merged.
        reason: why they are not; empty if that is not known.
        config: the hyperparameters of its first network.
        trials: those that train in its programs.
    """

    structure: Structure
    config: Configuration
    buckets: Buckets | None = None
    reason: str = ""
    trials: list[int] = field(default_factory=list)


@dataclass(eq=False)
class NetworkMerging:
    """Finds the program of each network.

    Attributes:
        preparation: builds the smallest and the largest network of a structure.
        expected: how many networks are expected to share a structure.
        is_enabled: whether networks are merged at all.
        memory: bytes that a lane of a merged program may use.
        notes: sentences for the user, not shown yet.
    """

    preparation: Preparation
    expected: ExpectedNetworks
    is_enabled: bool
    memory: int
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._known: dict[str, list[_Known]] = {}
        self._buckets: dict[str, Bucket] = {}
        self._compared: dict[str, ComparedSizes] = {}  # by program, the most recent last
        self._refuted: list[int] = []
        self._has_noted = False
        self._num_retraced = 0
        self._size_range = SizeRange(self.preparation)
        if self.is_enabled:
            self.preparation.traces.is_merged = self.is_merged

    def assign(self, prepared: PreparedNetwork) -> tuple[PreparedNetwork | FailedBuild, str]:
        """The network, and the key of its program; traces it again if it needs steps of its own.

        The key is empty if that fails, or if the network needs ``fit`` then.
        """
        key = self.program_key(prepared)
        if key not in self._buckets and prepared.traced and prepared.traced.of_other_sizes:
            again = self.preparation.trace_again(prepared)
            if isinstance(again, FailedBuild) or again.traced is None:
                return again, ""
            prepared, key = again, self.program_key(again)
        if key in self._buckets:
            self._known_of(key).trials += [job.trial for job in prepared.jobs]
        return prepared, key

    def take_refuted(self) -> list[int]:
        """Trials that train in a program found to be wrong for another network, since last asked.

        Prepared again, they have programs of their own.
        """
        refuted, self._refuted = self._refuted, []
        return refuted

    def is_merged(self, structure_key: str, shapes: Shapes) -> bool:
        """Whether a network certainly trains in a program for several sizes.

        Args:
            structure_key: of the network.
            shapes: of the leaves of its state.
        """
        for known in self._known.get(structure_key, []):
            sizes = fitting_sizes(known.structure, shapes)
            if sizes is None:
                continue
            buckets = known.buckets
            return buckets is not None and _may_merge(buckets, sizes) and bool(buckets.of(sizes))
        return False

    def program_key(self, prepared: PreparedNetwork) -> str:
        """The key of the network's program: a merged one, or its own."""
        traced = prepared.traced
        if traced is None:
            raise TypeError("a network that needs fit has no program")
        if not self.is_enabled or not traced.structure_key:
            return traced.key
        try:
            known = self._find(prepared)
            if known.buckets is None:
                self._note(known.reason or self._why_apart(known, traced, prepared.config))
                return traced.key
            sizes = known.structure.sizes(traced.shapes)
            if not _may_merge(known.buckets, sizes):
                self._note(_why_single(prepared.config))
                return traced.key
            if not traced.of_other_sizes:
                self._check(known.structure, traced, sizes)
            largest = known.buckets.of(sizes)
        except CannotMerge as error:
            self._note(str(error))
            return traced.key
        except Exception as error:  # a missing rule must not lose the network
            logger.warning("a structure cannot be merged", exc_info=True)
            self._note(f"internal error ({type(error).__name__}: {error})")
            return traced.key
        if largest is None:
            self._note(
                self._limit(prepared.config)
                or "some are larger than a shared model can be, given the memory and the space"
            )
            return traced.key
        key = program_key(traced.structure_key, largest, known.buckets.ragged)
        self._buckets.setdefault(key, Bucket(known.structure, largest, known.buckets.ragged))
        return key if self._is_right(key, traced) else traced.key

    def _check(self, structure: Structure, traced: TracedModel, sizes: Sizes) -> None:
        """Compares the steps of a network with those that its sizes lead to.

        Raises:
            CannotMerge: they differ.
        """
        traces = self.preparation.traces
        try:
            structure.check(traced)
        except CannotMerge:
            traces.compared_sizes(traced.structure_key, are_right=False)
            traces.doubt_other_sizes(traced.structure_key)
            raise
        if structure.differing(sizes):
            traces.compared_sizes(traced.structure_key, are_right=True)

    def _is_right(self, key: str, traced: TracedModel) -> bool:
        """Whether a network trains in a program as alone; compared once for each size.

        Networks that were not traced have no steps of their own with which to compare.
        """
        if traced.of_other_sizes:
            return True
        bucket = self._buckets[key]
        compared = self._compared.pop(key, None)
        if compared is None:
            compared = ComparedSizes(bucket.structure, bucket.largest, bucket.ragged)
        self._compared[key] = compared
        for older in list(self._compared.values())[:-_MOST_TRACED]:
            older.release()
        try:
            reason = compared.difference(traced)
            if reason:
                self._refuted += self._known_of(key).trials
        except Exception as error:  # then it is not known to be right
            logger.warning("a merged program cannot be compared", exc_info=True)
            reason = f"internal error ({type(error).__name__}: {error})"
        if reason:
            logger.warning("networks are not merged: %s", reason)
            self.separate(key, reason)
            self._note(reason)
        return not reason

    def bucket(self, key: str) -> Bucket | None:
        """What the networks of a program have in common; None if it is not merged."""
        return self._buckets.get(key)

    def separate(self, key: str, reason: str) -> None:
        """No longer merges the networks of a program's structure, for ``reason``."""
        known = self._known_of(key)
        known.buckets, known.reason, known.trials = None, reason, []
        structure_key = known.structure.traced.structure_key
        self.preparation.traces.compared_sizes(structure_key, are_right=False)

    def _known_of(self, key: str) -> _Known:
        structure = self._buckets[key].structure
        alike = self._known[structure.traced.structure_key]
        return next(known for known in alike if known.structure is structure)

    def _note(self, reason: str) -> None:
        """Notes, once, that some networks of different sizes are not merged."""
        if reason and not self._has_noted:
            self._has_noted = True
            self.notes.append(
                "Some networks of different sizes are not trained together as one compiled model: "
                f"{reason}."
            )

    def _find(self, prepared: PreparedNetwork) -> _Known:
        traced = prepared.traced
        alike = self._known.setdefault(traced.structure_key if traced else "", [])
        for known in alike:
            shapes = traced.shapes if traced else []
            if fitting_sizes(known.structure, shapes) is not None:
                return known
        known = self._new(prepared)
        if known.buckets is not None and not _may_merge(known.buckets, known.structure.own_sizes):
            return known
        if not alike:
            self._note(self._why_another(prepared))
        if alike and alike[0].buckets is None and known.buckets is None and traced is not None:
            known.reason = _difference(alike[0].structure, traced.shapes)
        alike.append(known)
        return known

    def _why_another(self, prepared: PreparedNetwork) -> str:
        """Why a network has a structure of its own, if that is because of its sizes."""
        for known in [one for alike in self._known.values() for one in alike]:
            if self._has_noted or self._num_retraced >= _MOST_RETRACED:
                break
            if may_differ_by_sizes(known.structure, known.config, prepared):
                self._num_retraced += 1
                try:
                    reason = why_steps_differ(
                        known.structure, known.config, prepared, self.preparation
                    )
                except Exception:  # optional: the network itself was built and traced
                    continue
                if reason:
                    return reason
        return ""

    def _new(self, prepared: PreparedNetwork) -> _Known:
        """Chooses the sizes of programs for a structure whose first network has come."""
        if prepared.traced is None:
            raise TypeError("a network that needs fit is not merged")
        structure = Structure.of(prepared.traced)
        ends = self._size_range.of(prepared, structure)
        if ends is None or ends[0] == ends[1]:
            return _Known(structure, prepared.config)
        steps = prepared.feed.num_steps * self._epochs(prepared)
        count = self.expected.sharing(prepared.config, _EXPECTED)
        count = 1 << (count.bit_length() - 1)  # so that studies of like numbers choose alike
        platform = jax.default_backend()
        chosen = choose_buckets(structure, SizeSpread(*ends), steps, count, platform)
        levels = [level for level in chosen.levels if self._has_room(structure, level, chosen)]
        if not levels:
            return _Known(
                structure, prepared.config, reason="the largest would need too much memory"
            )
        return _Known(structure, prepared.config, replace(chosen, levels=tuple(levels)))

    def _why_apart(self, known: _Known, traced: TracedModel, config: Configuration) -> str:
        """Why a network of other sizes is not merged; empty if its sizes are the same.

        Raises:
            CannotMerge: its steps are not those of the structure at its sizes.
        """
        structure = known.structure
        if not structure.differing(structure.sizes(traced.shapes)):
            return ""
        if not traced.of_other_sizes:
            structure.check(traced)
        changed = {name: value for name, value in config.items() if known.config.get(name) != value}
        none = "no whole-number hyperparameter sets their sizes and nothing else"
        return self._limit(changed) or none

    def _limit(self, config: Configuration) -> str:
        """Why one of these hyperparameters does not have the range of the space, if one has not."""
        limits = self._size_range.limits
        return next((limits[name] for name in config if name in limits), "")

    def _epochs(self, prepared: PreparedNetwork) -> int:
        """The most epochs of a network, whichever comes first."""
        variants = self.preparation.space.variants("epochs")
        return max([prepared.leader.epochs, *(int(h.from_unit(1.0)) for h in variants)])

    def _has_room(self, structure: Structure, level: Sizes, buckets: Buckets) -> bool:
        program = merge(structure, level, buckets.ragged, [])
        return lane_bytes(program) <= self.memory


def _may_merge(buckets: Buckets, sizes: Sizes) -> bool:
    """Whether no size that varies is 1: a layer may have other operations for an axis of length 1,
    or leave it out.
    """
    return all(sizes[i] > 1 for i in buckets.ragged)


def _why_single(config: Configuration) -> str:
    """Why a network with an axis of length 1 is not merged; empty if a value of 1 explains it."""
    values = {name: value for name, value in config.items() if type(value) is int}
    if not values or 1 in values.values():
        return ""
    given = ", ".join(f"{name}={value}" for name, value in values.items())
    return f"with {given} a size is 1, for which layers may have other operations"


def _difference(structure: Structure, shapes: Shapes) -> str:
    """Why a network of these shapes does not fit."""
    try:
        structure.check_differing(structure.differing(structure.sizes(shapes)))
    except CannotMerge as error:
        return str(error)
    return ""
