"""Analyses how the metrics of a step depend on the rows of its batch, from its jaxprs.

The step is traced for two batch sizes. An axis whose size differs counts rows, and a constant that
differs depends on the batch size. Both jaxprs are walked at once, with an abstract value for each
variable, see `paceline.train.row_dependence`. If each variable of a metric grows by a sum over
rows and no other variable changes, any division of the rows into batches gives the same metrics.

Unknown primitives and patterns count as a dependence: validation is then slower, never wrong.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from paceline.train.constant_folding import fold
from paceline.train.constant_lifting import INLINED, LiftedEquation, LiftedJaxpr, LiftedStep
from paceline.train.internals import Equation, Literal, scan_counts
from paceline.train.row_dependence import (
    FREE,
    MIXED,
    ROWS,
    UNCHANGED,
    UNCLEAR,
    AbstractValue,
    RowDependence,
    constants_of,
    degree_of,
    is_low_precision,
    linear_in_sums,
    rows_axis,
    same_parameters,
    shape_and_dtype,
    with_degree,
)
from paceline.train.rowwise import ELEMENTWISE, RowsAxis, keeps_rows_apart, sums_rows

_MAX_ITERATIONS = 4  # of the analysis of a loop, until its values no longer change


class NotAdditive(Exception):
    """Metrics may depend on how rows are divided into batches; the message says how."""


class RowAnalysis:
    """Walks both jaxprs at once.

    Attributes:
        used: numbers of the constants whose values were used.
    """

    def __init__(self, sizes: tuple[int, int]) -> None:
        self._sizes = sizes
        self._count = itertools.count()
        self.used: set[int] = set()

    def check(self, small: LiftedStep, large: LiftedStep, num_state: int, num_metrics: int) -> None:
        """Checks that the step's metrics are sums over rows.

        Args:
            small, large: the step traced for two batch sizes.
            num_state: number of arrays of the step's state, of which the metrics are the last.
            num_metrics: number of those that are metrics.

        Raises:
            NotAdditive: they are not, or it cannot be determined.
        """
        kept, jaxpr = num_state - num_metrics, large.body.jaxpr
        if any(
            new is not old
            for new, old in zip(jaxpr.outvars[:kept], jaxpr.invars[:kept], strict=True)
        ):
            raise NotAdditive(
                "validation changes its state (random numbers, counters or moving statistics)"
            )
        metrics = [self.new_metric(i) for i in range(num_metrics)]
        rows = [ROWS] * (len(jaxpr.invars) - num_state)
        outs = self.body(small.body, large.body, [*[FREE] * kept, *metrics, *rows])
        measured, logs = outs[kept:num_state], outs[num_state:]
        if any(value.metric != i for i, value in enumerate(measured)):
            raise NotAdditive("its loss or a metric may not be a sum over rows")
        final: frozenset[int] = frozenset().union(*(value.sources for value in measured))
        for value in logs:
            constant = value.kind is RowDependence.FREE and value.degree == 0
            if not constant and not (
                value.kind in (RowDependence.METRIC, RowDependence.RESULT)
                and value.sources <= final
            ):
                raise NotAdditive("it may report a measurement of the last batch only")

    def new_metric(self, number: int) -> AbstractValue:
        """A new value of the variable of a metric."""
        return AbstractValue(
            RowDependence.METRIC, metric=number, sources=frozenset([next(self._count)])
        )

    def body(
        self, small: LiftedJaxpr, large: LiftedJaxpr, args: Sequence[AbstractValue]
    ) -> list[AbstractValue]:
        """The abstract values of a jaxpr's results, given those of its inputs."""
        if [step.equation.primitive.name for step in small.equations] != [
            step.equation.primitive.name for step in large.equations
        ]:
            raise NotAdditive("its validation step differs between batch sizes")
        env: dict[Any, AbstractValue] = {}
        for i, number in enumerate(large.const_numbers):
            env[large.jaxpr.constvars[i]] = self._constant(small.consts[i], large.consts[i], number)
        for one, other, value in zip(small.jaxpr.invars, large.jaxpr.invars, args, strict=True):
            env[other] = self._with_axis(value, self._axis(one, other))

        def read(one: Any, other: Any, number: int | None) -> AbstractValue:
            if isinstance(other, Literal):
                return self._constant(one.val, other.val, number)
            return env[other]

        for steps in zip(small.equations, large.equations, strict=True):
            equation = steps[1].equation
            atoms = zip(steps[0].equation.invars, equation.invars, steps[1].numbers, strict=True)
            outs = self._equation(*steps, [read(*atom) for atom in atoms])
            env.update(zip(equation.outvars, outs, strict=True))
        outvars = zip(small.jaxpr.outvars, large.jaxpr.outvars, large.out_numbers, strict=True)
        return [read(*atom) for atom in outvars]

    # -- equations

    def _equation(
        self, small: LiftedEquation, large: LiftedEquation, values: Sequence[AbstractValue]
    ) -> list[AbstractValue]:
        """How the results of one operation depend on the rows of a batch."""
        equations, name = (small.equation, large.equation), large.equation.primitive.name
        if large.bodies:
            return self._with_bodies(small, large, values)
        axes = [
            self._axis(*pair)
            for pair in zip(*(equation.outvars for equation in equations), strict=True)
        ]
        if any(is_low_precision(var) for var in large.equation.outvars):
            raise NotAdditive("its precision is less than float32, so sums depend on their order")
        if name == "select_n" and values[0].known is not None and not np.ndim(values[0].known[0]):
            return [self._with_axis(self._selected(values), axes[0])]
        folded = self._folded(equations, values)
        if folded is not None:
            return [self._with_axis(folded, axes[0])]
        values = [self._without_constant(value) for value in values]
        kinds = {value.kind for value in values}
        has_rows = RowDependence.ROWS in kinds or any(axis is not None for axis in axes)
        same = (has_rows and name not in ELEMENTWISE) or same_parameters(small, large)
        if RowDependence.MIXED in kinds or "callback" in name or UNCLEAR in axes or not same:
            return [MIXED] * len(axes)
        if has_rows:
            found = self._of_rows(equations, values)
        elif kinds <= {RowDependence.FREE}:
            found = with_degree(RowDependence.FREE, degree_of(name, values))
        elif kinds <= {RowDependence.FREE, RowDependence.SUM}:
            found = linear_in_sums(large.equation, values)
        else:
            found = self._of_metrics(large.equation, values)
        return [found] * len(axes)

    def _of_rows(
        self, equations: Sequence[Equation], values: Sequence[AbstractValue]
    ) -> AbstractValue:
        """The result of an operation on rows: rows again, a sum over them, or neither."""
        degree = degree_of(equations[0].primitive.name, values)
        if (
            any(value.kind not in (RowDependence.ROWS, RowDependence.FREE) for value in values)
            or degree is None
        ):
            return MIXED
        places = self._with_axes(equations)
        if all(keeps_rows_apart(*place) for place in places):
            return AbstractValue(RowDependence.ROWS, degree)
        onto_nothing = equations[0].primitive.name != "scatter-add" or values[0].known == (0, 0)
        if onto_nothing and all(sums_rows(*place) for place in places):
            return AbstractValue(RowDependence.SUM, degree + 1)
        return MIXED

    def _of_metrics(self, equation: Equation, values: Sequence[AbstractValue]) -> AbstractValue:
        """The result of an operation on a metric's state: it may only grow by sums over rows."""
        name = equation.primitive.name
        old, others = values[0], values[1:]
        if name in ("add", "add_any") and old.kind is not RowDependence.METRIC:
            old, others = values[1], values[:1]
        grows = name in ("add", "add_any", "sub") and old.kind is RowDependence.METRIC
        if grows and all(
            v.kind in (RowDependence.FREE, RowDependence.SUM) and v.degree == 1 for v in others
        ):
            return self.new_metric(old.metric or 0)
        aval = equation.outvars[0].aval
        if name in UNCHANGED and (aval.shape, aval.dtype) == shape_and_dtype(equation.invars[0]):
            return old
        if any(value.kind is RowDependence.SUM or value.degree for value in values):
            return MIXED
        return AbstractValue(
            RowDependence.RESULT, sources=frozenset().union(*(value.sources for value in values))
        )

    # -- constants

    def _constant(self, small: Any, large: Any, number: int | None) -> AbstractValue:
        small, large = np.asarray(small), np.asarray(large)
        axis = rows_axis(small.shape, large.shape, self._sizes)
        equal = [
            value.size > 0 and bool((value == value.flat[0]).all()) for value in (small, large)
        ]
        if axis is not None and not all(equal):
            return MIXED
        known = (small.flat[0], large.flat[0]) if all(equal) else (small, large)
        return AbstractValue(
            RowDependence.FREE if axis is None else RowDependence.ROWS,
            known=known,
            constants=frozenset(() if number is None else (number,)),
        )

    def _folded(
        self, equations: Sequence[Equation], values: Sequence[AbstractValue]
    ) -> AbstractValue | None:
        """The result of constants alone; None if it is unknown."""
        known = [value.known for value in values if value.known is not None]
        if not known or len(known) < len(values):
            return None
        folded = tuple(
            fold(equation, [pair[i] for pair in known]) for i, equation in enumerate(equations)
        )
        if any(number is None for number in folded):
            return None
        return AbstractValue(
            RowDependence.FREE, known=(folded[0], folded[1]), constants=constants_of(values)
        )

    def _selected(self, values: Sequence[AbstractValue]) -> AbstractValue:
        """The selected one of several values, if constants alone select it."""
        which = values[0].known
        if which is None or which[0] != which[1]:
            return MIXED
        self.used |= values[0].constants
        return values[1 + int(which[0])]

    def _without_constant(self, value: AbstractValue) -> AbstractValue:
        """The value by its degree of growth in place of its known numbers."""
        if value.known is None:
            return value
        small, large = value.known
        if np.array_equal(small, large, equal_nan=True):
            return value
        if np.ndim(small) or np.ndim(large):
            return MIXED
        self.used |= value.constants
        ratio = self._sizes[1] / self._sizes[0]
        degrees = [
            d for d in (1, -1, 2, -2) if np.isclose(large, small * ratio**d, rtol=1e-6, atol=0.0)
        ]
        return replace(value, degree=degrees[0]) if degrees else MIXED

    # -- row axes

    def _axis(self, small: Any, large: Any) -> RowsAxis:
        return rows_axis(small.aval.shape, large.aval.shape, self._sizes)

    def _with_axes(
        self, equations: Sequence[Equation]
    ) -> list[tuple[Equation, list[RowsAxis], list[RowsAxis]]]:
        """Both equations with the row axes of their inputs and outputs."""
        small, large = equations
        ins = [
            rows_axis(shape_and_dtype(one)[0], shape_and_dtype(other)[0], self._sizes)
            for one, other in zip(small.invars, large.invars, strict=True)
        ]
        outs = [
            self._axis(one, other) for one, other in zip(small.outvars, large.outvars, strict=True)
        ]
        return [(equation, ins, outs) for equation in equations]

    def _with_axis(self, value: AbstractValue, axis: RowsAxis) -> AbstractValue:
        """The value of a variable with this row axis; it is ROWS exactly if there is one."""
        if axis == UNCLEAR or value.kind is RowDependence.MIXED:
            return MIXED
        if value.known is not None:
            return replace(value, kind=RowDependence.FREE if axis is None else RowDependence.ROWS)
        return value if (value.kind is RowDependence.ROWS) == (axis is not None) else MIXED

    # -- bodies

    def _with_bodies(
        self, small: LiftedEquation, large: LiftedEquation, values: Sequence[AbstractValue]
    ) -> list[AbstractValue]:
        name = large.equation.primitive.name
        if name in INLINED:
            return self.body(small.bodies[0], large.bodies[0], values)
        values = [
            replace(self._without_constant(value), known=None, constants=frozenset())
            for value in values
        ]
        outs = getattr(self, f"_{name}")(small, large, values)
        pairs = zip(small.equation.outvars, large.equation.outvars, strict=True)
        return [
            self._with_axis(out, self._axis(*pair)) for out, pair in zip(outs, pairs, strict=True)
        ]

    def _scan(
        self, small: LiftedEquation, large: LiftedEquation, values: Sequence[AbstractValue]
    ) -> list[AbstractValue]:
        params = large.equation.params
        num_consts, num_carry = scan_counts(params)
        consts, xs = list(values[:num_consts]), list(values[num_consts + num_carry :])
        if small.equation.params["length"] != params["length"]:
            return self._each_row(small, large, values)

        def once(carry: Sequence[AbstractValue]) -> list[AbstractValue]:
            return self.body(small.bodies[0], large.bodies[0], [*consts, *carry, *xs])

        return self._loop(once, values[num_consts:][:num_carry])

    def _each_row(
        self, small: LiftedEquation, large: LiftedEquation, values: Sequence[AbstractValue]
    ) -> list[AbstractValue]:
        """A scan over rows: no iteration may depend on another one."""
        params = large.equation.params
        axes = [
            axis for _, ins, _ in self._with_axes((small.equation, large.equation)) for axis in ins
        ]
        lengths = (small.equation.params["length"], params["length"])
        _, num_carry = scan_counts(params)
        by_row = (
            all(axis in (None, 0) for axis in axes) and lengths == self._sizes and num_carry == 0
        )
        if not by_row or any(
            value.kind not in (RowDependence.FREE, RowDependence.ROWS) or value.degree
            for value in values
        ):
            return [MIXED] * len(large.equation.outvars)
        outs = self.body(small.bodies[0], large.bodies[0], [FREE] * len(values))
        settled = [self._without_constant(out) for out in outs]
        return [
            ROWS if out.kind is RowDependence.FREE and not out.degree else MIXED for out in settled
        ]

    def _while(
        self, small: LiftedEquation, large: LiftedEquation, values: Sequence[AbstractValue]
    ) -> list[AbstractValue]:
        """The results of a loop whose condition does not depend on the rows."""
        params = large.equation.params
        num_cond, num_body = params["cond_nconsts"], params["body_nconsts"]
        cond_consts, body_consts, init = (
            values[:num_cond],
            values[num_cond:][:num_body],
            values[num_cond + num_body :],
        )

        def once(carry: Sequence[AbstractValue]) -> list[AbstractValue]:
            condition = self.body(small.bodies[1], large.bodies[1], [*cond_consts, *carry])[0]
            if self._without_constant(condition).kind is not RowDependence.FREE:
                return [MIXED] * len(carry)
            return self.body(small.bodies[0], large.bodies[0], [*body_consts, *carry])

        return self._loop(once, init)

    def _cond(
        self, small: LiftedEquation, large: LiftedEquation, values: Sequence[AbstractValue]
    ) -> list[AbstractValue]:
        if values[0].kind is not RowDependence.FREE or values[0].degree:
            return [MIXED] * len(large.equation.outvars)
        branches = zip(small.bodies, large.bodies, strict=True)
        outs = [self.body(one, other, values[1:]) for one, other in branches]
        return [self._join(same) for same in zip(*outs, strict=True)]

    def _loop(
        self,
        once: Callable[[Sequence[AbstractValue]], list[AbstractValue]],
        init: Sequence[AbstractValue],
    ) -> list[AbstractValue]:
        """The values after any number of iterations: those carried, then the stacked outputs."""
        carry = list(init)
        for _ in range(_MAX_ITERATIONS):
            outs = [
                replace(self._without_constant(out), known=None, constants=frozenset())
                for out in once(carry)
            ]
            joined = [self._join(pair) for pair in zip(carry, outs[: len(carry)], strict=True)]
            if joined == carry:
                return [*carry, *outs[len(carry) :]]
            carry = joined
        return [MIXED] * len(outs)

    def _join(self, values: Sequence[AbstractValue]) -> AbstractValue:
        """The abstract value of a value that is one of these."""
        settled = [
            replace(self._without_constant(value), known=None, constants=frozenset())
            for value in values
        ]
        first = settled[0]
        if all(value == first for value in settled):
            return first
        kinds, degrees = {value.kind for value in settled}, {value.degree for value in settled}
        if kinds == {RowDependence.FREE, RowDependence.SUM} and len(degrees) == 1:
            return AbstractValue(RowDependence.SUM, first.degree)
        return MIXED
