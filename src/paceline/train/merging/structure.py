"""Networks whose steps have the same equations and differ in sizes and constants only.

From the steps of one network it is known which axes are the same, and so what its independent sizes
are. Another network of the same structure has other sizes; that its steps are those of the first
one at these sizes is checked value by value, never assumed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from paceline.train.merging.axes import PRODUCT, SUM, AxisTable
from paceline.train.merging.flat_step import FlatEquation, FlatStep, flatten
from paceline.train.merging.layout import Layout
from paceline.train.merging.relations import RelatedStep, relate
from paceline.train.merging.rule import Axes
from paceline.train.traced_model import TracedModel

Sizes = tuple[int, ...]
"""The independent sizes of a network, in the order of `Structure.free_axes`."""


class CannotMerge(Exception):
    """The network cannot share a program with networks of other sizes; the message says why."""


@dataclass(frozen=True, eq=False)
class Structure:
    """A structure, known from the first of its networks.

    Attributes:
        traced: that network.
        table: the axes of all values of its steps.
        leaves: the axes of each leaf of its state.
        steps: its steps, by name.
    """

    traced: TracedModel
    table: AxisTable
    leaves: tuple[Axes, ...]
    steps: Mapping[str, RelatedStep]

    @classmethod
    def of(cls, traced: TracedModel) -> "Structure":
        """Relates the axes of a network's steps."""
        shapes = traced.shapes
        # the values are not needed, and would be kept as long as the structure
        state = [np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape) for leaf in traced.state]
        # nor is the model, of which a stream traces later parts
        traced = replace(traced, state=tuple(state), trace_later=None)
        table = AxisTable()
        leaves = tuple(table.news(shape) for shape in shapes)
        steps = {
            name: relate(flatten(part.code.body), leaves, table)
            for name, part in traced.parts.items()
        }
        return cls(traced, table, leaves, steps)

    @cached_property
    def free_axes(self) -> tuple[int, ...]:
        """The axes of their own of the state, whose sizes may differ, in order."""
        found = [own for axes in self.leaves for axis in axes for own in self.table.own_axes(axis)]
        return tuple(dict.fromkeys(found))

    @cached_property
    def own_sizes(self) -> Sizes:
        """The sizes of the first network."""
        return self.sizes(self.traced.shapes)

    def differing(self, sizes: Sizes) -> list[int]:
        """The places in which sizes differ from those of the first network."""
        pairs = zip(self.own_sizes, sizes, strict=True)
        return [i for i, (own, other) in enumerate(pairs) if own != other]

    @cached_property
    def fixed(self) -> Mapping[int, str]:
        """Why axes may not differ, by axis."""
        return self.table.fixed_reasons()

    def sizes(self, shapes: Sequence[Sequence[int]]) -> Sizes:
        """The independent sizes of a network.

        Args:
            shapes: of the leaves of its state.

        Raises:
            CannotMerge: they do not fit together.
        """
        if [len(shape) for shape in shapes] != [len(axes) for axes in self.leaves]:
            raise CannotMerge("its weights have other ranks")
        found: dict[int, int] = {}
        compositions: list[tuple[int, int]] = []
        for axes, shape in zip(self.leaves, shapes, strict=True):
            for axis, size in zip(axes, shape, strict=True):
                if self.table.composition(axis) is not None:
                    compositions.append((axis, size))
                elif found.setdefault(self.table.find(axis), size) != size:
                    raise CannotMerge("sizes that were equal in another network differ")
        for axis, size in compositions:
            self._solve(axis, size, found)
        return tuple(int(found[axis]) for axis in self.free_axes)

    def _solve(self, axis: int, size: int, found: dict[int, int]) -> None:
        """Finds the sizes of the parts of a product or a sum."""
        inner = self.table.composition(axis)
        if inner is None:
            if found.setdefault(self.table.find(axis), size) != size:
                raise CannotMerge("sizes that were equal in another network differ")
            return
        known = [self._known(part, found) for part in inner.parts]
        unknown = [i for i, value in enumerate(known) if value is None]
        if len({self.table.find(inner.parts[i]) for i in unknown}) > 1:
            # all but one of them are as in the first network: the channels of an image differ, not
            # its places; of the parts of a sum, such as those of a shifted axis, the largest
            places = [self.table.sizes[inner.parts[i]] for i in unknown]
            kept = len(places) - 1
            if inner.kind == SUM:
                kept = max(range(len(places)), key=lambda k: (places[k], k))
            for i in (*unknown[:kept], *unknown[kept + 1 :]):
                self._assume_own(inner.parts[i], found)
            known = [self._known(part, found) for part in inner.parts]
            unknown = [i for i, value in enumerate(known) if value is None]
        values = [value for value in known if value is not None]
        total = int(np.prod(values)) if inner.kind == PRODUCT else sum(values)
        if not unknown:
            if total != size:
                raise CannotMerge("sizes that were a product or a sum in another network are not")
            return
        count = len(unknown)
        rest = size / total if inner.kind == PRODUCT else (size - total) / count
        rest = round(rest ** (1 / count)) if inner.kind == PRODUCT else rest
        if rest != int(rest) or rest <= 0:
            raise CannotMerge("sizes that were a product or a sum in another network are not")
        self._solve(inner.parts[unknown[0]], int(rest), found)
        self._solve(axis, size, found)

    def _assume_own(self, axis: int, found: dict[int, int]) -> None:
        """Gives sizes that cannot be found from the state those of the first network."""
        for own in self.table.own_axes(axis):
            found.setdefault(own, self.table.sizes[own])

    def _known(self, axis: int, found: Mapping[int, int]) -> int | None:
        own = self.table.own_axes(axis)
        if any(each not in found and each in self.free_axes for each in own):
            return None
        sizes = {each: found.get(each, self.table.sizes[each]) for each in own}
        return int(Layout(self.table, sizes, sizes).size(axis))

    def layout(self, largest: Sizes, own: Any, ragged: Sequence[int]) -> Layout:
        """The layout of a network.

        Args:
            largest: the sizes of the program.
            own: the sizes of the network, or an int32 array of them.
            ragged: the places in ``free_axes`` that may differ.
        """
        axes = {self.free_axes[i]: i for i in ragged}
        return Layout(
            self.table,
            {axis: largest[i] for axis, i in axes.items()},
            {axis: own[i] for axis, i in axes.items()},
        )

    def check_differing(self, ragged: Sequence[int]) -> None:
        """Checks that axes may differ.

        Raises:
            CannotMerge: an operation needs one of them to be fixed.
        """
        for i in ragged:
            reason = self.fixed.get(self.free_axes[i])
            if reason is not None:
                raise CannotMerge(reason)

    def check(self, traced: TracedModel) -> dict[str, FlatStep]:
        """Checks that the steps of another network are those of this structure at its sizes.

        Returns:
            Its steps.

        Raises:
            CannotMerge: they are not.
        """
        return {name: self.check_part(name, traced) for name in self.steps}

    def check_part(self, name: str, traced: TracedModel) -> FlatStep:
        """The same for one of the steps."""
        sizes = self.sizes(traced.shapes)
        layout = self.layout(sizes, sizes, range(len(sizes)))
        ours, theirs = self.traced.parts[name], traced.parts[name]
        if (ours.code.structure, ours.log_names) != (theirs.code.structure, theirs.log_names):
            raise CannotMerge("its equations differ")
        step = flatten(theirs.code.body)
        _check_step(self.steps[name], step, layout)
        return step

    def only(self, name: str) -> "Structure":
        """The same structure with one of its steps."""
        return replace(self, traced=self.traced.only(name), steps={name: self.steps[name]})


