"""Axes of the values of a step, related to each other by its equations.

Each axis of each value has a number. Equations relate axes: those of the two operands of a sum are
the same axis, the axis of a product ``x @ w`` is that of ``w``, the axis after a reshape is the
product of those before. What remains are the independent sizes of a network: the numbers of units,
filters, heads. They are found from one trace, by unification (Robinson 1965, on terms that are an
axis, a product or a sum of axes).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

PRODUCT: Literal["product"] = "product"
SUM: Literal["sum"] = "sum"

Kind = Literal["product", "sum"]


@dataclass(frozen=True, slots=True)
class Composition:
    """An axis that consists of others.

    Attributes:
        kind: a product, the first part varying slowest, or a sum, one part after the other.
        parts: the numbers of the axes.
    """

    kind: Kind
    parts: tuple[int, ...]


@dataclass(eq=False)
class AxisTable:
    """The axes of a step, or of all steps of a network.

    Attributes:
        sizes: the size of each axis in the network that was traced.
    """

    sizes: list[int] = field(default_factory=list)
    _same_as: list[int] = field(default_factory=list)
    _composed: dict[int, Composition] = field(default_factory=dict)
    _fixed: dict[int, tuple[int, str]] = field(default_factory=dict)  # in the order of reasons
    _num_reasons: int = 0

    def new(self, size: int) -> int:
        """Adds an axis."""
        self.sizes.append(int(size))  # parameters of equations can be integers of NumPy
        self._same_as.append(len(self._same_as))
        return len(self._same_as) - 1

    def news(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Adds an axis for each size of a shape."""
        return tuple(self.new(size) for size in shape)

    def find(self, axis: int) -> int:
        """The axis that stands for all that are the same."""
        root = axis
        while self._same_as[root] != root:
            root = self._same_as[root]
        while self._same_as[axis] != root:
            self._same_as[axis], axis = root, self._same_as[axis]
        return root

    def composition(self, axis: int) -> Composition | None:
        """The composition of an axis; None for an independent axis."""
        return self._composed.get(self.find(axis))

    def fix(self, axis: int, reason: str) -> None:
        """Marks an axis whose size may not differ between networks, because of ``reason``."""
        self._num_reasons += 1
        self._fixed.setdefault(self.find(axis), (self._num_reasons, reason))

    def unify(self, a: int, b: int) -> None:
        """Makes two axes the same."""
        a, b = self.find(a), self.find(b)
        if a == b:
            return
        if self.sizes[a] != self.sizes[b]:
            for axis in (a, b):
                self.fix(axis, "sizes that do not fit")
            return
        first, second = self._composed.get(a), self._composed.pop(b, None)
        self._same_as[b] = a
        if b in self._fixed:  # the operation of the model comes before that of its gradient
            reason = self._fixed.pop(b)
            self._fixed[a] = min(reason, self._fixed.get(a, reason))
        if second is not None:
            self._compose(a, first, second)

    def compose(self, axis: int, kind: Kind, parts: Sequence[int]) -> None:
        """Makes an axis the product or the sum of others.

        Parts of a product with the size 1 are left out.
        """
        kept = [part for part in parts if kind == SUM or self.sizes[part] != 1]
        kept = [part for part in kept if self.sizes[part] != 0]
        if not kept:
            return
        if len(kept) == 1:
            self.unify(axis, kept[0])
            return
        root = self.find(axis)
        self._compose(root, self._composed.get(root), Composition(kind, tuple(kept)))

    def _compose(self, axis: int, known: Composition | None, new: Composition) -> None:
        if known is None:
            self._composed[axis] = new
            return
        if known.kind != new.kind:
            # the units of the gates of a recurrent network: n equal parts, or n times a size
            known, new = (self._as_sum(one) or one for one in (known, new))
        if known.kind != new.kind:
            self._give_up((*known.parts, *new.parts))
            return
        self._composed[axis] = known
        parts = self._match(known.kind, list(self._leaves(known)), list(self._leaves(new)))
        self._composed[self.find(axis)] = Composition(known.kind, parts)

    def _as_sum(self, composition: Composition) -> Composition | None:
        """A product of a number and a size as a sum of equal parts, whose number may not differ."""
        if composition.kind == SUM or len(composition.parts) != 2:
            return None
        count, size = composition.parts
        self.fix(count, "the number of parts that are joined")
        return Composition(SUM, (size,) * self.sizes[count])

    def _leaves(self, composition: Composition) -> list[int]:
        """The parts, with those of the same kind replaced by their own parts."""
        found: list[int] = []
        for part in composition.parts:
            inner = self.composition(part)
            if inner is not None and inner.kind == composition.kind:
                found += self._leaves(inner)
            else:
                found.append(self.find(part))
        return found

    def _match(self, kind: Kind, first: list[int], second: list[int]) -> tuple[int, ...]:
        """Makes two lists of parts of the same axis the same; returns the finer list."""
        result: list[int] = []
        while first and second:
            a, b = self.find(first[0]), self.find(second[0])
            if self.sizes[a] == self.sizes[b]:
                self.unify(a, b)
                del first[0], second[0]
                result.append(self.find(a))
                continue
            larger, smaller, rest = (
                (a, b, first) if self.sizes[a] > self.sizes[b] else (b, a, second)
            )
            if kind == PRODUCT and self.sizes[larger] % self.sizes[smaller]:
                self._give_up((*first, *second))
                return tuple(result + first)
            whole, part = self.sizes[larger], self.sizes[smaller]
            remainder = self.new(whole // part if kind == PRODUCT else whole - part)
            self.compose(larger, kind, (smaller, remainder))
            rest[:1] = [smaller, remainder]
        return tuple(result)

    def _give_up(self, axes: Sequence[int]) -> None:
        for axis in axes:
            self.fix(axis, "its sizes are combined in several ways")

    def fixed_reasons(self) -> dict[int, str]:
        """Why axes of their own are fixed, by axis: those in a fixed product or sum are, too."""
        reasons: dict[int, str] = {}
        ordered = sorted(self._fixed.items(), key=lambda item: item[1], reverse=True)
        stack = [(axis, reason) for axis, (_, reason) in ordered]
        while stack:
            axis, reason = stack.pop()
            root = self.find(axis)
            inner = self._composed.get(root)
            if inner is None:
                reasons.setdefault(root, reason)
            else:
                stack += [(part, reason) for part in inner.parts]
        return reasons

    def own_axes(self, axis: int) -> list[int]:
        """The axes of their own of which an axis consists."""
        inner = self.composition(axis)
        if inner is None:
            return [self.find(axis)]
        return [found for part in inner.parts for found in self.own_axes(part)]
