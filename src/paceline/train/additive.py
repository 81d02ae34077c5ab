"""Whether what a test step measures is a sum over rows: then the size of its batches makes no
difference.

The step is traced at two batch sizes. An axis whose size differs counts rows, a constant that
differs comes from the batch size. Both jaxprs are walked at once, and of every value it is found
how it depends on the rows of the batch, see `paceline.train.dependence`. If every variable of a
metric grows by a sum over rows, and no other variable changes, any division of the rows into
batches ends with the same metrics.

Primitives and ways to compute that are not known here count as an objection: validation is then
slower, never wrong.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paceline.train.anatomy import INLINED, Anatomy, Body, Step
from paceline.train.dependence import (
    FREE,
    MIXED,
    ROWS,
    UNCHANGED,
    UNCLEAR,
    Kind,
    Value,
    degree_of,
    differing,
    form,
    graded,
    is_coarse,
    of_sums,
    same_parameters,
    slots_of,
)
from paceline.train.folding import fold
from paceline.train.internals import Equation, Literal, scan_counts
from paceline.train.rowwise import ELEMENTWISE, Axis, keeps_rows_apart, sums_rows

_MOST_ROUNDS = 4  # of a loop, until what is known of its values changes no more


class NotAdditive(Exception):
    """What is measured may depend on how rows are divided into batches; the message says how."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What was found of a step, and the constants that decided it.

    Attributes:
        objection: empty where there is none.
        slots: numbers of the constants whose values were looked at.
        constants: all constants, at both sizes.
    """

    objection: str
    slots: list[int]
    constants: tuple[np.ndarray, np.ndarray]

    def holds_for(self, small: Anatomy, large: Anatomy) -> bool:
        """Whether another step with the same digests has the same constants wherever it
        mattered.
        """
        differs = _differs(small.constants, large.constants)
        if not np.array_equal(differs, _differs(*self.constants)):
            return False
        differs[self.slots] = True
        pairs = zip((small, large), self.constants, strict=True)
        return all(not _differs(one.constants, known)[differs].any() for one, known in pairs)


def _differs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray((one != other) & ~(np.isnan(one) & np.isnan(other)))


_verdicts: dict[tuple[object, ...], list[_Verdict]] = {}


def objection(
    small: Anatomy, large: Anatomy, sizes: tuple[int, int], num_state: int, num_metrics: int
) -> str:
    """Why a test step has to be run in batches of one size and no other; empty where that makes no
    difference.

    What is found of a step is remembered, so that others of the same program need no second walk.

    Args:
        small, large: the step traced at two batch sizes.
        sizes: the two sizes.
        num_state: how many arrays the step's state has, the metrics' variables being the last of
            them.
        num_metrics: how many of these are the metrics'.
    """
    known = _verdicts.setdefault((small.digest, large.digest, sizes, num_state, num_metrics), [])
    for verdict in known:
        if verdict.holds_for(small, large):
            return verdict.objection
    walk, why = _Walk(sizes), ""
    try:
        walk.check(small, large, num_state, num_metrics)
    except NotAdditive as error:
        why = str(error)
    known.append(_Verdict(why, sorted(walk.used), (small.constants, large.constants)))
    return why


class _Walk:
    """The walk through both jaxprs at once; ``used`` gathers the constants whose values were looked
    at.
    """

    def __init__(self, sizes: tuple[int, int]) -> None:
        self._sizes = sizes
        self._count = itertools.count()
        self.used: set[int] = set()

    def check(self, small: Anatomy, large: Anatomy, num_state: int, num_metrics: int) -> None:
        """Makes sure that a step's metrics are sums over rows; arguments as of `objection`.

        Raises:
            NotAdditive: they are not, or it cannot be told.
        """
        kept, jaxpr = num_state - num_metrics, large.body.jaxpr
        if any(
            new is not old
            for new, old in zip(jaxpr.outvars[:kept], jaxpr.invars[:kept], strict=True)
        ):
            raise NotAdditive(
                "validation changes its state (random numbers, counters or moving statistics)"
            )
        metrics = [self.metric(i) for i in range(num_metrics)]
        rows = [ROWS] * (len(jaxpr.invars) - num_state)
        outs = self.body(small.body, large.body, [*[FREE] * kept, *metrics, *rows])
        measured, logs = outs[kept:num_state], outs[num_state:]
        if any(value.metric != i for i, value in enumerate(measured)):
            raise NotAdditive("its loss or a metric may be no sum over rows")
        final: frozenset[int] = frozenset().union(*(value.sources for value in measured))
        for value in logs:
            constant = value.kind is Kind.FREE and value.degree == 0
            if not constant and not (
                value.kind in (Kind.METRIC, Kind.RESULT) and value.sources <= final
            ):
                raise NotAdditive("it may report what it measured of the last batch only")

    def metric(self, number: int) -> Value:
        """A new value of a metric's variable."""
        return Value(Kind.METRIC, metric=number, sources=frozenset([next(self._count)]))

    def body(self, small: Body, large: Body, args: Sequence[Value]) -> list[Value]:
        """What is known of the results of a jaxpr, given what is known of its inputs."""
        if [step.equation.primitive.name for step in small.steps] != [
            step.equation.primitive.name for step in large.steps
        ]:
            raise NotAdditive("its test step is another program at another batch size")
        env: dict[Any, Value] = {}
        for i, slot in enumerate(large.const_slots):
            env[large.jaxpr.constvars[i]] = self._constant(small.consts[i], large.consts[i], slot)
        for one, other, value in zip(small.jaxpr.invars, large.jaxpr.invars, args, strict=True):
            env[other] = self._placed(value, self._axis(one, other))

        def read(one: Any, other: Any, slot: int | None) -> Value:
            return (
                self._constant(one.val, other.val, slot)
                if isinstance(other, Literal)
                else env[other]
            )

        for steps in zip(small.steps, large.steps, strict=True):
            equation = steps[1].equation
            atoms = zip(steps[0].equation.invars, equation.invars, steps[1].slots, strict=True)
            outs = self._step(*steps, [read(*atom) for atom in atoms])
            env.update(zip(equation.outvars, outs, strict=True))
        outvars = zip(small.jaxpr.outvars, large.jaxpr.outvars, large.out_slots, strict=True)
        return [read(*atom) for atom in outvars]

    # -- one equation

    def _step(self, small: Step, large: Step, values: Sequence[Value]) -> list[Value]:
        equations, name = (small.equation, large.equation), large.equation.primitive.name
        if large.bodies:
            return self._with_bodies(small, large, values)
        axes = [
            self._axis(*pair)
            for pair in zip(*(equation.outvars for equation in equations), strict=True)
        ]
        if any(is_coarse(var) for var in large.equation.outvars):
            raise NotAdditive("it computes in less than float32, where sums depend on their order")
        if name == "select_n" and values[0].known is not None and not np.ndim(values[0].known[0]):
            return [self._placed(self._selected(values), axes[0])]
        folded = self._folded(equations, values)
        if folded is not None:
            return [self._placed(folded, axes[0])]
        values = [self._settled(value) for value in values]
        kinds = {value.kind for value in values}
        has_rows = Kind.ROWS in kinds or any(axis is not None for axis in axes)
        same = (has_rows and name not in ELEMENTWISE) or same_parameters(small, large)
        if Kind.MIXED in kinds or "callback" in name or UNCLEAR in axes or not same:
            return [MIXED] * len(axes)
        if has_rows:
            found = self._of_rows(equations, values)
        elif kinds <= {Kind.FREE}:
            found = graded(Kind.FREE, degree_of(name, values))
        elif kinds <= {Kind.FREE, Kind.SUM}:
            found = of_sums(large.equation, values)
        else:
            found = self._of_metrics(large.equation, values)
        return [found] * len(axes)

    def _of_rows(self, equations: Sequence[Equation], values: Sequence[Value]) -> Value:
        degree = degree_of(equations[0].primitive.name, values)
        if any(value.kind not in (Kind.ROWS, Kind.FREE) for value in values) or degree is None:
            return MIXED
        places = self._places(equations)
        if all(keeps_rows_apart(*place) for place in places):
            return Value(Kind.ROWS, degree)
        onto_nothing = equations[0].primitive.name != "scatter-add" or values[0].known == (0, 0)
        if onto_nothing and all(sums_rows(*place) for place in places):
            return Value(Kind.SUM, degree + 1)
        return MIXED

    def _of_metrics(self, equation: Equation, values: Sequence[Value]) -> Value:
        name = equation.primitive.name
        old, others = values[0], values[1:]
        if name in ("add", "add_any") and old.kind is not Kind.METRIC:
            old, others = values[1], values[:1]
        grows = name in ("add", "add_any", "sub") and old.kind is Kind.METRIC
        if grows and all(v.kind in (Kind.FREE, Kind.SUM) and v.degree == 1 for v in others):
            return self.metric(old.metric or 0)
        aval = equation.outvars[0].aval
        if name in UNCHANGED and (aval.shape, aval.dtype) == form(equation.invars[0]):
            return old
        if any(value.kind is Kind.SUM or value.degree for value in values):
            return MIXED
        return Value(Kind.RESULT, sources=frozenset().union(*(value.sources for value in values)))

    # -- constants

    def _constant(self, small: Any, large: Any, slot: int | None) -> Value:
        small, large = np.asarray(small), np.asarray(large)
        axis = differing(small.shape, large.shape, self._sizes)
        equal = [
            value.size > 0 and bool((value == value.flat[0]).all()) for value in (small, large)
        ]
        if axis is not None and not all(equal):
            return MIXED
        known = (small.flat[0], large.flat[0]) if all(equal) else (small, large)
        return Value(
            Kind.FREE if axis is None else Kind.ROWS,
            known=known,
            slots=frozenset(() if slot is None else (slot,)),
        )

    def _folded(self, equations: Sequence[Equation], values: Sequence[Value]) -> Value | None:
        """What constants alone decide; None where it is not known."""
        known = [value.known for value in values if value.known is not None]
        if not known or len(known) < len(values):
            return None
        folded = tuple(
            fold(equation, [pair[i] for pair in known]) for i, equation in enumerate(equations)
        )
        if any(number is None for number in folded):
            return None
        return Value(Kind.FREE, known=(folded[0], folded[1]), slots=slots_of(values))

    def _selected(self, values: Sequence[Value]) -> Value:
        """The chosen one of some values, where constants alone choose."""
        which = values[0].known
        if which is None or which[0] != which[1]:
            return MIXED
        self.used |= values[0].slots
        return values[1 + int(which[0])]

    def _settled(self, value: Value) -> Value:
        """A value of which not the number but its growth is asked."""
        if value.known is None:
            return value
        small, large = value.known
        if np.array_equal(small, large, equal_nan=True):
            return value
        if np.ndim(small) or np.ndim(large):
            return MIXED
        self.used |= value.slots
        ratio = self._sizes[1] / self._sizes[0]
        degrees = [
            d for d in (1, -1, 2, -2) if np.isclose(large, small * ratio**d, rtol=1e-6, atol=0.0)
        ]
        return replace(value, degree=degrees[0]) if degrees else MIXED

    # -- places

    def _axis(self, small: Any, large: Any) -> Axis:
        return differing(small.aval.shape, large.aval.shape, self._sizes)

    def _places(
        self, equations: Sequence[Equation]
    ) -> list[tuple[Equation, list[Axis], list[Axis]]]:
        """Both equations with the rows axes of their inputs and outputs."""
        small, large = equations
        ins = [
            differing(form(one)[0], form(other)[0], self._sizes)
            for one, other in zip(small.invars, large.invars, strict=True)
        ]
        outs = [
            self._axis(one, other) for one, other in zip(small.outvars, large.outvars, strict=True)
        ]
        return [(equation, ins, outs) for equation in equations]

    def _placed(self, value: Value, axis: Axis) -> Value:
        """A value in a variable with this rows axis: it is row-wise exactly where there is one."""
        if axis == UNCLEAR or value.kind is Kind.MIXED:
            return MIXED
        if value.known is not None:
            return replace(value, kind=Kind.FREE if axis is None else Kind.ROWS)
        return value if (value.kind is Kind.ROWS) == (axis is not None) else MIXED

    # -- bodies

    def _with_bodies(self, small: Step, large: Step, values: Sequence[Value]) -> list[Value]:
        name = large.equation.primitive.name
        if name in INLINED:
            return self.body(small.bodies[0], large.bodies[0], values)
        values = [replace(self._settled(value), known=None, slots=frozenset()) for value in values]
        outs = getattr(self, f"_{name}")(small, large, values)
        pairs = zip(small.equation.outvars, large.equation.outvars, strict=True)
        return [self._placed(out, self._axis(*pair)) for out, pair in zip(outs, pairs, strict=True)]

    def _scan(self, small: Step, large: Step, values: Sequence[Value]) -> list[Value]:
        params = large.equation.params
        num_consts, num_carry = scan_counts(params)
        consts, xs = list(values[:num_consts]), list(values[num_consts + num_carry :])
        if small.equation.params["length"] != params["length"]:
            return self._each_row(small, large, values)

        def once(carry: Sequence[Value]) -> list[Value]:
            return self.body(small.bodies[0], large.bodies[0], [*consts, *carry, *xs])

        return self._repeated(once, values[num_consts:][:num_carry])

    def _each_row(self, small: Step, large: Step, values: Sequence[Value]) -> list[Value]:
        """A scan whose iterations are the rows: nothing may go from one to the next."""
        params = large.equation.params
        axes = [
            axis for _, ins, _ in self._places((small.equation, large.equation)) for axis in ins
        ]
        lengths = (small.equation.params["length"], params["length"])
        _, num_carry = scan_counts(params)
        by_row = (
            all(axis in (None, 0) for axis in axes) and lengths == self._sizes and num_carry == 0
        )
        if not by_row or any(
            value.kind not in (Kind.FREE, Kind.ROWS) or value.degree for value in values
        ):
            return [MIXED] * len(large.equation.outvars)
        outs = self.body(small.bodies[0], large.bodies[0], [FREE] * len(values))
        settled = [self._settled(out) for out in outs]
        return [ROWS if out.kind is Kind.FREE and not out.degree else MIXED for out in settled]

    def _while(self, small: Step, large: Step, values: Sequence[Value]) -> list[Value]:
        params = large.equation.params
        num_cond, num_body = params["cond_nconsts"], params["body_nconsts"]
        cond_consts, body_consts, init = (
            values[:num_cond],
            values[num_cond:][:num_body],
            values[num_cond + num_body :],
        )

        def once(carry: Sequence[Value]) -> list[Value]:
            goes_on = self.body(small.bodies[1], large.bodies[1], [*cond_consts, *carry])[0]
            if self._settled(goes_on).kind is not Kind.FREE:
                return [MIXED] * len(carry)
            return self.body(small.bodies[0], large.bodies[0], [*body_consts, *carry])

        return self._repeated(once, init)

    def _cond(self, small: Step, large: Step, values: Sequence[Value]) -> list[Value]:
        if values[0].kind is not Kind.FREE or values[0].degree:
            return [MIXED] * len(large.equation.outvars)
        branches = zip(small.bodies, large.bodies, strict=True)
        outs = [self.body(one, other, values[1:]) for one, other in branches]
        return [self._joined(same) for same in zip(*outs, strict=True)]

    def _repeated(
        self, once: Callable[[Sequence[Value]], list[Value]], init: Sequence[Value]
    ) -> list[Value]:
        """What is known after any number of iterations, of what is carried and of what each gives
        besides.
        """
        carry = list(init)
        for _ in range(_MOST_ROUNDS):
            outs = [
                replace(self._settled(out), known=None, slots=frozenset()) for out in once(carry)
            ]
            joined = [self._joined(pair) for pair in zip(carry, outs[: len(carry)], strict=True)]
            if joined == carry:
                return [*carry, *outs[len(carry) :]]
            carry = joined
        return [MIXED] * len(outs)

    def _joined(self, values: Sequence[Value]) -> Value:
        """What is known of a value that is one of these."""
        settled = [replace(self._settled(value), known=None, slots=frozenset()) for value in values]
        first = settled[0]
        if all(value == first for value in settled):
            return first
        kinds, degrees = {value.kind for value in settled}, {value.degree for value in settled}
        return (
            Value(Kind.SUM, first.degree)
            if kinds == {Kind.FREE, Kind.SUM} and len(degrees) == 1
            else MIXED
        )