def _check_step(related: RelatedStep, step: FlatStep, layout: Layout) -> None:
    """Checks shapes and parameters of a step, whose equations are known to be the same."""
    values = step.values
    if related.step.values != values:
        raise CannotMerge("its equations differ")
    for value in [*values, *(array.value for array in step.arrays)]:
        if layout.shape(related.axes[value]) != tuple(getattr(step.avals[value], "shape", ())):
            raise CannotMerge(f"a size{_layer_of(step, value)} does not follow from its weights")
    for ours, theirs in zip(related.step.arrays, step.arrays, strict=True):
        if ours.number is None and not _are_equal(ours.array, theirs.array):
            raise CannotMerge("an array that is a constant of the model differs")
    for first, second in zip(related.step.bodies, step.bodies, strict=True):
        for equation, other in zip(first.equations, second.equations, strict=True):
            _check_edges(related, equation, other, layout)


def _layer_of(step: FlatStep, value: int) -> str:
    """The layer that computes a value, as part of a message."""
    equations = (equation for body in step.bodies for equation in body.equations)
    layers = [equation.layer for equation in equations if value in equation.results]
    return f" in {layers[0]}" if layers and layers[0] else ""


def _check_edges(
    related: RelatedStep, ours: FlatEquation, theirs: FlatEquation, layout: Layout
) -> None:
    """Checks where slices begin, which shapes do not show."""
    if ours.name not in ("slice", "pad"):
        return
    kept = related.related[ours.results[0]]
    for edges, before, after in zip(kept, _edges(ours), _edges(theirs), strict=True):
        if edges == "fixed":
            is_same = before == after
        elif edges == "whole" or not layout.table.sizes[edges[0]]:
            is_same = after[0] == 0
        else:
            is_same = after[0] == layout.size(edges[0])
        if not is_same:
            where = f" in {ours.layer}" if ours.layer else ""
            raise CannotMerge(f"where a slice{where} begins does not follow from its weights")


def _edges(equation: FlatEquation) -> list[tuple[int, ...]]:
    """Where a slice begins and ends along each axis, or how an axis is padded."""
    if equation.name == "pad":
        return list(equation.params["padding_config"])
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    return list(zip(starts, limits, strict=True))


def _are_equal(a: Any, b: Any) -> bool:
    one, two = np.asarray(a), np.asarray(b)
    return one.shape == two.shape and one.tobytes() == two.tobytes()
