"""The smallest and the largest network of a structure in its search space."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from paceline.core import Configuration
from paceline.execute.prepare import Preparation, PreparedNetwork
from paceline.space import Hyperparameter, Int
from paceline.train.merging.structure import CannotMerge, Sizes, Structure
from paceline.train.trace import state_shapes

Shapes = Sequence[tuple[int, ...]]
"""The shapes of the leaves of a network's state."""

_MAX_BYTES = 2**30  # of the largest network, roughly
_MAX_HALVED_BYTES = 2**26  # of a smaller one in its place: comparing it takes many times as much
_HALVINGS = range(5)  # of the greatest value, while its network cannot be built or is too large
_MOST_CHARACTERS = 200  # of the message of an error


@dataclass(eq=False)
class SizeRange:
    """Finds the hyperparameters that change nothing but the sizes of a network.

    Networks with their least and greatest values are built for the first structure. If the sizes
    that changed are the values themselves, as the number of units of a layer is, those of other
    structures follow without building. A wrong guess makes a network a program of its own.

    Where the network with the greatest value cannot be built or would be too large, half of the
    value is tried, a few times; where the one with the least value cannot be built, twice of it.

    Attributes:
        preparation: builds networks.
        limits: why the range of a hyperparameter is not the one of the space, by name.
    """

    preparation: Preparation
    limits: dict[str, str] = field(default_factory=dict)
    _ends: dict[str, tuple[int, int]] = field(default_factory=dict)  # that can be built
    _known: dict[str, bool] = field(default_factory=dict)
    # shapes by the values that differ from those of the network at hand; None: cannot be built
    _built: dict[tuple[tuple[str, int], ...], Shapes | None] = field(default_factory=dict)
    _are_values: bool = False
    _constant: set[int] = field(default_factory=set)  # sizes that did not change

    def of(self, prepared: PreparedNetwork, structure: Structure) -> tuple[Sizes, Sizes] | None:
        """The sizes of the smallest and of the largest network with the steps of a network.

        Args:
            prepared: the network.
            structure: of the network.

        Returns:
            Both sizes; None if no hyperparameter changes sizes and nothing else.
        """
        self._built.clear()
        ends = {
            name: self._within(name, pair)
            for name, pair in self._integers(prepared).items()
            if self._changes_sizes(name, pair, prepared, structure)
        }
        used = {prepared.config[name] for name in ends} & set(structure.own_sizes)
        if not ends or (self._are_values and not used):
            return None
        guessed = self._guess(ends, prepared, structure)
        if guessed is not None:
            return guessed
        found = self._build_ends(ends, prepared, structure)
        if found is None and len(ends) > 1:  # an end of one of them changes more than sizes
            ends = {
                name: pair
                for name, pair in ends.items()
                if self._build_ends({name: pair}, prepared, structure) is not None
            }
            found = self._build_ends(ends, prepared, structure) if ends else None
        if found is None:
            return None
        ends = {name: self._within(name, pair) for name, pair in ends.items()}
        self._learn(ends, prepared, structure, found)
        return found

    def _build_ends(
        self,
        ends: Mapping[str, tuple[int, int]],
        prepared: PreparedNetwork,
        structure: Structure,
    ) -> tuple[Sizes, Sizes] | None:
        """The sizes of networks with the least and the greatest values; None if one differs."""
        found = []
        for end in (0, 1):
            shapes = self._end_shapes(ends, end, prepared)
            sizes = fitting_sizes(structure, shapes)
            if sizes is None and shapes is not None and len(ends) == 1:
                ((name, pair),) = ends.items()
                value = self._within(name, pair)[end]
                self.limits[name] = f"the network with {name}={value} relates sizes in another way"
            found.append(sizes)
        low, high = found
        return None if low is None or high is None else (low, high)

    def _learn(
        self,
        ends: Mapping[str, tuple[int, int]],
        prepared: PreparedNetwork,
        structure: Structure,
        found: tuple[Sizes, Sizes],
    ) -> None:
        """Notes whether the sizes that changed are the values of hyperparameters."""
        own = structure.own_sizes
        changed = [
            (own[i], low, high)
            for i, (low, high) in enumerate(zip(*found, strict=True))
            if low != high
        ]
        values = {(prepared.config[name], *pair) for name, pair in ends.items()}
        self._are_values = bool(changed) and set(changed) <= values
        self._constant |= {size for i, size in enumerate(own) if found[0][i] == found[1][i] == size}

    def _guess(
        self,
        ends: Mapping[str, tuple[int, int]],
        prepared: PreparedNetwork,
        structure: Structure,
    ) -> tuple[Sizes, Sizes] | None:
        """The sizes, if those that equal a value of a hyperparameter are surely that value."""
        values = [prepared.config[name] for name in ends]
        if not self._are_values or len(set(values)) < len(values):
            return None
        if self._constant & set(values):
            return None
        pairs = {prepared.config[name]: pair for name, pair in ends.items()}
        fixed = structure.fixed
        sizes = [
            (size, size) if axis in fixed else pairs.get(size, (size, size))
            for axis, size in zip(structure.free_axes, structure.own_sizes, strict=True)
        ]
        return tuple(low for low, _ in sizes), tuple(high for _, high in sizes)

    def _integers(self, prepared: PreparedNetwork) -> dict[str, tuple[int, int]]:
        """The least and the greatest value of each integer hyperparameter that is active."""
        config, traced = prepared.config, prepared.traced
        now = sum(leaf.nbytes for leaf in traced.state) if traced else 0
        found = {}
        for h in self.preparation.space.active(config):
            low, high, own = h.from_unit(0.0), h.from_unit(1.0), config.get(h.name)
            if type(low) is not int or type(high) is not int or type(own) is not int:
                continue
            if low == high or h.name in self.preparation.loop_names:
                continue
            for halvings in _HALVINGS:
                most = _nearer(h, (low, high), 1, halvings)
                allowed = _MAX_BYTES if most == high else _MAX_HALVED_BYTES
                if now * max(1.0, most / max(1, own)) ** 2 <= allowed:
                    found[h.name] = (low, most)
                    break
                reason = f"the largest, {h.name}={high}, would need too much memory"
                self.limits.setdefault(h.name, reason)
        return found

    def _changes_sizes(
        self,
        name: str,
        ends: tuple[int, int],
        prepared: PreparedNetwork,
        structure: Structure,
    ) -> bool:
        """Whether a hyperparameter changes the sizes of a network and nothing else."""
        if name in self._known:
            return self._known[name]
        other = 1 if prepared.config[name] != ends[1] else 0
        shapes = self._end_shapes({name: ends}, other, prepared)
        if prepared.traced is None or shapes == prepared.traced.shapes:
            return False  # it may in another structure
        changes = fitting_sizes(structure, shapes) is not None
        if changes or prepared.config[name] != 1:  # an axis of length 1 may have other operations
            self._known[name] = changes
        return changes

    def _end_shapes(
        self, ends: Mapping[str, tuple[int, int]], end: int, prepared: PreparedNetwork
    ) -> Shapes | None:
        """The shapes of the network with the least or greatest values that can be built."""
        active = {h.name: h for h in self.preparation.space.active(prepared.config)}
        tried: list[dict[str, int]] = []
        for halvings in _HALVINGS:
            values = {
                name: _nearer(active[name], self._within(name, pair), end, halvings)
                for name, pair in ends.items()
            }
            if values in tried:
                continue
            tried.append(values)
            shapes = self._shapes(values, prepared)
            if shapes is not None:
                for name, value in values.items() if len(tried) > 1 else ():
                    low, high = self._within(name, ends[name])
                    self._ends[name] = (low, value) if end else (value, high)
                return shapes
        return None

    def _within(self, name: str, ends: tuple[int, int]) -> tuple[int, int]:
        """The part of a range whose ends could be built, as far as that is known."""
        low, high = self._ends.get(name, ends)
        high = min(high, ends[1])
        return min(high, max(low, ends[0])), high

    def _shapes(self, values: Mapping[str, int], prepared: PreparedNetwork) -> Shapes | None:
        """The shapes of the network with other values; None if it cannot be built."""
        key = tuple(values.items())
        if key not in self._built:
            self._built[key] = self._build(values, prepared)
        return self._built[key]

    def _build(self, values: Mapping[str, int], prepared: PreparedNetwork) -> Shapes | None:
        config: Configuration = {**prepared.config, **values}
        try:
            return state_shapes(self.preparation.build_again(config, prepared), prepared.feed)
        except Exception as error:  # optional: the network itself was built
            given = ", ".join(f"{name}={value}" for name, value in values.items())
            text = " ".join(f"{type(error).__name__}: {error}".split())[:_MOST_CHARACTERS]
            for name in values:
                self.limits.setdefault(
                    name, f"the network with {given} cannot be built: {text}".rstrip(" :.")
                )
            return None


def _nearer(h: Hyperparameter, ends: tuple[int, int], end: int, halvings: int) -> int:
    """The greatest value halved, or the least one doubled, a number of times."""
    low, high = ends
    if not halvings or not isinstance(h, Int):
        return ends[end]
    value = high >> halvings if end else max(1, low) << halvings
    place = bisect_left(range(h.num_values), value, key=h.value_at)
    return min(high, max(low, h.value_at(min(place, h.num_values - 1))))


def fitting_sizes(structure: Structure, shapes: Shapes | None) -> Sizes | None:
    """The sizes of a network of these shapes; None if sizes differ that must not."""
    if shapes is None:
        return None
    try:
        sizes = structure.sizes(shapes)
        structure.check_differing(structure.differing(sizes))
    except CannotMerge:
        return None
    return sizes
