"""The smallest and the largest network of a structure in its search space."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from paceline.core import Configuration
from paceline.execute.prepare import Preparation, PreparedNetwork
from paceline.train.trace import state_shapes

Shapes = Sequence[tuple[int, ...]]
"""The shapes of the leaves of a network's state."""

_MAX_BYTES = 2**30  # of the largest network, roughly


@dataclass(eq=False)
class SizeRange:
    """Finds the hyperparameters that change nothing but the sizes of a network.

    Attributes:
        preparation: builds networks.
    """

    preparation: Preparation
    _known: dict[str, bool] = field(default_factory=dict)

    def of(
        self, prepared: PreparedNetwork, fits: Callable[[Shapes], bool]
    ) -> tuple[Shapes, Shapes] | None:
        """The shapes of the smallest and of the largest network with the steps of a network.

        These are built with the least and the greatest values of the hyperparameters that change
        nothing but sizes.

        Args:
            prepared: the network.
            fits: whether a network of these shapes may have the same steps.

        Returns:
            The shapes of the leaves of both states; None if no hyperparameter changes sizes.
        """
        ends = {
            name: pair
            for name, pair in self._integers(prepared).items()
            if self._changes_sizes(name, pair, prepared, fits)
        }
        found = []
        for end in (0, 1):
            shapes = self._shapes({name: pair[end] for name, pair in ends.items()}, prepared)
            if shapes is None or not ends or not fits(shapes):
                return None
            found.append(shapes)
        return found[0], found[1]

    def _integers(self, prepared: PreparedNetwork) -> dict[str, tuple[int, int]]:
        """The least and the greatest value of each integer hyperparameter that is active."""
        config, traced = prepared.config, prepared.traced
        now = sum(leaf.nbytes for leaf in traced.state) if traced else 0
        found = {}
        for h in self.preparation.space.active(config):
            low, high, own = h.from_unit(0.0), h.from_unit(1.0), config.get(h.name)
            if type(low) is not int or type(high) is not int or type(own) is not int:
                continue
            growth = max(1.0, high / max(1, own))
            is_loop = h.name in self.preparation.loop_names
            if low != high and not is_loop and now * growth**2 <= _MAX_BYTES:
                found[h.name] = (low, high)
        return found

    def _changes_sizes(
        self,
        name: str,
        ends: tuple[int, int],
        prepared: PreparedNetwork,
        fits: Callable[[Shapes], bool],
    ) -> bool:
        """Whether a hyperparameter changes the sizes of a network and nothing else."""
        if name in self._known:
            return self._known[name]
        other = ends[1] if prepared.config[name] != ends[1] else ends[0]
        shapes = self._shapes({name: other}, prepared)
        if prepared.traced is None or shapes == [leaf.shape for leaf in prepared.traced.state]:
            return False  # it may in another structure
        self._known[name] = shapes is not None and fits(shapes)
        return self._known[name]

    def _shapes(self, values: Mapping[str, int], prepared: PreparedNetwork) -> Shapes | None:
        """The shapes of the network with other values; None if it cannot be built."""
        config: Configuration = {**prepared.config, **values}
        try:
            return state_shapes(self.preparation.build_again(config, prepared), prepared.feed)
        except Exception:  # optional: the network itself was built
            return None
